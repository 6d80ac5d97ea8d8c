//! How registries are connected to: whom to trust, where to be sent on to.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};

use super::reason;
use crate::error::GatewayError;

const USER_AGENT: &str = concat!("apa/", env!("CARGO_PKG_VERSION"));
const REDIRECTS: usize = 5;
/// Longest a whole download may take, in units of the time-out for a sign of life.
const DEADLINE_FACTOR: u32 = 10;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) struct Clients {
    pub(super) metadata: Client,
    /// For files with a stated digest.
    pub(super) files: Client,
    /// For files without.
    pub(super) files_within_site: Client,
}

impl Clients {
    /// `timeout`: how long a registry may be silent.
    pub(super) fn new(timeout: Duration) -> Result<Self, GatewayError> {
        let tls = tls_config()?;
        let builder = || {
            Client::builder()
                .user_agent(USER_AGENT)
                .tls_backend_preconfigured(tls.clone())
                .connect_timeout(timeout.min(CONNECT))
                .read_timeout(timeout)
                .timeout(timeout * DEADLINE_FACTOR)
        };
        let build = |builder: reqwest::ClientBuilder| {
            let client = builder.build();
            client.map_err(|error| GatewayError::Client(reason(&error)))
        };
        // A file's digest is that of the bytes as they are sent.
        Ok(Self {
            metadata: build(builder().redirect(redirect::Policy::custom(within_host)))?,
            files: build(
                builder()
                    .no_gzip()
                    .redirect(redirect::Policy::custom(no_downgrade)),
            )?,
            files_within_site: build(
                builder()
                    .no_gzip()
                    .redirect(redirect::Policy::custom(within_site)),
            )?,
        })
    }
}

/// Trusts the machine's own root certificates (or those of `SSL_CERT_FILE`); none are compiled in.
fn tls_config() -> Result<rustls::ClientConfig, GatewayError> {
    let mut roots = rustls::RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(loaded.certs);
    for error in &loaded.errors {
        tracing::warn!(%error, "a root certificate was not loaded");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| GatewayError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Metadata decides what is trusted: it may not come from elsewhere.
fn within_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from = attempt.previous().first();
    let same = from.is_some_and(|from| {
        (from.host_str(), from.port_or_known_default())
            == (
                attempt.url().host_str(),
                attempt.url().port_or_known_default(),
            )
    });
    if same {
        no_downgrade(attempt)
    } else {
        attempt.error("redirected to another host")
    }
}

/// Without a digest only the host that the metadata names is believed, and others of its site: code hosts pack
/// archives on a machine of their own (`api.host.example` sends on to `packs.host.example`).
fn within_site(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from = attempt.previous().first().and_then(reqwest::Url::domain);
    let to = attempt.url().domain();
    let same = from.zip(to).is_some_and(|(from, to)| same_site(from, to));
    if same && attempt.url().scheme() == "https" {
        no_downgrade(attempt)
    } else {
        within_host(attempt)
    }
}

/// Whether two host names end in the same two parts.
fn same_site(a: &str, b: &str) -> bool {
    let site = |host: &str| -> Option<String> {
        let mut parts = host.trim_end_matches('.').rsplit('.');
        let (last, before) = (parts.next()?, parts.next()?);
        Some(format!("{before}.{last}").to_ascii_lowercase())
    };
    site(a).is_some_and(|a| site(b) == Some(a))
}

/// Files may come from elsewhere, as their digest decides; but not over a weaker channel.
fn no_downgrade(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
    if attempt.previous().len() > REDIRECTS {
        attempt.error("redirected too often")
    } else if secure && attempt.url().scheme() != "https" {
        attempt.error("redirected from https to an unprotected address")
    } else {
        attempt.follow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_site_share_the_end_of_their_names() {
        assert!(same_site("api.host.example", "packs.Host.example"));
        assert!(same_site("host.example", "packs.host.example"));
        for (a, b) in [
            ("host.example", "host.test"),
            ("localhost", "localhost"),
            ("a.example", "b.example"),
        ] {
            assert!(!same_site(a, b), "{a} {b}");
        }
    }
}

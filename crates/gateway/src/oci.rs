//! A registry of OCI images: manifests and blobs by digest, with an anonymous token where one is asked for.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::error::GatewayError;
use crate::integrity::sha256;
use crate::upstream;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";
/// Largest manifest, bytes.
const MANIFEST_BYTES: u64 = 4 << 20;
/// Largest layer, packed, bytes.
const BLOB_BYTES: u64 = 1 << 30;
/// How long the registry may be silent.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One repository of an image registry.
pub struct OciRepository {
    base: Url,
    name: String,
    client: Client,
    token: OnceCell<String>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl OciRepository {
    /// The repository `name` of the registry at `base`.
    ///
    /// # Errors
    /// When the network client cannot be set up.
    pub fn new(base: Url, name: &str) -> Result<Self, GatewayError> {
        Ok(Self {
            base,
            name: name.to_owned(),
            client: upstream::file_client(TIMEOUT)?,
            token: OnceCell::new(),
        })
    }

    /// A manifest or index by tag or digest.
    ///
    /// # Errors
    /// When there is none, the registry does not answer, or it is not the one of that digest.
    pub async fn manifest(&self, reference: &str) -> Result<Bytes, GatewayError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let body = self.get(&url, MANIFESTS, MANIFEST_BYTES).await?;
        checked(reference, body)
    }

    /// A blob by digest.
    ///
    /// # Errors
    /// As [`OciRepository::manifest`].
    pub async fn blob(&self, digest: &str) -> Result<Bytes, GatewayError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let body = self.get(&url, "*/*", BLOB_BYTES).await?;
        checked(digest, body)
    }

    fn url(&self, path: &str) -> Result<Url, GatewayError> {
        let path = format!("/v2/{}/{path}", self.name);
        self.base
            .join(&path)
            .map_err(|_| GatewayError::Url(path.into()))
    }

    async fn get(&self, url: &Url, accept: &str, limit: u64) -> Result<Bytes, GatewayError> {
        let mut answer = self.ask(url, accept).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && self.token.get().is_none() {
            let challenge = answer.headers().get(WWW_AUTHENTICATE);
            let challenge = challenge
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            let token = self.ask_token(url, &challenge.unwrap_or_default()).await?;
            // Another request may have set it meanwhile; either will do.
            let _ = self.token.set(token);
            answer = self.ask(url, accept).await?;
        }
        if !answer.status().is_success() {
            return Err(GatewayError::Status {
                registry: upstream::registry(url),
                status: answer.status().as_u16(),
                what: url.path().into(),
            });
        }
        bounded(url, answer, limit).await
    }

    async fn ask(&self, url: &Url, accept: &str) -> Result<Response, GatewayError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT, accept);
        if let Some(token) = self.token.get() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = request.send().await;
        answer.map_err(|error| upstream::unreachable(url, &error))
    }

    /// Asks for a token where the challenge says, for pulling from this repository and nothing else.
    async fn ask_token(&self, url: &Url, challenge: &str) -> Result<String, GatewayError> {
        let refused = || GatewayError::Status {
            registry: upstream::registry(url),
            status: 401,
            what: url.path().into(),
        };
        let realm = parameter(challenge, "realm").ok_or_else(refused)?;
        let mut realm = Url::parse(realm).map_err(|_| refused())?;
        let weaker = url.scheme() == "https" && realm.scheme() != "https";
        if weaker || !matches!(realm.scheme(), "http" | "https") {
            return Err(refused());
        }
        let scope = format!("repository:{}:pull", self.name);
        realm.query_pairs_mut().append_pair("scope", &scope);
        if let Some(service) = parameter(challenge, "service") {
            realm.query_pairs_mut().append_pair("service", service);
        }
        let answer = self.client.get(realm.clone()).send().await;
        let answer = answer.map_err(|error| upstream::unreachable(&realm, &error))?;
        let body = bounded(&realm, answer, MANIFEST_BYTES).await?;
        let token: Token = serde_json::from_slice(&body).map_err(|_| refused())?;
        Ok(token.token)
    }
}

/// The value of `name="value"` in a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let parameters = challenge.strip_prefix("Bearer ")?;
    let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

async fn bounded(url: &Url, mut answer: Response, limit: u64) -> Result<Bytes, GatewayError> {
    let mut body = BytesMut::new();
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| upstream::unreachable(url, &error))?;
        let Some(chunk) = chunk else {
            return Ok(body.freeze());
        };
        if body.len() as u64 + chunk.len() as u64 > limit {
            return Err(GatewayError::TooLarge {
                what: url.path().into(),
                limit,
            });
        }
        body.extend_from_slice(&chunk);
    }
}

fn checked(reference: &str, body: Bytes) -> Result<Bytes, GatewayError> {
    let got = format!("sha256:{}", sha256(&body));
    if reference.starts_with("sha256:") && reference != got {
        return Err(GatewayError::Integrity {
            what: "a part of the image".into(),
            expected: reference.to_owned(),
            got,
        });
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_where_tokens_are() {
        let challenge = r#"Bearer realm="https://auth.test/token",service="registry.test""#;
        assert_eq!(
            parameter(challenge, "realm"),
            Some("https://auth.test/token")
        );
        assert_eq!(parameter(challenge, "service"), Some("registry.test"));
        assert_eq!(parameter("Basic realm=\"x\"", "realm"), None);
    }
}

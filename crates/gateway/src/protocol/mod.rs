//! What differs between registry protocols: one folder each, one trait.
//!
//! A protocol answers the clients inside a sandbox. It takes paths apart by grammar, asks the [`Desk`] whether a
//! name may be asked for, fetches documents and files through the gateway, and says which further names the
//! served metadata depends on. Nothing else of a request goes further.

mod apk;
mod cargo;
mod composer;
mod gem;
pub mod maven;
mod npm;
mod prepared;
mod pypi;

use std::future::Future;
use std::pin::Pin;

use apa_model::Ecosystem;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Method};

use crate::serve::{Answer, Desk};

pub use composer::ComposerVersion;
pub use gem::GemVersion;

/// What an asynchronous method of a trait object gives.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One registry protocol, at work for one sandbox.
pub(crate) trait Protocol: Send + Sync {
    /// Answers a request that changes nothing: one that reads, or one that [`Protocol::is_question`].
    fn answer<'a>(&'a self, desk: &'a Desk, asked: &'a Asked<'a>) -> BoxFuture<'a, Answer>;

    /// Whether a request that does not read merely asks (npm's audit is sent by POST).
    fn is_question(&self, _method: &Method, _path: &str) -> bool {
        false
    }

    /// Whether a request that reads asks for the account in use.
    fn is_about_account(&self, _path: &str) -> bool {
        false
    }

    /// Names that every install may ask for.
    fn builders(&self) -> &'static [&'static str] {
        &[]
    }

    /// Takes in what is known of the roots before anything is served: the client may install what is analysed from
    /// a file, and never ask for its metadata.
    fn seed<'a>(&'a self, _desk: &'a Desk) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

/// A request, below the root of its protocol.
pub(crate) struct Asked<'a> {
    /// Decoded path after `/npm/`, `/pypi/`, …; no query.
    pub(crate) path: &'a str,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// Whether an answer of this type would be taken.
    pub(crate) fn accepts(&self, kind: &str) -> bool {
        self.headers
            .get_all(ACCEPT)
            .iter()
            .any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
    }
}

/// The protocol of an ecosystem, for one sandbox.
pub(crate) fn protocol(ecosystem: Ecosystem) -> Option<Box<dyn Protocol>> {
    match ecosystem {
        Ecosystem::Npm => Some(Box::new(npm::Npm::default())),
        Ecosystem::Pypi => Some(Box::new(pypi::Pypi::default())),
        Ecosystem::Gem => Some(Box::new(gem::Gem::default())),
        Ecosystem::Cargo => Some(Box::new(cargo::Cargo::default())),
        Ecosystem::Maven => Some(Box::new(maven::Maven)),
        Ecosystem::Composer => Some(Box::new(composer::Composer::default())),
        Ecosystem::Apk => Some(Box::new(apk::Apk::default())),
    }
}

/// Whether a path segment names a file and nothing else.
pub(crate) fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+!".contains(&byte))
}

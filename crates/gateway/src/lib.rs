//! The registry gateway: the only way to a registry.
//!
//! [`Gateway`] fetches and records; what was recorded can be replayed with the network off. [`Gateway::serve`]
//! lets a sandbox's package manager install through it: only names in the dependency closure of what is
//! analysed (plus a budget), only reading, and no byte of the sandbox's requests goes further than a checked
//! name. [`fixture`] is a registry for tests.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cache;
mod closure;
mod error;
pub mod fixture;
mod gateway;
mod integrity;
mod oci;
mod protocol;
mod rewrite;
mod serve;
mod sync;
mod upstream;

pub use error::GatewayError;
pub use gateway::{Document, Gateway, GatewayConfig, Until, Upstream};
pub use integrity::Integrity;
pub use oci::OciRepository;
pub use protocol::maven;
pub use protocol::{ComposerVersion, GemVersion};
/// The address type of this crate's interface.
pub use reqwest::Url;
pub use serve::{
    AccountAnswer, AccountRequest, Accounts, ServePolicy, ServedRequest, Serving, Witness,
};

//! Everything that differs between package ecosystems, one folder each: which registry, which version and
//! files, what a file is, how it is installed, imported and executed, and what its manifest says.
//!
//! An [`Adapter`] never runs package code and never talks to a registry other than through the gateway. It
//! describes, as an [`apa_model::Plan`], what is to be run in the sandbox.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod adapter;
mod apk;
mod cargo;
mod composer;
mod error;
mod gem;
mod host;
mod maven;
mod memo;
mod npm;
mod pack;
mod pypi;
mod recipe;
mod release;
mod text;
mod yaml;

pub use adapter::{
    Adapter, BoxFuture, Companion, Empty, GuestView, Identity, PlanInput, Provided, Provision,
    ProvisionInput, RegistryOverrides, adapter, adapters,
};
pub use apk::{System, system};
pub use error::EcosystemError;
pub use release::{Release, ReleaseFile};

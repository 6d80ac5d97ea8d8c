//! Root file systems for sandboxes, kept in a folder by digest: built once, shown read-only to many runs at once.
//!
//! Nothing of an image is run while it is built, and no link in it is followed out of it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod apk;
mod debian;
mod error;
mod folder;
mod oci;
mod reference;
mod registry;
mod root;
mod store;

pub use debian::TOOLCHAINS;
pub use error::ImageError;
pub use reference::ImageRef;
pub use registry::Reference;
pub use store::{Images, Kept};

//! Root file systems, as lists of things to make.

mod authority;
mod host;
mod java;
mod local;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use host::{AUTHORITY, CA_BUNDLE, HOST_BUNDLES, host};

/// One thing to make in the root file system, in order. Paths are absolute inside the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Node {
    Dir {
        path: String,
        mode: u32,
        owner: Who,
    },
    File {
        path: String,
        mode: u32,
        owner: Who,
        content: Content,
    },
    Link {
        path: String,
        target: String,
    },
    /// A read-only view of something of the host; left out if that does not exist.
    Bind {
        path: String,
        source: PathBuf,
    },
    /// A device of the host.
    Device {
        path: String,
        source: PathBuf,
    },
    /// The process file system.
    Proc {
        path: String,
    },
    /// Makes what is there unreadable (a file) or empty (a folder).
    Hide {
        path: String,
    },
    /// Makes what is there read-only.
    Protect {
        path: String,
    },
    /// Puts a text in place of a file that cannot be changed.
    Replace {
        path: String,
        text: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Who {
    Root,
    Sample,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Content {
    Text(String),
    Bytes(Vec<u8>),
    /// Of a host's file, with a text after it; the file may be absent.
    Copy(PathBuf, String),
}

//! Root file systems, as lists of things to make.

mod authority;
mod base;
mod host;
mod java;
mod local;
mod php;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use base::Image;
pub(crate) use host::{AUTHORITY, CA_BUNDLE, HOST_BUNDLES, list};

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
    /// A read-only view of a folder of the host that does not tell which.
    Anonymous {
        path: String,
        source: PathBuf,
    },
    /// A view of a folder that can be written to; what is written lies in the sandbox's own memory.
    Overlay {
        path: String,
        source: PathBuf,
        /// The sample's user owns every folder of it, as root would: it can add, replace and remove files anywhere.
        yielded: bool,
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

impl Node {
    /// What of the host it shows.
    pub(crate) fn source(&self) -> Option<&Path> {
        match self {
            Self::Bind { source, .. }
            | Self::Anonymous { source, .. }
            | Self::Overlay { source, .. } => Some(source),
            _ => None,
        }
    }
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

//! OCI images: which manifest is this machine's, and layers put on top of each other.

use std::fs;
use std::path::Path;

use apa_archive::{Archive, EntryKind, Limits};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::root::Root;
use crate::store::{Images, Kept};
use crate::{ImageError, ImageRef};

/// How often an index may lead to another one.
pub(crate) const MOST_NESTED: usize = 4;
/// Most layers of an image.
const MOST_LAYERS: usize = 200;
/// In front of the name of what a layer removes.
const WHITEOUT: &str = ".wh.";
/// In a folder that a layer empties first.
const OPAQUE: &str = ".wh..wh..opq";

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Descriptor {
    pub(crate) digest: String,
    #[serde(default, rename = "mediaType")]
    media_type: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// What a document of an image turned out to be.
pub(crate) enum Chosen {
    Manifest(Manifest),
    /// An index; this machine's entry.
    Another(String),
}

pub(crate) fn choose(name: &str, document: &[u8]) -> Result<Chosen, ImageError> {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(document) {
        if manifest.layers.len() > MOST_LAYERS {
            return Err(ImageError::TooLarge("200 layers"));
        }
        return Ok(Chosen::Manifest(manifest));
    }
    let index: Index = serde_json::from_slice(document)
        .map_err(|error| ImageError::oci(name, format!("it is no image manifest: {error}")))?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |one: &&Descriptor| match &one.platform {
        Some(platform) => platform.os == "linux" && platform.architecture == architecture,
        None => true,
    };
    let found = index.manifests.iter().find(fits);
    let found = found.ok_or_else(|| {
        ImageError::oci(name, format!("it has no variant for linux/{architecture}"))
    })?;
    Ok(Chosen::Another(found.digest.clone()))
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    sha256_name(Sha256::new_with_prefix(bytes))
}

/// `sha256:…` of what was hashed.
pub(crate) fn sha256_name(hash: Sha256) -> String {
    let bytes = hash.finalize();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Images {
    /// Unpacks an image that lies in OCI's layout in a folder or a tar archive.
    ///
    /// # Errors
    /// When a part is missing or has another digest than stated.
    pub fn from_layout(&self, path: &Path) -> Result<Kept, ImageError> {
        let name = ImageRef::Layout(path.to_owned()).to_string();
        let layout = Layout::open(path)?;
        let blob = |digest: &str| layout.blob(digest);
        let mut document = layout.file("index.json")?;
        for _ in 0..MOST_NESTED {
            match choose(&name, &document)? {
                Chosen::Manifest(manifest) => {
                    return self.unpack(&name, &digest(&document), &manifest, &blob);
                }
                Chosen::Another(digest) => document = blob(&digest)?,
            }
        }
        Err(ImageError::oci(&name, "indexes lead to indexes"))
    }

    /// Puts the layers of a manifest on top of each other. `blob` gives bytes that were checked.
    pub(crate) fn unpack(
        &self,
        name: &str,
        digest: &str,
        manifest: &Manifest,
        blob: &dyn Fn(&str) -> Result<Vec<u8>, ImageError>,
    ) -> Result<Kept, ImageError> {
        let about = format!("{} layers", manifest.layers.len());
        self.build(name, digest, about, |root| {
            for layer in &manifest.layers {
                if layer.media_type.ends_with("zstd") {
                    let why = "layers packed with zstd are not supported";
                    return Err(ImageError::oci(&layer.digest, why));
                }
                apply(root, &layer.digest, &blob(&layer.digest)?)?;
            }
            Ok(())
        })
    }
}

/// One layer: first what it removes of those below, then what it adds.
fn apply(root: &mut Root, digest: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let limits = Limits {
        archive_bytes: 1 << 30,
        unpacked_bytes: 4 << 30,
        kept_bytes: 2 << 30,
        entries: 500_000,
        ..Limits::default()
    };
    let archive = apa_archive::read_bytes(bytes, digest, &limits)?;
    if !archive.complete {
        return Err(ImageError::oci(digest, "the layer cannot be read whole"));
    }
    let removes = |path: &str| -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with(WHITEOUT)
    };
    for path in archive
        .entries
        .iter()
        .filter_map(|entry| entry.safe_path.as_deref())
    {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name == OPAQUE {
            root.empty(folder)?;
        } else if let Some(gone) = name.strip_prefix(WHITEOUT) {
            root.remove(&format!("{folder}/{gone}"))?;
        }
    }
    for entry in &archive.entries {
        if !entry.safe_path.as_deref().is_some_and(removes) {
            root.entry(entry)?;
        }
    }
    Ok(())
}

/// `index.json` and `blobs/sha256/…`, in a folder or an archive.
enum Layout<'a> {
    Folder(&'a Path),
    Tar(Box<Archive>),
}

impl<'a> Layout<'a> {
    fn open(path: &'a Path) -> Result<Self, ImageError> {
        if path.is_dir() {
            return Ok(Self::Folder(path));
        }
        let limits = Limits {
            archive_bytes: 2 << 30,
            unpacked_bytes: 4 << 30,
            kept_bytes: 2 << 30,
            ..Limits::default()
        };
        Ok(Self::Tar(Box::new(apa_archive::read(path, &limits)?)))
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                fs::read(&path).map_err(ImageError::io("read", &path))
            }
            Self::Tar(archive) => archive
                .file(path)
                .filter(|entry| entry.kept && entry.kind == EntryKind::File)
                .map(|entry| entry.bytes.to_vec())
                .ok_or_else(|| ImageError::oci(path, "it is missing in the archive")),
        }
    }

    fn blob(&self, wanted: &str) -> Result<Vec<u8>, ImageError> {
        let hex = wanted.strip_prefix("sha256:");
        let hex = hex.filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let hex = hex.ok_or_else(|| ImageError::oci(wanted, "it is no SHA-256 digest"))?;
        let bytes = self.file(&format!("blobs/sha256/{hex}"))?;
        if digest(&bytes) != wanted {
            return Err(ImageError::oci(wanted, "its bytes have another digest"));
        }
        Ok(bytes)
    }
}

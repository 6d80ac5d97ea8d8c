//! A system made of Debian packages: chosen and downloaded by the machine's own `apt-get`, which verifies them, and
//! unpacked here. No script of a package is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apa_archive::{Format, Limits};
use sha2::{Digest as _, Sha256};

use crate::root::Root;
use crate::store::{Images, Kept};
use crate::{ImageError, ImageRef};

/// What the packages of every ecosystem need to be installed and run.
pub const TOOLCHAINS: [&str; 22] = [
    "base-files",
    "bash",
    "coreutils",
    "curl",
    "dash",
    "findutils",
    "gcc",
    "git",
    "grep",
    "gzip",
    "libc-bin",
    "make",
    "mawk",
    "nodejs",
    "npm",
    "python3",
    "python3-pip",
    "python3-setuptools",
    "ruby",
    "sed",
    "tar",
    "wget",
];
/// Folders that are links on every current system; no package ships them.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];
/// What the scripts of packages would have linked: the name, and what it stands for.
const ALTERNATIVES: [(&str, &str); 5] = [
    ("usr/bin/awk", "mawk"),
    ("usr/bin/cc", "gcc"),
    ("usr/bin/c++", "g++"),
    ("usr/bin/which", "which.debianutils"),
    ("usr/bin/nodejs", "node"),
];

impl Images {
    /// Builds it from these packages and what they need. Takes minutes and a few GB for [`TOOLCHAINS`].
    ///
    /// # Errors
    /// When `apt-get` is missing or cannot get them.
    pub fn debian(&self, packages: &[&str], downloads: &Path) -> Result<Kept, ImageError> {
        let files = download(packages, downloads)?;
        let name = ImageRef::Debian.to_string();
        let about = format!("{} packages", files.len());
        self.build(&name, &digest(&files), about, |root| {
            for link in MERGED {
                root.folder(&format!("usr/{link}"), 0o755)?;
                root.link(link, format!("usr/{link}").as_bytes())?;
            }
            for file in &files {
                unpack(root, file)?;
            }
            for (path, target) in ALTERNATIVES {
                if !root.has(path) && root.has(&format!("usr/bin/{target}")) {
                    root.link(path, target.as_bytes())?;
                }
            }
            Ok(())
        })
    }
}

/// The packages' files, sorted by name.
fn download(packages: &[&str], folder: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let partial = folder.join("partial");
    fs::create_dir_all(&partial).map_err(ImageError::io("make", &partial))?;
    // As on a machine where nothing is installed, so that nothing is left out.
    let status = folder.join("nothing-installed");
    fs::write(&status, "").map_err(ImageError::io("write", &status))?;
    let setting = |name: &str, path: &Path| format!("{name}={}", path.display());
    let output = Command::new("apt-get")
        .args(["-y", "-q", "--no-install-recommends", "--download-only"])
        .args(["-o", &setting("Dir::State::status", &status)])
        .args(["-o", &setting("Dir::Cache::archives", folder)])
        .args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"])
        .arg("install")
        .args(packages)
        .stdin(Stdio::null())
        .output();
    let failed = |why: String| ImageError::Tool {
        program: "apt-get",
        why,
        next: "run `apt-get update`, or use another image",
    };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.lines().last().unwrap_or_default().to_owned()));
    }
    let entries = fs::read_dir(folder).map_err(ImageError::io("list", folder))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
        .collect();
    files.sort();
    Ok(files)
}

fn unpack(root: &mut Root, file: &Path) -> Result<(), ImageError> {
    let limits = Limits {
        unpacked_bytes: 4 << 30,
        kept_bytes: 2 << 30,
        entries: 200_000,
        ..Limits::default()
    };
    let archive = apa_archive::read(file, &limits)?;
    if archive.format != Format::Deb || !archive.complete {
        let name = file.to_string_lossy();
        return Err(ImageError::oci(&name, "the package cannot be read whole"));
    }
    for entry in &archive.entries {
        let own = |path: &str| path == "DEBIAN" || path.starts_with("DEBIAN/");
        if !entry.safe_path.as_deref().is_some_and(own) {
            root.entry(entry)?;
        }
    }
    Ok(())
}

/// Of names, which hold versions.
fn digest(files: &[PathBuf]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let name = file.file_name().unwrap_or_default();
        hash.update(name.as_encoded_bytes());
        hash.update("\n");
    }
    crate::oci::sha256_name(hash)
}

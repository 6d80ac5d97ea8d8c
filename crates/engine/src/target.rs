use std::path::{Path, PathBuf};

use apa_model::{PackageRef, PackageRefError};

/// What a user asks to analyse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A published package.
    Package(PackageRef),
    /// A file.
    File(PathBuf),
}

impl Target {
    /// Tells a path from a package name. What looks like a path is one, whether or not the file is there, so
    /// that a mistyped path is never looked up as a package.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, PackageRefError> {
        if looks_like_path(text) || Path::new(text).exists() {
            return Ok(Self::File(PathBuf::from(text)));
        }
        text.parse().map(Self::Package)
    }
}

fn looks_like_path(text: &str) -> bool {
    const SUFFIXES: [&str; 6] = [".tgz", ".whl", ".tar.gz", ".zip", ".tar", ".apk"];
    let named = text.starts_with("pkg:") || text.contains(':');
    text.starts_with("./")
        || text.starts_with("../")
        || text.starts_with('/')
        || text == "."
        || text == ".."
        || (!named
            && SUFFIXES
                .iter()
                .any(|suffix| text.to_ascii_lowercase().ends_with(suffix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_packages() {
        for path in [
            "./x.tgz",
            "../x",
            "/tmp/x",
            "x.whl",
            "dir/x.tar.gz",
            ".",
            "pkg.zip",
        ] {
            assert!(matches!(Target::parse(path), Ok(Target::File(_))), "{path}");
        }
        for package in [
            "npm:left-pad",
            "pkg:npm/left-pad@1.3.0",
            "npm:a.zip",
            "pypi:x@1",
        ] {
            assert!(
                matches!(Target::parse(package), Ok(Target::Package(_))),
                "{package}"
            );
        }
        assert!(Target::parse("left-pad").is_err());
    }
}

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::ImageError;
use crate::registry::Reference;

/// An image as a user names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ImageRef {
    /// The machine's own system.
    #[default]
    Host,
    /// Built from Debian packages.
    Debian,
    /// Built from the repository of Alpine packages that is set.
    Wolfi,
    /// A folder that holds a root file system.
    Folder(PathBuf),
    /// A folder or archive in OCI's image layout.
    Layout(PathBuf),
    /// An image in a registry.
    Pulled(Reference),
}

impl FromStr for ImageRef {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "host" => return Ok(Self::Host),
            "debian" => return Ok(Self::Debian),
            "wolfi" | "alpine" => return Ok(Self::Wolfi),
            _ => {}
        }
        let syntax = || ImageError::Syntax(text.into());
        match text.split_once(':') {
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Folder(path.into())),
            Some(("oci", path)) if Path::new(path).exists() => Ok(Self::Layout(path.into())),
            Some(("oci", reference)) => {
                let reference = Reference::parse(reference).ok_or_else(syntax)?;
                Ok(Self::Pulled(reference))
            }
            _ => Err(syntax()),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Debian => f.write_str("debian"),
            Self::Wolfi => f.write_str("wolfi"),
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
            Self::Pulled(reference) => write!(f, "oci:{reference}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_by_their_first_word() {
        for text in [
            "host",
            "debian",
            "wolfi",
            "dir:/srv/root",
            "oci:registry.test/a/b:1",
        ] {
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(image.to_string(), text);
        }
        for text in [
            "",
            "ubuntu",
            "dir:",
            "oci:",
            "oci:b:1",
            "oci:registry.test/../b",
            "http://x",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "{text}");
        }
    }
}

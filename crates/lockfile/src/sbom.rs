//! What components of all SBOM formats share.

use std::str::FromStr;

use apa_model::{PackageRef, PackageRefError};
use packageurl::PackageUrl;

use crate::entry::{Entry, Subject};

/// The package that a purl names, or why it cannot be analysed.
pub(crate) fn by_purl(purl: &str) -> Entry {
    let plain = purl.split('#').next().unwrap_or(purl);
    match plain.parse::<PackageRef>() {
        Ok(package) if package.version.is_some() => Entry::new(Subject::Package(package)),
        Ok(_) => Entry::other(purl, "has no version"),
        Err(PackageRefError::Unsupported(_)) => {
            let kind = PackageUrl::from_str(plain).map(|url| url.ty().to_owned());
            let kind = kind.unwrap_or_default();
            Entry::other(
                purl,
                &format!("packages of the kind {kind} are not supported"),
            )
        }
        Err(error) => Entry::other(purl, &error.to_string()),
    }
}

/// A component without a purl.
pub(crate) fn nameless(name: &str, version: &str) -> Entry {
    let shown = if version.is_empty() {
        name.to_owned()
    } else {
        format!("{name}@{version}")
    };
    Entry::other(&shown, "has no purl, so its registry is not known")
}

use std::fmt;

/// The kinds of list that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// npm's `package-lock.json` or `npm-shrinkwrap.json`, versions 1 to 3.
    PackageLock,
    /// `yarn.lock`, of version 1 and of later ones.
    YarnLock,
    /// `pnpm-lock.yaml`, versions 5 to 9.
    PnpmLock,
    /// pip's requirements file.
    Requirements,
    /// `poetry.lock`, and `pdm.lock`, which has the same tables.
    PoetryLock,
    /// `uv.lock`.
    UvLock,
    /// `pylock.toml` (PEP 751).
    Pylock,
    /// `Pipfile.lock`.
    PipfileLock,
    /// Bundler's `Gemfile.lock` or `gems.locked`.
    GemfileLock,
    /// `composer.lock`.
    ComposerLock,
    /// `Cargo.lock`.
    CargoLock,
    /// Maven's `pom.xml`.
    Pom,
    /// CycloneDX as JSON.
    CycloneDxJson,
    /// CycloneDX as XML.
    CycloneDxXml,
    /// SPDX 2 as JSON.
    SpdxJson,
    /// SPDX 2 as tag and value.
    SpdxTagValue,
}

/// Bytes in which a file without a telling name shows what it is.
const HEAD: usize = 4096;

impl Kind {
    /// By file name alone; `None` where only the content tells.
    pub fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Some(match lower.as_str() {
            "package-lock.json" | "npm-shrinkwrap.json" | ".package-lock.json" => Self::PackageLock,
            "yarn.lock" => Self::YarnLock,
            "pnpm-lock.yaml" => Self::PnpmLock,
            "poetry.lock" | "pdm.lock" => Self::PoetryLock,
            "uv.lock" => Self::UvLock,
            "pipfile.lock" => Self::PipfileLock,
            "gemfile.lock" | "gems.locked" => Self::GemfileLock,
            "composer.lock" => Self::ComposerLock,
            "cargo.lock" => Self::CargoLock,
            "pom.xml" => Self::Pom,
            _ if lower.ends_with(".pom") => Self::Pom,
            _ if lower.starts_with("pylock.") && lower.ends_with(".toml") => Self::Pylock,
            "bom.json" => Self::CycloneDxJson,
            "bom.xml" => Self::CycloneDxXml,
            _ if lower.ends_with(".cdx.json") => Self::CycloneDxJson,
            _ if lower.ends_with(".cdx.xml") => Self::CycloneDxXml,
            _ if lower.ends_with(".spdx.json") => Self::SpdxJson,
            _ if lower.ends_with(".spdx") => Self::SpdxTagValue,
            _ if is_requirements(&lower) => Self::Requirements,
            _ => return None,
        })
    }

    /// By name, or by what the file begins with.
    pub(crate) fn recognise(name: &str, bytes: &[u8]) -> Option<Self> {
        if let Some(kind) = Self::of_name(name) {
            return Some(kind);
        }
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).into_owned();
        let has = |text: &str| head.contains(text);
        Some(
            if has("\"bomFormat\"") || has("cyclonedx.org/schema/bom") && has("{") && !has("<bom") {
                Self::CycloneDxJson
            } else if has("<bom") && has("cyclonedx.org/schema/bom") {
                Self::CycloneDxXml
            } else if has("\"spdxVersion\"") || has("\"SPDXID\"") {
                Self::SpdxJson
            } else if has("SPDXVersion:") {
                Self::SpdxTagValue
            } else if has("\"lockfileVersion\"") {
                Self::PackageLock
            } else if has("yarn lockfile v1") || has("__metadata:") {
                Self::YarnLock
            } else if head.starts_with("lockfileVersion:") {
                Self::PnpmLock
            } else if has("<project") && has("maven.apache.org/POM") {
                Self::Pom
            } else if name.to_ascii_lowercase().ends_with(".txt") && has("==") {
                Self::Requirements
            } else {
                return None;
            },
        )
    }
}

/// `requirements.txt`, `requirements-dev.txt`, `dev-requirements.txt`, `requirements.lock`.
fn is_requirements(lower: &str) -> bool {
    let stem = lower
        .strip_suffix(".txt")
        .or_else(|| lower.strip_suffix(".lock"));
    stem.is_some_and(|stem| stem.starts_with("requirements") || stem.ends_with("requirements"))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PackageLock => "package-lock.json",
            Self::YarnLock => "yarn.lock",
            Self::PnpmLock => "pnpm-lock.yaml",
            Self::Requirements => "requirements.txt",
            Self::PoetryLock => "poetry.lock",
            Self::UvLock => "uv.lock",
            Self::Pylock => "pylock.toml",
            Self::PipfileLock => "Pipfile.lock",
            Self::GemfileLock => "Gemfile.lock",
            Self::ComposerLock => "composer.lock",
            Self::CargoLock => "Cargo.lock",
            Self::Pom => "pom.xml",
            Self::CycloneDxJson => "CycloneDX JSON",
            Self::CycloneDxXml => "CycloneDX XML",
            Self::SpdxJson => "SPDX JSON",
            Self::SpdxTagValue => "SPDX tag-value",
        })
    }
}

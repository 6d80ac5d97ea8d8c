use std::fmt;
use std::str::FromStr;

use packageurl::PackageUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Digest, Hostile};

/// A package ecosystem; its `Display` is the purl type.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// npm packages, run by Node.js.
    Npm,
    /// Python distributions.
    Pypi,
    /// Ruby gems.
    Gem,
    /// PHP packages of Packagist, installed by Composer.
    Composer,
    /// Rust crates.
    Cargo,
    /// Java artifacts in Maven's layout.
    Maven,
    /// Packages of Alpine and Wolfi.
    Apk,
    /// No ecosystem: a program, or a package of an operating system, that somebody has as a file. No registry serves
    /// it, so that it is not among [`Ecosystem::ALL`].
    Generic,
}

impl Ecosystem {
    /// All that have registries, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::Npm,
        Self::Pypi,
        Self::Gem,
        Self::Composer,
        Self::Cargo,
        Self::Maven,
        Self::Apk,
    ];

    /// The purl type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Gem => "gem",
            Self::Composer => "composer",
            Self::Cargo => "cargo",
            Self::Maven => "maven",
            Self::Apk => "apk",
            Self::Generic => "generic",
        }
    }

    /// Other names that people write for it.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Npm => &["node"],
            Self::Pypi => &["python", "pip"],
            Self::Gem => &["rubygems", "ruby"],
            Self::Composer => &["packagist", "php"],
            Self::Cargo => &["crates", "crates.io", "rust"],
            Self::Maven => &["java", "mvn"],
            Self::Apk => &["wolfi", "alpine"],
            Self::Generic => &[],
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Ecosystem {
    type Err = PackageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|ecosystem| ecosystem.as_str() == text || ecosystem.aliases().contains(&text))
            .ok_or_else(|| PackageRefError::Unsupported(text.into()))
    }
}

/// A package as a user names it. The version may be absent, exact, or a tag such as `next`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PackageRef {
    /// Where it is published.
    pub ecosystem: Ecosystem,
    /// The whole name as the ecosystem writes it: `@scope/name` for npm, PEP 503 normalised for PyPI,
    /// `vendor/name` for Composer, `group:artifact` for Maven, `name` or `distribution/name` for APK.
    pub name: String,
    /// Version or tag; `None` asks for the latest.
    pub version: Option<String>,
}

/// Why a text does not name a package.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PackageRefError {
    /// Neither a purl nor `ecosystem:name[@version]`.
    #[error(
        "\"{0}\" names no package: write ecosystem:name@version (npm:left-pad@1.3.0) or a purl (pkg:npm/left-pad@1.3.0)"
    )]
    Syntax(Hostile),
    /// The ecosystem is unknown.
    #[error(
        "ecosystem \"{0}\" is not supported: use npm, pypi, gem, composer, cargo, maven or apk"
    )]
    Unsupported(Hostile),
    /// The name has characters the ecosystem does not allow.
    #[error("\"{0}\" is not a valid {1} package name")]
    Name(Hostile, Ecosystem),
    /// The version has characters no version may have.
    #[error("\"{0}\" is not a valid version")]
    Version(Hostile),
}

impl PackageRef {
    /// Checks and normalises the name and version.
    ///
    /// # Errors
    /// When either has characters the ecosystem does not allow.
    pub fn new(
        ecosystem: Ecosystem,
        name: &str,
        version: Option<&str>,
    ) -> Result<Self, PackageRefError> {
        let normal = match ecosystem {
            Ecosystem::Npm => is_npm_name(name).then(|| name.to_owned()),
            Ecosystem::Pypi => is_pypi_name(name).then(|| normalise_pypi(name)),
            Ecosystem::Gem => is_word(name, b"-._").then(|| name.to_owned()),
            Ecosystem::Composer => is_composer_name(name).then(|| name.to_ascii_lowercase()),
            Ecosystem::Cargo => is_crate_name(name).then(|| name.to_owned()),
            Ecosystem::Maven => maven_name(name),
            Ecosystem::Apk => is_apk_name(name).then(|| name.to_owned()),
            Ecosystem::Generic => is_word(name, b"-._+").then(|| name.to_owned()),
        };
        let name = normal.ok_or_else(|| PackageRefError::Name(name.into(), ecosystem))?;
        if let Some(version) = version
            && !is_version(version)
        {
            return Err(PackageRefError::Version(version.into()));
        }
        Ok(Self {
            ecosystem,
            name,
            version: version.map(str::to_owned),
        })
    }

    /// The purl, with the version when there is one.
    pub fn purl(&self) -> String {
        let (namespace, name) = match self.name.split_once(['/', ':']) {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, self.name.as_str()),
        };
        let mut purl = format!("pkg:{}/", self.ecosystem);
        if let Some(namespace) = namespace {
            purl.push_str(&namespace.replace('@', "%40"));
            purl.push('/');
        }
        purl.push_str(&name.replace('+', "%2B"));
        if let Some(version) = &self.version {
            purl.push('@');
            purl.push_str(&version.replace('+', "%2B").replace('!', "%21"));
        }
        purl
    }

    /// The same package with an exact version.
    pub fn at(&self, version: &str) -> Self {
        Self {
            version: Some(version.to_owned()),
            ..self.clone()
        }
    }
}

impl fmt::Display for PackageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ecosystem, self.name)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

impl FromStr for PackageRef {
    type Err = PackageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("pkg:") {
            return from_purl(text);
        }
        let (ecosystem, rest) = text
            .split_once(':')
            .ok_or_else(|| PackageRefError::Syntax(text.into()))?;
        let ecosystem = ecosystem.parse()?;
        // A leading @ is an npm scope, not a version separator.
        let at = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '@')
            .map(|(at, _)| at);
        let (name, version) = match at {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        Self::new(ecosystem, name, version)
    }
}

fn from_purl(text: &str) -> Result<PackageRef, PackageRefError> {
    let purl = PackageUrl::from_str(text).map_err(|_| PackageRefError::Syntax(text.into()))?;
    let ecosystem = purl.ty().parse()?;
    if purl.subpath().is_some() {
        return Err(PackageRefError::Syntax(text.into()));
    }
    let name = match purl.namespace() {
        Some(namespace) => format!("{namespace}/{}", purl.name()),
        None => purl.name().to_owned(),
    };
    PackageRef::new(ecosystem, &name, purl.version())
}

fn is_npm_name(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.starts_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~!'()*".contains(&b))
    };
    name.len() <= 214
        && match name.strip_prefix('@') {
            Some(scoped) => scoped
                .split_once('/')
                .is_some_and(|(scope, name)| part(scope) && part(name)),
            None => part(name),
        }
}

fn is_pypi_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Letters, digits and `others`, beginning with a letter or digit (or `_`).
fn is_word(name: &str, others: &[u8]) -> bool {
    (1..=128).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}

fn is_composer_name(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(vendor, name)| is_word(vendor, b"-._") && is_word(name, b"-._"))
}

fn is_crate_name(name: &str) -> bool {
    name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphabetic()) && is_word(name, b"-_")
}

/// `group:artifact`; a purl has a slash between them.
fn maven_name(name: &str) -> Option<String> {
    let (group, artifact) = name.split_once([':', '/'])?;
    let plain =
        is_word(group, b"-._") && !group.split('.').any(str::is_empty) && is_word(artifact, b"-._");
    plain.then(|| format!("{group}:{artifact}"))
}

/// `name`, or `distribution/name` as a purl has it.
fn is_apk_name(name: &str) -> bool {
    let (distribution, name) = match name.split_once('/') {
        Some((distribution, name)) => (Some(distribution), name),
        None => (None, name),
    };
    is_word(name, b"-._+") && distribution.is_none_or(|distribution| is_word(distribution, b"-_"))
}

/// PEP 503: runs of `-`, `_` and `.` are one `-`, letters are small.
fn normalise_pypi(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.push(c.to_ascii_lowercase()),
        }
    }
    out
}

fn is_version(version: &str) -> bool {
    (1..=128).contains(&version.len())
        && version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-+_!".contains(&b))
}

/// What an artifact is, decided by its content and name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// An npm package (`.tgz`).
    NpmTarball,
    /// A Python wheel.
    Wheel,
    /// A Python source distribution (`.tar.gz` or `.zip`).
    Sdist,
    /// A Ruby gem (`.gem`).
    Gem,
    /// A Composer package (`.zip`).
    ComposerPackage,
    /// A Rust crate (`.crate`).
    Crate,
    /// A Java archive (`.jar`, `.war`).
    Jar,
    /// An Alpine or Wolfi package (`.apk`).
    Apk,
    /// A Debian package (`.deb`).
    Deb,
    /// A program by itself: machine code or a script.
    Program,
}

impl ArtifactKind {
    /// A word for people, and for file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NpmTarball => "npm",
            Self::Wheel => "wheel",
            Self::Sdist => "sdist",
            Self::Gem => "gem",
            Self::ComposerPackage => "composer",
            Self::Crate => "crate",
            Self::Jar => "jar",
            Self::Apk => "apk",
            Self::Deb => "deb",
            Self::Program => "program",
        }
    }
}

/// One file of a package version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
    /// File name as published or uploaded.
    pub filename: Hostile,
    /// What it is.
    pub kind: ArtifactKind,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, PackageRefError> {
        text.parse::<PackageRef>()
            .map(|package| format!("{package} {}", package.purl()))
    }

    #[test]
    fn short_forms_and_purls_name_the_same_package() {
        for (text, expected) in [
            (
                "npm:left-pad@1.3.0",
                "npm:left-pad@1.3.0 pkg:npm/left-pad@1.3.0",
            ),
            (
                "pkg:npm/left-pad@1.3.0",
                "npm:left-pad@1.3.0 pkg:npm/left-pad@1.3.0",
            ),
            ("npm:@babel/core", "npm:@babel/core pkg:npm/%40babel/core"),
            (
                "npm:@babel/core@next",
                "npm:@babel/core@next pkg:npm/%40babel/core@next",
            ),
            (
                "pkg:npm/%40babel/core@7.0.0",
                "npm:@babel/core@7.0.0 pkg:npm/%40babel/core@7.0.0",
            ),
            (
                "pypi:Foo_Bar.baz@1!2.0+x",
                "pypi:foo-bar-baz@1!2.0+x pkg:pypi/foo-bar-baz@1%212.0%2Bx",
            ),
            ("rubygems:rails", "gem:rails pkg:gem/rails"),
            (
                "composer:Monolog/monolog@3.5.0",
                "composer:monolog/monolog@3.5.0 pkg:composer/monolog/monolog@3.5.0",
            ),
            ("crates:serde_json", "cargo:serde_json pkg:cargo/serde_json"),
            (
                "pkg:maven/com.google.guava/guava@33.0.0-jre",
                "maven:com.google.guava:guava@33.0.0-jre pkg:maven/com.google.guava/guava@33.0.0-jre",
            ),
            (
                "pkg:apk/wolfi/libstdc++@14.2.0-r1",
                "apk:wolfi/libstdc++@14.2.0-r1 pkg:apk/wolfi/libstdc%2B%2B@14.2.0-r1",
            ),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for text in [
            "npm:../etc/passwd",
            "npm:a/b",
            "npm:@a/../b",
            "npm:$(id)",
            "npm:a\nb",
            "npm:a;b",
            "npm:-rf",
            "npm:a b",
            "npm:",
            "pypi:..",
            "pypi:a/b",
            "npm:a@",
            "npm:a@../1",
            "npm:a@1;id",
            "left-pad",
            "",
            "nuget:serde",
            "gem:-rf",
            "composer:monolog",
            "composer:../x/y",
            "cargo:a.b",
            "cargo:1a",
            "maven:guava",
            "maven:a..b:c",
            "maven:a:b:c",
            "apk:a/b/c",
            "pkg:npm/a@1#../../x",
            "pkg:npm/%2e%2e/x",
            "npm:a@\u{202e}1",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }
}

//! The compact index: one line a version, as `info/NAME` has them.

use std::collections::HashSet;

use apa_model::{Ecosystem, PackageRef};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use crate::integrity::Integrity;

/// Most versions of one gem that are looked at.
const MOST_VERSIONS: usize = 20_000;
/// Most dependencies of one version.
const MOST_DEPENDENCIES: usize = 1_000;

/// A version of a gem for a platform, as the compact index lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GemVersion {
    /// `1.2.3`.
    pub version: String,
    /// `x86_64-linux`; `None` stands for `ruby`, which runs anywhere.
    pub platform: Option<String>,
    /// Names of the gems it needs when it runs, each with its requirements (`>= 1`, `< 3`).
    pub dependencies: Vec<(String, Vec<String>)>,
    /// What the file must hash to.
    pub integrity: Integrity,
    /// Which versions of Ruby it asks for (`>= 2.7`); empty: any.
    pub ruby: Vec<String>,
    /// Which versions of RubyGems it asks for.
    pub rubygems: Vec<String>,
}

impl GemVersion {
    /// `name-1.2.3-x86_64-linux`: its file without `.gem`.
    pub fn full_name(&self, name: &str) -> String {
        match &self.platform {
            Some(platform) => format!("{name}-{}-{platform}", self.version),
            None => format!("{name}-{}", self.version),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (version, platform) = match number.split_once('-') {
            Some((version, platform)) => (version, Some(platform)),
            None => (number, None),
        };
        let plain = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if version.len() > 128 || !plain(version) || !platform.is_none_or(plain) {
            return None;
        }
        let (dependencies, requirements) = rest.split_once('|').unwrap_or((rest, ""));
        let required = |wanted: &str| -> Option<&str> {
            let mut parts = requirements.split(',');
            parts.find_map(|part| part.strip_prefix(wanted)?.strip_prefix(':'))
        };
        Some(Self {
            version: version.to_owned(),
            platform: platform.filter(|it| *it != "ruby").map(str::to_owned),
            dependencies: dependencies
                .split(',')
                .take(MOST_DEPENDENCIES)
                .filter_map(|dependency| {
                    let (name, requirements) = dependency.trim().split_once(':')?;
                    let package = PackageRef::new(Ecosystem::Gem, name, None).ok()?;
                    Some((package.name, alternatives(requirements)))
                })
                .collect(),
            integrity: required("checksum")
                .and_then(|hex| Integrity::from_hex("sha256", hex))
                .unwrap_or(Integrity::Unstated),
            ruby: required("ruby").map(alternatives).unwrap_or_default(),
            rubygems: required("rubygems").map(alternatives).unwrap_or_default(),
        })
    }
}

/// Requirements that must all hold stand between `&`.
fn alternatives(text: &str) -> Vec<String> {
    let parts = text.split('&').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A version in the registry's own interface.
#[derive(Deserialize)]
struct Detail {
    number: String,
    #[serde(default)]
    platform: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
}

/// `info/NAME` as it was at `time`, by what `details` tells of each version: those published later, or nobody knows
/// when, are gone.
///
/// # Errors
/// When one of the two is no such document, in words.
pub(super) fn until(body: &[u8], details: &[u8], time: Timestamp) -> Result<Bytes, String> {
    let details: Vec<Detail> =
        serde_json::from_slice(details).map_err(|error| error.to_string())?;
    let there: HashSet<String> = details
        .iter()
        .filter(|detail| {
            let published = detail.created_at.as_ref();
            let published = published.and_then(|text| text.parse::<Timestamp>().ok());
            published.is_some_and(|published| published <= time)
        })
        .map(|detail| match detail.platform.as_deref() {
            None | Some("ruby") => detail.number.clone(),
            Some(platform) => format!("{}-{platform}", detail.number),
        })
        .collect();
    parse(body)?;
    let text = String::from_utf8_lossy(body);
    let (_, lines) = text.split_once("---\n").unwrap_or_default();
    let kept = lines
        .lines()
        .filter(|line| there.contains(line.split(' ').next().unwrap_or_default()));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    Ok(format!("---\n{kept}").into())
}

/// Reads `info/NAME`; lines that make no sense are passed over.
///
/// # Errors
/// When it is no such document, in words.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<GemVersion>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let lines = text
        .strip_prefix("---\n")
        .or_else(|| text.split_once("\n---\n").map(|(_, lines)| lines))
        .ok_or("it is no compact index")?;
    Ok(lines
        .lines()
        .take(MOST_VERSIONS)
        .filter_map(GemVersion::parse)
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_line_gives_platform_dependencies_checksum_and_requirements() {
        let body = format!(
            "---\n1.0.0 |checksum:{HEX}\n1.1.0.pre-x86_64-linux rack:>= 1&< 3,../x:>= 0,net-http:= 1|checksum:{HEX},ruby:>= 2.7&< 4,rubygems:>= 3\n\n bad\n"
        );
        let versions = parse(body.as_bytes()).unwrap();
        assert_eq!(versions.len(), 2);
        assert!(versions[0].dependencies.is_empty());
        let second = &versions[1];
        assert_eq!(second.full_name("a"), "a-1.1.0.pre-x86_64-linux");
        assert_eq!(
            second.dependencies,
            [
                ("rack".to_owned(), vec![">= 1".to_owned(), "< 3".to_owned()]),
                ("net-http".to_owned(), vec!["= 1".to_owned()])
            ]
        );
        assert_eq!(second.integrity.to_string(), format!("sha256:{HEX}"));
        assert_eq!(second.ruby, [">= 2.7", "< 4"]);
    }

    #[test]
    fn an_index_of_an_earlier_time_lists_nothing_later() {
        let body = b"---\n1.0 |checksum:00\n1.1-x86_64-linux |checksum:00\n1.1 |checksum:00\n1.2 |checksum:00\n";
        let details = br#"[{"number":"1.0","created_at":"2023-01-01T00:00:00Z"},
            {"number":"1.1","platform":"x86_64-linux","created_at":"2023-02-01T00:00:00Z"},
            {"number":"1.1","platform":"ruby","created_at":"2024-01-01T00:00:00Z"},{"number":"1.2"}]"#;
        let cut = until(body, details, "2023-06-01T00:00:00Z".parse().unwrap()).unwrap();
        let names: Vec<_> = parse(&cut)
            .unwrap()
            .iter()
            .map(|it| it.full_name("a"))
            .collect();
        assert_eq!(names, ["a-1.0", "a-1.1-x86_64-linux"]);
    }

    #[test]
    fn what_is_no_compact_index_is_an_error() {
        for body in ["", "<html></html>", "{}", "1.0.0 |checksum:00"] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(---\n)?([0-9a-z.|:,&<>= -]|\n|\\PC){0,80}") {
            for version in parse(text.as_bytes()).unwrap_or_default() {
                prop_assert!(!version.full_name("a").contains('/'));
            }
        }
    }
}

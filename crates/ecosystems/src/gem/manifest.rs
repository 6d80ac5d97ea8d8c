use std::collections::BTreeSet;

use apa_archive::{Archive, EntryKind, Format};

use crate::text::plain_filename;
use crate::yaml::Yaml;

/// Most items of a list that are looked at.
const MOST: usize = 5_000;

/// A gem's specification with its files. It was written by whoever packed the gem; nothing in it need be true.
pub(super) struct Manifest<'a> {
    pub(super) archive: &'a Archive,
    specification: Yaml,
    /// Every regular file.
    pub(super) files: BTreeSet<&'a str>,
}

impl<'a> Manifest<'a> {
    /// `None` when the archive is no gem, or its specification cannot be read.
    pub(super) fn read(archive: &'a Archive) -> Option<Self> {
        if archive.format != Format::Gem {
            return None;
        }
        let specification = Yaml::parse(&part(archive, "metadata.gz")?)?;
        let files = archive
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .filter_map(|entry| entry.safe_path.as_deref())
            .collect();
        Some(Self {
            archive,
            specification,
            files,
        })
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.specification.get("name")?.text()
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.specification.get("version")?.get("version")?.text()
    }

    /// `x86_64-linux`; `None` for a gem that runs anywhere.
    pub(super) fn platform(&self) -> Option<String> {
        let platform = self.specification.get("platform")?;
        let field = |name: &str| platform.get(name).and_then(Yaml::text);
        let text = match platform.text() {
            Some(text) => text.to_owned(),
            None => {
                let parts = [field("cpu"), field("os"), field("version")];
                parts.into_iter().flatten().collect::<Vec<_>>().join("-")
            }
        };
        (text != "ruby" && !text.is_empty()).then_some(text)
    }

    /// The build scripts that RubyGems runs at installation, in order.
    pub(super) fn extensions(&self) -> Vec<&str> {
        self.texts("extensions")
    }

    /// Programs that are put on the path. Only names that are safe in a command line.
    pub(super) fn executables(&self) -> Vec<&str> {
        let names = self.texts("executables");
        names
            .into_iter()
            .filter_map(|name| plain_filename(name))
            .collect()
    }

    /// Folders that `require` looks in.
    pub(super) fn require_paths(&self) -> Vec<&str> {
        match self.texts("require_paths") {
            paths if paths.is_empty() => vec!["lib"],
            paths => paths,
        }
    }

    /// Names of the gems it needs when it runs.
    pub(super) fn dependencies(&self) -> Vec<String> {
        let listed = self.specification.get("dependencies");
        let listed = listed.map_or(&[][..], Yaml::items).iter().take(MOST);
        listed
            .filter(|dependency| {
                let kind = dependency.get("type").and_then(Yaml::text);
                kind.is_none_or(|kind| kind.trim_start_matches(':') == "runtime")
            })
            .filter_map(|dependency| Some(dependency.get("name")?.text()?.to_owned()))
            .collect()
    }

    /// What RubyGems loads at every command once the gem is installed.
    pub(super) fn plugin(&self) -> Option<String> {
        let paths = self.require_paths();
        let mut candidates = paths
            .iter()
            .map(|path| format!("{path}/rubygems_plugin.rb"));
        candidates.find(|path| self.files.contains(path.as_str()))
    }

    /// Text of a file.
    pub(super) fn file(&self, path: &str) -> Option<String> {
        let entry = self.archive.file(path)?;
        Some(String::from_utf8_lossy(&entry.bytes).into_owned())
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.specification.get(key).map_or(&[][..], Yaml::items);
        list.iter().take(MOST).filter_map(Yaml::text).collect()
    }
}

/// The unpacked content of a member beside the data.
pub(super) fn part(archive: &Archive, name: &str) -> Option<String> {
    let part = archive
        .parts
        .iter()
        .rfind(|part| part.name.as_bytes() == name.as_bytes())?;
    Some(String::from_utf8_lossy(part.content.as_deref()?).into_owned())
}

#[cfg(test)]
mod tests {
    use apa_testkit::Gem;

    use super::*;

    fn archive(gem: &Gem) -> Archive {
        let limits = apa_archive::Limits::default();
        apa_archive::read_bytes(&gem.build(), "a.gem", &limits).unwrap()
    }

    #[test]
    fn a_gem_tells_what_it_needs_builds_and_offers() {
        let archive = archive(
            &Gem::new("a-b", "1.0")
                .depends("rack", ">= 1")
                .extension("ext/a/extconf.rb", "")
                .executable("run-a", "")
                .file("lib/rubygems_plugin.rb", ""),
        );
        let manifest = Manifest::read(&archive).unwrap();
        assert_eq!(
            (manifest.name(), manifest.version()),
            (Some("a-b"), Some("1.0"))
        );
        assert_eq!(manifest.platform(), None);
        assert_eq!(manifest.extensions(), ["ext/a/extconf.rb"]);
        assert_eq!(manifest.executables(), ["run-a"]);
        assert_eq!(manifest.dependencies(), ["rack"]);
        assert_eq!(manifest.plugin().as_deref(), Some("lib/rubygems_plugin.rb"));
    }

    #[test]
    fn a_platform_may_be_a_text_or_an_object() {
        let text = archive(&Gem::new("a", "1.0").platform("x86_64-linux"));
        let platform = Manifest::read(&text).unwrap().platform();
        assert_eq!(platform.as_deref(), Some("x86_64-linux"));
        let object = archive(
            &Gem::new("a", "1.0")
                .platform("!ruby/object:Gem::Platform\n  cpu: x86_64\n  os: linux\n  version:"),
        );
        let platform = Manifest::read(&object).unwrap().platform();
        assert_eq!(platform.as_deref(), Some("x86_64-linux"));
    }
}

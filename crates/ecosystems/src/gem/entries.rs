use std::collections::BTreeSet;

use super::manifest::Manifest;

/// Most features of one gem that are required.
const MOST: usize = 500;

/// What to require.
pub(super) struct Features {
    /// As `require` takes them, the one named like the gem first, then shallow ones.
    pub(super) names: Vec<String>,
    /// How many there were before the limit.
    pub(super) found: usize,
}

/// Every file that an installation of the gem makes requirable, other than RubyGems' plug-in, which is loaded by a
/// gem command.
pub(super) fn features(manifest: &Manifest<'_>) -> Features {
    let mut names = BTreeSet::new();
    for folder in manifest.require_paths() {
        let start = format!("{}/", folder.trim_end_matches('/'));
        let below = manifest.files.iter().filter_map(|file| match folder {
            "." => Some(*file),
            _ => file.strip_prefix(start.as_str()),
        });
        names.extend(below.filter_map(feature));
    }
    names.extend(built(manifest));
    let found = names.len();
    let own: Vec<String> = manifest.name().map_or_else(Vec::new, |name| {
        vec![
            name.to_owned(),
            name.replace('-', "/"),
            name.replace('-', "_"),
        ]
    });
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by_key(|name| {
        let named = own.iter().position(|own| own == name);
        (named.unwrap_or(own.len()), name.matches('/').count())
    });
    names.truncate(MOST);
    Features { names, found }
}

fn feature(path: &str) -> Option<String> {
    let name = path
        .strip_suffix(".rb")
        .or_else(|| path.strip_suffix(".so"))?;
    let plain = !name.is_empty()
        && name.len() <= 300
        && name != "rubygems_plugin"
        && !name.chars().any(char::is_control);
    plain.then(|| name.to_owned())
}

/// Libraries that an extconf.rb says it makes: `create_makefile("a/a")`.
fn built(manifest: &Manifest<'_>) -> Vec<String> {
    let scripts = manifest.extensions().into_iter().take(20);
    scripts
        .filter_map(|script| {
            let text = manifest.file(script)?;
            let (_, rest) = text.split_once("create_makefile")?;
            let quoted = rest.trim_start_matches(['(', ' ']);
            let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (name, _) = quoted[1..].split_once(quote)?;
            feature(&format!("{name}.so"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use apa_testkit::Gem;

    use super::*;

    #[test]
    fn features_of_all_require_paths_are_listed_but_no_plugin() {
        let gem = Gem::new("net-a", "1.0")
            .extension(
                "ext/a/extconf.rb",
                "require 'mkmf'\ncreate_makefile 'net_a/native'\n",
            )
            .file("lib/aaa.rb", "")
            .file("lib/net/a.rb", "")
            .file("lib/net/a/b.rb", "")
            .file("lib/rubygems_plugin.rb", "")
            .file("lib/data.txt", "")
            .file("test/test_a.rb", "");
        let limits = apa_archive::Limits::default();
        let archive = apa_archive::read_bytes(&gem.build(), "a.gem", &limits).unwrap();
        let features = features(&Manifest::read(&archive).unwrap());
        assert_eq!(features.names, ["net/a", "aaa", "net_a/native", "net/a/b"]);
        assert_eq!(features.found, 4);
    }
}

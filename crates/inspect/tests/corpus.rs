//! The look-alikes of `tests/corpus/`: how many are found, and how many honest twins are not.
//!
//! Each file is a package as text: a line that says its kind and what it resembles, then `--- PATH` before each
//! file of it. They are inert: reserved names and addresses only, and nothing here runs them. They were written
//! before the rules were tuned, and are split in two halves by their names: rules may be improved by looking at
//! the tune half; the figure that counts is the other's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use apa_archive::Limits;
use apa_judge::Judgement;
use apa_model::{ArtifactKind, VerdictLabel};

/// Share of the look-alikes of the check half that must be found.
const RECALL: f64 = 0.95;
/// Share of honest twins that may be called suspicious.
const FALSE_ALARMS: f64 = 0.02;

struct Specimen {
    name: String,
    check_half: bool,
    kind: ArtifactKind,
    archive: Vec<u8>,
}

fn specimens(folder: &str) -> Vec<Specimen> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut found: Vec<Specimen> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| specimen(&entry.expect("an entry").path()))
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn specimen(path: &Path) -> Specimen {
    let text = fs::read_to_string(path).expect("a specimen is text");
    let name = path
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let (head, files) = text.split_once('\n').expect("a first line");
    let kind = match head.trim_start_matches("# ").split('.').next() {
        Some("npm") => ArtifactKind::NpmTarball,
        Some("wheel") => ArtifactKind::Wheel,
        Some("sdist") => ArtifactKind::Sdist,
        other => panic!("{name}: no kind of package: {other:?}"),
    };
    let top = match kind {
        ArtifactKind::Wheel => "",
        _ => "package/",
    };
    let mut tar = tar::Builder::new(Vec::new());
    for part in format!("\n{files}").split("\n--- ").skip(1) {
        let (path, content) = part.split_once('\n').unwrap_or((part, ""));
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let path = format!("{top}{path}");
        tar.append_data(&mut header, path, content.as_bytes())
            .expect("memory takes it");
    }
    Specimen {
        // FNV-1a: any hash will do, as long as nobody chooses.
        check_half: name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }) >> 32
            & 1
            == 1,
        name,
        kind,
        archive: tar.into_inner().expect("memory takes it"),
    }
}

fn verdict(specimen: &Specimen) -> (VerdictLabel, BTreeSet<String>) {
    let archive = apa_archive::read_bytes(&specimen.archive, &specimen.name, &Limits::default());
    let archive = archive.expect("an archive");
    let read = apa_inspect::inspect(&archive, specimen.kind, &"0".repeat(64)).expect("a thread");
    let rules = read
        .findings
        .iter()
        .map(|finding| finding.rule.clone())
        .collect();
    let judgement = Judgement::of_findings(read.findings);
    let verdict = apa_judge::verdict(&specimen.name, &[judgement], &read.incomplete);
    (verdict.label, rules)
}

/// Names that are flagged and names that are not.
fn split(specimens: &[&Specimen]) -> (Vec<String>, Vec<String>) {
    let (mut flagged, mut quiet) = (Vec::new(), Vec::new());
    for specimen in specimens {
        let (label, rules) = verdict(specimen);
        match label >= VerdictLabel::Suspicious {
            true => flagged.push(format!("{} {rules:?}", specimen.name)),
            false => quiet.push(specimen.name.clone()),
        }
    }
    (flagged, quiet)
}

#[test]
fn look_alikes_are_found() {
    let all = specimens("malicious");
    assert!(all.len() >= 120, "{}", all.len());
    for check_half in [false, true] {
        let half: Vec<&Specimen> = all.iter().filter(|s| s.check_half == check_half).collect();
        let (found, missed) = split(&half);
        let recall = found.len() as f64 / half.len() as f64;
        let name = if check_half { "check" } else { "tune" };
        println!(
            "{name} half: {} of {} ({:.1} %)",
            found.len(),
            half.len(),
            100.0 * recall
        );
        if !check_half || recall < RECALL {
            println!("missed: {missed:#?}");
        }
        assert!(recall >= RECALL, "{name}: {recall}");
    }
}

#[test]
fn honest_twins_are_left_alone() {
    let all = specimens("benign");
    assert!(all.len() >= 60, "{}", all.len());
    let (alarms, _) = split(&all.iter().collect::<Vec<_>>());
    println!("{} of {} twins alarm: {alarms:#?}", alarms.len(), all.len());
    assert!(alarms.len() as f64 <= FALSE_ALARMS * all.len() as f64);
}

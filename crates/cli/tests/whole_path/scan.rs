use std::fs;
use std::process::{Command, Output, Stdio};

use apa_model::scan::{Scan, ScanStatus, ScannedPackage};
use apa_model::{Ecosystem, VerdictLabel};
use apa_testkit::specimen;

use crate::support::{Registry, apa, run, sandbox_works};

/// A project of two npm packages, one of them malicious, with the registry that serves both.
struct Project {
    folder: tempfile::TempDir,
    registry: Registry,
}

const BAD: &str = "npm-postinstall-ssh-key";
const GOOD: &str = "npm-prints";
/// The hash of no file there is.
const WRONG: &str = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

impl Project {
    fn new() -> Self {
        let files: Vec<_> = [BAD, GOOD]
            .map(|name| specimen(name).unwrap())
            .map(|one| (one.filename, one.bytes))
            .into();
        Self {
            folder: tempfile::tempdir().unwrap(),
            registry: Registry::of(Ecosystem::Npm, &files),
        }
    }

    /// A lock file with these packages; a hash may be given for each.
    fn lock(&self, packages: &[(&str, Option<&str>)]) -> String {
        let members = packages.iter().map(|(name, integrity)| {
            let (package, version) = named(name);
            let integrity = integrity.map(|one| format!(r#", "integrity": "{one}""#));
            format!(
                r#""node_modules/{package}": {{"version": "{version}"{}}}"#,
                integrity.unwrap_or_default()
            )
        });
        let members: Vec<String> = members.collect();
        let text = format!(
            r#"{{"lockfileVersion": 3, "packages": {{"": {{}}, {}}}}}"#,
            members.join(", ")
        );
        let path = self.folder.path().join("package-lock.json");
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn scan(&self, list: &str, more: &[&str]) -> Output {
        self.command(list, more).output().unwrap()
    }

    fn command(&self, list: &str, more: &[&str]) -> Command {
        let mut command = apa();
        command
            .args(["scan", list])
            .args(self.registry.flags())
            .args(more);
        command
    }
}

/// Name and version of a specimen, as its file name has them.
fn named(specimen_name: &str) -> (String, String) {
    let filename = specimen(specimen_name).unwrap().filename;
    let stem = filename.strip_suffix(".tgz").unwrap();
    let (name, version) = stem.rsplit_once('-').unwrap();
    (name.to_owned(), version.to_owned())
}

fn parsed(output: &Output) -> Scan {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "no result: {error}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// The result is what `apa schema scan` says.
fn assert_fits_schema(result: &[u8]) {
    let schema = serde_json::from_slice(&run(["schema", "scan"]).stdout).unwrap();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("scan.json", schema).unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("scan.json", &mut schemas).unwrap();
    let result = serde_json::from_slice(result).unwrap();
    if let Err(error) = schemas.validate(&result, index) {
        panic!("{error:#}");
    }
}

fn of<'a>(scan: &'a Scan, specimen_name: &str) -> &'a ScannedPackage {
    let (name, version) = named(specimen_name);
    let full = format!("npm:{name}@{version}");
    scan.packages
        .iter()
        .find(|one| one.name.to_string() == full)
        .unwrap()
}

#[test]
fn every_package_of_a_lock_file_is_judged_once_and_not_again() {
    if !sandbox_works("every_package_of_a_lock_file_is_judged_once") {
        return;
    }
    let project = Project::new();
    let list = project.lock(&[(BAD, None), (GOOD, None)]);
    fs::write(
        project.folder.path().join("requirements.txt"),
        "-e git+https://code.example/a/b.git\n",
    )
    .unwrap();
    let folder = project.folder.path().to_string_lossy().into_owned();
    let output = project.scan(&folder, &["--format", "json"]);
    let scan = parsed(&output);
    assert_fits_schema(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (scan.exit_code, scan.sources.len(), scan.packages.len()),
        (1, 2, 3)
    );
    assert_eq!(of(&scan, BAD).verdict, Some(VerdictLabel::Malicious));
    assert_eq!(of(&scan, GOOD).verdict, Some(VerdictLabel::Clean));
    let other = scan.packages.iter().find(|one| one.purl.is_none()).unwrap();
    assert_eq!(
        (other.status, other.exit_code),
        (ScanStatus::NotAnalysable, 4)
    );
    assert!(!scan.complete);

    let again = project.scan(&list, &["--format", "ndjson", "-o", "json=again.json"]);
    assert_eq!(again.status.code(), Some(1));
    let lines: Vec<ScannedPackage> = String::from_utf8(again.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(line.status, ScanStatus::Known, "{}", line.name);
        let first = scan
            .packages
            .iter()
            .find(|one| one.name == line.name)
            .unwrap();
        assert_eq!(line.analysis, first.analysis);
    }
    let text = project.scan(&list, &[]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("2 packages of 1 list: 1 malicious, 1 clean"),
        "{text}"
    );
    assert!(text.starts_with("malicious"), "{text}");
}

#[test]
fn an_interrupted_scan_goes_on_where_it_was() {
    if !sandbox_works("an_interrupted_scan_goes_on_where_it_was") {
        return;
    }
    let project = Project::new();
    let list = project.lock(&[(GOOD, None), (BAD, None)]);
    let args = ["--format", "json", "--jobs", "1", "--persona", "ci"];
    let mut child = project
        .command(&list, &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line about a package that is done.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let first = lines
        .find(|line| line.as_ref().unwrap().contains("1 of 2"))
        .unwrap()
        .unwrap();
    assert!(first.contains(&named(GOOD).0), "{first}");
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    // Read to the end, so that the child can write.
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    let scan = parsed(&output);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(of(&scan, GOOD).status, ScanStatus::Analysed);
    assert_eq!(of(&scan, BAD).status, ScanStatus::Interrupted);
    let output = project.scan(&list, &args);
    let scan = parsed(&output);
    assert_eq!(of(&scan, GOOD).status, ScanStatus::Known);
    assert_eq!(of(&scan, BAD).status, ScanStatus::Analysed);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_lock_file_that_names_another_file_is_not_clean() {
    if !sandbox_works("a_lock_file_that_names_another_file_is_not_clean") {
        return;
    }
    let project = Project::new();
    let list = project.lock(&[(GOOD, Some(WRONG))]);
    let output = project.scan(&list, &["--format", "json"]);
    let scan = parsed(&output);
    let package = of(&scan, GOOD);
    assert_eq!((package.locked_file, package.exit_code), (Some(false), 3));
    assert_eq!(output.status.code(), Some(3));
    assert!(!scan.complete);
}

#[test]
fn only_what_changed_is_analysed() {
    if !sandbox_works("only_what_changed_is_analysed") {
        return;
    }
    let project = Project::new();
    let list = project.lock(&[(BAD, None)]);
    let old = project.folder.path().join("old-package-lock.json");
    fs::copy(&list, &old).unwrap();
    let git = |args: &[&str]| {
        let status = Command::new("git")
            .arg("-C")
            .arg(project.folder.path())
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.test",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(args)
            .stdout(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    };
    assert!(
        git(&["init", "-q"]) && git(&["add", "package-lock.json"]) && git(&["commit", "-qm", "1"])
    );
    project.lock(&[(BAD, None), (GOOD, None)]);
    for since in ["HEAD", old.to_str().unwrap()] {
        let output = project.scan(&list, &["--format", "json", "--changed-since", since]);
        let scan = parsed(&output);
        assert_eq!(of(&scan, BAD).status, ScanStatus::Unchanged, "{since}");
        assert_eq!(
            of(&scan, GOOD).verdict,
            Some(VerdictLabel::Clean),
            "{since}"
        );
        assert_eq!(output.status.code(), Some(0), "{since}");
        assert_eq!(scan.counts["unchanged"], 1);
    }
    // The same version with another hash is another file.
    project.lock(&[(GOOD, Some(WRONG))]);
    let output = project.scan(&list, &["--format", "json", "--changed-since", "HEAD"]);
    assert_eq!(of(&parsed(&output), GOOD).locked_file, Some(false));
    for since in ["no-such-commit", "--upload-pack=x"] {
        let output = project.scan(&list, &[&format!("--changed-since={since}")]);
        assert_eq!(output.status.code(), Some(2), "{since}");
    }
}

#[test]
fn lists_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for (list, code, names) in [
        (file("package-lock.json", "{"), 4, "package-lock.json"),
        (file("unknown.bin", "x"), 4, "unknown.bin"),
        (empty.to_string_lossy().into_owned(), 4, "no lock file"),
        ("./absent.lock".to_owned(), 4, "absent.lock"),
    ] {
        let output = run(["scan", &list]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{list}: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains(names),
            "{stderr}"
        );
        assert!(output.stdout.is_empty());
    }
    // Of a folder the others are read all the same.
    file("Cargo.lock", "version = 4\n");
    let output = run(["scan", &folder.path().to_string_lossy(), "--format", "json"]);
    let scan = parsed(&output);
    assert_eq!((scan.sources.len(), scan.exit_code), (2, 3));
}

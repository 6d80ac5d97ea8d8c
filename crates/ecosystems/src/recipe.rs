//! Pieces that the plans of several ecosystems share.

use apa_model::{
    FileContent, Limits, Owner, OwnerRule, Phase, PlannedFile, ProcessMatch, Step, StepKind,
};

/// Stands in a step's arguments for the path of its list of entries.
pub(crate) const ENTRIES: &str = "{entries}";

/// A readable file with this text.
pub(crate) fn text_file(path: String, text: &str) -> PlannedFile {
    PlannedFile {
        path,
        content: FileContent::Bytes(text.as_bytes().to_vec()),
        mode: 0o644,
    }
}

/// A step's name, which tells when not everything found is on its list.
pub(crate) fn counted(name: &str, listed: usize, found: usize) -> String {
    if listed == found {
        name.to_owned()
    } else {
        format!("{name} ({listed} of {found})")
    }
}

/// A step that unpacks the artifact where the import looks for it when the installation has left nothing whose
/// path begins with one of `installed`. In `unpack`, `$1` is the artifact and `$2` the folder. The script is
/// constant; what comes from the package are its arguments.
pub(crate) fn unpack_if_missing(
    installed: &[String],
    unpack: &str,
    artifact: &str,
    folder: &str,
    cwd: &str,
) -> Step {
    let script = format!(
        "artifact=$1; folder=$2; shift 2; \
         for start in \"$@\"; do for path in \"$start\"*; do test -e \"$path\" && exit 0; done; done; \
         set -- \"$artifact\" \"$folder\"; mkdir -p \"$2\" && {unpack}"
    );
    let words = ["/bin/sh", "-c", &script, "sh", artifact, folder];
    Step {
        phase: Phase::Install,
        name: "unpack what was not installed".to_owned(),
        argv: words
            .into_iter()
            .chain(installed.iter().map(String::as_str))
            .map(str::to_owned)
            .collect(),
        env: Vec::new(),
        cwd: cwd.to_owned(),
        owner: Owner::Harness,
        kind: StepKind::Once,
    }
}

/// Whose code runs inside a package manager after the installation when the package itself adds none to it: one of its
/// dependencies', by name where there is only one. Without dependencies nobody's, which counts as the package's.
pub(crate) fn one_of(dependencies: &[String]) -> Owner {
    match dependencies {
        [] => Owner::Package,
        [only] => Owner::Dependency(only.as_str().into()),
        _ => Owner::Dependency("(one that extends the package manager)".into()),
    }
}

/// How long all calls of functions may take, milliseconds. Benign packages export functions that wait for
/// ever, so this is a budget and not a bound that makes a run incomplete.
pub(crate) fn call_ms(limits: &Limits) -> u64 {
    (limits.execute_ms / 4).min(1_500)
}

/// How long one program may run, milliseconds: well before its entry's own bound, because a program that
/// waits for input or serves for ever is no anomaly.
pub(crate) fn program_ms(limits: &Limits) -> u64 {
    (limits.entry_ms / 2).min(3_000)
}

/// Most programs of one package that are run.
const MOST_PROGRAMS: usize = 20;

/// The ways each program is started, and the name of the step that does it. A package that is run as a module
/// mostly offers the same as its program, so that one start is enough.
pub(crate) fn invocations(programs: &[String]) -> (String, Vec<String>) {
    const WAYS: [&str; 3] = ["", " --help", " --version"];
    let listed = &programs[..programs.len().min(MOST_PROGRAMS)];
    let entries = listed.iter().flat_map(|program| {
        let once = program.starts_with("module ") && listed.len() > 1;
        let ways = if once { &WAYS[..1] } else { &WAYS[..] };
        ways.iter()
            .map(move |arguments| format!("{program}{arguments}"))
    });
    let name = counted("run programs", listed.len(), programs.len());
    (name, entries.collect())
}

/// Marks compilers and build tools, by program and by the scripts given.
pub(crate) fn toolchain(scripts: &[&str]) -> Vec<OwnerRule> {
    const TOOLS: [&str; 18] = [
        "cc1", "cc1plus", "collect2", "as", "ld", "ld.*", "*-as", "*-ld", "*-ld.*", "*gcc*",
        "*g++*", "clang*", "make", "gmake", "cmake", "ninja", "rustc", "cargo",
    ];
    let by_program = TOOLS.iter().map(|tool| ProcessMatch {
        exe: Some(format!("/usr/*/{tool}")),
        ..ProcessMatch::default()
    });
    let by_script = scripts.iter().map(|script| ProcessMatch {
        arg: Some((*script).to_owned()),
        ..ProcessMatch::default()
    });
    by_program
        .chain(by_script)
        .map(|when| OwnerRule {
            when,
            toolchain: true,
            ..OwnerRule::default()
        })
        .collect()
}

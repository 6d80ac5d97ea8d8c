use apa_model::{
    ExpectedHook, FileContent, HookName, Owner, OwnerRule, OwnerSource, Phase, Plan, PlannedFile,
    ProcessMatch, Step, StepKind,
};

use super::interpreter::{Start, start};
use crate::text::to_plain;
use crate::{PlanInput, recipe};

/// Ways a program is started; most do something with at least one.
const WAYS: [&[&str]; 2] = [&[], &["--help"]];

/// Set for what is started from the package, and for nothing before it. Services are started with such a variable.
pub(super) const MARK: &str = "INVOCATION_ID";

/// How a program is detonated: put into the user's downloads and run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let name = to_plain(&input.artifact.filename.lossy());
    let name = if name.is_empty() {
        "program".to_owned()
    } else {
        name
    };
    let folder = format!("{}/Downloads/sample", input.guest.home);
    let path = format!("{folder}/{name}");
    let bytes = input
        .archive
        .entries
        .first()
        .map(|entry| entry.bytes.clone());
    let how = start(&name, &bytes.unwrap_or_default());
    let runs = Runs {
        mark: mark(input),
        cwd: input.guest.home.clone(),
        limit: recipe::program_ms(input.limits),
    };
    Plan {
        files: vec![PlannedFile {
            path: path.clone(),
            content: FileContent::Host(input.artifact_path.to_owned()),
            mode: 0o755,
        }],
        steps: runs.program(&path, &how),
        owners: vec![runs.owner(None)],
        env_values: vec![MARK.to_owned()],
        hooks: vec![ExpectedHook {
            name: "the program".to_owned(),
            when: runs.started(),
        }],
        package_dirs: vec![folder],
        project_dir: input.guest.project_dir.clone(),
    }
}

/// The value of [`MARK`] in this run: like a random one, and another for every package.
pub(super) fn mark(input: &PlanInput<'_>) -> String {
    input.artifact.sha256.chars().skip(16).take(32).collect()
}

/// How the programs of one package are started.
pub(super) struct Runs {
    pub(super) mark: String,
    pub(super) cwd: String,
    /// How long each may run, milliseconds.
    pub(super) limit: u64,
}

impl Runs {
    /// Starts a program in every way; none when it cannot be started.
    pub(super) fn program(&self, path: &str, how: &Start) -> Vec<Step> {
        let base = path.rsplit('/').next().unwrap_or(path);
        let argv = match how {
            Start::Itself => vec![path.to_owned()],
            Start::With(interpreter) => vec![interpreter.clone(), path.to_owned()],
            Start::Not(_) => return Vec::new(),
        };
        WAYS.iter()
            .map(|way| {
                let mut argv = argv.clone();
                argv.extend(way.iter().map(|word| (*word).to_owned()));
                let name = [&[base], *way].concat().join(" ");
                self.step(Phase::Execute, name, &[], argv)
            })
            .collect()
    }

    /// A step that ends a command after a while and counts it as done however it ended: what serves or waits for ever
    /// is no anomaly.
    pub(super) fn step(
        &self,
        phase: Phase,
        name: String,
        variables: &[(&str, &str)],
        argv: Vec<String>,
    ) -> Step {
        // The script is constant; what comes from the package are its arguments.
        let script = "seconds=$1; shift; timeout -k 1 \"$seconds\" env \"$@\"; exit 0";
        let seconds = format!("{}.{:03}", self.limit / 1000, self.limit % 1000);
        let words = ["/bin/sh", "-c", script, "sh", &seconds].map(str::to_owned);
        let mark = format!("{MARK}={}", self.mark);
        let variables = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        Step {
            phase,
            name,
            argv: words
                .into_iter()
                .chain([mark])
                .chain(variables)
                .chain(argv)
                .collect(),
            env: Vec::new(),
            cwd: self.cwd.clone(),
            owner: Owner::Harness,
            kind: StepKind::Once,
        }
    }

    /// What is started from the package: the shell and the watchdog before it do not have the variable.
    pub(super) fn started(&self) -> ProcessMatch {
        ProcessMatch {
            env: vec![(MARK.to_owned(), self.mark.clone())],
            ..ProcessMatch::default()
        }
    }

    /// It is the package's.
    pub(super) fn owner(&self, hook: Option<HookName>) -> OwnerRule {
        OwnerRule {
            when: self.started(),
            owner: OwnerSource::Is(Owner::Package),
            hook,
            ..OwnerRule::default()
        }
    }
}

//! What is run, in order.

use apa_model::{Owner, Phase, Step, StepKind};

use super::{Macro, PKG_NAME, PKG_VERSION, Recipe, Use, on};
use crate::recipe::{self, ENTRIES};

/// Most examples that are run.
const MOST_EXAMPLES: usize = 5;

impl Recipe<'_> {
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = vec![self.unpack()];
        match &self.use_ {
            Use::Nothing => steps.push(self.build(Phase::Install, &["--bins"])),
            Use::Load(lib) => {
                steps.push(self.build(Phase::Install, &["--lib"]));
                steps.push(self.build_program());
                let library = format!("{}/lib{lib}.so", self.built());
                steps.push(self.run_program("load library", vec![library]));
            }
            Use::Link(_) => {
                steps.push(self.build_program());
                steps.push(self.run_program("run linked program", Vec::new()));
            }
            Use::Expand(lib) => {
                steps.push(self.build_program());
                steps.extend(self.expand(lib));
            }
        }
        steps.extend(self.execute());
        steps
    }

    /// As `cargo install` does, without the crate's own lock file.
    fn unpack(&self) -> Step {
        let script = "mkdir -p \"$2\" && tar -xf \"$1\" -C \"$2\" --strip-components=1 --no-same-owner \
                      --anchored --no-wildcards-match-slash --exclude='*/Cargo.lock'";
        let words = ["/bin/sh", "-c", script, "sh"].map(str::to_owned);
        let argv = words.into_iter().chain([self.artifact(), self.source()]);
        Step {
            owner: Owner::Manager,
            ..self.step(Phase::Install, "unpack", argv.collect(), StepKind::Once)
        }
    }

    fn build_program(&self) -> Step {
        let argv = vec![self.tool("cargo"), "build".to_owned()];
        Step {
            owner: Owner::Manager,
            ..self.step(Phase::Install, "cargo build", argv, StepKind::Once)
        }
    }

    /// Builds parts of the crate itself.
    fn build(&self, phase: Phase, what: &[&str]) -> Step {
        let manifest = format!("{}/Cargo.toml", self.source());
        let words = ["build", "--keep-going", "--manifest-path", &manifest];
        let words = words.iter().chain(what).map(|word| (*word).to_owned());
        let argv = std::iter::once(self.tool("cargo")).chain(words).collect();
        let name = format!("cargo build {}", what.join(" "));
        Step {
            owner: Owner::Manager,
            ..self.step(phase, &name, argv, StepKind::Once)
        }
    }

    fn run_program(&self, name: &str, arguments: Vec<String>) -> Step {
        let program = format!("{}/{}", self.built(), self.program());
        let argv = std::iter::once(program).chain(arguments).collect();
        self.step(Phase::Import, name, argv, StepKind::Once)
    }

    fn expand(&self, lib: &str) -> Option<Step> {
        let entries: Vec<_> = self.macros.iter().map(Macro::label).collect();
        if entries.is_empty() {
            return None;
        }
        let milliseconds = self.input.limits.entry_ms * 4 / 5;
        let mut step = self.list(Phase::Import, "use macros", "use", milliseconds, entries);
        step.argv.extend([self.usages(), lib.to_owned()]);
        // What cargo would tell the compiler, and with it every macro.
        step.env = [
            ("CARGO", self.tool("cargo")),
            ("CARGO_CRATE_NAME", self.program().replace('-', "_")),
            ("CARGO_MANIFEST_DIR", self.project().to_owned()),
            (PKG_NAME, self.program()),
            (PKG_VERSION, "0.1.0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Some(step)
    }

    fn execute(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let programs: Vec<_> = on(&self.programs).collect();
        if !programs.is_empty() {
            if !matches!(self.use_, Use::Nothing) {
                steps.push(self.build(Phase::Execute, &["--bins"]));
            }
            steps.push(self.runs("program", &programs));
        }
        let examples: Vec<_> = on(&self.examples).take(MOST_EXAMPLES).collect();
        if !examples.is_empty() {
            steps.push(self.build_examples(&examples));
            steps.push(self.runs("example", &examples));
        }
        steps
    }

    /// Examples bring further dependencies along, which nobody gets who uses the crate: their time is bounded, and
    /// what was not built in it is not run.
    fn build_examples(&self, examples: &[&str]) -> Step {
        let what: Vec<_> = examples
            .iter()
            .flat_map(|name| ["--example", name])
            .collect();
        let mut step = self.build(Phase::Execute, &what);
        let seconds = (self.input.limits.execute_ms / 2000).to_string();
        let bound = ["/usr/bin/timeout", "-s", "KILL", &seconds].map(str::to_owned);
        step.argv = bound.into_iter().chain(step.argv).collect();
        step
    }

    fn runs(&self, kind: &str, names: &[&str]) -> Step {
        let names: Vec<_> = names.iter().map(|name| format!("{kind} {name}")).collect();
        let (label, entries) = recipe::invocations(&names);
        let label = label.replace("program", kind);
        let milliseconds = recipe::program_ms(self.input.limits);
        self.list(Phase::Execute, &label, "run", milliseconds, entries)
    }

    fn list(
        &self,
        phase: Phase,
        name: &str,
        mode: &str,
        milliseconds: u64,
        entries: Vec<String>,
    ) -> Step {
        let argv = vec![
            "/bin/sh".to_owned(),
            self.harness(),
            mode.to_owned(),
            ENTRIES.to_owned(),
            format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000),
            self.built(),
        ];
        self.step(phase, name, argv, StepKind::Entries(entries))
    }

    fn step(&self, phase: Phase, name: &str, argv: Vec<String>, kind: StepKind) -> Step {
        Step {
            phase,
            name: name.to_owned(),
            argv,
            env: Vec::new(),
            cwd: self.project().to_owned(),
            owner: Owner::Package,
            kind,
        }
    }
}

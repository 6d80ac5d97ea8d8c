use apa_model::{
    ExpectedHook, FileContent, HookName, Owner, OwnerRule, OwnerSource, Phase, Plan, PlannedFile,
    ProcessMatch, Step, StepKind,
};
use toml::Value;

use super::macros::{self, Macro};
use super::manifest::{Manifest, Program};
use super::toolchain::Toolchain;
use crate::PlanInput;
use crate::recipe::{self, ENTRIES};
use crate::text::to_plain;

const HARNESS: &str = include_str!("harness.sh");
const PKG_NAME: &str = "CARGO_PKG_NAME";
const PKG_VERSION: &str = "CARGO_PKG_VERSION";
/// The folder of a registry's unpacked crates.
const UNPACKED: &str = ".cargo/registry/src/index-6f17d22bba15001f";
/// Most examples that are run.
const MOST_EXAMPLES: usize = 5;

/// How a crate is detonated: built by cargo into a small program, which is run; its macros used; its programs
/// built and run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let manifest = Manifest::read(input.archive);
    let name = input.identity.name.clone();
    let version = input.identity.version.clone();
    let recipe = Recipe {
        input,
        name: name.unwrap_or_else(|| "unnamed".to_owned()),
        version: version.unwrap_or_else(|| "0.0.0".to_owned()),
        use_: Use::of(manifest.as_ref()),
        macros: manifest.as_ref().map(exported).unwrap_or_default(),
        programs: manifest
            .as_ref()
            .map(Manifest::programs)
            .unwrap_or_default(),
        examples: manifest
            .as_ref()
            .map(Manifest::examples)
            .unwrap_or_default(),
        build_script: manifest.as_ref().and_then(Manifest::build_script).is_some(),
        toolchain: Toolchain::ask(None).ok(),
    };
    Plan {
        files: recipe.files(),
        steps: recipe.steps(),
        owners: recipe.owners(),
        env_values: [PKG_NAME, PKG_VERSION].map(str::to_owned).into(),
        hooks: recipe.hooks(),
        package_dirs: vec![recipe.source(), recipe.target()],
        project_dir: input.guest.project_dir.clone(),
    }
}

fn exported(manifest: &Manifest<'_>) -> Vec<Macro> {
    let source = manifest.lib_source().filter(|_| manifest.is_macro());
    source.and_then(macros::exported).unwrap_or_default()
}

/// What another crate does with a library of this name.
enum Use {
    /// It has none.
    Nothing,
    Link(String),
    /// Of a library made for other languages.
    Load(String),
    Expand(String),
}

impl Use {
    fn of(manifest: Option<&Manifest<'_>>) -> Self {
        let Some((manifest, name)) = manifest.and_then(|it| Some((it, it.lib_name()?))) else {
            return Self::Nothing;
        };
        if manifest.is_macro() {
            Self::Expand(name)
        } else if manifest.is_linkable() {
            Self::Link(name)
        } else {
            Self::Load(name)
        }
    }
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    name: String,
    version: String,
    use_: Use,
    macros: Vec<Macro>,
    programs: Vec<Program>,
    examples: Vec<Program>,
    build_script: bool,
    toolchain: Option<Toolchain>,
}

impl Recipe<'_> {
    fn project(&self) -> &str {
        &self.input.guest.project_dir
    }

    fn target(&self) -> String {
        format!("{}/target", self.project())
    }

    fn built(&self) -> String {
        format!("{}/debug", self.target())
    }

    /// Where the crate is unpacked: where cargo keeps what it has unpacked itself.
    fn source(&self) -> String {
        let folder = format!("{}-{}", to_plain(&self.name), to_plain(&self.version));
        format!("{}/{UNPACKED}/{folder}", self.input.guest.home)
    }

    fn artifact(&self) -> String {
        let (name, version) = (to_plain(&self.name), to_plain(&self.version));
        format!("{}/Downloads/{name}-{version}.crate", self.input.guest.home)
    }

    fn harness(&self) -> String {
        format!("{}/run.sh", self.project())
    }

    fn usages(&self) -> String {
        format!("{}/src/usage", self.project())
    }

    /// The name of the small program, which must not be the crate's own.
    fn program(&self) -> String {
        let folder = self.project().rsplit('/').next().unwrap_or_default();
        let name = to_plain(folder).replace(['.', '+'], "-").to_lowercase();
        let usable = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name != self.name;
        if usable {
            name
        } else {
            "main-service".to_owned()
        }
    }

    fn tool(&self, name: &str) -> String {
        match &self.toolchain {
            Some(toolchain) => toolchain.program(name),
            None => format!("/usr/bin/{name}"),
        }
    }

    fn files(&self) -> Vec<PlannedFile> {
        let project = self.project();
        let mut files = vec![
            PlannedFile {
                path: self.artifact(),
                content: FileContent::Host(self.input.artifact_path.to_owned()),
                mode: 0o644,
            },
            recipe::text_file(format!("{project}/Cargo.toml"), &self.manifest()),
            recipe::text_file(format!("{project}/src/main.rs"), &self.main()),
            recipe::text_file(
                format!("{}/.cargo/config.toml", self.input.guest.home),
                &self.configuration(),
            ),
            recipe::text_file(self.harness(), HARNESS),
        ];
        if let Use::Expand(lib) = &self.use_ {
            files.extend(self.macros.iter().map(|found| {
                let file = found.label().replace(' ', "_");
                recipe::text_file(format!("{}/{file}.rs", self.usages()), &found.usage(lib))
            }));
        }
        files
    }

    /// The crate comes from its folder wherever it is depended on, also by its own dependencies.
    fn manifest(&self) -> String {
        let package = format!(
            "[package]\nname = {}\nversion = \"0.1.0\"\nedition = \"2021\"\npublish = false\n\n[workspace]\n",
            quoted(&self.program())
        );
        if !matches!(self.use_, Use::Link(_) | Use::Expand(_)) {
            return package;
        }
        let (name, source) = (quoted(&self.name), quoted(&self.source()));
        format!(
            "{package}\n[dependencies]\n{name} = {{ path = {source} }}\n\n\
             [patch.crates-io]\n{name} = {{ path = {source} }}\n"
        )
    }

    fn main(&self) -> String {
        match &self.use_ {
            Use::Link(lib) | Use::Expand(lib) => {
                format!("use r#{lib} as _;\n\nfn main() {{}}\n")
            }
            Use::Load(_) => include_str!("load.rs").to_owned(),
            Use::Nothing => "fn main() {}\n".to_owned(),
        }
    }

    /// Warnings of the crate are nobody's concern, as of any dependency. Nothing is built twice, so that neither
    /// incremental compilation nor debug information is of use.
    fn configuration(&self) -> String {
        format!(
            "[source.crates-io]\nreplace-with = \"mirror\"\n\n\
             [source.mirror]\nregistry = \"sparse+{}/cargo/\"\n\n\
             [build]\ntarget-dir = {}\nrustflags = [\"--cap-lints=allow\"]\n\n\
             [profile.dev]\ndebug = 0\nincremental = false\n\n\
             [term]\ncolor = \"never\"\n",
            self.input.gateway_url,
            quoted(&self.target())
        )
    }

    fn steps(&self) -> Vec<Step> {
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

    /// What cargo starts for a crate, it starts with the crate's name: build scripts, and the compiler, inside which
    /// the macros run that the crate uses. The small program uses none but those that are analysed.
    fn owners(&self) -> Vec<OwnerRule> {
        let started = |name: &str, exe: Option<&str>| ProcessMatch {
            env: vec![(PKG_NAME.to_owned(), name.to_owned())],
            exe: exe.map(str::to_owned),
            parent: vec![Owner::Manager],
            ..ProcessMatch::default()
        };
        let crates = || OwnerSource::NameAndVersionFromEnv {
            name: PKG_NAME.to_owned(),
            version: PKG_VERSION.to_owned(),
            target: self.name.clone(),
        };
        let rule = |when, owner, toolchain, hook| OwnerRule {
            when,
            owner,
            toolchain,
            hook: Some(HookName::Is(hook)),
        };
        let compiler = Some("*/bin/rustc");
        let small = OwnerSource::Is(Owner::Package);
        let mut rules = vec![
            rule(started(&self.program(), compiler), small, true, "macro"),
            rule(started("*", compiler), crates(), true, "macro"),
            rule(started("*", None), crates(), false, "build script"),
        ];
        rules.extend(recipe::toolchain(&[]));
        rules.push(OwnerRule {
            when: ProcessMatch {
                exe: Some("/usr/*/rust-lld".to_owned()),
                ..ProcessMatch::default()
            },
            toolchain: true,
            ..OwnerRule::default()
        });
        rules
    }

    fn hooks(&self) -> Vec<ExpectedHook> {
        let mut hooks = Vec::new();
        if self.build_script {
            hooks.push(ExpectedHook {
                name: "a build script".to_owned(),
                when: ProcessMatch {
                    env: vec![(PKG_NAME.to_owned(), self.name.clone())],
                    exe: Some(format!("{}/build/*/build-script-*", self.built())),
                    ..ProcessMatch::default()
                },
            });
        }
        let runs = |name: String, file: &str| ExpectedHook {
            name,
            when: ProcessMatch {
                exe: Some(format!("{}/{file}", self.built())),
                ..ProcessMatch::default()
            },
        };
        match &self.use_ {
            Use::Link(_) | Use::Load(_) => {
                hooks.push(runs("a library".to_owned(), &self.program()));
            }
            Use::Expand(lib) if self.macros.is_empty() => hooks.push(uses(lib, "macros", "*")),
            Use::Expand(lib) => {
                let labels = self.macros.iter().map(Macro::label);
                hooks.extend(labels.map(|label| uses(lib, &label, &label.replace(' ', "_"))));
            }
            Use::Nothing => {}
        }
        hooks.extend(on(&self.programs).map(|name| runs(format!("the program {name}"), name)));
        hooks
    }
}

/// The compiler at work on the use of a macro, which it loads.
fn uses(lib: &str, name: &str, file: &str) -> ExpectedHook {
    ExpectedHook {
        name: name.to_owned(),
        when: ProcessMatch {
            exe: Some("*/bin/rustc".to_owned()),
            arg: Some(format!("*/src/usage/{file}.rs")),
            opens: Some(format!("*/deps/lib{lib}-*.so")),
            ..ProcessMatch::default()
        },
    }
}

/// Names of those that are built without asking for features.
fn on(programs: &[Program]) -> impl Iterator<Item = &str> {
    programs
        .iter()
        .filter(|program| program.by_default)
        .map(|program| program.name.as_str())
}

/// As a text of a TOML file.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

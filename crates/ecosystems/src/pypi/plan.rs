use std::collections::BTreeSet;

use apa_archive::{Archive, Format};
use apa_model::{
    ArtifactKind, ExpectedHook, FileContent, HookName, Owner, OwnerRule, OwnerSource, Phase, Plan,
    PlannedFile, ProcessMatch, Step, StepKind,
};

use super::distribution::Distribution;
use super::entries::{Modules, modules};
use super::filename::{self, normalise};
use super::interpreter::{Interpreter, PYTHON};
use crate::PlanInput;
use crate::recipe::{self, ENTRIES};
use crate::text::{plain_filename, to_plain};

const HARNESS: &str = include_str!("harness.py");
/// What the hooks of a source distribution are called.
const SETUP: &str = "setup.py";
const BUILD: &str = "build backend";
/// The script by which pip calls a build backend.
const BACKEND: &str = "*/_in_process.py";
/// Most modules whose functions are called.
const MOST_CALLED: usize = 80;
/// Most modules of which one must be there for the distribution to count as installed.
const MOST_TOPS: usize = 200;
/// Most dependencies whose builds are told apart by name.
const MOST_DEPENDENCIES: usize = 100;

/// How a distribution is detonated: installed by pip for the user, seen by a bare interpreter, imported,
/// called, run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let distribution = Distribution::read(input.archive);
    let recipe = Recipe {
        modules: distribution.as_ref().map(modules),
        // Without its answer only folder names are less exact; the install step will say what is wrong.
        interpreter: Interpreter::ask(None).unwrap_or_default(),
        distribution,
        input,
    };
    Plan {
        files: recipe.files(),
        steps: recipe.steps(),
        owners: recipe.owners(),
        env_values: ["PEP517_BUILD_BACKEND", "_PYPROJECT_HOOKS_BUILD_BACKEND"]
            .map(str::to_owned)
            .into(),
        hooks: recipe.hooks(),
        package_dirs: recipe.package_dirs(),
        project_dir: input.guest.project_dir.clone(),
    }
}

/// The steps that import and call modules which a system's package has put into `site`, with the files they need.
/// `archive` has that folder at its top.
pub(crate) fn installed(
    input: &PlanInput<'_>,
    archive: &Archive,
    site: &str,
) -> (Vec<PlannedFile>, Vec<Step>) {
    let distribution = Distribution::installed(archive);
    let recipe = Recipe {
        modules: Some(modules(&distribution)),
        interpreter: Interpreter::default(),
        distribution: Some(distribution),
        input,
    };
    let mut steps = recipe.import_steps();
    for step in &mut steps {
        step.env.push(("PYTHONPATH".to_owned(), site.to_owned()));
    }
    let harness = recipe::text_file(recipe.harness(), HARNESS);
    (vec![harness], steps)
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    distribution: Option<Distribution<'a>>,
    modules: Option<Modules>,
    interpreter: Interpreter,
}

impl Recipe<'_> {
    fn harness(&self) -> String {
        format!("{}/.local/share/python/run.py", self.input.guest.home)
    }

    fn artifact(&self) -> String {
        format!("{}/Downloads/{}", self.input.guest.home, self.filename())
    }

    /// pip takes name, version and tags from the file name, so a name that tells them is kept and any other
    /// replaced by one made from the content.
    fn filename(&self) -> String {
        let given = self.input.artifact.filename.lossy();
        let kind = self.input.identity.kind;
        let usable = plain_filename(&given)
            .filter(|name| filename::parse(name).is_some_and(|parts| parts.kind == kind));
        if let Some(name) = usable {
            return name.to_owned();
        }
        let part = |text: &Option<String>, otherwise: &str| {
            to_plain(text.as_deref().unwrap_or(otherwise)).replace('-', "_")
        };
        let name = part(&self.input.identity.name, "unnamed");
        let version = part(&self.input.identity.version, "0");
        match (kind, self.input.archive.format) {
            (ArtifactKind::Wheel, _) => format!("{name}-{version}-{}.whl", self.wheel_tag()),
            (_, Format::Zip) => format!("{name}-{version}.zip"),
            _ => format!("{name}-{version}.tar.gz"),
        }
    }

    fn wheel_tag(&self) -> String {
        let wheel = self
            .distribution
            .as_ref()
            .and_then(|found| found.info_text("WHEEL"));
        let tags: Vec<String> = wheel
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("Tag:"))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| plain_filename(tag).is_some() && tag.matches('-').count() == 2)
            .collect();
        let best = self.interpreter.tags.iter().find(|tag| tags.contains(tag));
        best.or(tags.first())
            .map_or_else(|| "py3-none-any".to_owned(), String::clone)
    }

    fn files(&self) -> Vec<PlannedFile> {
        vec![
            PlannedFile {
                path: self.artifact(),
                content: FileContent::Host(self.input.artifact_path.to_owned()),
                mode: 0o644,
            },
            recipe::text_file(self.harness(), HARNESS),
        ]
    }

    fn site_packages(&self) -> String {
        format!(
            "{}/.local/lib/python{}/site-packages",
            self.input.guest.home,
            self.interpreter.minor()
        )
    }

    /// Not all of site-packages: a file dropped beside the package is started by every interpreter.
    fn package_dirs(&self) -> Vec<String> {
        let site = self.site_packages();
        let names = self.modules.iter().flat_map(|modules| &modules.names);
        let mut dirs: Vec<_> = names.map(|name| format!("{site}/{}", top(name))).collect();
        dirs.push(format!("{site}/__pycache__"));
        dirs.sort();
        dirs.dedup();
        dirs
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![self.install()];
        steps.extend(self.unpack_if_missing());
        for name in ["bare interpreter", "bare interpreter again"] {
            let argv = [PYTHON, "-c", "pass"].map(str::to_owned).into();
            steps.push(self.step(
                Phase::InterpreterStart,
                name.to_owned(),
                argv,
                StepKind::Once,
            ));
        }
        steps.extend(self.import_steps());
        let programs = self.modules.as_ref().map(|modules| self.programs(modules));
        steps.extend(self.run_step(&programs.unwrap_or_default()));
        steps
    }

    fn import_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(modules) = &self.modules else {
            return steps;
        };
        if !modules.names.is_empty() {
            let called = modules.names[..modules.names.len().min(MOST_CALLED)].to_vec();
            let label = recipe::counted("import", modules.names.len(), modules.found);
            let names = modules.names.clone();
            steps.push(self.entries(Phase::Import, label, "load", 0, names));
            let call_ms = recipe::call_ms(self.input.limits);
            let label = recipe::counted("call functions", called.len(), modules.found);
            steps.push(self.entries(Phase::Execute, label, "call", call_ms, called));
        }
        steps
    }

    fn run_step(&self, programs: &[String]) -> Option<Step> {
        let program_ms = recipe::program_ms(self.input.limits);
        let (label, entries) = recipe::invocations(programs);
        let step = || self.entries(Phase::Execute, label, "run", program_ms, entries);
        (!programs.is_empty()).then(step)
    }

    /// Where an artifact is unpacked that pip could not install; the harness, which lies beside it, imports from
    /// there what is nowhere else.
    fn fallback(&self) -> String {
        format!("{}/.local/share/python/src", self.input.guest.home)
    }

    fn unpack_if_missing(&self) -> Option<Step> {
        let site = self.site_packages();
        let tops = self.modules.as_ref()?.names.iter().map(|name| top(name));
        // A source may hold modules for other interpreters, so one of them must be there, not the first.
        let installed: BTreeSet<_> = tops.map(|top| format!("{site}/{top}")).collect();
        let installed: Vec<_> = installed.into_iter().take(MOST_TOPS).collect();
        if installed.is_empty() {
            return None;
        }
        // Isolated and without site-packages, so that no file of the package takes part in unpacking it.
        let unpack = match self.input.archive.format {
            Format::Zip => "/usr/bin/python3 -I -S -m zipfile -e \"$1\" \"$2\"",
            _ => "tar -xf \"$1\" -C \"$2\" --strip-components=1 --no-same-owner",
        };
        Some(recipe::unpack_if_missing(
            &installed,
            unpack,
            &self.artifact(),
            &self.fallback(),
            &self.input.guest.project_dir,
        ))
    }

    /// What the host has installed for itself is ignored: the sample's machine has none of it.
    fn install(&self) -> Step {
        let words = [
            PYTHON,
            "-m",
            "pip",
            "install",
            "--user",
            "--ignore-installed",
            "--no-compile",
            "--no-cache-dir",
            "--no-warn-script-location",
        ];
        let mut argv: Vec<String> = words.map(str::to_owned).into();
        argv.push(self.artifact());
        Step {
            owner: Owner::Manager,
            ..self.step(
                Phase::Install,
                "pip install".to_owned(),
                argv,
                StepKind::Once,
            )
        }
    }

    fn step(&self, phase: Phase, name: String, argv: Vec<String>, kind: StepKind) -> Step {
        Step {
            phase,
            name,
            argv,
            env: self.environment(),
            cwd: self.input.guest.project_dir.clone(),
            owner: Owner::Package,
            kind,
        }
    }

    fn entries(
        &self,
        phase: Phase,
        name: String,
        mode: &str,
        milliseconds: u64,
        entries: Vec<String>,
    ) -> Step {
        let argv = vec![
            PYTHON.to_owned(),
            self.harness(),
            mode.to_owned(),
            ENTRIES.to_owned(),
            milliseconds.to_string(),
        ];
        self.step(phase, name, argv, StepKind::Entries(entries))
    }

    /// In the environment, so that isolated builds and a pip that the package starts have them too; a pip that
    /// does not know one ignores it.
    fn environment(&self) -> Vec<(String, String)> {
        let index = format!("{}/pypi/simple/", self.input.gateway_url);
        [
            ("PIP_INDEX_URL", index.as_str()),
            ("PIP_BREAK_SYSTEM_PACKAGES", "1"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("PIP_NO_INPUT", "1"),
            // Compiled copies of every module would bury what the package itself writes.
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn programs(&self, modules: &Modules) -> Vec<String> {
        let scripts = self.distribution.iter().flat_map(Distribution::scripts);
        let scripts = scripts.map(|name| format!("run {name}"));
        let runnable = modules.runnable.iter().map(|name| format!("module {name}"));
        scripts.chain(runnable).collect()
    }

    /// pip unpacks the file it was given into `pip-req-build-*` and dependencies into `pip-install-*/NAME_*`.
    /// A setup.py has its path among the arguments; a build backend works in that folder.
    fn owners(&self) -> Vec<OwnerRule> {
        let by_manager = |arg: &str, cwd: Option<String>, hook, owner: Owner| OwnerRule {
            when: ProcessMatch {
                arg: Some(arg.to_owned()),
                cwd,
                parent: vec![Owner::Manager],
                ..ProcessMatch::default()
            },
            owner: OwnerSource::Is(owner),
            hook: Some(HookName::Is(hook)),
            ..OwnerRule::default()
        };
        let script = |path: &str, owner| by_manager(path, None, SETUP, owner);
        let backend = |cwd, owner| by_manager(BACKEND, cwd, BUILD, owner);
        let required = self.distribution.iter().flat_map(Distribution::requires);
        let known = required.take(MOST_DEPENDENCIES).map(|name| {
            let name = normalise(&name);
            (format!("{name}_*"), name)
        });
        let unknown = ("*".to_owned(), "(built from source)".to_owned());
        let mut rules: Vec<_> = known
            .chain([unknown])
            .flat_map(|(folder, name)| {
                let folder = format!("*/pip-install-*/{folder}");
                let owner = Owner::Dependency(name.into());
                [
                    script(&format!("{folder}setup.py*"), owner.clone()),
                    backend(Some(folder), owner),
                ]
            })
            .collect();
        rules.push(backend(None, Owner::Package));
        rules.push(script("*setup.py*", Owner::Package));
        rules.extend(recipe::toolchain(&[]));
        rules
    }

    fn hooks(&self) -> Vec<ExpectedHook> {
        let Some(source) = self
            .distribution
            .as_ref()
            .filter(|found| found.kind == ArtifactKind::Sdist)
        else {
            return Vec::new();
        };
        let by_pip = !source.files.contains("pyproject.toml") && self.interpreter.runs_setup_py();
        let (name, arg) = if by_pip {
            (SETUP, "*setup.py*")
        } else {
            (BUILD, BACKEND)
        };
        vec![ExpectedHook {
            name: name.to_owned(),
            when: ProcessMatch {
                arg: Some(arg.to_owned()),
                ..ProcessMatch::default()
            },
        }]
    }
}

/// The module at the top of a dotted name.
fn top(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

use apa_archive::Archive;
use apa_model::{
    ExpectedHook, FileContent, HookName, Owner, OwnerRule, OwnerSource, Phase, Plan, PlannedFile,
    ProcessMatch, Step, StepKind,
};
use serde_json::json;

use super::entries::{Imports, imports};
use super::manifest::Manifest;
use crate::PlanInput;
use crate::host::{node_headers, system_program};
use crate::recipe::{self, ENTRIES};
use crate::text::{plain_filename, to_plain};

const HARNESS: &str = include_str!("harness.cjs");
/// Most modules whose exports are called.
const MOST_CALLED: usize = 60;

/// How an npm archive is detonated: installed by npm into a small project, imported, called, run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let manifest = Manifest::read(input.archive).unwrap_or_default();
    let name = input.identity.name.as_deref().or(manifest.text("name"));
    let recipe = Recipe {
        input,
        name: name.unwrap_or("unnamed").to_owned(),
        manifest,
    };
    Plan {
        files: recipe.files(),
        steps: recipe.steps(),
        owners: recipe.owners(),
        env_values: [
            "npm_lifecycle_event",
            "npm_package_name",
            "npm_package_json",
        ]
        .map(str::to_owned)
        .into(),
        hooks: recipe.hooks(),
        package_dirs: vec![recipe.package_dir()],
        project_dir: input.guest.project_dir.clone(),
    }
}

/// The steps that import, call and run a package which another one has put into the project's `node_modules`, with the
/// files they need. `archive` has the package's folder at its top.
pub(crate) fn installed(
    input: &PlanInput<'_>,
    archive: &Archive,
    name: &str,
) -> (Vec<PlannedFile>, Vec<Step>) {
    let recipe = Recipe {
        input,
        name: name.to_owned(),
        manifest: Manifest::read(archive).unwrap_or_default(),
    };
    let harness = recipe::text_file(recipe.harness(), HARNESS);
    (vec![harness], recipe.use_steps())
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    name: String,
    manifest: Manifest,
}

impl Recipe<'_> {
    fn project(&self) -> &str {
        &self.input.guest.project_dir
    }

    fn package_dir(&self) -> String {
        format!("{}/node_modules/{}", self.project(), self.name)
    }

    fn harness(&self) -> String {
        format!("{}/index.cjs", self.project())
    }

    fn artifact(&self) -> String {
        let name = self.input.artifact.filename.lossy();
        let name = match plain_filename(&name) {
            Some(name) if name.ends_with(".tgz") || name.ends_with(".tar.gz") => name.to_owned(),
            _ => format!("{}.tgz", to_plain(&self.name)),
        };
        format!("{}/Downloads/{name}", self.input.guest.home)
    }

    fn files(&self) -> Vec<PlannedFile> {
        vec![
            PlannedFile {
                path: self.artifact(),
                content: FileContent::Host(self.input.artifact_path.to_owned()),
                mode: 0o644,
            },
            recipe::text_file(
                format!("{}/package.json", self.project()),
                &self.project_manifest(),
            ),
            recipe::text_file(self.harness(), HARNESS),
        ]
    }

    /// npm 12 and later run no install script that the project has not allowed.
    fn project_manifest(&self) -> String {
        let mut allowed = serde_json::Map::new();
        allowed.insert(format!("file:{}", self.artifact()), true.into());
        allowed.insert(self.name.clone(), true.into());
        for dependency in self.manifest.dependencies() {
            allowed.insert(dependency.name.to_owned(), true.into());
        }
        let folder = self.project().rsplit('/').next().unwrap_or_default();
        let manifest = json!({
            "name": to_plain(folder).to_lowercase(),
            "version": "1.0.0",
            "private": true,
            "allowScripts": allowed,
        });
        format!("{manifest:#}\n")
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = vec![self.install(), self.unpack_if_missing()];
        steps.extend(self.use_steps());
        steps
    }

    /// Import, calls and programs.
    fn use_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let Imports {
            entries,
            named,
            found,
        } = imports(&self.manifest, &self.name);
        if !entries.is_empty() {
            // What has a name comes first, and is called even when it is much.
            let called = entries[..entries.len().min(MOST_CALLED.max(named))].to_vec();
            let import_ms = self.input.limits.entry_ms * 4 / 5;
            let (front, rest) = entries.split_at(named);
            if !front.is_empty() {
                let all = if rest.is_empty() { found } else { named };
                let label = recipe::counted("import", front.len(), all);
                let front = front.to_vec();
                steps.push(self.entries(Phase::Import, label, "load", import_ms, front));
            }
            if !rest.is_empty() {
                // Nothing that a dependent package asks for leads there: that they are loaded is our doing.
                let label = recipe::counted("load other modules", rest.len(), found - named);
                let rest = rest.to_vec();
                steps.push(self.entries(Phase::Execute, label, "load", import_ms, rest));
            }
            let call_ms = recipe::call_ms(self.input.limits);
            steps.push(self.entries(
                Phase::Execute,
                "call exports".into(),
                "call",
                call_ms,
                called,
            ));
        }
        let programs = self.manifest.programs();
        let programs: Vec<_> = programs
            .iter()
            .map(|(name, _)| format!("run {name}"))
            .collect();
        if !programs.is_empty() {
            let program_ms = recipe::program_ms(self.input.limits);
            let (label, entries) = recipe::invocations(&programs);
            steps.push(self.entries(Phase::Execute, label, "run", program_ms, entries));
        }
        steps
    }

    /// npm takes everything back when a hook fails; the package is imported all the same.
    fn unpack_if_missing(&self) -> Step {
        let folder = self.package_dir();
        let unpack = "tar -xf \"$1\" -C \"$2\" --strip-components=1 --no-same-owner";
        let installed = [folder.clone()];
        recipe::unpack_if_missing(
            &installed,
            unpack,
            &self.artifact(),
            &folder,
            self.project(),
        )
    }

    fn install(&self) -> Step {
        let words = [
            "install",
            "--no-audit",
            "--no-fund",
            "--foreground-scripts",
            "--loglevel=error",
        ];
        let mut argv = vec![system_program("npm")];
        argv.extend(words.map(str::to_owned));
        argv.push(self.artifact());
        Step {
            phase: Phase::Install,
            name: "npm install".to_owned(),
            argv,
            env: self.environment(),
            cwd: self.project().to_owned(),
            owner: Owner::Manager,
            kind: StepKind::Once,
        }
    }

    /// Also in later phases: an npm that the package starts must meet the gateway, or it would send the
    /// user's genuine-looking token where no registry is.
    fn environment(&self) -> Vec<(String, String)> {
        let cache = format!("{}/.npm", self.input.guest.home);
        let registry = format!("{}/npm/", self.input.gateway_url);
        // An unknown setting only warns here, while an unknown flag would fail.
        let headers = node_headers().map(|folder| ("npm_config_nodedir", folder));
        [
            ("npm_config_registry", registry.as_str()),
            ("npm_config_cache", cache.as_str()),
            ("npm_config_update_notifier", "false"),
            ("npm_config_dangerously_allow_all_scripts", "true"),
        ]
        .into_iter()
        // A native module is built with them; a download would be simulated, and the build would fail.
        .chain(headers)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    fn entries(
        &self,
        phase: Phase,
        name: String,
        mode: &str,
        milliseconds: u64,
        entries: Vec<String>,
    ) -> Step {
        // A call that hangs is ended by force, after which node's own check of its hooks would end everything.
        let unchecked = (mode == "call").then(|| "--no-force-async-hooks-checks".to_owned());
        let words = [
            self.harness(),
            mode.to_owned(),
            ENTRIES.to_owned(),
            self.package_dir(),
            milliseconds.to_string(),
        ];
        Step {
            phase,
            name,
            argv: std::iter::once(system_program("node"))
                .chain(unchecked)
                .chain(words)
                .collect(),
            env: self.environment(),
            cwd: self.project().to_owned(),
            owner: Owner::Package,
            kind: StepKind::Entries(entries),
        }
    }

    fn owners(&self) -> Vec<OwnerRule> {
        // Only where npm itself is the parent: a script may set these variables for its own children.
        let script = ProcessMatch {
            env: vec![("npm_lifecycle_event".into(), "*".into())],
            parent: vec![Owner::Manager],
            ..ProcessMatch::default()
        };
        let mut rules = vec![OwnerRule {
            when: script,
            owner: OwnerSource::NameFromEnv {
                variable: "npm_package_name".into(),
                target: self.name.clone(),
            },
            hook: Some(HookName::FromEnv("npm_lifecycle_event")),
            ..OwnerRule::default()
        }];
        rules.extend(recipe::toolchain(&["*/node-gyp.js", "*/node-gyp"]));
        rules
    }

    fn hooks(&self) -> Vec<ExpectedHook> {
        let hook = |(event, _): (&'static str, &str)| ExpectedHook {
            name: event.to_owned(),
            when: ProcessMatch {
                env: vec![
                    ("npm_lifecycle_event".into(), event.into()),
                    ("npm_package_name".into(), self.name.clone()),
                ],
                ..ProcessMatch::default()
            },
        };
        self.manifest.hooks().into_iter().map(hook).collect()
    }
}

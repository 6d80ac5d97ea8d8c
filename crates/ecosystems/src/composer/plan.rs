use apa_model::{
    ExpectedHook, FileContent, HookName, Owner, OwnerRule, Phase, Plan, PlannedFile, ProcessMatch,
    Step, StepKind,
};
use serde_json::{Value, json};

use super::entries::{Files, files};
use super::manifest::Manifest;
use super::version::Version;
use crate::PlanInput;
use crate::host::system_program;
use crate::recipe::{self, ENTRIES};
use crate::text::to_plain;

const HARNESS: &str = include_str!("run.php");
/// Loads the autoloader and nothing else.
const LOAD: &str = "require 'vendor/autoload.php';";
/// Most files whose functions are called.
const MOST_CALLED: usize = 60;
/// Events that Composer has scripts for while it installs a project.
const EVENTS: [&str; 8] = [
    "post-root-package-install",
    "pre-install-cmd",
    "post-install-cmd",
    "pre-update-cmd",
    "post-update-cmd",
    "pre-autoload-dump",
    "post-autoload-dump",
    "post-create-project-cmd",
];

/// How a package is detonated: required by a project, by one that lets it extend Composer, made the project itself;
/// then its autoloader, files, functions and programs.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let manifest = Manifest::read(input.archive);
    let given = manifest
        .as_ref()
        .and_then(Manifest::name)
        .map(str::to_lowercase);
    let recipe = Recipe {
        name: given
            .or_else(|| input.identity.name.clone())
            .unwrap_or_else(|| "unnamed/unnamed".to_owned()),
        version: version(input),
        manifest,
        input,
    };
    Plan {
        files: recipe.files(),
        steps: recipe.steps(),
        owners: recipe.owners(),
        env_values: Vec::new(),
        hooks: recipe.hooks(),
        package_dirs: recipe.package_dirs(),
        project_dir: input.guest.project_dir.clone(),
    }
}

/// A version that Composer understands; the registry's or the manifest's, where it is one.
fn version(input: &PlanInput<'_>) -> String {
    let given = input.identity.version.as_deref().unwrap_or_default();
    let branch = given
        .strip_prefix("dev-")
        .is_some_and(|name| to_plain(name) == name && !name.is_empty());
    if Version::parse(given).is_some() || branch {
        given.to_owned()
    } else {
        "1.0.0".to_owned()
    }
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    manifest: Option<Manifest<'a>>,
    name: String,
    version: String,
}

impl Recipe<'_> {
    fn project(&self) -> &str {
        &self.input.guest.project_dir
    }

    /// The project that lets plug-ins run.
    fn site(&self) -> String {
        format!("{}/site", self.project())
    }

    /// The project that the package itself is made.
    fn app(&self) -> String {
        format!("{}/app", self.project())
    }

    fn installed(&self, project: &str) -> String {
        format!("{project}/vendor/{}", self.name)
    }

    fn package_dirs(&self) -> Vec<String> {
        vec![
            self.installed(self.project()),
            self.installed(&self.site()),
            self.app(),
        ]
    }

    fn home(&self, path: &str) -> String {
        format!("{}/{path}", self.input.guest.home)
    }

    fn harness(&self) -> String {
        self.home(".local/share/php/run.php")
    }

    fn artifact(&self) -> String {
        let name = to_plain(&format!("{}-{}", self.name.replace('/', "-"), self.version));
        self.home(&format!("Downloads/{name}.zip"))
    }

    fn files(&self) -> Vec<PlannedFile> {
        let project = |plugins: bool| {
            let settings = json!({
                "minimum-stability": "dev", "prefer-stable": true, "config": {"allow-plugins": plugins},
            });
            format!("{settings:#}\n")
        };
        let file = |folder: &str| format!("{folder}/composer.json");
        vec![
            PlannedFile {
                path: self.artifact(),
                content: FileContent::Host(self.input.artifact_path.to_owned()),
                mode: 0o644,
            },
            recipe::text_file(file(self.project()), &project(false)),
            recipe::text_file(file(&self.site()), &project(true)),
            recipe::text_file(self.home(".config/composer/config.json"), &self.settings()),
            recipe::text_file(self.harness(), HARNESS),
        ]
    }

    /// For every Composer that is started, so that one the package starts meets the gateway too.
    fn settings(&self) -> String {
        let settings = json!({
            "config": {"secure-http": false, "allow-plugins": true},
            "repositories": [
                {"type": "package", "package": self.definition()},
                {"type": "composer", "url": format!("{}/composer", self.input.gateway_url)},
                {"packagist.org": false},
            ],
        });
        format!("{settings:#}\n")
    }

    /// What a registry would say of the package, with the file as its archive.
    fn definition(&self) -> Value {
        let fields = self
            .manifest
            .as_ref()
            .map(|manifest| manifest.fields().clone());
        let mut definition = fields.unwrap_or_default();
        definition.insert("name".to_owned(), self.name.as_str().into());
        definition.insert("version".to_owned(), self.version.as_str().into());
        definition.insert(
            "dist".to_owned(),
            json!({"type": "zip", "url": self.artifact()}),
        );
        definition.remove("source");
        definition.into()
    }

    fn steps(&self) -> Vec<Step> {
        let wanted = format!("{}:{}", self.name, self.version);
        let require = |folder: &str| {
            let folder = format!("--working-dir={folder}");
            self.composer(&["require", &folder, &wanted])
        };
        let dependencies = self
            .manifest
            .as_ref()
            .map(Manifest::dependencies)
            .unwrap_or_default();
        let or_dependency = |own: bool| match own {
            true => Owner::Package,
            false => recipe::one_of(&dependencies),
        };
        let is_plugin = self.manifest.as_ref().is_none_or(Manifest::is_plugin);
        let autoloads = self
            .manifest
            .as_ref()
            .is_none_or(|it| !it.autoload_files().is_empty());
        let mut steps = vec![
            self.step(
                Phase::Install,
                "composer require",
                require(self.project()),
                Owner::Manager,
            ),
            self.unpack_if_missing(),
            // Plug-ins act in Composer's own process.
            self.step(
                Phase::Install,
                "composer require (plug-ins allowed)",
                require(&self.site()),
                or_dependency(is_plugin),
            ),
        ];
        steps.extend(self.as_project());
        let load = ["-r", LOAD].map(str::to_owned);
        let argv = [system_program("php")].into_iter().chain(load).collect();
        steps.push(self.step(
            Phase::Import,
            "load the autoloader",
            argv,
            or_dependency(autoloads),
        ));
        steps.extend(self.used());
        steps
    }

    /// Scripts run in Composer's own process or below it, and only those of the project.
    fn as_project(&self) -> Vec<Step> {
        let create = [
            "create-project",
            "--no-dev",
            "--stability=dev",
            &self.name,
            "app",
            &self.version,
        ];
        let step = |name: &str, arguments: &[&str]| {
            self.step(
                Phase::Install,
                name,
                self.composer(arguments),
                Owner::Package,
            )
        };
        let mut steps = vec![step("composer create-project", &create)];
        if self
            .manifest
            .as_ref()
            .is_some_and(|it| !it.scripts().is_empty())
        {
            // The first time there was no lock file, and the events were those of an update.
            let folder = format!("--working-dir={}", self.app());
            steps.push(step("composer install", &["install", "--no-dev", &folder]));
        }
        steps
    }

    fn used(&self) -> Vec<Step> {
        let Some(manifest) = &self.manifest else {
            return Vec::new();
        };
        let Files {
            sources,
            found,
            archives,
        } = files(manifest);
        let mut steps = Vec::new();
        if !sources.is_empty() {
            let called = sources[..sources.len().min(MOST_CALLED)].to_vec();
            let label = recipe::counted("include", sources.len(), found);
            steps.push(self.entries(Phase::Import, &label, "load", 0, sources));
            let call_ms = recipe::call_ms(self.input.limits);
            let label = recipe::counted("call functions", called.len(), found);
            steps.push(self.entries(Phase::Execute, &label, "call", call_ms, called));
        }
        let programs = manifest.programs();
        let programs: Vec<_> = programs
            .iter()
            .chain(archives.iter().filter(|path| !programs.contains(path)))
            .filter(|path| !path.contains(' '))
            .map(|path| format!("run {path}"))
            .collect();
        if !programs.is_empty() {
            let program_ms = recipe::program_ms(self.input.limits);
            let (label, entries) = recipe::invocations(&programs);
            steps.push(self.entries(Phase::Execute, &label, "run", program_ms, entries));
        }
        steps
    }

    fn composer(&self, arguments: &[&str]) -> Vec<String> {
        let (command, rest) = arguments.split_first().unwrap_or((&"", &[]));
        let words = [*command, "--no-interaction", "--no-progress"];
        [system_program("php"), system_program("composer")]
            .into_iter()
            .chain(
                words
                    .into_iter()
                    .chain(rest.iter().copied())
                    .map(str::to_owned),
            )
            .collect()
    }

    /// Hooks run in Composer's own process or in PHP's; the steps that are made for them tell which it is.
    fn owners(&self) -> Vec<OwnerRule> {
        let hook = |arg: &str, name: &'static str| OwnerRule {
            when: ProcessMatch {
                arg: Some(arg.to_owned()),
                ..ProcessMatch::default()
            },
            hook: Some(HookName::Is(name)),
            ..OwnerRule::default()
        };
        let mut rules = vec![
            hook(
                &format!("--working-dir={}", self.site()),
                "Composer plug-in",
            ),
            hook("create-project", "project script"),
            hook(&format!("--working-dir={}", self.app()), "project script"),
            hook(LOAD, "autoload.files"),
        ];
        rules.extend(recipe::toolchain(&[]));
        rules
    }

    fn unpack_if_missing(&self) -> Step {
        let folder = self.installed(self.project());
        let unpack = "/usr/bin/php -r '$zip = new ZipArchive; $zip->open($argv[1]); $zip->extractTo($argv[2]);' \
                      -- \"$1\" \"$2\"";
        recipe::unpack_if_missing(
            std::slice::from_ref(&folder),
            unpack,
            &self.artifact(),
            &folder,
            self.project(),
        )
    }

    fn step(&self, phase: Phase, name: &str, argv: Vec<String>, owner: Owner) -> Step {
        Step {
            phase,
            name: name.to_owned(),
            argv,
            env: [
                ("COMPOSER_HOME", self.home(".config/composer").as_str()),
                // Composer would ask git, hg, svn and fossil for the version of the project.
                ("COMPOSER_ROOT_VERSION", "1.0.0"),
                // And stty for the size of the terminal.
                ("COLUMNS", "120"),
                ("LINES", "40"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            cwd: self.project().to_owned(),
            owner,
            kind: StepKind::Once,
        }
    }

    fn entries(
        &self,
        phase: Phase,
        name: &str,
        mode: &str,
        milliseconds: u64,
        entries: Vec<String>,
    ) -> Step {
        let argv = vec![
            system_program("php"),
            self.harness(),
            mode.to_owned(),
            ENTRIES.to_owned(),
            milliseconds.to_string(),
            self.installed(self.project()),
            format!("{}/vendor/autoload.php", self.project()),
        ];
        Step {
            kind: StepKind::Entries(entries),
            ..self.step(phase, name, argv, Owner::Package)
        }
    }

    fn hooks(&self) -> Vec<ExpectedHook> {
        let Some(manifest) = &self.manifest else {
            return Vec::new();
        };
        let opened = |name: String, arg: &str, file: String| ExpectedHook {
            name,
            when: ProcessMatch {
                arg: Some(arg.to_owned()),
                opens: Some(file),
                ..ProcessMatch::default()
            },
        };
        let plugins = manifest.plugin_files().into_iter().map(|file| {
            let path = format!("{}/{file}", self.installed(&self.site()));
            opened(format!("plug-in {file}"), "require", path)
        });
        let loaded = manifest.autoload_files().into_iter().map(|file| {
            let path = format!("{}/{file}", self.installed(self.project()));
            opened(
                format!("autoload file {file}"),
                "*vendor/autoload.php*",
                path,
            )
        });
        let events = manifest
            .scripts()
            .into_iter()
            .filter(|(event, _)| EVENTS.contains(event));
        let scripts = events.flat_map(|(event, commands)| {
            commands
                .into_iter()
                .filter_map(|command| Some((event, self.script(manifest, &command)?)))
                .collect::<Vec<_>>()
        });
        let scripts = scripts.map(|(event, when)| ExpectedHook {
            name: event.to_owned(),
            when,
        });
        plugins.chain(loaded).chain(scripts).collect()
    }

    /// How a script is seen: a command by the process of it, a method by its file. Scripts that name others, or
    /// Composer's own commands, are seen by what these do.
    fn script(&self, manifest: &Manifest<'_>, command: &str) -> Option<ProcessMatch> {
        let command = command.trim();
        if let Some((class, method)) = command.split_once("::")
            && method.chars().all(|c| c.is_alphanumeric() || c == '_')
        {
            let file = manifest.class_file(class)?;
            return Some(ProcessMatch {
                exe: Some("*/php*".to_owned()),
                opens: Some(format!("{}/{file}", self.app())),
                ..ProcessMatch::default()
            });
        }
        let text = match command.strip_prefix('@') {
            Some(rest) => rest.strip_prefix("php ")?,
            None => command,
        };
        let start: String = text.trim().chars().take(200).collect();
        (!start.is_empty()).then(|| ProcessMatch {
            arg: Some(format!("*{start}*")),
            ..ProcessMatch::default()
        })
    }
}

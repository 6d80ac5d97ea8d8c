use apa_model::{
    ExpectedHook, FileContent, HookName, Owner, OwnerRule, OwnerSource, Phase, Plan, PlannedFile,
    ProcessMatch, Step, StepKind,
};

use super::client::Client;
use super::entries::{Features, features};
use super::manifest::Manifest;
use crate::PlanInput;
use crate::host::system_program;
use crate::recipe::{self, ENTRIES};
use crate::text::to_plain;

const HARNESS: &str = include_str!("run.rb");
/// Most features whose methods are called.
const MOST_CALLED: usize = 80;

/// How a gem is detonated: installed by gem, seen by the next gem commands, required, called, run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let manifest = Manifest::read(input.archive);
    // Without its answer only folder names are less exact; the install step will say what is wrong.
    let client = Client::ask(None).unwrap_or_default();
    let recipe = Recipe {
        full_name: full_name(input, manifest.as_ref()),
        client,
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

/// The name of the gem's folder, which RubyGems makes from the specification.
fn full_name(input: &PlanInput<'_>, manifest: Option<&Manifest<'_>>) -> String {
    let own = |part: fn(&Manifest<'_>) -> Option<String>| manifest.and_then(part);
    let name = own(|it| it.name().map(str::to_owned)).or_else(|| input.identity.name.clone());
    let version = own(|it| it.version().map(str::to_owned));
    let version = version.or_else(|| input.identity.version.clone());
    let platform = manifest.and_then(Manifest::platform);
    let parts = [
        name.or(Some("unnamed".into())),
        version.or(Some("0".into())),
        platform,
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .map(|part| to_plain(&part))
        .collect();
    parts.join("-")
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    manifest: Option<Manifest<'a>>,
    client: Client,
    full_name: String,
}

impl Recipe<'_> {
    fn harness(&self) -> String {
        format!("{}/.local/share/ruby/run.rb", self.input.guest.home)
    }

    fn artifact(&self) -> String {
        format!("{}/Downloads/{}.gem", self.input.guest.home, self.full_name)
    }

    /// Where gems go that a user installs.
    fn gem_home(&self) -> String {
        let api = match self.client.api.as_str() {
            "" => "3.1.0",
            api => api,
        };
        format!("{}/.local/share/gem/ruby/{api}", self.input.guest.home)
    }

    fn folder(&self) -> String {
        format!("{}/gems/{}", self.gem_home(), self.full_name)
    }

    fn package_dirs(&self) -> Vec<String> {
        let built = format!(
            "{}/extensions/{}/{}/{}",
            self.gem_home(),
            self.client.platform,
            self.client.api,
            self.full_name
        );
        vec![self.folder(), built]
    }

    fn files(&self) -> Vec<PlannedFile> {
        let settings = format!(
            "---\n:sources:\n- {}/gem/\ngem: --no-document\n",
            self.input.gateway_url
        );
        vec![
            PlannedFile {
                path: self.artifact(),
                content: FileContent::Host(self.input.artifact_path.to_owned()),
                mode: 0o644,
            },
            recipe::text_file(format!("{}/.gemrc", self.input.guest.home), &settings),
            recipe::text_file(self.harness(), HARNESS),
        ]
    }

    fn steps(&self) -> Vec<Step> {
        let artifact = self.artifact();
        let gem = |arguments: &[&str]| -> Vec<String> {
            let program = [system_program("ruby"), system_program("gem")];
            let arguments = arguments.iter().map(|argument| (*argument).to_owned());
            program.into_iter().chain(arguments).collect()
        };
        let install = gem(&["install", &artifact]);
        let mut steps = vec![
            Step {
                owner: Owner::Manager,
                ..self.step(Phase::Install, "gem install", install, StepKind::Once)
            },
            self.unpack_if_missing(),
            self.command("gem list", gem(&["list"])),
        ];
        let Some(manifest) = &self.manifest else {
            return steps;
        };
        if manifest.plugin().is_some() {
            // Hooks that a plug-in registers run at the next installation.
            let again = gem(&["install", "--local", "--force", &artifact]);
            steps.push(self.command("gem install again", again));
        }
        let Features { names, found } = features(manifest);
        if !names.is_empty() {
            let called = names[..names.len().min(MOST_CALLED)].to_vec();
            let label = recipe::counted("require", names.len(), found);
            steps.push(self.entries(Phase::Import, &label, "load", 0, names));
            let call_ms = recipe::call_ms(self.input.limits);
            let label = recipe::counted("call methods", called.len(), found);
            steps.push(self.entries(Phase::Execute, &label, "call", call_ms, called));
        }
        let programs = manifest.executables();
        let programs: Vec<_> = programs.iter().map(|name| format!("run {name}")).collect();
        if !programs.is_empty() {
            let program_ms = recipe::program_ms(self.input.limits);
            let (label, entries) = recipe::invocations(&programs);
            steps.push(self.entries(Phase::Execute, &label, "run", program_ms, entries));
        }
        steps
    }

    /// A gem command after the installation.
    fn command(&self, name: &str, argv: Vec<String>) -> Step {
        Step {
            owner: self.extender(),
            ..self.step(Phase::GemCommand, name, argv, StepKind::Once)
        }
    }

    /// What a plug-in does happens inside gem, so that its process is the package's; without a plug-in of its own, code
    /// can only be a dependency's.
    fn extender(&self) -> Owner {
        match &self.manifest {
            Some(manifest) if manifest.plugin().is_none() => {
                recipe::one_of(&manifest.dependencies())
            }
            _ => Owner::Package,
        }
    }

    /// RubyGems keeps the files of a gem whose build fails, and none of one that it refuses.
    fn unpack_if_missing(&self) -> Step {
        let folder = self.folder();
        recipe::unpack_if_missing(
            std::slice::from_ref(&folder),
            "tar -xf \"$1\" -O data.tar.gz | tar -xz -C \"$2\" --no-same-owner",
            &self.artifact(),
            &folder,
            &self.input.guest.project_dir,
        )
    }

    fn step(&self, phase: Phase, name: &str, argv: Vec<String>, kind: StepKind) -> Step {
        let registry = format!("{}/gem", self.input.gateway_url);
        Step {
            phase,
            name: name.to_owned(),
            argv,
            // In the environment and in .gemrc, so that a gem that the package starts meets the gateway too.
            env: vec![
                ("GEM_HOME".to_owned(), self.gem_home()),
                ("RUBYGEMS_HOST".to_owned(), registry),
            ],
            cwd: self.input.guest.project_dir.clone(),
            owner: Owner::Package,
            kind,
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
        let manifest = self.manifest.as_ref();
        let paths = manifest.map_or_else(Vec::new, Manifest::require_paths);
        let argv = vec![
            system_program("ruby"),
            self.harness(),
            mode.to_owned(),
            ENTRIES.to_owned(),
            milliseconds.to_string(),
            manifest
                .and_then(Manifest::name)
                .unwrap_or_default()
                .to_owned(),
            self.folder(),
            paths.join(":"),
        ];
        self.step(phase, name, argv, StepKind::Entries(entries))
    }

    /// RubyGems builds extensions in the folder of their gem, so that the folder tells whose they are.
    fn owners(&self) -> Vec<OwnerRule> {
        let in_gem = |exe: Option<&str>, arg: Option<&str>, hook: &'static str| OwnerRule {
            when: ProcessMatch {
                exe: exe.map(str::to_owned),
                arg: arg.map(str::to_owned),
                cwd: Some(format!("{}/gems/*", self.gem_home())),
                parent: vec![Owner::Manager],
                ..ProcessMatch::default()
            },
            owner: OwnerSource::NameFromFolder {
                above: format!("{}/gems/", self.gem_home()),
                target: self.full_name.clone(),
            },
            hook: Some(HookName::Is(hook)),
            ..OwnerRule::default()
        };
        let tools =
            ["make", "gmake"].map(|tool| in_gem(Some(&format!("/usr/*/{tool}")), None, "Makefile"));
        let tools = tools.map(|rule| OwnerRule {
            toolchain: true,
            ..rule
        });
        let builders = BUILDERS.iter().map(|builder| {
            let mut rule = in_gem(builder.exe, builder.arg, builder.hook);
            rule.toolchain = builder.exe.is_some();
            // When it is installed once more, gem's own process is the package's.
            rule.when.parent.push(Owner::Package);
            rule
        });
        let commands = OwnerRule {
            when: ProcessMatch {
                arg: Some(system_program("gem")),
                parent: vec![self.extender()],
                ..ProcessMatch::default()
            },
            hook: Some(HookName::Is("rubygems_plugin.rb")),
            ..OwnerRule::default()
        };
        tools
            .into_iter()
            .chain(builders)
            .chain([in_gem(None, None, "build script"), commands])
            .chain(recipe::toolchain(&[]))
            .collect()
    }

    fn hooks(&self) -> Vec<ExpectedHook> {
        let Some(manifest) = &self.manifest else {
            return Vec::new();
        };
        let build = |script: &str| {
            let (exe, arg) = builder(script);
            ExpectedHook {
                name: script.to_owned(),
                when: ProcessMatch {
                    exe: exe.map(str::to_owned),
                    arg: arg.map(str::to_owned),
                    cwd: Some(format!("{}*", self.folder())),
                    ..ProcessMatch::default()
                },
            }
        };
        let plugin = manifest.plugin().map(|path| ExpectedHook {
            when: ProcessMatch {
                arg: Some("list".to_owned()),
                opens: Some(format!("{}/{path}", self.folder())),
                ..ProcessMatch::default()
            },
            name: path,
        });
        let builds = manifest.extensions().into_iter().map(build);
        builds.chain(plugin).collect()
    }
}

/// A kind of build script, and how RubyGems starts it.
struct Builder {
    hook: &'static str,
    /// In the script's name, in small letters; the first kind that fits is it, as in RubyGems.
    named: &'static str,
    exe: Option<&'static str>,
    arg: Option<&'static str>,
}

const BUILDERS: [Builder; 6] = [
    Builder {
        hook: "extconf.rb",
        named: "extconf",
        exe: None,
        arg: Some("*extconf*"),
    },
    Builder {
        hook: "configure script",
        named: "configure",
        exe: None,
        arg: Some("*configure*"),
    },
    Builder {
        hook: "mkrf_conf.rb",
        named: "mkrf_conf",
        exe: None,
        arg: Some("*mkrf_conf*"),
    },
    Builder {
        hook: "Rakefile",
        named: "rakefile",
        exe: None,
        arg: Some("RUBYARCHDIR=*"),
    },
    Builder {
        hook: "Cargo.toml",
        named: "cargo.toml",
        exe: Some("*/cargo"),
        arg: None,
    },
    Builder {
        hook: "CMakeLists.txt",
        named: "",
        exe: Some("*/cmake"),
        arg: None,
    },
];

/// How RubyGems starts a build script: program and argument.
fn builder(script: &str) -> (Option<&'static str>, Option<&'static str>) {
    let script = script.to_lowercase();
    let kind = BUILDERS.iter().find(|kind| script.contains(kind.named));
    kind.map_or((None, None), |kind| (kind.exe, kind.arg))
}

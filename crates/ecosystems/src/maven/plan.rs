use apa_model::{
    ExpectedHook, HookName, Limits, Owner, OwnerRule, OwnerSource, Phase, Plan, ProcessMatch, Step,
    StepKind,
};

use super::jar::Jar;
use super::place::Recipe;
use super::plugin::Plugin;
use crate::PlanInput;
use crate::host::system_program;
use crate::recipe::{self, ENTRIES};

/// Most classes that are initialised.
const MOST_CLASSES: usize = 20_000;
/// Classes that one JVM initialises: what one class does to it shall not reach all that follow.
const CLASSES_PER_JVM: usize = 4_000;
/// Most classes whose static methods are called.
const MOST_CALLED: usize = 400;
/// Most goals of a plugin that are run, each by a Maven of its own.
const MOST_GOALS: usize = 20;
/// What a Maven needs to start and to fetch a plugin, milliseconds.
const GOAL_MS: u64 = 60_000;

/// A JVM that starts fast and leaves no file of its own behind.
const JVM_OPTIONS: [&str; 3] = [
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
];

/// How a Java archive is detonated: put on a class path with what it needs, compiled with, built with, loaded,
/// called, run.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let jar = Jar::read(input.archive);
    let recipe = Recipe {
        plugin: jar.as_ref().and_then(Jar::plugin),
        processors: jar.as_ref().map(Jar::processors).unwrap_or_default(),
        jar,
        input,
    };
    Plan {
        files: recipe.files(),
        steps: recipe.steps(),
        owners: owners(),
        env_values: Vec::new(),
        hooks: recipe.hooks(),
        package_dirs: recipe.package_dirs(),
        project_dir: input.guest.project_dir.clone(),
    }
}

impl Recipe<'_> {
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(jar) = &self.jar else {
            return steps;
        };
        steps.extend(self.unpack(jar));
        steps.extend(self.compile());
        steps.extend(self.goals());
        steps.extend(self.load_dependencies());
        steps.extend(self.load(jar));
        steps.extend(self.call(jar));
        steps.extend(self.run(jar));
        steps
    }

    fn step(&self, phase: Phase, name: String, argv: Vec<String>, kind: StepKind) -> Step {
        Step {
            phase,
            name,
            argv,
            env: Vec::new(),
            cwd: self.project().to_owned(),
            owner: Owner::Package,
            kind,
        }
    }

    fn unpack(&self, jar: &Jar<'_>) -> Option<Step> {
        if jar.nested.is_empty() && jar.application.is_none() {
            return None;
        }
        let script = "mkdir -p \"$2\" && cd \"$2\" && exec \"$3\" -xf \"$1\"";
        let tool = system_program("jar");
        let argv = [
            "/bin/sh",
            "-c",
            script,
            "sh",
            &self.artifact(),
            &self.unpacked(),
            &tool,
        ];
        let argv = argv.map(str::to_owned).into();
        Some(Step {
            owner: Owner::Harness,
            ..self.step(
                Phase::Install,
                "unpack the application".into(),
                argv,
                StepKind::Once,
            )
        })
    }

    /// A compiler starts every annotation processor that it finds on its class path.
    fn compile(&self) -> Option<Step> {
        if self.processors.is_empty() {
            return None;
        }
        let out = format!("{}/target/classes", self.project());
        let path = self.class_path().join(":");
        let argv = [
            &system_program("javac"),
            "-J-XX:-UsePerfData",
            "-proc:full",
            "-XprintRounds",
            "-cp",
            &path,
            "-d",
            &out,
            &self.source(),
        ];
        let argv = argv
            .iter()
            // Only newer compilers know the option, and need it.
            .filter(|word| **word != "-proc:full" || host_java() >= 23)
            .map(|word| (*word).to_owned())
            .collect();
        let kind = StepKind::Proven {
            line: "Round 1:".to_owned(),
            unless: String::new(),
            milliseconds: GOAL_MS,
        };
        Some(self.step(
            Phase::Install,
            "javac (annotation processors)".into(),
            argv,
            kind,
        ))
    }

    fn goals(&self) -> Vec<Step> {
        let Some(plugin) = &self.plugin else {
            return Vec::new();
        };
        let goals = &plugin.goals[..plugin.goals.len().min(MOST_GOALS)];
        goals
            .iter()
            .map(|goal| {
                let name = format!("mvn {}", goal.name);
                let name = recipe::counted(&name, goals.len(), plugin.goals.len());
                let id = self.goal(plugin, &goal.name);
                let kind = StepKind::Proven {
                    // Maven configures a goal's object when it has made it, and then calls it unless something
                    // that it cannot do without is not set.
                    line: format!("'{id}"),
                    unless: format!("for goal {id} are missing or invalid"),
                    milliseconds: GOAL_MS,
                };
                let settings = self.settings();
                let argv = [
                    system_program("mvn"),
                    "-B".to_owned(),
                    "-ntp".to_owned(),
                    "-Dorg.slf4j.simpleLogger.log.org.apache.maven.plugin=debug".to_owned(),
                    "-s".to_owned(),
                    settings,
                    id,
                ];
                let properties = goal.properties.iter();
                let properties = properties.map(|(name, value)| format!("-D{name}={value}"));
                let argv = argv.into_iter().chain(properties).collect();
                Step {
                    env: vec![("MAVEN_OPTS".to_owned(), JVM_OPTIONS.join(" "))],
                    ..self.step(Phase::Install, name, argv, kind)
                }
            })
            .collect()
    }

    fn goal(&self, plugin: &Plugin, goal: &str) -> String {
        format!("{}:{}:{goal}", plugin.name, plugin.version)
    }

    /// Each dependency in a JVM of its own, so that what it does by itself is known to be its doing.
    fn load_dependencies(&self) -> Vec<Step> {
        let dependencies = &self.input.provision.dependencies;
        let loaded = dependencies.iter().filter(|it| !it.entries.is_empty());
        loaded
            .map(|dependency| {
                let name = format!("{} {}", dependency.name, dependency.version);
                let label = format!("initialise classes of {name}");
                let entries = dependency.entries.iter();
                let entries = entries.map(|class| format!("class {class}")).collect();
                Step {
                    owner: Owner::Dependency(name.into()),
                    ..self.entries(Phase::Import, label, "load", 0, entries)
                }
            })
            .collect()
    }

    fn load(&self, jar: &Jar<'_>) -> Vec<Step> {
        let listed = &jar.classes[..jar.classes.len().min(MOST_CLASSES)];
        let mut steps: Vec<Step> = listed
            .chunks(CLASSES_PER_JVM)
            .map(|chunk| {
                let label = recipe::counted("initialise classes", listed.len(), jar.classes.len());
                let entries = chunk.iter().map(|class| format!("class {}", class.name));
                self.entries(Phase::Import, label, "load", 0, entries.collect())
            })
            .collect();
        if !jar.services.is_empty() {
            let entries = jar.services.iter().map(|name| format!("service {name}"));
            let label = "make services' providers".to_owned();
            steps.push(self.entries(Phase::Import, label, "provide", 0, entries.collect()));
        }
        steps
    }

    fn call(&self, jar: &Jar<'_>) -> Option<Step> {
        let offering: Vec<_> = jar.classes.iter().filter(|class| class.has_calls).collect();
        let listed = &offering[..offering.len().min(MOST_CALLED)];
        if listed.is_empty() {
            return None;
        }
        let label = recipe::counted("call static methods", listed.len(), offering.len());
        let entries = listed.iter().map(|class| format!("class {}", class.name));
        let call_ms = recipe::call_ms(self.input.limits);
        Some(self.entries(Phase::Execute, label, "call", call_ms, entries.collect()))
    }

    fn run(&self, jar: &Jar<'_>) -> Vec<Step> {
        let main_class = jar.class_attribute("Main-Class");
        let mut programs: Vec<String> = main_class.map(|_| "jar".to_owned()).into_iter().collect();
        programs.extend(
            jar.classes
                .iter()
                .filter(|class| class.has_main)
                .map(|class| format!("main {}", class.name)),
        );
        let milliseconds = program_ms(self.input.limits);
        let mut steps = Vec::new();
        if !programs.is_empty() {
            let (label, entries) = recipe::invocations(&programs);
            steps.push(self.entries(Phase::Execute, label, "run", milliseconds, entries));
        }
        let agents: Vec<String> = self.agents(jar).map(|(way, _)| way.to_owned()).collect();
        if !agents.is_empty() {
            let label = "run with the agent".to_owned();
            steps.push(self.entries(Phase::Execute, label, "run", milliseconds, agents));
        }
        steps
    }

    /// How its agents are started, and the attribute that promises each.
    fn agents<'j>(
        &self,
        jar: &'j Jar<'_>,
    ) -> impl Iterator<Item = (&'static str, &'static str)> + 'j {
        [("agent", "Premain-Class"), ("attach", "Agent-Class")]
            .into_iter()
            .filter(|(_, attribute)| jar.class_attribute(attribute).is_some())
    }

    fn entries(
        &self,
        phase: Phase,
        name: String,
        mode: &str,
        milliseconds: u64,
        entries: Vec<String>,
    ) -> Step {
        let path: Vec<String> = [self.launcher()]
            .into_iter()
            .chain(self.class_path())
            .collect();
        let program = system_program("java");
        let start = [
            // The report comes on a descriptor that Java itself cannot name.
            "--add-opens=java.base/java.io=ALL-UNNAMED",
            "-Djava.security.manager=allow",
            "-Djava.awt.headless=true",
            "-Xmx768m",
            "-cp",
            &path.join(":"),
            "launch.Main",
            mode,
            ENTRIES,
            &milliseconds.to_string(),
            &self.artifact(),
            // Named alone as well, so that it is put in place anew before each start.
            &self.launcher(),
        ];
        let options = JVM_OPTIONS.iter().chain(&start);
        let argv = [program.as_str()]
            .iter()
            .chain(options)
            .map(|word| (*word).to_owned())
            .collect();
        self.step(phase, name, argv, StepKind::Entries(entries))
    }

    fn hooks(&self) -> Vec<ExpectedHook> {
        let Some(jar) = &self.jar else {
            return Vec::new();
        };
        let hook = |name: String, exe: &str, arg: String| ExpectedHook {
            name,
            when: ProcessMatch {
                exe: Some(format!("*/{exe}")),
                arg: Some(arg),
                ..ProcessMatch::default()
            },
        };
        let mut hooks = Vec::new();
        if let Some(name) = self.processors.first() {
            let name = format!("the annotation processor {name}");
            hooks.push(hook(name, "javac", self.source()));
        }
        if let Some(plugin) = &self.plugin {
            hooks.extend(plugin.goals.iter().take(MOST_GOALS).map(|goal| {
                hook(
                    format!("the goal {}", goal.name),
                    "java",
                    self.goal(plugin, &goal.name),
                )
            }));
        }
        if jar.class_attribute("Main-Class").is_some() {
            hooks.push(hook("a program (Main-Class)".into(), "java", "-jar".into()));
        }
        if jar.class_attribute("Premain-Class").is_some() {
            let argument = format!("-javaagent:{}", self.artifact());
            hooks.push(hook("an agent (Premain-Class)".into(), "java", argument));
        }
        hooks
    }
}

/// Every process is the package's; what it is started for is told by its arguments.
fn owners() -> Vec<OwnerRule> {
    let rule = |exe: &str, arg: &str, hook: &'static str| OwnerRule {
        when: ProcessMatch {
            exe: Some(format!("*/{exe}")),
            arg: Some(arg.to_owned()),
            ..ProcessMatch::default()
        },
        owner: OwnerSource::Inherit,
        toolchain: false,
        hook: Some(HookName::Is(hook)),
    };
    let mut rules = vec![
        rule("javac", "*", "annotation processor"),
        rule("java", "*.classworlds.*", "Maven goal"),
        rule("java", "-javaagent:*", "Java agent"),
        rule("java", "idle", "attached agent"),
        rule("java", "-jar", "Main-Class"),
        rule("java", "load", "static initialiser"),
        rule("java", "provide", "service provider"),
        rule("java", "call", "static method"),
    ];
    rules.extend(recipe::toolchain(&[]));
    rules
}

/// A JVM takes longer to start than most programs.
fn program_ms(limits: &Limits) -> u64 {
    (limits.entry_ms * 3 / 4).min(5_000)
}

/// Feature number of the machine's Java, as its `release` file says; 0 when that is not known.
fn host_java() -> u32 {
    let program = std::fs::canonicalize(system_program("java")).ok();
    let home = program.and_then(|program| Some(program.parent()?.parent()?.to_owned()));
    let release = home.and_then(|home| std::fs::read_to_string(home.join("release")).ok());
    release
        .as_deref()
        .and_then(|text| {
            text.split_once("JAVA_VERSION=\"")?
                .1
                .split(['.', '"', '-'])
                .next()
        })
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

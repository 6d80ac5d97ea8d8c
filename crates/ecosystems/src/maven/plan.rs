use std::path::PathBuf;

use apa_model::{
    ExpectedHook, FileContent, Limits, Owner, Phase, Plan, PlannedFile, ProcessMatch, Step,
    StepKind,
};

use super::harness;
use super::jar::Jar;
use super::plugin::Plugin;
use crate::PlanInput;
use crate::host::system_program;
use crate::recipe::{self, ENTRIES};
use crate::text::{plain_filename, to_plain};

/// Most classes that are initialised.
const MOST_CLASSES: usize = 20_000;
/// Classes that one JVM initialises: what one class does to it shall not reach all that follow.
const CLASSES_PER_JVM: usize = 4_000;
/// Most classes whose static methods are called.
const MOST_CALLED: usize = 400;
/// Most goals of a plugin that are run, each by a Maven of its own.
const MOST_GOALS: usize = 8;
/// What a Maven needs to start and to fetch a plugin, milliseconds.
const GOAL_MS: u64 = 60_000;

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
        owners: recipe::toolchain(&[]),
        env_values: Vec::new(),
        hooks: recipe.hooks(),
        package_dirs: recipe.package_dirs(),
        project_dir: input.guest.project_dir.clone(),
    }
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    jar: Option<Jar<'a>>,
    plugin: Option<Plugin>,
    processors: Vec<String>,
}

impl Recipe<'_> {
    fn home(&self) -> &str {
        &self.input.guest.home
    }

    fn project(&self) -> &str {
        &self.input.guest.project_dir
    }

    fn repository(&self) -> String {
        format!("{}/.m2/repository", self.home())
    }

    /// Folder of a version in the local repository.
    fn released(&self, name: &str, version: &str) -> String {
        let (group, artifact) = name.split_once(':').unwrap_or(("unknown", name));
        let group = group.replace('.', "/");
        format!("{}/{group}/{artifact}/{version}", self.repository())
    }

    /// Where the artifact lies, and its name without extension: as Maven would have put it where its coordinates are
    /// known. A plugin is found by those of its own descriptor.
    fn place(&self) -> (String, String) {
        let identity = &self.input.identity;
        let plugin = self.plugin.as_ref();
        let name = plugin.map(|it| &it.name).or(identity.name.as_ref());
        let version = plugin.map(|it| &it.version).or(identity.version.as_ref());
        match (name, version) {
            (Some(name), Some(version)) => {
                let artifact = name.split_once(':').map_or(name.as_str(), |(_, it)| it);
                (
                    self.released(name, version),
                    format!("{artifact}-{version}"),
                )
            }
            _ => {
                let given = self.input.artifact.filename.lossy();
                let plain = plain_filename(&given).map_or_else(|| to_plain(&given), str::to_owned);
                let stem = plain
                    .rsplit_once('.')
                    .map_or(plain.as_str(), |(stem, _)| stem);
                (format!("{}/lib", self.project()), stem.to_owned())
            }
        }
    }

    fn artifact(&self) -> String {
        let (folder, stem) = self.place();
        let war = self.input.artifact.filename.lossy().ends_with(".war");
        let extension = if war && self.plugin.is_none() {
            "war"
        } else {
            "jar"
        };
        format!("{folder}/{stem}.{extension}")
    }

    fn launcher(&self) -> String {
        format!("{}/.local/share/java/launch.jar", self.home())
    }

    /// Where an application with jars inside is unpacked.
    fn unpacked(&self) -> String {
        format!("{}/.local/share/java/app", self.home())
    }

    fn source(&self) -> String {
        format!("{}/src/main/java/app/Empty.java", self.project())
    }

    fn settings(&self) -> String {
        format!("{}/.mvn/settings.xml", self.project())
    }

    fn files(&self) -> Vec<PlannedFile> {
        let host = |path: String, source: PathBuf| PlannedFile {
            path,
            content: FileContent::Host(source),
            mode: 0o644,
        };
        let mut files = vec![host(self.artifact(), self.input.artifact_path.to_owned())];
        for dependency in &self.input.provision.dependencies {
            let folder = self.released(&dependency.name, &dependency.version);
            let path = format!("{folder}/{}", dependency.filename);
            files.push(host(path, dependency.path.clone()));
        }
        if let Ok(jar) = harness::jar() {
            files.push(PlannedFile {
                path: self.launcher(),
                content: FileContent::Bytes(jar),
                mode: 0o644,
            });
        }
        if self.plugin.is_some() || !self.processors.is_empty() {
            let source = "package app;\n\npublic final class Empty {\n}\n";
            files.push(recipe::text_file(self.source(), source));
        }
        if self.plugin.is_some() {
            files.extend(self.project_files());
        }
        files
    }

    /// A small project that a plugin can be run in, and where Maven finds its repository.
    fn project_files(&self) -> Vec<PlannedFile> {
        let folder = self.project().rsplit('/').next().unwrap_or_default();
        let project = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
             <groupId>com.example</groupId>\n  <artifactId>{}</artifactId>\n  <version>1.0.0</version>\n  \
             <properties>\n    <maven.compiler.release>11</maven.compiler.release>\n    \
             <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>\n  </properties>\n</project>\n",
            to_plain(folder)
        );
        let settings = format!(
            "<settings>\n  <mirrors>\n    <mirror>\n      <id>local</id>\n      <mirrorOf>*</mirrorOf>\n      \
             <url>{}/maven/</url>\n    </mirror>\n  </mirrors>\n</settings>\n",
            self.input.gateway_url
        );
        let mut files = vec![
            recipe::text_file(format!("{}/pom.xml", self.project()), &project),
            recipe::text_file(self.settings(), &settings),
        ];
        let (folder, stem) = self.place();
        if let Some(pom) = &self.input.provision.pom {
            files.push(PlannedFile {
                path: format!("{folder}/{stem}.pom"),
                content: FileContent::Bytes(pom.to_vec()),
                mode: 0o644,
            });
        }
        files
    }

    fn package_dirs(&self) -> Vec<String> {
        // What Maven fetches and a build makes is as much the package's own business.
        vec![self.place().0, self.unpacked(), self.repository()]
    }

    /// The artifact, what it needs, and the jars inside it.
    fn class_path(&self) -> Vec<String> {
        let mut path = Vec::new();
        if let Some(jar) = &self.jar {
            let unpacked = self.unpacked();
            path.extend(jar.application.map(|folder| format!("{unpacked}/{folder}")));
            path.push(self.artifact());
            path.extend(
                jar.nested
                    .iter()
                    .map(|inside| format!("{unpacked}/{inside}")),
            );
        }
        for dependency in &self.input.provision.dependencies {
            if dependency.filename.ends_with(".jar") {
                let folder = self.released(&dependency.name, &dependency.version);
                path.push(format!("{folder}/{}", dependency.filename));
            }
        }
        path
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let Some(jar) = &self.jar else {
            return steps;
        };
        steps.extend(self.unpack(jar));
        steps.extend(self.compile());
        steps.extend(self.goals());
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
                let name = recipe::counted(&format!("mvn {goal}"), goals.len(), plugin.goals.len());
                let goal = self.goal(plugin, goal);
                let kind = StepKind::Proven {
                    // Maven says so when it has made the goal's object, just before it calls it.
                    line: format!("Configuring mojo {goal} from plugin realm"),
                    milliseconds: GOAL_MS,
                };
                let argv = [
                    &system_program("mvn"),
                    "-B",
                    "-ntp",
                    "-Dorg.slf4j.simpleLogger.log.org.apache.maven.plugin=debug",
                    "-s",
                    &self.settings(),
                    &goal,
                ];
                let argv = argv.map(str::to_owned).into();
                self.step(Phase::Install, name, argv, kind)
            })
            .collect()
    }

    fn goal(&self, plugin: &Plugin, goal: &str) -> String {
        format!("{}:{}:{goal}", plugin.name, plugin.version)
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
            steps.push(self.entries(Phase::Import, label, "load", 0, entries.collect()));
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
        let argv = [
            &system_program("java"),
            // The report comes on a descriptor that Java itself cannot name.
            "--add-opens=java.base/java.io=ALL-UNNAMED",
            "-Djava.security.manager=allow",
            "-Djava.awt.headless=true",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
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
        let argv = argv.map(str::to_owned).into();
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
            hooks.extend(
                plugin
                    .goals
                    .iter()
                    .take(MOST_GOALS)
                    .map(|goal| hook(format!("the goal {goal}"), "java", self.goal(plugin, goal))),
            );
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

use apa_apk::{FileKind, Package, PkgInfo};
use apa_model::{
    HookName, Owner, OwnerRule, Phase, Plan, PlannedFile, ProcessMatch, Step, StepKind,
};

use super::layout::Layout;
use super::scripts::{Scripted, VARIABLES};
use super::{carried, programs};
use crate::PlanInput;
use crate::recipe;
use crate::text::to_plain;

/// How a package is detonated: what it needs and then itself put into the root, with every script run where `apk`
/// would run it; its programs; what it carries for interpreters; and its removal.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let layout = Layout::new(&input.guest.root);
    let package = Package::read(input.archive).unwrap_or_else(nothing);
    let needed = input.provision.packages.iter().map(|companion| Scripted {
        owner: Owner::Dependency(companion.name.as_str().into()),
        package: &companion.package,
    });
    let mut all: Vec<_> = needed.collect();
    all.push(Scripted {
        package: &package,
        owner: Owner::Package,
    });
    let recipe = Recipe {
        input,
        layout: &layout,
        all: &all,
        package: &package,
    };
    let carried = carried::carried(&package, input, &layout);
    let mut steps = recipe.install();
    steps.extend(carried.steps);
    steps.extend(recipe.run());
    steps.sort_by_key(|step| step.phase);
    steps.extend(recipe.uninstall());
    Plan {
        files: carried.files,
        steps,
        owners: owners(),
        env_values: VARIABLES.map(str::to_owned).into(),
        hooks: recipe.hooks(),
        package_dirs: layout.own(&package),
        project_dir: input.guest.project_dir.clone(),
    }
}

/// Each script is a step of its own, whose owner is known; only its name has to be told.
fn owners() -> Vec<OwnerRule> {
    let mut rules = vec![OwnerRule {
        when: ProcessMatch {
            env: vec![(VARIABLES[1].to_owned(), "*".to_owned())],
            ..ProcessMatch::default()
        },
        hook: Some(HookName::FromEnv(VARIABLES[1])),
        ..OwnerRule::default()
    }];
    rules.extend(recipe::toolchain(&[]));
    rules
}

/// A package that could not be read has no files and no scripts.
fn nothing() -> Package {
    Package {
        info: PkgInfo::default(),
        scripts: Vec::new(),
        files: Vec::new(),
        left_out: 0,
    }
}

struct Recipe<'a> {
    input: &'a PlanInput<'a>,
    layout: &'a Layout<'a>,
    /// In the order of installation; the package itself last.
    all: &'a [Scripted<'a>],
    package: &'a Package,
}

impl Recipe<'_> {
    fn target(&self) -> Option<&Scripted<'_>> {
        self.all.last()
    }

    fn install(&self) -> Vec<Step> {
        let scripts = self.all.iter().flat_map(|one| one.files(self.layout));
        let mut steps = vec![self.place("put scripts in place", scripts.collect())];
        steps.extend(self.install_applets());
        for one in self.all {
            let info = &one.package.info;
            let hook = |hook, arguments| one.step(self.layout, Phase::Install, hook, arguments);
            steps.extend(hook("pre-install", vec![info.version.clone()]));
            let name = format!("unpack {}", to_plain(&info.name));
            steps.push(self.place(&name, self.layout.files(one.package)));
            steps.extend(hook("post-install", vec![info.version.clone()]));
        }
        let changed = self.changed();
        for one in self.all {
            let folders = one.folders(&changed);
            steps.extend(one.step(self.layout, Phase::Install, "trigger", folders));
        }
        if let Some(target) = self.target() {
            // From the version before to this one; which that was matters to few.
            let version = &target.package.info.version;
            for hook in ["pre-upgrade", "post-upgrade"] {
                let arguments = vec![version.clone(), version.clone()];
                steps.extend(target.step(self.layout, Phase::Install, hook, arguments));
            }
        }
        steps
    }

    /// What the scripts of busybox would have done when the system was made, had anything been run then.
    fn install_applets(&self) -> Option<Step> {
        let bare = self.layout.has("bin/busybox") && !self.layout.has("bin/ls");
        bare.then(|| Step {
            name: "busybox --install".to_owned(),
            argv: ["/bin/busybox", "--install", "-s"]
                .map(str::to_owned)
                .into(),
            kind: StepKind::Once,
            ..self.place("", Vec::new())
        })
    }

    fn place(&self, name: &str, files: Vec<PlannedFile>) -> Step {
        Step {
            phase: Phase::Install,
            name: name.to_owned(),
            argv: vec!["/sbin/apk".to_owned()],
            env: Vec::new(),
            cwd: "/".to_owned(),
            owner: Owner::Manager,
            kind: StepKind::Place(files),
        }
    }

    /// Folders in which the installation changed something.
    fn changed(&self) -> Vec<String> {
        let files = self.all.iter().flat_map(|one| &one.package.files);
        let folders = files.map(|file| match file.kind {
            FileKind::Folder => file.path.as_str(),
            _ => file.path.rsplit_once('/').map_or("", |(folder, _)| folder),
        });
        let mut folders: Vec<_> = folders.map(|folder| format!("/{folder}")).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    fn run(&self) -> Option<Step> {
        let (programs, taken, found) = programs::programs(self.package, self.layout);
        (!programs.is_empty()).then(|| Step {
            phase: Phase::Execute,
            name: recipe::counted("run programs", taken, found),
            argv: vec!["/bin/sh".to_owned()],
            env: Vec::new(),
            cwd: self.input.guest.project_dir.clone(),
            owner: Owner::Package,
            kind: StepKind::Programs(programs, recipe::program_ms(self.input.limits)),
        })
    }

    fn uninstall(&self) -> Vec<Step> {
        let Some(target) = self.target() else {
            return Vec::new();
        };
        ["pre-deinstall", "post-deinstall"]
            .into_iter()
            .filter_map(|hook| {
                let version = target.package.info.version.clone();
                target.step(self.layout, Phase::Uninstall, hook, vec![version])
            })
            .collect()
    }

    fn hooks(&self) -> Vec<apa_model::ExpectedHook> {
        let target = self.target().map(|target| {
            let scripts = target.package.scripts.iter();
            scripts.map(|(hook, _)| target.expected(hook))
        });
        target.into_iter().flatten().collect()
    }
}

//! Whose a process is, and which ones must be seen.

use apa_model::{ExpectedHook, HookName, Owner, OwnerRule, OwnerSource, ProcessMatch};

use super::{Macro, PKG_NAME, PKG_VERSION, Recipe, Use, on};
use crate::recipe;

/// Most programs that are named as hooks.
const MOST_NAMED: usize = 50;

impl Recipe<'_> {
    /// What cargo starts for a crate, it starts with the crate's name: build scripts, and the compiler, inside which
    /// the macros run that the crate uses. The small program uses none but those that are analysed.
    pub(super) fn owners(&self) -> Vec<OwnerRule> {
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
        rules.extend(self.started_by_us());
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

    /// What the steps themselves start, by the name of the hook that it is.
    fn started_by_us(&self) -> Vec<OwnerRule> {
        let when = |exe: String, arg: Option<String>| ProcessMatch {
            exe: Some(exe),
            arg,
            parent: vec![Owner::Package],
            ..ProcessMatch::default()
        };
        let rule = |when, hook, toolchain| OwnerRule {
            when,
            toolchain,
            hook: Some(HookName::Is(hook)),
            ..OwnerRule::default()
        };
        let built = self.built();
        let usage = Some(format!("{}/*.rs", self.usages()));
        let linked = when(format!("{built}/{}", self.program()), None);
        let mut rules = vec![
            rule(when("*/bin/rustc".to_owned(), usage), "macro", true),
            rule(linked, "linked program", false),
            rule(when(format!("{built}/examples/*"), None), "example", false),
        ];
        let programs = on(&self.programs).take(MOST_NAMED);
        rules.extend(
            programs.map(|name| rule(when(format!("{built}/{name}"), None), "program", false)),
        );
        rules
    }

    pub(super) fn hooks(&self) -> Vec<ExpectedHook> {
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

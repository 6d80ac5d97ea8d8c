//! When something was done, and by whom, in words.

use apa_model::{Hostile, Owner, Phase, ProcessId};

use super::View;

impl View<'_> {
    /// When, in words that end a sentence: `in its postinstall hook`.
    pub(crate) fn when(&self, phase: Phase, process: Option<ProcessId>) -> String {
        let occasion = process.and_then(|id| self.hook(id));
        match (phase, occasion) {
            (Phase::Install, Some(hook)) => format!("in its {hook}"),
            (Phase::Uninstall, Some(hook)) => format!("in its {hook}"),
            (Phase::Uninstall, None) => "while it is removed".into(),
            (Phase::Linger, _) => "after its command has ended".into(),
            (Phase::InterpreterStart, _) => "whenever an interpreter starts".into(),
            (Phase::GemCommand, Some(hook)) => format!("in its {hook}, at the next gem command"),
            (Phase::GemCommand, None) => "at the next gem command".into(),
            (Phase::Import, Some(hook)) => format!("in its {hook}, when it is imported"),
            (Phase::Execute, Some(hook)) => format!("in its {hook}, when it is used"),
            (Phase::Import, None) => "when it is imported".into(),
            (Phase::Execute, None) => "when it is used".into(),
            (Phase::Install | Phase::Fetch | Phase::Static, _) => "while it is installed".into(),
        }
    }

    /// Whose act it was, to follow what was done: ` by the postinstall hook of dependency right-pad 2.1`. Nothing where
    /// that is clear without words: the package itself, outside its hooks.
    pub(crate) fn by(&self, process: Option<ProcessId>, owner: &Owner) -> String {
        let hook = process
            .and_then(|id| self.hook(id))
            .map(|hook| match hook.contains('.') {
                true => hook,
                false => format!("the {hook}"),
            });
        match (owner, hook) {
            (Owner::Dependency(name), hook) => {
                let version = process.and_then(|id| self.version_of(id, name));
                let version = version
                    .map(|version| format!(" {version}"))
                    .unwrap_or_default();
                let hook = hook.map(|hook| format!("{hook} of ")).unwrap_or_default();
                format!(" by {hook}dependency {name}{version}")
            }
            (Owner::Package, Some(hook)) => format!(" by {hook}"),
            _ => String::new(),
        }
    }

    /// The version that a package manager tells the scripts of the package `name`.
    fn version_of(&self, id: ProcessId, name: &Hostile) -> Option<Hostile> {
        let told = self
            .tree
            .lineage(id)
            .find(|process| process.env.get("npm_package_name") == Some(name))?;
        let version = told.env.get("npm_package_version")?;
        Some(version.shortened(40))
    }

    /// The install hook a process belongs to.
    fn hook(&self, id: ProcessId) -> Option<String> {
        let hook = self.process(id)?.hook.as_ref()?.shortened(40).to_string();
        // `setup.py` says what it is; `postinstall` is a word.
        let is_file = hook.contains('.');
        Some(if is_file {
            hook
        } else {
            format!("{hook} hook")
        })
    }
}

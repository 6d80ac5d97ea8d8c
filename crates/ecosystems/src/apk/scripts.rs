//! The scripts of packages, as steps.

use apa_apk::Package;
use apa_model::{
    ExpectedHook, FileContent, Owner, Phase, PlannedFile, ProcessMatch, Step, StepKind,
};

use super::layout::Layout;
use crate::text::to_plain;

/// Variables by which newer versions of `apk` tell a script what it is run for.
pub(super) const VARIABLES: [&str; 2] = ["APK_PACKAGE", "APK_SCRIPT"];
/// As `apk` sets it.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Most folders a trigger is told of.
const MOST_FOLDERS: usize = 200;

/// A package with whose it is.
pub(super) struct Scripted<'a> {
    pub(super) package: &'a Package,
    pub(super) owner: Owner,
}

impl Scripted<'_> {
    fn path(&self, layout: &Layout<'_>, hook: &str) -> String {
        let info = &self.package.info;
        let name = to_plain(&format!("{}-{}", info.name, info.version));
        layout.place(&format!("lib/apk/exec/{name}.{hook}"))
    }

    /// The scripts as files, where `apk` puts them.
    pub(super) fn files(&self, layout: &Layout<'_>) -> Vec<PlannedFile> {
        let file = |(hook, script): &(&'static str, std::sync::Arc<[u8]>)| PlannedFile {
            path: self.path(layout, hook),
            content: FileContent::Shared(script.clone()),
            mode: 0o755,
        };
        self.package.scripts.iter().map(file).collect()
    }

    /// Runs one script, if there is one.
    pub(super) fn step(
        &self,
        layout: &Layout<'_>,
        phase: Phase,
        hook: &'static str,
        arguments: Vec<String>,
    ) -> Option<Step> {
        let script = self.package.script(hook)?;
        let mut argv = self.interpreter(layout, script);
        argv.push(self.path(layout, hook));
        argv.extend(arguments);
        let name = &self.package.info.name;
        Some(Step {
            phase,
            name: format!("{hook} of {}", to_plain(name)),
            argv,
            env: [("PATH", PATH), (VARIABLES[0], name), (VARIABLES[1], hook)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            cwd: "/".to_owned(),
            owner: self.owner.clone(),
            kind: StepKind::Once,
        })
    }

    /// Nothing when the kernel can start the script by itself. Where its interpreter is missing (`/bin/busybox` on a
    /// machine without), the shell that is there does what it would have done.
    fn interpreter(&self, layout: &Layout<'_>, script: &[u8]) -> Vec<String> {
        let shell = vec!["/bin/sh".to_owned()];
        if script.starts_with(b"\x7fELF") {
            return Vec::new();
        }
        let first = script
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        let Some(program) = first
            .strip_prefix("#!")
            .and_then(|line| line.split_ascii_whitespace().next())
        else {
            return shell;
        };
        let brought = |path: &str| {
            let mut files = self.package.files.iter();
            files.any(|file| file.path == path.trim_start_matches('/'))
        };
        if layout.has(program) || brought(program) {
            Vec::new()
        } else {
            shell
        }
    }

    /// That the script was seen running.
    pub(super) fn expected(&self, hook: &str) -> ExpectedHook {
        ExpectedHook {
            name: format!("{hook} of {}", to_plain(&self.package.info.name)),
            when: ProcessMatch {
                env: vec![
                    (VARIABLES[0].to_owned(), self.package.info.name.clone()),
                    (VARIABLES[1].to_owned(), hook.to_owned()),
                ],
                ..ProcessMatch::default()
            },
        }
    }

    /// The folders its trigger is told of: of those that were changed the ones it asks for, else what it asks for.
    pub(super) fn folders(&self, changed: &[String]) -> Vec<String> {
        let wanted = &self.package.info.triggers;
        let wanted = wanted.iter().map(|pattern| pattern.trim_start_matches('+'));
        let mut folders: Vec<String> = changed
            .iter()
            .filter(|folder| wanted.clone().any(|pattern| is_like(pattern, folder)))
            .take(MOST_FOLDERS)
            .cloned()
            .collect();
        if folders.is_empty() {
            folders = wanted.take(MOST_FOLDERS).map(str::to_owned).collect();
        }
        folders
    }
}

/// Whether a folder matches a pattern in which `*` stands for any part of one name.
fn is_like(pattern: &str, folder: &str) -> bool {
    let (pattern, folder): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), folder.split('/').collect());
    pattern.len() == folder.len()
        && pattern
            .iter()
            .zip(&folder)
            .all(|(pattern, name)| match pattern.split_once('*') {
                None => pattern == name,
                Some((start, end)) => {
                    let end = end.rsplit('*').next().unwrap_or_default();
                    name.len() >= start.len() + end.len()
                        && name.starts_with(start)
                        && name.ends_with(end)
                }
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_part_of_one_name() {
        assert!(is_like("/usr/share/icons/*", "/usr/share/icons/hicolor"));
        assert!(is_like("/usr/lib/python3*/x", "/usr/lib/python3.12/x"));
        assert!(!is_like("/usr/share/icons/*", "/usr/share/icons/a/b"));
        assert!(!is_like("/usr/share", "/usr/share/x"));
    }
}

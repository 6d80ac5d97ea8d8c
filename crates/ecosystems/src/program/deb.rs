use apa_archive::{Archive, Entry, EntryKind};
use apa_model::{
    ExpectedHook, FileContent, HookName, Phase, Plan, PlannedFile, ProcessMatch, Step,
};

use super::interpreter::{Start, start};
use super::plan::{MARK, Runs, mark};
use crate::{PlanInput, recipe};

/// Scripts in the order an installation and a removal run them, with the argument of each.
const SCRIPTS: [(&str, &str, Phase); 4] = [
    ("preinst", "install", Phase::Install),
    ("postinst", "configure", Phase::Install),
    ("prerm", "remove", Phase::Execute),
    ("postrm", "remove", Phase::Execute),
];
/// Most files that are put into the sandbox.
const FILES: usize = 5_000;
/// Most programs that are run.
const PROGRAMS: usize = 20;
/// The variable that tells a maintainer script which one it is.
const SCRIPT: &str = "DPKG_MAINTSCRIPT_NAME";

/// The control file of a package.
pub(super) struct Control(String);

impl Control {
    pub(super) fn read(archive: &Archive) -> Self {
        let entry = archive.file("DEBIAN/control");
        Self(entry.map_or_else(String::new, |entry| {
            String::from_utf8_lossy(&entry.bytes).into_owned()
        }))
    }

    /// The value of a field of one line.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let value = self.0.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        value
            .filter(|value| !value.is_empty())
            .map(|value| value.chars().take(100).collect())
    }
}

/// How a Debian package is detonated: unpacked below the user's folder, its maintainer scripts run as an installation
/// and a removal would, and its programs between them.
pub(super) fn plan(input: &PlanInput<'_>) -> Plan {
    let folder = format!("{}/unpacked", input.guest.project_dir);
    let runs = Runs {
        mark: mark(input),
        cwd: folder.clone(),
        limit: recipe::program_ms(input.limits),
    };
    let scripts: Vec<_> = SCRIPTS
        .iter()
        .filter(|(name, ..)| input.archive.file(&format!("DEBIAN/{name}")).is_some())
        .collect();
    let mut steps: Vec<Step> = scripts
        .iter()
        .filter(|(.., phase)| *phase == Phase::Install)
        .map(|script| step(&runs, &folder, script))
        .collect();
    for entry in programs(input.archive) {
        let path = entry.safe_path.as_deref().unwrap_or_default();
        steps.extend(runs.program(&format!("{folder}/{path}"), &start(path, &entry.bytes)));
    }
    let removal = scripts
        .iter()
        .filter(|(.., phase)| *phase != Phase::Install);
    steps.extend(removal.map(|script| step(&runs, &folder, script)));
    Plan {
        files: files(input.archive, &folder),
        steps,
        owners: vec![runs.owner(Some(HookName::FromEnv(SCRIPT)))],
        env_values: vec![MARK.to_owned(), SCRIPT.to_owned()],
        hooks: scripts.iter().map(|(name, ..)| hook(&runs, name)).collect(),
        package_dirs: vec![folder],
        project_dir: input.guest.project_dir.clone(),
    }
}

fn step(
    runs: &Runs,
    folder: &str,
    (name, argument, phase): &(&'static str, &'static str, Phase),
) -> Step {
    let path = format!("{folder}/DEBIAN/{name}");
    let argv = vec![path, (*argument).to_owned()];
    runs.step(
        *phase,
        format!("{name} {argument}"),
        &[(SCRIPT, name)],
        argv,
    )
}

fn hook(runs: &Runs, name: &str) -> ExpectedHook {
    let started = runs.started();
    let mut env = started.env.clone();
    env.push((SCRIPT.to_owned(), name.to_owned()));
    ExpectedHook {
        name: name.to_owned(),
        when: ProcessMatch { env, ..started },
    }
}

fn regular(archive: &Archive) -> impl Iterator<Item = &Entry> {
    archive
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File && entry.kept && entry.safe_path.is_some())
}

/// Files that can be started, in the folders where programs lie.
fn programs(archive: &Archive) -> impl Iterator<Item = &Entry> {
    let runnable = |entry: &&Entry| {
        let path = entry.safe_path.as_deref().unwrap_or_default();
        let place = [
            "bin/",
            "sbin/",
            "usr/bin/",
            "usr/sbin/",
            "usr/local/bin/",
            "usr/games/",
            "opt/",
        ];
        entry.mode & 0o111 != 0
            && place.iter().any(|place| path.starts_with(place))
            && !matches!(start(path, &entry.bytes), Start::Not(_))
    };
    regular(archive).filter(runnable).take(PROGRAMS)
}

fn files(archive: &Archive, folder: &str) -> Vec<PlannedFile> {
    regular(archive)
        .take(FILES)
        .map(|entry| {
            let path = entry.safe_path.as_deref().unwrap_or_default();
            let script = path.starts_with("DEBIAN/");
            PlannedFile {
                path: format!("{folder}/{path}"),
                content: FileContent::Bytes(entry.bytes.to_vec()),
                mode: if script {
                    0o755
                } else {
                    (entry.mode & 0o755) | 0o600
                },
            }
        })
        .collect()
}

//! Where the bytes of executed programs came from.
//!
//! A package manager unpacks programs that package code then runs (esbuild); a compiler makes some during a build.
//! Neither is a dropper. What package code itself wrote and then ran may be one. Links and renames
//! carry the origin along.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use apa_model::{Access, Event, EventKind, Hostile, Owner, Process};

use super::tree::Tree;
use super::{may_have_worked, written_path};
use crate::observation::Observation;
use crate::{paths, programs};

/// Entries moved along with renamed folders, in all.
const MAX_MOVED: usize = 1_000_000;
/// Arguments looked at for the name of a script.
const MAX_SCRIPT_ARGUMENTS: usize = 8;
/// Overwritten files remembered.
const MAX_OVERWRITES: usize = 1_000;

/// Who wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The package manager or our own set-up: the bytes came from the registry.
    Manager,
    /// A compiler or linker that package code started.
    Toolchain,
    /// Package code.
    Package,
}

/// Who wrote a file during this run, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) writer: Writer,
    /// The write; `None` where only its result is known.
    pub(crate) event: Option<&'a Event>,
}

/// A program or script that package code ran and that was written during this run.
#[derive(Clone, Debug)]
pub(crate) struct Execution<'a> {
    pub(crate) event: &'a Event,
    pub(crate) path: String,
    pub(crate) origin: Origin<'a>,
    /// It was given to an interpreter, not run itself.
    pub(crate) script: bool,
}

pub(crate) struct Origins<'a> {
    pub(crate) executions: Vec<Execution<'a>>,
    pub(crate) renames_cut: bool,
    /// Written by package code and then opened for reading.
    pub(crate) loads: Vec<Execution<'a>>,
    /// Written by package code where the manager had unpacked a file.
    pub(crate) overwrites: Vec<(&'a Event, String)>,
    loaded: BTreeSet<&'a [u8]>,
    /// Paths of kept files that are machine code.
    programs: BTreeSet<&'a [u8]>,
    files: BTreeMap<Vec<u8>, Origin<'a>>,
    dropped: BTreeSet<&'a str>,
    moved: usize,
    package_dirs: &'a [String],
}

impl<'a> Origins<'a> {
    pub(crate) fn trace(observation: &'a Observation, tree: &Tree<'a>) -> Self {
        let mut origins = Self {
            executions: Vec::new(),
            renames_cut: false,
            loads: Vec::new(),
            overwrites: Vec::new(),
            loaded: BTreeSet::new(),
            programs: programs_among(observation),
            files: BTreeMap::new(),
            dropped: observation
                .dropped
                .iter()
                .filter(|dropped| dropped.owner.as_ref().is_some_and(Owner::is_package_code))
                .filter_map(|dropped| dropped.sha256.as_deref())
                .collect(),
            moved: 0,
            package_dirs: &observation.package_dirs,
        };
        for event in &observation.events {
            if may_have_worked(event.outcome) {
                origins.follow(event, tree);
            }
        }
        origins
    }

    fn follow(&mut self, event: &'a Event, tree: &Tree<'a>) {
        match &event.kind {
            EventKind::Rename { from, to } => self.rename(from, to),
            EventKind::Link { target, path, .. } => {
                match self.files.get(target.as_bytes()).copied() {
                    Some(origin) => self.files.insert(path.as_bytes().to_vec(), origin),
                    None => self.files.remove(path.as_bytes()),
                };
            }
            EventKind::Exec {
                exe,
                argv,
                cwd,
                sha256,
            } if event.owner.is_package_code() => {
                self.execute(event, exe, sha256.as_deref());
                let name = exe.lossy();
                if programs::is_interpreter(&name) || programs::is_loader(&name) {
                    self.execute_argument(event, exe, argv, cwd);
                }
            }
            EventKind::Open {
                path,
                access: Access::Read,
                create: false,
                truncate: false,
            } if event.owner.is_package_code() => self.load(event, path),
            kind => {
                if let Some(path) = written_path(kind) {
                    self.overwrite(event, path);
                    let origin = Origin {
                        writer: self.writer(event, path, tree),
                        event: Some(event),
                    };
                    self.files.insert(path.as_bytes().to_vec(), origin);
                }
            }
        }
    }

    fn writer(&self, event: &Event, path: &Hostile, tree: &Tree<'_>) -> Writer {
        if !event.owner.is_package_code() {
            return Writer::Manager;
        }
        let process = tree.process(event.process);
        // What a compiler writes beside its output is written by a macro inside it.
        let beside = |process: &&Process| {
            let path = path.lossy();
            let mut dirs = self.package_dirs.iter();
            programs::runs_macros(process) && !dirs.any(|dir| paths::under(&path, dir).is_some())
        };
        match process.filter(|process| programs::is_toolchain(process)) {
            Some(process) if !beside(&process) => Writer::Toolchain,
            _ => Writer::Package,
        }
    }

    fn load(&mut self, event: &'a Event, path: &'a Hostile) {
        let Some(origin) = self.files.get(path.as_bytes()).copied() else {
            return;
        };
        let program = self.programs.contains(path.as_bytes());
        if origin.writer != Writer::Package || (!program && !is_script(path.as_bytes())) {
            return;
        }
        if self.loaded.insert(path.as_bytes()) {
            self.loads.push(Execution {
                event,
                path: path.lossy().into_owned(),
                origin,
                script: !program,
            });
        }
    }

    fn overwrite(&mut self, event: &'a Event, path: &Hostile) {
        let unpacked = self
            .files
            .get(path.as_bytes())
            .is_some_and(|origin| origin.writer == Writer::Manager);
        if unpacked && event.owner.is_package_code() && self.overwrites.len() < MAX_OVERWRITES {
            self.overwrites.push((event, path.lossy().into_owned()));
        }
    }

    fn rename(&mut self, from: &Hostile, to: &Hostile) {
        if let Some(origin) = self.files.remove(from.as_bytes()) {
            self.files.insert(to.as_bytes().to_vec(), origin);
            return;
        }
        // Bytes of unknown origin now stand where others may have stood.
        self.files.remove(to.as_bytes());
        let mut folder = from.as_bytes().to_vec();
        folder.push(b'/');
        let below: Vec<Vec<u8>> = self
            .files
            .range::<[u8], _>((Bound::Included(&folder[..]), Bound::Unbounded))
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&folder))
            .cloned()
            .collect();
        self.moved += below.len();
        if self.moved > MAX_MOVED {
            self.renames_cut = true;
            return;
        }
        for path in below {
            if let Some(origin) = self.files.remove(&path) {
                let mut moved = to.as_bytes().to_vec();
                moved.push(b'/');
                moved.extend_from_slice(&path[folder.len()..]);
                self.files.insert(moved, origin);
            }
        }
    }

    fn execute(&mut self, event: &'a Event, exe: &Hostile, sha256: Option<&str>) {
        let path = exe.lossy();
        let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
        let known = self.files.get(path.as_bytes()).copied();
        let by_bytes = || {
            sha256
                .is_some_and(|hash| self.dropped.contains(hash))
                .then_some(Origin {
                    writer: Writer::Package,
                    event: None,
                })
        };
        if let Some(origin) = known.or_else(by_bytes) {
            self.executions.push(Execution {
                event,
                path: path.to_owned(),
                origin,
                script: false,
            });
        }
    }

    fn execute_argument(
        &mut self,
        event: &'a Event,
        exe: &Hostile,
        argv: &[Hostile],
        cwd: &Hostile,
    ) {
        let script = !programs::is_loader(&exe.lossy());
        if script && is_code_alone(exe, argv) {
            return;
        }
        let found = argv
            .iter()
            .skip(1)
            .take(MAX_SCRIPT_ARGUMENTS)
            .find_map(|argument| {
                let path = absolute(argument, cwd);
                let origin = self.files.get(path.as_bytes()).copied()?;
                Some((path, origin))
            });
        if let Some((path, origin)) = found {
            self.executions.push(Execution {
                event,
                path,
                origin,
                script,
            });
        }
    }
}

fn programs_among(observation: &Observation) -> BTreeSet<&[u8]> {
    observation
        .dropped
        .iter()
        .filter(|dropped| {
            let hash = dropped.sha256.as_ref();
            hash.is_some_and(|hash| observation.machine_code.contains(hash))
        })
        .map(|dropped| dropped.path.as_bytes())
        .collect()
}

fn is_script(path: &[u8]) -> bool {
    [".js", ".cjs", ".mjs", ".py", ".pyc"]
        .iter()
        .any(|extension| path.ends_with(extension.as_bytes()))
}

/// Whether the interpreter was given code in its arguments that does not look at the further ones: a file among them
/// is not run by it.
fn is_code_alone(exe: &Hostile, argv: &[Hostile]) -> bool {
    let option = argv.get(1).map(Hostile::lossy);
    if option.is_none() || option.as_deref() != programs::code_option(&exe.lossy()) {
        return false;
    }
    let code = argv.get(2).map(Hostile::lossy).unwrap_or_default();
    let looks = ["argv", "ARGV", "$", "ARGF"];
    !looks.iter().any(|word| code.contains(word))
}

/// The path an argument names for a process in `cwd`.
pub(crate) fn absolute(argument: &Hostile, cwd: &Hostile) -> String {
    let argument = argument.lossy();
    let argument = argument.strip_prefix("./").unwrap_or(&argument);
    if argument.starts_with('/') {
        return argument.to_owned();
    }
    format!("{}/{argument}", cwd.lossy().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    const BIN: &str = "/home/kim/app/node_modules/@x/linux/bin/tool";

    fn writers(scene: &Scene) -> Vec<(String, Writer)> {
        let observation = scene.observation();
        let tree = Tree::new(&observation.processes);
        Origins::trace(&observation, &tree)
            .executions
            .into_iter()
            .map(|execution| (execution.path, execution.origin.writer))
            .collect()
    }

    #[test]
    fn a_hard_link_to_what_the_manager_unpacked_is_the_managers() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene.at(npm).write(BIN);
        let hook = scene.child(npm, "/usr/bin/node", &["node", "install.js"]);
        let own = "/home/kim/app/node_modules/left-pad/bin/tool";
        scene
            .at(hook)
            .link(BIN, &format!("{own}.tmp"))
            .rename(&format!("{own}.tmp"), own);
        scene.child(hook, own, &[own, "--version"]);
        assert_eq!(writers(&scene), [(own.to_owned(), Writer::Manager)]);
    }

    #[test]
    fn overwriting_what_the_manager_unpacked_makes_it_the_packages() {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene.at(npm).write(BIN);
        let hook = scene.child(npm, "/usr/bin/node", &["node", "install.js"]);
        scene.at(hook).write(BIN);
        scene.child(hook, BIN, &[BIN]);
        assert_eq!(writers(&scene), [(BIN.to_owned(), Writer::Package)]);
    }

    #[test]
    fn a_renamed_folder_takes_its_files_along() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node", "install.js"]);
        scene
            .at(hook)
            .write("/tmp/a/b/run")
            .rename("/tmp/a", "/tmp/z");
        scene.child(hook, "/tmp/z/b/run", &["run"]);
        assert_eq!(
            writers(&scene),
            [("/tmp/z/b/run".to_owned(), Writer::Package)]
        );
    }

    #[test]
    fn a_script_is_found_relative_to_the_working_folder() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node", "install.js"]);
        scene.at(hook).write("/home/kim/app/x.sh");
        scene.child(hook, "/usr/bin/sh", &["sh", "./x.sh"]);
        assert_eq!(
            writers(&scene),
            [("/home/kim/app/x.sh".to_owned(), Writer::Package)]
        );
    }

    #[test]
    fn a_file_given_to_code_that_looks_at_no_argument_is_not_run() {
        let runs = |code: &str| {
            let mut scene = Scene::pypi("left-pad");
            let python = scene.package("/usr/bin/python3", &["python3"]);
            scene.at(python).write("/tmp/tmpab12cd34");
            let argv = ["python3", "-c", code, "/tmp/tmpab12cd34"];
            scene.child(python, "/usr/bin/python3", &argv);
            writers(&scene).len()
        };
        assert_eq!(runs(""), 0);
        assert_eq!(runs("print(1)"), 0);
        assert_eq!(runs("import sys; exec(open(sys.argv[1]).read())"), 1);

        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene.at(node).write("/tmp/x.sh");
        scene.child(node, "/usr/bin/bash", &["bash", "-e", "/tmp/x.sh"]);
        assert_eq!(writers(&scene).len(), 1, "-e is no code for a shell");
    }

    #[test]
    fn a_linkers_output_is_the_toolchains() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/python3", &["python3", "setup.py"]);
        let ld = scene.child(hook, "/usr/bin/ld", &["ld", "-o", "/tmp/x/conftest"]);
        scene.at(ld).write("/tmp/x/conftest");
        scene.child(hook, "/tmp/x/conftest", &["conftest"]);
        assert_eq!(
            writers(&scene),
            [("/tmp/x/conftest".to_owned(), Writer::Toolchain)]
        );
    }

    #[test]
    fn what_a_compiler_writes_beside_its_output_is_a_macros() {
        for (path, writer) in [
            ("/home/kim/app/node_modules/left-pad/run", Writer::Toolchain),
            ("/tmp/run", Writer::Package),
        ] {
            let mut scene = Scene::npm("left-pad");
            let rustc = scene.package("/usr/local/lib/rust/bin/rustc", &["rustc", "lib.rs"]);
            scene.at(rustc).write(path);
            scene.child(rustc, path, &[path]);
            assert_eq!(writers(&scene), [(path.to_owned(), writer)]);
        }
    }
}

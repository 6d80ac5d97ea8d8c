use std::path::PathBuf;
use std::sync::Arc;

use crate::{Hostile, Owner, Phase};

/// How to detonate one artifact: what an ecosystem tells the pipeline. Paths are inside the sandbox.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Written before the first step, owned by the sample's user.
    pub files: Vec<PlannedFile>,
    /// Run in order; a failed step does not stop later ones.
    pub steps: Vec<Step>,
    /// Who owns which process; the first rule that matches wins, else the parent's owner is inherited.
    pub owners: Vec<OwnerRule>,
    /// Environment variables whose values are kept with each process.
    pub env_values: Vec<String>,
    /// Hooks that the manifest promises and the trace must show.
    pub hooks: Vec<ExpectedHook>,
    /// Folder the package's files are installed into: writes below are its own business.
    pub package_dirs: Vec<String>,
    /// Folder of the project it is installed in.
    pub project_dir: String,
}

/// A file to put into the sandbox.
#[derive(Clone, Debug)]
pub struct PlannedFile {
    /// Absolute path.
    pub path: String,
    /// What is in it.
    pub content: FileContent,
    /// Permission bits.
    pub mode: u32,
}

/// Where a planned file's bytes are.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file of the host (an artifact in the cache).
    Host(PathBuf),
    /// Here, and elsewhere as well: what an archive holds.
    Shared(Arc<[u8]>),
    /// None: a symbolic link to this. What was there is replaced.
    Link(Hostile),
    /// None: a folder, which then belongs to the sample's user.
    Folder,
}

/// One command of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// The phase it belongs to.
    pub phase: Phase,
    /// Short name for reports: `npm install`, `import (esm)`.
    pub name: String,
    /// Program and arguments; no shell is involved. `{entries}` in an argument is replaced by the path of
    /// the file that lists the entries still to do.
    pub argv: Vec<String>,
    /// Variables added to the persona's environment.
    pub env: Vec<(String, String)>,
    /// Working folder.
    pub cwd: String,
    /// Owner of the first process.
    pub owner: Owner,
    /// How to run it.
    pub kind: StepKind,
}

/// How a step is run.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Once, until it ends or the phase's time is up. Exit status 0 means success.
    Once,
    /// Once, for what it starts on the way. Its exit status says nothing, and neither does being ended after its
    /// time, once it has printed a line: without that line the step did not do what it is for.
    Proven {
        /// What must be printed.
        line: String,
        /// What must not be printed: what the tool says when it got that far and no further. Empty: nothing.
        unless: String,
        /// How long it may take.
        milliseconds: u64,
    },
    /// A harness works through a list. It is started with a JSON file `{"entries": [{"index": 0, "name": "…"}, …]}`
    /// and reports on descriptor 3, a line each: `start INDEX`, `done INDEX`, `fail INDEX TEXT`, `end`.
    /// When it dies or an entry exceeds its time it is started again with the entries after that one.
    Entries(Vec<String>),
    /// The supervisor puts these files in place, replacing what is there; nothing is started. What cannot be put
    /// there is counted and makes the run incomplete.
    Place(Vec<PlannedFile>),
    /// Each of these is started by itself, and ended after this many milliseconds: a program that waits for input or
    /// serves for ever is no fault.
    Programs(Vec<Program>, u64),
}

/// A program of a package, with the way it is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name for reports.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
}

/// Recognises a process at exec time. All given conditions must hold; none given matches nothing.
/// Patterns know `*` (any characters, also `/`) and match the whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessMatch {
    /// Variables that must be set to a value matching the pattern.
    pub env: Vec<(String, String)>,
    /// Pattern of the program's resolved path.
    pub exe: Option<String>,
    /// Pattern of at least one argument.
    pub arg: Option<String>,
    /// Pattern of the working folder it is started in.
    pub cwd: Option<String>,
    /// Pattern of a file that it opens. Of use for what must be seen running; an owner is decided before anything is
    /// opened, so that a rule with this condition gives none.
    pub opens: Option<String>,
    /// Owners the parent may have; empty: any.
    pub parent: Vec<Owner>,
}

/// Gives processes an owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerRule {
    /// Which processes.
    pub when: ProcessMatch,
    /// Whose they are.
    pub owner: OwnerSource,
    /// They are build tools (the owner is then inherited and this rule only sets the tag).
    pub toolchain: bool,
    /// The hook that such a process is; without one it belongs to its parent's.
    pub hook: Option<HookName>,
}

/// What a hook is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookName {
    /// This: `setup.py`, `build.rs`.
    Is(&'static str),
    /// As a variable says: `npm_lifecycle_event`.
    FromEnv(&'static str),
}

/// Where a rule takes the owner from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnerSource {
    /// From the parent.
    #[default]
    Inherit,
    /// This one.
    Is(Owner),
    /// From a variable that holds a package name: the target's own name gives `Package`, another `Dependency`.
    NameFromEnv {
        /// The variable.
        variable: String,
        /// The target's name.
        target: String,
    },
    /// The same with a second variable, so that the dependency is `NAME VERSION`.
    NameAndVersionFromEnv {
        /// The variable with the name.
        name: String,
        /// The variable with the version.
        version: String,
        /// The target's name.
        target: String,
    },
    /// From the working folder: the part of its path that follows `above` gives `Package` if it is `target`, else
    /// `Dependency` (`rack-3.1.0` is called `rack 3.1.0`).
    NameFromFolder {
        /// What stands before the name: `/gems/`.
        above: String,
        /// The target's folder.
        target: String,
    },
}

/// A hook that must be seen running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedHook {
    /// `postinstall`, `setup.py`, …
    pub name: String,
    /// At least one process must match.
    pub when: ProcessMatch,
}

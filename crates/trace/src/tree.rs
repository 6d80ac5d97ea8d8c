//! The process tree: which thread belongs to which process, what each runs and whose it is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use apa_model::{Hostile, Owner, Phase, Process, ProcessExit, ProcessId};

use crate::owner::Decision;
use crate::procfs::{Image, Status};

/// Records kept of processes that ended; beyond it they are only counted.
const MAX_ENDED: usize = 100_000;
/// Bytes of arguments and environments kept in full.
const MAX_TEXT: usize = 256 << 20;

/// Number of a command within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandId(pub(crate) u32);

struct Node {
    parent: Option<ProcessId>,
    command: CommandId,
    host_pid: i32,
    inner_pid: i32,
    image: Arc<Image>,
    /// Programs loaded since it was born.
    loads: u32,
    owner: Owner,
    toolchain: bool,
    /// Its own or its parent's.
    hook: Option<Hostile>,
    phase: Phase,
    started_us: u64,
    ended_us: Option<u64>,
    exit: Option<ProcessExit>,
}

/// What the supervisor needs to know about a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) process: ProcessId,
    pub(crate) inner_pid: i32,
    /// Changes with the memory image.
    pub(crate) loads: u32,
    pub(crate) package_code: bool,
}

/// An `execve` that was asked for and has not been seen to succeed.
pub(crate) struct Attempt {
    pub(crate) process: ProcessId,
    pub(crate) exe: Hostile,
    pub(crate) argv: Vec<Hostile>,
    pub(crate) cwd: Hostile,
    pub(crate) errno: Option<i32>,
}

#[derive(Default)]
pub(crate) struct Tree {
    nodes: HashMap<ProcessId, Node>,
    threads: HashMap<i32, ProcessId>,
    attempts: HashMap<i32, Attempt>,
    /// Events of the call a thread is in; only when every call is recorded.
    calls: HashMap<i32, Vec<u64>>,
    live: BTreeSet<ProcessId>,
    next: u32,
    ended: usize,
    /// Bytes of all images ever loaded.
    text: usize,
    unrecorded: u64,
}

impl Tree {
    /// Adds the first process of a command.
    pub(crate) fn add_root(
        &mut self,
        status: &Status,
        command: CommandId,
        image: Image,
        owner: Owner,
        phase: Phase,
        at_us: u64,
    ) -> ProcessId {
        let image = self.admit(image);
        self.insert(Node {
            parent: None,
            command,
            host_pid: status.tgid,
            inner_pid: status.inner_pid,
            image,
            loads: 0,
            owner,
            toolchain: false,
            hook: None,
            phase,
            started_us: at_us,
            ended_us: None,
            exit: None,
        })
    }

    /// Adds a child that runs what its parent runs. `None`: the parent is not known.
    pub(crate) fn add_child(
        &mut self,
        status: &Status,
        parent: ProcessId,
        phase: Phase,
        at_us: u64,
    ) -> Option<ProcessId> {
        let node = self.nodes.get(&parent)?;
        let child = Node {
            parent: Some(parent),
            command: node.command,
            host_pid: status.tgid,
            inner_pid: status.inner_pid,
            image: Arc::clone(&node.image),
            loads: 0,
            owner: node.owner.clone(),
            toolchain: node.toolchain,
            hook: node.hook.clone(),
            phase,
            started_us: at_us,
            ended_us: None,
            exit: None,
        };
        Some(self.insert(child))
    }

    /// Cuts an image when too much text was kept before.
    fn admit(&mut self, mut image: Image) -> Arc<Image> {
        self.text = self.text.saturating_add(image.text_bytes());
        if self.text > MAX_TEXT {
            image.cut();
        }
        Arc::new(image)
    }

    fn insert(&mut self, node: Node) -> ProcessId {
        self.next += 1;
        let id = ProcessId(self.next);
        self.threads.insert(node.host_pid, id);
        self.live.insert(id);
        self.nodes.insert(id, node);
        id
    }

    pub(crate) fn add_thread(&mut self, tid: i32, process: ProcessId) {
        self.threads.insert(tid, process);
    }

    pub(crate) fn of_thread(&self, tid: i32) -> Option<ProcessId> {
        self.threads.get(&tid).copied()
    }

    /// Who calls, with the attempt to load a program that this thread made before and that therefore failed.
    pub(crate) fn caller(&mut self, tid: i32) -> Option<(Caller, Option<Attempt>)> {
        let process = self.of_thread(tid)?;
        let node = self.nodes.get(&process)?;
        let caller = Caller {
            process,
            inner_pid: node.inner_pid,
            loads: node.loads,
            package_code: node.owner.is_package_code(),
        };
        Some((caller, self.take_attempt(tid)))
    }

    pub(crate) fn put_attempt(&mut self, tid: i32, attempt: Attempt) {
        self.attempts.insert(tid, attempt);
    }

    pub(crate) fn take_attempt(&mut self, tid: i32) -> Option<Attempt> {
        if self.attempts.is_empty() {
            return None;
        }
        self.attempts.remove(&tid)
    }

    /// Notes that a thread's current call was looked at, and the events that came of it.
    pub(crate) fn put_call_events(&mut self, tid: i32, events: Vec<u64>) {
        self.calls.insert(tid, events);
    }

    /// The events of a thread's call that returned. `None`: it was not looked at.
    pub(crate) fn take_call_events(&mut self, tid: i32) -> Option<Vec<u64>> {
        self.calls.remove(&tid)
    }

    /// A process loaded a program: the thread that did is its only one now. Returns the attempts its other
    /// threads were in.
    pub(crate) fn loaded(
        &mut self,
        process: ProcessId,
        image: Image,
        decision: Decision,
    ) -> Vec<Attempt> {
        let image = self.admit(image);
        let Some(node) = self.nodes.get_mut(&process) else {
            return Vec::new();
        };
        node.image = image;
        node.loads = node.loads.wrapping_add(1);
        node.owner = decision.owner;
        node.toolchain = decision.toolchain;
        if decision.hook.is_some() {
            node.hook = decision.hook;
        }
        let pid = node.host_pid;
        let gone: Vec<i32> = self
            .threads
            .iter()
            .filter(|&(&tid, &of)| of == process && tid != pid)
            .map(|(&tid, _)| tid)
            .collect();
        gone.into_iter()
            .filter_map(|tid| {
                self.threads.remove(&tid);
                self.take_attempt(tid)
            })
            .collect()
    }

    pub(crate) fn owner(&self, process: ProcessId) -> Option<&Owner> {
        self.nodes.get(&process).map(|node| &node.owner)
    }

    pub(crate) fn parent(&self, process: ProcessId) -> Option<ProcessId> {
        self.nodes.get(&process)?.parent
    }

    pub(crate) fn inner_pid(&self, process: ProcessId) -> Option<i32> {
        self.nodes.get(&process).map(|node| node.inner_pid)
    }

    pub(crate) fn host_pid(&self, process: ProcessId) -> Option<i32> {
        self.nodes.get(&process).map(|node| node.host_pid)
    }

    /// The live process with a pid as the sample knows it.
    pub(crate) fn by_inner_pid(&self, pid: i32) -> Option<ProcessId> {
        self.live
            .iter()
            .copied()
            .find(|id| self.inner_pid(*id) == Some(pid))
    }

    /// A thread ended. Returns its process if that ended with it.
    pub(crate) fn thread_ended(&mut self, tid: i32) -> Option<ProcessId> {
        self.calls.remove(&tid);
        let process = self.threads.remove(&tid)?;
        (self.host_pid(process) == Some(tid)).then_some(process)
    }

    pub(crate) fn process_ended(&mut self, process: ProcessId, exit: ProcessExit, at_us: u64) {
        if !self.live.remove(&process) {
            return;
        }
        self.threads.retain(|_, of| *of != process);
        // A command's first process is always kept: somebody waits for its end.
        let is_root = self.parent(process).is_none();
        if self.ended >= MAX_ENDED && !is_root {
            self.nodes.remove(&process);
            self.unrecorded += 1;
        } else if let Some(node) = self.nodes.get_mut(&process) {
            node.exit = Some(exit);
            node.ended_us = Some(at_us);
            self.ended += 1;
        }
    }

    /// How a process ended. `None`: it has not.
    pub(crate) fn exit_of(&self, process: ProcessId) -> Option<ProcessExit> {
        self.nodes.get(&process)?.exit
    }

    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = ProcessId> {
        self.live.iter().copied()
    }

    /// Host pids of the live processes of a command.
    pub(crate) fn live_of(&self, command: CommandId) -> Vec<i32> {
        self.live
            .iter()
            .filter_map(|id| self.nodes.get(id))
            .filter(|node| node.command == command)
            .map(|node| node.host_pid)
            .collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.next as usize
    }

    pub(crate) fn unrecorded(&self) -> u64 {
        self.unrecorded
    }

    pub(crate) fn take_attempts(&mut self) -> Vec<Attempt> {
        self.attempts.drain().map(|(_, attempt)| attempt).collect()
    }

    pub(crate) fn process(&self, id: ProcessId) -> Option<Process> {
        let node = self.nodes.get(&id)?;
        Some(node.record(id, &node.image))
    }

    /// Every process with a record, in the order they started, and whether texts were cut for want of room.
    pub(crate) fn processes(&self) -> (Vec<Process>, bool) {
        let mut ids: Vec<ProcessId> = self.nodes.keys().copied().collect();
        ids.sort_unstable();
        // Children share their parent's image here, but each gets its own copy in the record.
        let (mut room, mut cut) = (MAX_TEXT, self.text > MAX_TEXT);
        let mut processes = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let bytes = node.image.text_bytes();
            if bytes <= room {
                room -= bytes;
                processes.extend(self.process(id));
            } else {
                cut = true;
                let mut image = Image {
                    exe: node.image.exe.clone(),
                    argv: node.image.argv.iter().take(1).cloned().collect(),
                    cwd: node.image.cwd.clone(),
                    ..Image::default()
                };
                image.cut();
                processes.push(node.record(id, &image));
            }
        }
        (processes, cut)
    }
}

impl Node {
    fn record(&self, id: ProcessId, image: &Image) -> Process {
        Process {
            id,
            parent: self.parent,
            pid: self.inner_pid,
            exe: image.exe.clone(),
            argv: image.argv.clone(),
            cwd: image.cwd.clone(),
            env_names: image.env_names.clone(),
            env: image.env.clone(),
            phase: self.phase,
            owner: self.owner.clone(),
            toolchain: self.toolchain,
            hook: self.hook.clone(),
            started_us: self.started_us,
            ended_us: self.ended_us,
            exit: self.exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pid: i32) -> Status {
        Status {
            tgid: pid,
            inner_pid: pid % 100,
            ..Status::default()
        }
    }

    fn tree_with_root() -> (Tree, ProcessId) {
        let mut tree = Tree::default();
        let root = tree.add_root(
            &status(1001),
            CommandId(1),
            Image::default(),
            Owner::Package,
            Phase::Install,
            0,
        );
        (tree, root)
    }

    #[test]
    fn child_inherits_owner_and_threads_are_no_processes() {
        let (mut tree, root) = tree_with_root();
        let child = tree
            .add_child(&status(1002), root, Phase::Import, 5)
            .unwrap();
        tree.add_thread(1003, child);
        assert_eq!(tree.owner(child), Some(&Owner::Package));
        assert_eq!(tree.of_thread(1003), Some(child));
        assert_eq!(tree.live().count(), 2);
        assert_eq!(tree.by_inner_pid(2), Some(child));
        assert_eq!(tree.thread_ended(1003), None);
        assert_eq!(tree.thread_ended(1002), Some(child));
        tree.process_ended(child, ProcessExit::Status(3), 9);
        assert_eq!(tree.exit_of(child), Some(ProcessExit::Status(3)));
        assert_eq!(tree.live_of(CommandId(1)), [1001]);
    }

    #[test]
    fn loading_a_program_ends_the_other_threads() {
        let (mut tree, root) = tree_with_root();
        tree.add_thread(1003, root);
        let decision = Decision {
            owner: Owner::Manager,
            toolchain: true,
            hook: None,
        };
        tree.loaded(root, Image::default(), decision);
        assert_eq!(tree.of_thread(1003), None);
        assert_eq!(tree.of_thread(1001), Some(root));
        assert_eq!(tree.owner(root), Some(&Owner::Manager));
    }
}

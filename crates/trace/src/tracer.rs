//! The thread that follows a command's processes by ptrace: births, loaded programs, ends, and, when every call
//! is recorded, each call's entry and exit.
//!
//! Ptrace belongs to a thread: the one that seized the command must be the one that waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use apa_model::{EventKind, Known, Outcome, ProcessExit, ProcessId};

use crate::capture::Job;
use crate::log::Weight;
use crate::owner;
use crate::procfs::{self, Status};
use crate::shared::Shared;
use crate::sys::{self, Resume, Stop, SyscallStop};
use crate::syscalls;
use crate::tree::CommandId;

/// A new process that stopped before its parent's event came.
struct Early {
    status: Status,
    how: Resume,
}

pub(crate) struct Tracer {
    shared: Arc<Shared>,
    command: CommandId,
    root: ProcessId,
    early: HashMap<i32, Early>,
    /// Calls that threads are in; only when every call is recorded.
    calls: HashMap<i32, (i64, [u64; 6])>,
}

impl Tracer {
    pub(crate) fn new(shared: Arc<Shared>, command: CommandId, root: ProcessId) -> Self {
        Self {
            shared,
            command,
            root,
            early: HashMap::new(),
            calls: HashMap::new(),
        }
    }

    /// Seizes the command's first process, reports whether that worked, and follows the whole command until no
    /// process of it is left.
    pub(crate) fn run(mut self, pid: i32, seized: &Sender<std::io::Result<()>>) {
        let result = sys::seize(pid);
        let failed = result.is_err();
        if seized.send(result).is_err() || failed {
            return;
        }
        while let Some((tid, stop)) = sys::wait_any() {
            self.stopped(tid, stop);
        }
        self.mourn_the_rest();
    }

    fn stopped(&mut self, tid: i32, stop: Stop) {
        match stop {
            Stop::Exited(status) => return self.ended(tid, ProcessExit::Status(status)),
            Stop::Killed(signal) => return self.ended(tid, ProcessExit::Signal(signal)),
            _ => {}
        }
        if self.shared.tree().of_thread(tid).is_none() && !self.welcome(tid, stop) {
            return;
        }
        match stop {
            Stop::Event(libc::PTRACE_EVENT_EXEC) => self.loaded(tid),
            Stop::Event(
                libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE,
            ) => self.announce(tid),
            Stop::Syscall => self.syscall(tid),
            _ => {}
        }
        let (how, signal) = match stop {
            Stop::Group => (Resume::Listen, 0),
            Stop::Signal(libc::SIGSTOP) if self.is_init(tid) => (self.go_on(), 0),
            Stop::Signal(signal) => (self.go_on(), signal),
            _ => (self.go_on(), 0),
        };
        sys::resume(tid, how, signal);
    }

    /// The first process of a pid namespace is not stopped from inside it; only because it is traced does the
    /// signal get this far.
    fn is_init(&self, tid: i32) -> bool {
        let tree = self.shared.tree();
        tree.of_thread(tid)
            .is_some_and(|process| tree.inner_pid(process) == Some(1))
    }

    fn go_on(&self) -> Resume {
        if self.shared.all_syscalls {
            Resume::ToSyscall
        } else {
            Resume::Continue
        }
    }

    /// A thread stops that nobody has announced yet. False: it has to wait for that.
    fn welcome(&mut self, tid: i32, stop: Stop) -> bool {
        let Some(status) = procfs::status(tid) else {
            // Killed already; its end is reported next.
            return true;
        };
        if status.tgid != tid {
            self.add_thread(tid, &status);
            return true;
        }
        let how = match stop {
            Stop::Group => Resume::Listen,
            _ => self.go_on(),
        };
        self.early.insert(tid, Early { status, how });
        false
    }

    /// A thread made a child, or another thread. It counts from now on, whether or not it has stopped yet.
    fn announce(&mut self, parent_tid: i32) {
        let Some(child) = sys::event_message(parent_tid) else {
            return;
        };
        let parent = {
            let tree = self.shared.tree();
            match tree.of_thread(parent_tid) {
                Some(parent) if tree.of_thread(child).is_none() => parent,
                _ => return,
            }
        };
        if let Some(early) = self.early.remove(&child) {
            self.adopt(&early.status, parent);
            sys::resume(child, early.how, 0);
        } else if let Some(status) = procfs::status(child) {
            if status.tgid == child {
                self.adopt(&status, parent);
            } else {
                self.add_thread(child, &status);
            }
        }
    }

    fn add_thread(&self, tid: i32, status: &Status) {
        let mut tree = self.shared.tree();
        if let Some(process) = tree.of_thread(status.tgid) {
            tree.add_thread(tid, process);
        }
    }

    fn adopt(&self, status: &Status, parent: ProcessId) {
        let (phase, at) = (self.shared.phase(), self.shared.now_us());
        let child = self.shared.tree().add_child(status, parent, phase, at);
        if let Some(child) = child {
            self.shared.record(
                parent,
                EventKind::Fork { child },
                Outcome::OK,
                Weight::Change,
            );
        }
    }

    /// A new memory image stands in the process, and only one thread is left in it.
    fn loaded(&mut self, tid: i32) {
        let former = sys::event_message(tid).unwrap_or(tid);
        let shared = Arc::clone(&self.shared);
        let loaded = procfs::load(tid, &shared.env_values);
        let rules = shared.owner_rules();
        let (process, others) = {
            let mut tree = shared.tree();
            let Some(process) = tree.of_thread(tid) else {
                return;
            };
            // The attempt of the thread that succeeded; the others' remain failures.
            tree.take_attempt(former);
            let inherited = tree.owner(process).cloned();
            let inherited = inherited.unwrap_or(apa_model::Owner::Harness);
            let decision = owner::decide(&rules, &loaded.image, &loaded.environment, &inherited);
            let image = loaded.image.clone();
            (process, tree.loaded(process, image, decision))
        };
        for attempt in others {
            shared.record_failed(attempt, None);
        }
        self.adopt_orphans(process);
        self.calls.retain(|&tid, _| tid != former);
        let image = loaded.image;
        let kept = loaded.unlinked || shared.is_captured(image.exe.as_bytes());
        let path = image.exe.clone();
        let kind = EventKind::Exec {
            exe: image.exe,
            argv: image.argv,
            cwd: image.cwd,
            sha256: None,
        };
        let exec = shared.record(process, kind, Outcome::OK, Weight::Security);
        self.standard_descriptors(tid, process);
        if let (true, Some(file)) = (kept, loaded.file) {
            shared.keeper.keep(Job {
                file,
                path,
                when: "executed",
                process,
                phase: shared.phase(),
                exec,
            });
        }
    }

    /// A program that starts with a network socket for input or output is noted, however it got there.
    fn standard_descriptors(&self, pid: i32, process: ProcessId) {
        for to in 0..=2 {
            let is_socket = procfs::link(pid, &format!("fd/{to}"))
                .is_some_and(|target| target.starts_with(b"socket:"));
            if is_socket && crate::process::descriptor_kind(pid, to) == "socket" {
                let kind = EventKind::Dup {
                    from: to,
                    to,
                    target: "socket".into(),
                };
                self.shared
                    .record(process, kind, Outcome::OK, Weight::Security);
            }
        }
    }

    fn ended(&mut self, tid: i32, exit: ProcessExit) {
        self.early.remove(&tid);
        self.calls.remove(&tid);
        let (attempt, of, process) = {
            let mut tree = self.shared.tree();
            let of = tree.of_thread(tid);
            (tree.take_attempt(tid), of, tree.thread_ended(tid))
        };
        if let Some(attempt) = attempt {
            self.shared.record_failed(attempt, None);
        }
        if let Some(of) = of {
            self.adopt_orphans(of);
        }
        if let Some(process) = process {
            self.shared.end(process, exit);
        }
    }

    /// The announcement of a child may die with the thread that made it.
    fn adopt_orphans(&mut self, process: ProcessId) {
        if self.early.is_empty() {
            return;
        }
        // `CLONE_PARENT` gives a child its maker's parent.
        let (pid, grandparent) = {
            let tree = self.shared.tree();
            let grandparent = tree.parent(process).and_then(|id| tree.host_pid(id));
            (tree.host_pid(process), grandparent)
        };
        let orphans: Vec<i32> = self
            .early
            .iter()
            .filter(|(_, early)| {
                Some(early.status.ppid) == pid || Some(early.status.ppid) == grandparent
            })
            .map(|(&tid, _)| tid)
            .collect();
        for tid in orphans {
            if let Some(early) = self.early.remove(&tid) {
                self.adopt(&early.status, process);
                sys::resume(tid, early.how, 0);
            }
        }
    }

    /// Entry to or exit from a call.
    fn syscall(&mut self, tid: i32) {
        match sys::syscall_stop(tid) {
            Some(SyscallStop::Entry { number, args }) => {
                // What a call left that never returned (exec) is not this one's.
                self.shared.tree().take_call_events(tid);
                self.calls.insert(tid, (number, args));
            }
            Some(SyscallStop::Exit { ret }) => {
                if let Some((number, args)) = self.calls.remove(&tid) {
                    self.returned(tid, number, args, ret);
                }
            }
            None => {}
        }
    }

    /// A call came back: its event learns the outcome, or becomes one now.
    fn returned(&self, tid: i32, number: i64, args: [u64; 6], ret: i64) {
        let errno = match ret {
            -4095..0 => Some(-ret as i32),
            _ => Some(0),
        };
        let outcome = Outcome {
            errno,
            known: Known::Observed,
        };
        let (process, attempt, typed) = {
            let mut tree = self.shared.tree();
            let Some(process) = tree.of_thread(tid) else {
                return;
            };
            (process, tree.take_attempt(tid), tree.take_call_events(tid))
        };
        if let Some(attempt) = attempt.filter(|_| ret < 0) {
            return self.shared.record_failed(attempt, errno);
        }
        let asked = typed.is_some();
        let typed = typed.unwrap_or_default();
        if !typed.is_empty() {
            let mut log = self.shared.log();
            for seq in typed {
                if let Some(event) = log.event_mut(seq)
                    && event.outcome.known != Known::Answered
                {
                    event.outcome = outcome;
                }
            }
            return;
        }
        let kind = EventKind::Syscall {
            call: syscalls::name(number).into_owned(),
            args,
            ret: Some(ret),
        };
        self.shared.record(process, kind, outcome, Weight::Ordinary);
        if !asked {
            let phase = self.shared.phase();
            let call = ((phase, process, number), 1);
            self.shared.log().add_calls([call].into_iter());
        }
    }

    /// No tracee is left: whoever is still taken for alive is not.
    fn mourn_the_rest(&self) {
        let left = self.shared.tree().live_of(self.command);
        for pid in left {
            let process = self.shared.tree().of_thread(pid);
            if let Some(process) = process {
                self.shared.end(process, ProcessExit::Signal(libc::SIGKILL));
            }
        }
        tracing::debug!(root = self.root.0, "command ended");
    }
}

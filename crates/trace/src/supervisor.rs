//! The thread that answers a command's filter: for each call it is asked about it looks at the arguments, records
//! what matters, and lets the call pass or answers in the kernel's place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apa_model::{EventKind, Known, Outcome, Phase, ProcessId};

use crate::filter;
use crate::log::Weight;
use crate::memory::Memory;
use crate::paths::Place;
use crate::shared::Shared;
use crate::sys::{self, Listener, Notification};
use crate::syscalls;
use crate::tree::Caller;
use crate::view::View;
use crate::walk;
use crate::{files, kernel, net, process};

/// Processes whose view is kept; each holds two descriptors.
const MAX_VIEWS: usize = 64;
/// Calls counted before the counts are handed over.
const COUNT_BATCH: u32 = 4096;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel performs it.
    Pass,
    /// It fails.
    Errno(i32),
    /// It succeeds without being performed.
    Value(i64),
    /// It succeeds after a while without being performed.
    Later(Duration),
}

/// A call with its caller.
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) tid: i32,
    pub(crate) number: i64,
    pub(crate) args: [u64; 6],
    pub(crate) caller: Caller,
    pub(crate) memory: Memory,
}

impl Call {
    /// An argument that the kernel takes as a 32-bit number.
    pub(crate) fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }
}

pub(crate) struct Supervisor {
    pub(crate) shared: Arc<Shared>,
    listener: Listener,
    views: HashMap<ProcessId, View>,
    counts: HashMap<(Phase, ProcessId, i64), u64>,
    counted: u32,
    /// Calls for attributes that were not recorded.
    stats: u64,
    /// Sleepers to wake, with the time for it.
    sleepers: Vec<(Instant, u64)>,
    /// Events of the call at hand.
    events: Vec<u64>,
    /// Executable memory asked for so far, by process.
    pub(crate) executable: HashMap<ProcessId, u32>,
    /// Processes of this command may share their folder with others.
    shared_folders: bool,
}

impl Supervisor {
    pub(crate) fn new(shared: Arc<Shared>, listener: Listener) -> Self {
        Self {
            shared,
            listener,
            views: HashMap::new(),
            counts: HashMap::new(),
            counted: 0,
            stats: 0,
            sleepers: Vec::new(),
            events: Vec::new(),
            executable: HashMap::new(),
            shared_folders: false,
        }
    }

    /// Serves until no process is left under the filter.
    pub(crate) fn run(mut self) {
        loop {
            // Waiting for the next call in the kernel's own queue saves a system call, but knows no time-out.
            let ready = if self.sleepers.is_empty() && self.listener.wakes_at_end() {
                Ok(true)
            } else {
                self.listener.wait(self.timeout_ms())
            };
            self.wake_sleepers();
            let received = match ready {
                Ok(true) => self.listener.receive(),
                Ok(false) => continue,
                Err(_) => break,
            };
            match received {
                Ok(Some(notification)) => self.serve(&notification),
                // The caller died, or the last process did.
                Ok(None) if self.listener.wait(0).is_err() => break,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "the filter's listener failed");
                    self.shared.log().lose();
                    break;
                }
            }
        }
        self.hand_over_counts();
    }

    fn timeout_ms(&self) -> i32 {
        let Some(next) = self.sleepers.iter().map(|(at, _)| *at).min() else {
            return -1;
        };
        let left = next.saturating_duration_since(Instant::now());
        i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX)
    }

    fn wake_sleepers(&mut self) {
        if self.sleepers.is_empty() {
            return;
        }
        let now = Instant::now();
        let listener = &self.listener;
        self.sleepers.retain(|&(at, id)| {
            if at <= now {
                listener.answer(id, 0, 0);
            }
            at > now
        });
    }

    fn serve(&mut self, notification: &Notification) {
        let found = self.shared.tree().caller(notification.tid);
        let Some((caller, attempt)) = found else {
            return self.stranger(notification);
        };
        if let Some(attempt) = attempt {
            self.shared.record_failed(attempt, None);
        }
        let view = self.view_of(notification.tid, &caller);
        view.settle(notification.tid);
        let call = Call {
            id: notification.id,
            tid: notification.tid,
            number: notification.number,
            args: notification.args,
            memory: Memory::new(notification.tid, view.memory(&caller)),
            caller,
        };
        self.events.clear();
        let answer = if let Some(name) = foreign(notification) {
            self.refuse(&call, EventKind::Refused { call: name }, libc::ENOSYS)
        } else {
            self.count(&call);
            self.decide(&call)
        };
        if self.shared.all_syscalls {
            let events = std::mem::take(&mut self.events);
            self.shared.tree().put_call_events(call.tid, events);
        }
        match answer {
            Answer::Pass => self.listener.let_pass(call.id),
            Answer::Errno(errno) => self.listener.answer(call.id, 0, errno),
            Answer::Value(value) => self.listener.answer(call.id, value, 0),
            Answer::Later(delay) => self.sleepers.push((Instant::now() + delay, call.id)),
        }
    }

    fn decide(&mut self, call: &Call) -> Answer {
        files::handle(self, call)
            .or_else(|| process::handle(self, call))
            .or_else(|| net::handle(self, call))
            .or_else(|| kernel::handle(self, call))
            .unwrap_or(Answer::Pass)
    }

    /// A caller that ptrace does not follow died meanwhile, or got out of it on purpose and ends here.
    fn stranger(&mut self, notification: &Notification) {
        if !self.listener.is_valid(notification.id) {
            return self.shared.log().count("ended_in_call");
        }
        tracing::warn!(tid = notification.tid, "an untraced process is killed");
        self.shared.log().lose();
        sys::kill(notification.tid, libc::SIGKILL);
        self.listener.answer(notification.id, 0, libc::EPERM);
    }

    fn count(&mut self, call: &Call) {
        let key = (self.shared.phase(), call.caller.process, call.number);
        *self.counts.entry(key).or_default() += 1;
        self.counted += 1;
        if self.counted >= COUNT_BATCH {
            self.hand_over_counts();
        }
    }

    /// A call for attributes that is not worth an event.
    pub(crate) fn count_stat(&mut self) {
        self.stats += 1;
    }

    fn hand_over_counts(&mut self) {
        self.counted = 0;
        let mut log = self.shared.log();
        log.add_calls(self.counts.drain());
        log.count_many("stat", std::mem::take(&mut self.stats));
    }

    /// Whether what was read from the caller's memory was really its own; else it died in the call, which then
    /// never took place.
    pub(crate) fn is_still(&self, call: &Call) -> bool {
        let valid = self.listener.is_valid(call.id);
        if !valid {
            self.shared.log().count("ended_in_call");
        }
        valid
    }

    /// Records what a call asks for.
    pub(crate) fn record(
        &mut self,
        call: &Call,
        kind: EventKind,
        outcome: Outcome,
        weight: Weight,
    ) {
        let seq = self
            .shared
            .record(call.caller.process, kind, outcome, weight);
        if self.shared.all_syscalls {
            self.events.extend(seq);
        }
    }

    /// Records a call that is answered with an error.
    pub(crate) fn refuse(&mut self, call: &Call, kind: EventKind, errno: i32) -> Answer {
        let outcome = Outcome {
            errno: Some(errno),
            known: Known::Answered,
        };
        self.record(call, kind, outcome, Weight::Security);
        Answer::Errno(errno)
    }

    /// The caller's process as it is seen from outside.
    pub(crate) fn view(&mut self, call: &Call) -> &mut View {
        self.view_of(call.tid, &call.caller)
    }

    fn view_of(&mut self, tid: i32, caller: &Caller) -> &mut View {
        if self.views.len() >= MAX_VIEWS && !self.views.contains_key(&caller.process) {
            self.views.retain(|_, view| view.is_unsettled());
        }
        let view = self
            .views
            .entry(caller.process)
            .or_insert_with(|| View::new(tid, caller));
        view.no_memory |= self.shared_folders;
        view
    }

    /// From now on no working folder is remembered, because processes share them.
    pub(crate) fn folders_are_shared(&mut self) {
        self.shared_folders = true;
    }

    /// Folders' permissions changed, or folders were moved.
    pub(crate) fn forget_folders(&mut self) {
        for view in self.views.values_mut() {
            view.forget_folders();
        }
    }

    /// Where an absolute path leads for the caller.
    pub(crate) fn look(&mut self, call: &Call, full: &[u8], follow: bool) -> Place {
        let shared = Arc::clone(&self.shared);
        let pids = move |inner| walk::host_pid(&shared.tree(), inner);
        self.view(call).look(full, follow, &pids)
    }
}

/// Name of a call that was not made by the 64-bit entry.
fn foreign(notification: &Notification) -> Option<String> {
    const X32_BIT: i64 = 0x4000_0000;
    let number = notification.number;
    match notification.arch {
        filter::ARCH_X86_64 if number & X32_BIT == 0 => None,
        filter::ARCH_X86_64 if number < 0 => Some(syscalls::name(number).into_owned()),
        filter::ARCH_X86_64 => Some(format!("x32 {}", syscalls::name(number & !X32_BIT))),
        0x4000_0003 => Some(format!("32-bit syscall_{number}")),
        arch => Some(format!("architecture {arch:#x} syscall_{number}")),
    }
}

//! The events of a detonation, bounded, with everything that was left out counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use apa_model::{Event, EventKind, Hostile, Incomplete, IncompleteCode, Owner, Phase, ProcessId};

/// Bytes of text that events may hold before it counts like too many events.
const MAX_TEXT: usize = 256 << 20;
/// Counts of calls kept by process; further ones are added up under process 0.
const MAX_CALL_COUNTS: usize = 400_000;
/// Contacts remembered for attribution.
const MAX_CONTACTS: usize = 8192;

/// How much an event matters under a flood: each weight has room after the ones before it are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Reading: kept up to the limit.
    Ordinary,
    /// Changes to files, birth and death of processes: half as many more.
    Change,
    /// What a verdict rests on: twice the limit.
    Security,
}

/// A process named an address.
pub(crate) struct Contact {
    pub(crate) process: ProcessId,
    pub(crate) address: SocketAddr,
}

#[derive(Default)]
pub(crate) struct Log {
    limit: u64,
    events: Vec<Event>,
    text: usize,
    counted: BTreeMap<String, u64>,
    calls: HashMap<(Phase, ProcessId, i64), u64>,
    lost: u64,
    limit_hit: Option<Phase>,
    contacts: VecDeque<Contact>,
    problems: Vec<Incomplete>,
}

impl Log {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Keeps an event and returns its number, or counts it where there is no more room for its weight.
    pub(crate) fn push(&mut self, mut event: Event, weight: Weight) -> Option<u64> {
        let kept = self.events.len() as u64;
        let (room, text) = match weight {
            Weight::Ordinary => (self.limit, MAX_TEXT),
            Weight::Change => (self.limit.saturating_add(self.limit / 2), MAX_TEXT / 2 * 3),
            Weight::Security => (self.limit.saturating_mul(2), MAX_TEXT * 2),
        };
        if kept >= room || self.text >= text {
            self.limit_hit.get_or_insert(event.phase);
            self.count(kind_name(&event.kind));
            return None;
        }
        self.text += text_bytes(&event);
        event.seq = kept + 1;
        self.events.push(event);
        Some(kept + 1)
    }

    /// Counts an act that is not kept as an event.
    pub(crate) fn count(&mut self, what: &str) {
        self.count_many(what, 1);
    }

    pub(crate) fn count_many(&mut self, what: &str, times: u64) {
        match self.counted.get_mut(what) {
            Some(count) => *count += times,
            None if times == 0 => {}
            None => {
                self.counted.insert(what.to_owned(), times);
            }
        }
    }

    pub(crate) fn add_calls(
        &mut self,
        calls: impl Iterator<Item = ((Phase, ProcessId, i64), u64)>,
    ) {
        for (mut key, count) in calls {
            if self.calls.len() >= MAX_CALL_COUNTS && !self.calls.contains_key(&key) {
                key.1 = ProcessId(0);
            }
            *self.calls.entry(key).or_default() += count;
        }
    }

    /// Something happened that could not be recorded.
    pub(crate) fn lose(&mut self) {
        self.lost += 1;
    }

    /// Remembers a reason for missing coverage, once.
    pub(crate) fn problem(&mut self, code: IncompleteCode, phase: Phase, detail: &str) {
        let problem = Incomplete {
            code,
            phase: Some(phase),
            detail: detail.into(),
        };
        if self.problems.len() < 64 && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The event with a number that [`Log::push`] gave.
    pub(crate) fn event_mut(&mut self, seq: u64) -> Option<&mut Event> {
        self.events
            .get_mut(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    pub(crate) fn contact(&mut self, process: ProcessId, address: SocketAddr) {
        if self.contacts.len() == MAX_CONTACTS {
            self.contacts.pop_front();
        }
        self.contacts.push_back(Contact { process, address });
    }

    /// Newest first.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.iter().rev()
    }

    pub(crate) fn kept(&self) -> u64 {
        self.events.len() as u64
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    pub(crate) fn into_parts(mut self) -> Parts {
        if let Some(phase) = self.limit_hit {
            let detail = format!(
                "more than {} events; further ones were only counted by kind",
                self.limit
            );
            self.problem(IncompleteCode::EventLimit, phase, &detail);
        }
        if self.lost > 0 {
            self.problems.push(Incomplete {
                code: IncompleteCode::EventsLost,
                phase: None,
                detail: format!("{} acts could not be recorded", self.lost).into(),
            });
        }
        let mut calls: Vec<_> = self
            .calls
            .into_iter()
            .map(|((phase, process, number), count)| {
                (
                    phase,
                    process,
                    crate::syscalls::name(number).into_owned(),
                    count,
                )
            })
            .collect();
        calls.sort();
        Parts {
            events: self.events,
            lost: self.lost,
            counted: self.counted,
            calls,
            problems: self.problems,
        }
    }
}

/// What a log comes to in the end.
pub(crate) struct Parts {
    pub(crate) events: Vec<Event>,
    pub(crate) lost: u64,
    pub(crate) counted: BTreeMap<String, u64>,
    pub(crate) calls: Vec<(Phase, ProcessId, String, u64)>,
    pub(crate) problems: Vec<Incomplete>,
}

fn text_bytes(event: &Event) -> usize {
    let owner = match &event.owner {
        Owner::Dependency(name) => name.len(),
        _ => 0,
    };
    let list = |items: &[Hostile]| items.iter().map(|item| item.len() + 24).sum::<usize>();
    owner
        + match &event.kind {
            EventKind::Exec { exe, argv, cwd, .. } => exe.len() + list(argv) + cwd.len() + 64,
            EventKind::Rename { from, to } => from.len() + to.len(),
            EventKind::Link { target, path, .. } => target.len() + path.len(),
            EventKind::Open { path, .. }
            | EventKind::Stat { path }
            | EventKind::Readlink { path }
            | EventKind::Mkdir { path }
            | EventKind::Unlink { path, .. }
            | EventKind::Chmod { path, .. }
            | EventKind::Chown { path }
            | EventKind::Truncate { path, .. }
            | EventKind::Mknod { path, .. }
            | EventKind::Chdir { path, .. } => path.len(),
            EventKind::Bind { address }
            | EventKind::Connect { address }
            | EventKind::Send { address, .. } => address.len(),
            EventKind::Memfd { name } => name.len(),
            EventKind::Privileged { detail, .. } => detail.len() + 16,
            _ => 16,
        }
}

/// The name an event of this kind is counted under.
pub(crate) fn kind_name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Fork { .. } => "fork",
        EventKind::Exec { .. } => "exec",
        EventKind::Exit { .. } => "exit",
        EventKind::Open { .. } => "open",
        EventKind::Stat { .. } => "stat",
        EventKind::Readlink { .. } => "readlink",
        EventKind::Mkdir { .. } => "mkdir",
        EventKind::Rename { .. } => "rename",
        EventKind::Link { .. } => "link",
        EventKind::Unlink { .. } => "unlink",
        EventKind::Chmod { .. } => "chmod",
        EventKind::Chown { .. } => "chown",
        EventKind::Truncate { .. } => "truncate",
        EventKind::Mknod { .. } => "mknod",
        EventKind::Chdir { .. } => "chdir",
        EventKind::Socket { .. } => "socket",
        EventKind::Bind { .. } => "bind",
        EventKind::Listen => "listen",
        EventKind::Connect { .. } => "connect",
        EventKind::Accept => "accept",
        EventKind::Send { .. } => "send",
        EventKind::Memfd { .. } => "memfd",
        EventKind::Dup { .. } => "dup",
        EventKind::Inspect { .. } => "inspect",
        EventKind::MakeExecutable { .. } => "make_executable",
        EventKind::Kill { .. } => "kill",
        EventKind::Privileged { .. } => "privileged",
        EventKind::Refused { .. } => "refused",
        EventKind::Sleep { .. } => "sleep",
        EventKind::Syscall { .. } => "syscall",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apa_model::Outcome;

    fn event(kind: EventKind) -> Event {
        Event {
            seq: 0,
            at_us: 0,
            phase: Phase::Install,
            process: ProcessId(1),
            owner: Owner::Package,
            kind,
            outcome: Outcome::UNKNOWN,
        }
    }

    fn stat() -> Event {
        event(EventKind::Stat { path: "/x".into() })
    }

    #[test]
    fn a_flood_of_reads_leaves_room_for_changes_and_these_for_security_events() {
        let mut log = Log::new(10);
        for _ in 0..100 {
            log.push(stat(), Weight::Ordinary);
        }
        for _ in 0..100 {
            log.push(
                event(EventKind::Mkdir { path: "/x".into() }),
                Weight::Change,
            );
        }
        let connect = || {
            event(EventKind::Connect {
                address: "192.0.2.1:80".into(),
            })
        };
        assert_eq!(log.push(connect(), Weight::Security), Some(16));
        for _ in 0..100 {
            log.push(connect(), Weight::Security);
        }
        let parts = log.into_parts();
        assert_eq!(parts.events.len(), 20);
        assert_eq!(parts.counted["stat"], 90);
        assert_eq!(parts.counted["mkdir"], 95);
        assert_eq!(parts.counted["connect"], 96);
        assert_eq!(parts.lost, 0);
        assert_eq!(parts.problems[0].code, IncompleteCode::EventLimit);
    }

    #[test]
    fn sequence_numbers_have_no_gaps_and_find_their_event() {
        let mut log = Log::new(10);
        for expected in 1..=5 {
            assert_eq!(log.push(stat(), Weight::Ordinary), Some(expected));
        }
        assert_eq!(log.event_mut(3).map(|event| event.seq), Some(3));
        assert!(log.event_mut(0).is_none());
        assert!(log.event_mut(6).is_none());
    }

    #[test]
    fn a_loss_makes_the_trace_incomplete() {
        let mut log = Log::new(10);
        log.lose();
        let parts = log.into_parts();
        assert_eq!(parts.lost, 1);
        assert_eq!(parts.problems[0].code, IncompleteCode::EventsLost);
    }
}

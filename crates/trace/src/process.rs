//! Calls that start, stop, look into or wait for processes, and that make memory run.

use std::time::Duration;

use apa_model::{EventKind, Hostile, Known, Outcome};

use crate::log::Weight;
use crate::memory;
use crate::paths::MAY_EXECUTE;
use crate::procfs;
use crate::supervisor::{Answer, Call, Supervisor};
use crate::sys;
use crate::syscalls;
use crate::tree::Attempt;

/// Sleeps from here on are shortened.
const LONG_SLEEP: Duration = Duration::from_secs(5);
/// How long a shortened sleep is.
const SHORT_SLEEP: Duration = Duration::from_secs(1);
/// Pieces of executable memory recorded for each process; just-in-time compilers make thousands.
const MAX_EXECUTABLE: u32 = 8;

/// `None`: not a call of this kind.
pub(crate) fn handle(supervisor: &mut Supervisor, call: &Call) -> Option<Answer> {
    match call.number {
        libc::SYS_execve => exec(supervisor, call, libc::AT_FDCWD, 0, 0),
        libc::SYS_execveat => exec(supervisor, call, call.int(0), 1, call.int(4)),
        libc::SYS_dup2 | libc::SYS_dup3 => dup(supervisor, call),
        libc::SYS_ptrace
        | libc::SYS_process_vm_readv
        | libc::SYS_process_vm_writev
        | libc::SYS_pidfd_getfd => return Some(inspect(supervisor, call)),
        libc::SYS_mmap | libc::SYS_mprotect | libc::SYS_pkey_mprotect => {
            executable(supervisor, call);
        }
        libc::SYS_kill | libc::SYS_tkill | libc::SYS_rt_sigqueueinfo => {
            signal(supervisor, call, call.int(0), call.int(1));
        }
        libc::SYS_tgkill | libc::SYS_rt_tgsigqueueinfo => {
            signal(supervisor, call, call.int(0), call.int(2));
        }
        libc::SYS_pidfd_send_signal => {
            let pid = pid_of_pidfd(supervisor, call, call.int(0)).unwrap_or(0);
            signal(supervisor, call, pid, call.int(1));
        }
        libc::SYS_nanosleep => return Some(sleep(supervisor, call, 0, None)),
        libc::SYS_clock_nanosleep => {
            // Python sleeps until a time, not for one.
            let until = call.int(1) & libc::TIMER_ABSTIME != 0;
            return Some(sleep(supervisor, call, 2, until.then(|| call.int(0))));
        }
        libc::SYS_memfd_create => {
            let name = memory::path(&call.memory, call.args[0]).unwrap_or_default();
            if supervisor.is_still(call) {
                let kind = EventKind::Memfd { name: name.into() };
                supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
            }
        }
        _ => return None,
    }
    Some(Answer::Pass)
}

/// Notes what is to be run. If no new memory image follows, it was in vain and becomes an event then.
fn exec(supervisor: &mut Supervisor, call: &Call, dirfd: i32, first: usize, flags: i32) {
    let path = memory::path(&call.memory, call.args[first]);
    let argv = memory::arguments(&call.memory, call.args[first + 1]);
    if !supervisor.is_still(call) {
        return;
    }
    let Some(path) = path else {
        return note(
            supervisor,
            call,
            Hostile::default(),
            argv,
            Some(libc::EFAULT),
        );
    };
    if path.is_empty() && flags & libc::AT_EMPTY_PATH == 0 {
        return note(
            supervisor,
            call,
            Hostile::default(),
            argv,
            Some(libc::ENOENT),
        );
    }
    let Some(full) = supervisor.view(call).absolute(call.tid, dirfd, &path) else {
        return note(supervisor, call, path.into(), argv, None);
    };
    let place = supervisor.look(call, &full, flags & libc::AT_SYMLINK_NOFOLLOW == 0);
    let errno = match &place.found {
        Err(errno) => *errno,
        Ok(found) if !found.is(libc::S_IFREG) => Some(libc::EACCES),
        Ok(found) => {
            let view = supervisor.view(call);
            let may = view.may(call.tid, &found.stat, MAY_EXECUTE);
            Some(if may { 0 } else { libc::EACCES })
        }
    };
    note(supervisor, call, place.path.into(), argv, errno);
}

fn note(
    supervisor: &mut Supervisor,
    call: &Call,
    exe: Hostile,
    argv: Vec<Hostile>,
    errno: Option<i32>,
) {
    let view = supervisor.view(call);
    let cwd = view.absolute(call.tid, libc::AT_FDCWD, b"");
    let attempt = Attempt {
        process: call.caller.process,
        exe,
        argv,
        cwd: cwd.unwrap_or_default().into(),
        errno,
    };
    supervisor.shared.tree().put_attempt(call.tid, attempt);
}

fn dup(supervisor: &mut Supervisor, call: &Call) {
    let (from, to) = (call.int(0), call.int(1));
    if from == to {
        return;
    }
    let target = descriptor_kind(call.tid, from);
    if !supervisor.is_still(call) {
        return;
    }
    let kind = EventKind::Dup {
        from,
        to,
        target: target.into(),
    };
    let weight = if target == "socket" {
        Weight::Security
    } else {
        Weight::Change
    };
    supervisor.record(call, kind, Outcome::UNKNOWN, weight);
}

/// `socket` (of a network), `pipe` (also a pair of local sockets), `file` or `other`.
pub(crate) fn descriptor_kind(tid: i32, fd: i32) -> &'static str {
    let target = procfs::link(tid, &format!("fd/{fd}")).unwrap_or_default();
    if target.starts_with(b"socket:") {
        let domain = sys::pidfd_open(procfs::status(tid).map_or(tid, |status| status.tgid))
            .and_then(|process| sys::pidfd_getfd(&process, fd))
            .ok()
            .and_then(|socket| sys::socket_domain(&socket));
        return if domain == Some(libc::AF_UNIX) {
            "pipe"
        } else {
            "socket"
        };
    }
    if target.starts_with(b"pipe:") {
        "pipe"
    } else if target.starts_with(b"/") {
        "file"
    } else {
        "other"
    }
}

/// A traced process cannot be traced again, so `ptrace` is refused at once; the rest stays inside the sandbox.
fn inspect(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let pid = match call.number {
        libc::SYS_ptrace if call.int(0) == libc::PTRACE_TRACEME as i32 => {
            Some(call.caller.inner_pid)
        }
        libc::SYS_ptrace => Some(call.int(1)),
        libc::SYS_pidfd_getfd => pid_of_pidfd(supervisor, call, call.int(0)),
        _ => Some(call.int(0)),
    };
    let target = pid.and_then(|pid| supervisor.shared.tree().by_inner_pid(pid));
    let kind = EventKind::Inspect {
        call: syscalls::name(call.number).into_owned(),
        target,
    };
    if call.number == libc::SYS_ptrace {
        return supervisor.refuse(call, kind, libc::EPERM);
    }
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
    Answer::Pass
}

/// Pid, as the sample knows it, of the process a descriptor stands for.
fn pid_of_pidfd(supervisor: &Supervisor, call: &Call, fd: i32) -> Option<i32> {
    let info = std::fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", call.tid)).ok()?;
    let host: i32 = info
        .lines()
        .find_map(|line| line.strip_prefix("Pid:"))?
        .trim()
        .parse()
        .ok()?;
    let tree = supervisor.shared.tree();
    tree.inner_pid(tree.of_thread(host)?)
}

fn executable(supervisor: &mut Supervisor, call: &Call) {
    let seen = supervisor
        .executable
        .entry(call.caller.process)
        .or_default();
    *seen += 1;
    if *seen > MAX_EXECUTABLE {
        return supervisor.shared.log().count("make_executable");
    }
    let kind = EventKind::MakeExecutable {
        call: syscalls::name(call.number).into_owned(),
        writable: call.int(2) & libc::PROT_WRITE != 0,
    };
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Change);
}

fn signal(supervisor: &mut Supervisor, call: &Call, pid: i32, signal: i32) {
    if pid == call.caller.inner_pid {
        return;
    }
    let kind = EventKind::Kill { pid, signal };
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
}

/// Long sleeps end early, and others are served meanwhile. `until`: the time given is one that this clock will show.
fn sleep(supervisor: &mut Supervisor, call: &Call, argument: usize, until: Option<i32>) -> Answer {
    let Some(time) = memory::bytes::<16>(&call.memory, call.args[argument]) else {
        return Answer::Pass;
    };
    let (seconds, nanoseconds) = (memory::word(&time, 0), memory::word(&time, 1));
    let valid = i64::try_from(seconds).is_ok() && nanoseconds < 1_000_000_000;
    if !valid {
        return Answer::Pass;
    }
    let given = Duration::new(seconds, nanoseconds as u32);
    let asked = match until {
        None => Some(given),
        Some(clock) => sys::clock(clock).map(|now| given.saturating_sub(now)),
    };
    let Some(asked) = asked.filter(|asked| *asked >= LONG_SLEEP) else {
        return Answer::Pass;
    };
    if !supervisor.is_still(call) {
        return Answer::Pass;
    }
    let kind = EventKind::Sleep {
        asked_ms: u64::try_from(asked.as_millis()).unwrap_or(u64::MAX),
        slept_ms: SHORT_SLEEP.as_millis() as u64,
    };
    let outcome = Outcome {
        errno: Some(0),
        known: Known::Answered,
    };
    supervisor.record(call, kind, outcome, Weight::Security);
    Answer::Later(SHORT_SLEEP)
}

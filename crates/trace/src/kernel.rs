//! Calls that reach for privileges, namespaces, mounts or the kernel.

use apa_model::{EventKind, Hostile, Known, Outcome};
use libc::c_long;

use crate::filter::{ABSENT, FORBIDDEN, NAMESPACES};
use crate::log::Weight;
use crate::memory;
use crate::supervisor::{Answer, Call, Supervisor};
use crate::syscalls;

/// `None`: not a call of this kind.
pub(crate) fn handle(supervisor: &mut Supervisor, call: &Call) -> Option<Answer> {
    let number: c_long = call.number;
    Some(match number {
        libc::SYS_clone3 => clone3(supervisor, call),
        libc::SYS_clone => clone(supervisor, call),
        libc::SYS_unshare => unshare(supervisor, call),
        libc::SYS_seccomp => seccomp(supervisor, call),
        libc::SYS_prctl => prctl(supervisor, call),
        libc::SYS_setuid
        | libc::SYS_setgid
        | libc::SYS_setreuid
        | libc::SYS_setregid
        | libc::SYS_setresuid
        | libc::SYS_setresgid
        | libc::SYS_setfsuid
        | libc::SYS_setfsgid
        | libc::SYS_setgroups
        | libc::SYS_capset => change_ids(supervisor, call),
        libc::SYS_personality => pass(supervisor, call, format!("persona {:#x}", call.args[0])),
        libc::SYS_sethostname | libc::SYS_setdomainname | libc::SYS_memfd_secret => {
            pass(supervisor, call, String::new())
        }
        libc::SYS_ioctl => forbid(supervisor, call, "types into a terminal".into()),
        libc::SYS_mount | libc::SYS_umount2 | libc::SYS_pivot_root => {
            let detail = mount_detail(call);
            forbid(supervisor, call, detail)
        }
        number if FORBIDDEN.contains(&number) => forbid(supervisor, call, Hostile::default()),
        number if ABSENT.contains(&number) => {
            let kind = EventKind::Refused { call: name(call) };
            supervisor.refuse(call, kind, libc::ENOSYS)
        }
        _ => return None,
    })
}

fn name(call: &Call) -> String {
    syscalls::name(call.number).into_owned()
}

fn privileged(call: &Call, detail: Hostile) -> EventKind {
    EventKind::Privileged {
        call: name(call),
        detail,
    }
}

/// Recorded and performed; the kernel decides.
fn pass(supervisor: &mut Supervisor, call: &Call, detail: String) -> Answer {
    let kind = privileged(call, detail.into());
    supervisor.record(call, kind, Outcome::UNKNOWN, Weight::Security);
    Answer::Pass
}

fn forbid(supervisor: &mut Supervisor, call: &Call, detail: Hostile) -> Answer {
    supervisor.refuse(call, privileged(call, detail), libc::EPERM)
}

/// Always "not there": the C libraries then use `clone`, whose flags cannot be changed behind the filter's back.
fn clone3(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let Some(flags) = memory::bytes::<8>(&call.memory, call.args[0]).map(u64::from_ne_bytes) else {
        return Answer::Errno(libc::ENOSYS);
    };
    if !supervisor.is_still(call) {
        return Answer::Errno(libc::ENOSYS);
    }
    if flags & (NAMESPACES | libc::CLONE_UNTRACED as u64) != 0 {
        return forbid(supervisor, call, flag_names(flags).into());
    }
    Answer::Errno(libc::ENOSYS)
}

fn clone(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let flags = call.args[0];
    if flags & (NAMESPACES | libc::CLONE_UNTRACED as u64) != 0 {
        return forbid(supervisor, call, flag_names(flags).into());
    }
    supervisor.folders_are_shared();
    Answer::Pass
}

fn unshare(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let flags = call.args[0];
    if flags & NAMESPACES != 0 {
        return forbid(supervisor, call, flag_names(flags).into());
    }
    supervisor.folders_are_shared();
    Answer::Pass
}

fn flag_names(flags: u64) -> String {
    let known = [
        (libc::CLONE_NEWNS, "mount"),
        (libc::CLONE_NEWCGROUP, "cgroup"),
        (libc::CLONE_NEWUTS, "uts"),
        (libc::CLONE_NEWIPC, "ipc"),
        (libc::CLONE_NEWUSER, "user"),
        (libc::CLONE_NEWPID, "pid"),
        (libc::CLONE_NEWNET, "net"),
        (0x80, "time"),
        (libc::CLONE_UNTRACED, "untraced"),
    ];
    let names: Vec<&str> = known
        .iter()
        .filter(|(bit, _)| flags & *bit as u64 != 0)
        .map(|(_, name)| *name)
        .collect();
    names.join(" ")
}

/// A filter of the sample's own is its business; it can only narrow what it may do. A second listener cannot be.
fn seccomp(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let operation = call.args[0] as u32;
    if operation > libc::SECCOMP_SET_MODE_FILTER {
        return Answer::Pass;
    }
    if call.args[1] & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0 {
        let kind = privileged(call, "filter with a listener".into());
        return supervisor.refuse(call, kind, libc::EBUSY);
    }
    let detail = if operation == libc::SECCOMP_SET_MODE_STRICT {
        "strict"
    } else {
        "filter"
    };
    pass(supervisor, call, detail.into())
}

fn prctl(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let detail = match call.int(0) {
        libc::PR_SET_DUMPABLE if call.args[1] == 0 => return hide_memory(supervisor, call),
        libc::PR_SET_DUMPABLE => return Answer::Pass,
        libc::PR_SET_SECCOMP => "seccomp",
        libc::PR_SET_MM => "memory map",
        libc::PR_SET_PTRACER => "ptracer",
        libc::PR_SET_SECUREBITS => "securebits",
        libc::PR_CAP_AMBIENT => "ambient capabilities",
        _ => return Answer::Pass,
    };
    pass(supervisor, call, detail.into())
}

/// A process that is not dumpable could not be looked into by a supervisor without privileges. It is told that
/// it is.
fn hide_memory(supervisor: &mut Supervisor, call: &Call) -> Answer {
    let outcome = Outcome {
        errno: Some(0),
        known: Known::Answered,
    };
    let kind = privileged(call, "not dumpable".into());
    supervisor.record(call, kind, outcome, Weight::Security);
    Answer::Value(0)
}

fn change_ids(supervisor: &mut Supervisor, call: &Call) -> Answer {
    supervisor.view(call).unsettle(call.tid);
    let count = match call.number {
        libc::SYS_setreuid | libc::SYS_setregid => 2,
        libc::SYS_setresuid | libc::SYS_setresgid => 3,
        libc::SYS_setgroups | libc::SYS_capset => 0,
        _ => 1,
    };
    let ids: Vec<String> = (0..count)
        .map(|index| call.int(index).to_string())
        .collect();
    pass(supervisor, call, ids.join(" "))
}

fn mount_detail(call: &Call) -> Hostile {
    let text = |index: usize| memory::path(&call.memory, call.args[index]).unwrap_or_default();
    let (source, target) = match call.number {
        libc::SYS_umount2 => return text(0).into(),
        _ => (text(0), text(1)),
    };
    [&source[..], b" on ", &target].concat().into()
}

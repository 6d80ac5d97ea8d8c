//! From a fork of pid 1 to the sample's program: descriptors, bounds, user, tracer, exec.

use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::unistd::{AccessFlags, Gid, Uid, access, chdir, execve, setresgid, setresuid, setsid};

use super::{Failure, ProcessLimits, Setup, SpawnRequest, Step};
use crate::kernel::{
    close_all_but, default_signals, drop_bounding_set, drop_capabilities, duplicate, exit_now,
};

const REPORT: i32 = 3;
/// Where descriptors are parked while 0 to 3 are set up.
const PARKED: i32 = 32;
/// What a shell answers for a program that cannot be started.
const NOT_STARTED: i32 = 127;

/// Descriptors of a command.
pub(super) struct Files {
    pub(super) tracer: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) report: Option<OwnedFd>,
}

/// Becomes the program, or ends with [`NOT_STARTED`] and a line on standard error.
pub(super) fn run(setup: &Setup, request: &SpawnRequest, files: Files) -> ! {
    let status = match start(setup, request, files) {
        Ok(never) => match never {},
        Err(failure) => {
            let line = format!("{}\n", failure.what);
            // Nobody is left to tell if this fails.
            let _ = std::io::stderr().write_all(line.as_bytes());
            NOT_STARTED
        }
    };
    exit_now(status)
}

#[allow(unsafe_code)]
fn start(
    setup: &Setup,
    request: &SpawnRequest,
    files: Files,
) -> Result<std::convert::Infallible, Failure> {
    let tracer = arrange(files)?;
    announce(tracer)?;
    // Its control groups, which pid 1 was moved to, become the roots of what it can see.
    unshare(CloneFlags::CLONE_NEWCGROUP).step("make a cgroup namespace")?;
    // Pid 1's protection, inherited, would close the file.
    prctl::set_dumpable(true).step("open /proc/self")?;
    // As a desktop session's programs have it: when memory runs out, pid 1 is not the one to go.
    std::fs::write("/proc/self/oom_score_adj", "200").step("rank for lack of memory")?;
    default_signals().step("reset signals")?;
    setsid().step("start a session")?;
    bound(&setup.limits).step("set limits")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    drop_privileges(setup)?;
    let found = chdir(request.cwd.as_str())
        .step(&format!("{}: {}", request.argv[0], request.cwd))
        .and_then(|()| find_program(request));
    let argv = strings(request.argv.iter().cloned())?;
    let env = strings(
        request
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    )?;
    let filter = apa_trace::Filter::build();
    // SAFETY: every other set-up is done; only execve, write and _exit follow.
    unsafe { apa_trace::child::arm(tracer, &filter) }
        .map_err(|errno| Failure::new(format!("the tracer did not take over (errno {errno})")))?;
    // Also where nothing was found: a call that the tracer answers keeps this process until it has taken over.
    let path = found.as_ref().map_or(c"", |path| path.as_c_str());
    let refused = execve(path, &argv, &env).step(&request.argv[0]);
    found.and(refused)
}

fn strings(list: impl Iterator<Item = String>) -> Result<Vec<CString>, Failure> {
    list.map(CString::new)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::new("an argument or variable holds a zero byte"))
}

/// 0 /dev/null, 1 and 2 the pipes, 3 the report pipe if there is one; everything else closed but the tracer's
/// channel, whose number is returned.
fn arrange(files: Files) -> Result<i32, Failure> {
    let park =
        |fd: &OwnedFd| fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(PARKED)).step("park a descriptor");
    let tracer = park(&files.tracer)?;
    let report = files.report.as_ref().map(park).transpose()?;
    let null = std::fs::File::open("/dev/null").step("open /dev/null")?;
    nix::unistd::dup2_stdin(&null).step("set standard input")?;
    nix::unistd::dup2_stdout(&files.stdout).step("set standard output")?;
    nix::unistd::dup2_stderr(&files.stderr).step("set standard error")?;
    let mut keep = vec![];
    if let Some(report) = report {
        duplicate(report, REPORT).step("set the report pipe")?;
        keep.push(REPORT as u32);
    }
    keep.push(tracer as u32);
    close_all_but(3, &keep);
    // Closed above, with everything that pid 1 had open.
    std::mem::forget((files, null));
    Ok(tracer)
}

/// Tells `apa` who this is (the kernel adds the pid) and waits for its word.
fn announce(tracer: i32) -> Result<(), Failure> {
    send(tracer, b"h", MsgFlags::MSG_NOSIGNAL).step("report")?;
    match recv(tracer, &mut [0], MsgFlags::empty()).step("wait")? {
        0 => Err(Failure::new("the analysis ended")),
        _ => Ok(()),
    }
}

fn bound(limits: &ProcessLimits) -> nix::Result<()> {
    // 1 and not 0: a core pattern with a pipe ignores 0, and would run the host's handler.
    lower(Resource::RLIMIT_CORE, 1)?;
    lower(Resource::RLIMIT_NPROC, limits.processes)?;
    lower(Resource::RLIMIT_FSIZE, limits.file_bytes)?;
    lower(Resource::RLIMIT_NOFILE, limits.open_files)?;
    lower(Resource::RLIMIT_MEMLOCK, 8 << 20)?;
    lower(Resource::RLIMIT_MSGQUEUE, 1 << 20)?;
    lower(Resource::RLIMIT_SIGPENDING, 4096)?;
    lower(Resource::RLIMIT_NICE, 0)?;
    lower(Resource::RLIMIT_RTPRIO, 0)?;
    if let Some(bytes) = limits.data_bytes {
        lower(Resource::RLIMIT_DATA, bytes)?;
    }
    Ok(())
}

/// Never above what the host's operator allows.
fn lower(resource: Resource, value: u64) -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    setrlimit(resource, value.min(hard), value.min(hard))
}

fn drop_privileges(setup: &Setup) -> Result<(), Failure> {
    drop_bounding_set();
    if setup.groups {
        let (uid, gid) = (Uid::from_raw(setup.uid), Gid::from_raw(setup.gid));
        setresgid(gid, gid, gid).step("change the group")?;
        setresuid(uid, uid, uid).step("change the user")?;
    }
    drop_capabilities().step("drop capabilities")?;
    prctl::set_no_new_privs().step("forbid new privileges")?;
    // A change of user makes a process unreadable to a tracer without privileges on the host.
    prctl::set_dumpable(setup.unprivileged).step("allow tracing")
}

/// Looks the program up before the tracer watches, as `execvp` would.
fn find_program(request: &SpawnRequest) -> Result<CString, Failure> {
    let name = &request.argv[0];
    let path = request
        .env
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or("", |(_, value)| value);
    let candidates = if name.contains('/') {
        vec![name.clone()]
    } else {
        path.split(':')
            .map(|folder| format!("{folder}/{name}"))
            .collect()
    };
    candidates
        .into_iter()
        .find(|path| Path::new(path).is_file() && access(path.as_str(), AccessFlags::X_OK).is_ok())
        .and_then(|path| CString::new(path).ok())
        .ok_or_else(|| Failure::new(format!("{name}: not found")))
}

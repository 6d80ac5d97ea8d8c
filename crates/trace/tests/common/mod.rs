//! A minimal sandbox for the tests: a forked child that arms the filter and runs a program.
#![allow(dead_code, unreachable_pub, unsafe_code, clippy::unwrap_used)]

use std::collections::HashMap;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use apa_model::{BlobSink, Digest, Event, EventKind, Owner, ProcessExit};
use apa_trace::{Filter, Session, Trace, TraceConfig, TraceError, Traced};
use sha2::{Digest as _, Sha256};

/// Keeps blobs in memory.
#[derive(Default)]
pub struct Blobs(pub Mutex<HashMap<Digest, Vec<u8>>>);

impl BlobSink for Blobs {
    fn put(&self, reader: &mut dyn Read) -> std::io::Result<(Digest, u64)> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let digest = digest(&bytes);
        let size = bytes.len() as u64;
        self.0.lock().unwrap().insert(digest.clone(), bytes);
        Ok((digest, size))
    }
}

pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn config(blobs: &Arc<Blobs>) -> TraceConfig {
    TraceConfig {
        all_syscalls: false,
        env_values: Vec::new(),
        owners: Vec::new(),
        protected: Vec::new(),
        max_events: 1_000_000,
        max_captured_bytes: 64 << 20,
        max_captured_file_bytes: 16 << 20,
        capture_under: Vec::new(),
        blobs: Arc::<Blobs>::clone(blobs),
        started: Instant::now(),
    }
}

/// How the child is made.
#[derive(Default)]
pub struct Options {
    pub env: Vec<String>,
    pub new_pids: bool,
    /// A user namespace of its own, as an unprivileged supervisor has to make one.
    pub new_user: bool,
    /// Becomes the root folder of a new mount namespace (with /usr and /proc of the host in it).
    pub root: Option<PathBuf>,
}

fn c(bytes: impl AsRef<[u8]>) -> CString {
    CString::new(bytes.as_ref()).unwrap()
}

/// Whether this machine lets us trace. Prints why not.
pub fn can_trace() -> bool {
    static CAN: OnceLock<Option<String>> = OnceLock::new();
    let problem = CAN.get_or_init(|| {
        let session = Session::start(config(&Arc::new(Blobs::default())));
        let result = try_start(
            &session,
            &["/bin/true"],
            Owner::Harness,
            &Options::default(),
        );
        result.err().map(|error| error.to_string())
    });
    if let Some(problem) = problem {
        eprintln!("SKIPPED: {problem}");
    }
    problem.is_none()
}

/// Whether we may make namespaces. Prints why not.
pub fn is_root() -> bool {
    // SAFETY: has no arguments and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("SKIPPED: needs root to make namespaces");
    }
    root
}

/// Runs `argv` as a command of the session.
pub fn start(
    session: &Session,
    argv: &[impl AsRef<[u8]>],
    owner: Owner,
    options: &Options,
) -> Traced {
    try_start(session, argv, owner, options).unwrap()
}

fn try_start(
    session: &Session,
    argv: &[impl AsRef<[u8]>],
    owner: Owner,
    options: &Options,
) -> Result<Traced, TraceError> {
    let filter = Filter::build();
    let argv: Vec<CString> = argv.iter().map(c).collect();
    let mut argv_pointers: Vec<_> = argv.iter().map(|text| text.as_ptr()).collect();
    argv_pointers.push(std::ptr::null());
    let mut env: Vec<CString> = options.env.iter().map(c).collect();
    env.push(c("PATH=/usr/bin:/bin"));
    let mut env_pointers: Vec<_> = env.iter().map(|text| text.as_ptr()).collect();
    env_pointers.push(std::ptr::null());
    let root = options.root.as_ref().map(|root| NewRoot::at(root));
    let mut pair = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors to the array given.
    let made = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, pair.as_mut_ptr()) };
    assert_eq!(made, 0);
    // SAFETY: both were just made and belong to nobody else.
    let [ours, theirs] = pair.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let mut flags = libc::SIGCHLD;
    if options.new_pids {
        flags |= libc::CLONE_NEWPID;
    }
    if options.new_user {
        flags |= libc::CLONE_NEWUSER;
    }
    // SAFETY: a raw clone, because fork cannot make a namespace; without CLONE_VM the child has a copy of
    // everything, and it only makes system calls.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } as i32;
    assert!(pid >= 0, "clone failed");
    if pid == 0 {
        // SAFETY: this is the child of the clone above, with one thread and memory of its own.
        unsafe {
            if let Some(root) = &root {
                root.enter();
            }
            if apa_trace::child::arm(theirs.as_raw_fd(), &filter).is_ok() {
                libc::execve(
                    argv_pointers[0],
                    argv_pointers.as_ptr(),
                    env_pointers.as_ptr(),
                );
            }
            libc::_exit(126);
        }
    }
    drop(theirs);
    session.attach(pid, ours, owner)
}

/// Everything needed to change the root folder by system calls alone.
struct NewRoot {
    root: CString,
    mounts: Vec<(CString, CString)>,
}

impl NewRoot {
    fn at(root: &Path) -> Self {
        let mut mounts = Vec::new();
        for name in ["usr", "lib", "lib64", "bin", "proc"] {
            let target = root.join(name);
            std::fs::create_dir_all(&target).unwrap();
            mounts.push((c(format!("/{name}")), c(target.as_os_str().as_bytes())));
        }
        Self {
            root: c(root.as_os_str().as_bytes()),
            mounts,
        }
    }

    unsafe fn enter(&self) {
        let none = std::ptr::null();
        let bind = libc::MS_BIND | libc::MS_REC;
        // SAFETY: only system calls on strings that were made before the clone.
        unsafe {
            libc::unshare(libc::CLONE_NEWNS);
            libc::mount(
                none,
                c"/".as_ptr(),
                none,
                libc::MS_REC | libc::MS_PRIVATE,
                none.cast(),
            );
            libc::mount(
                self.root.as_ptr(),
                self.root.as_ptr(),
                none,
                bind,
                none.cast(),
            );
            for (from, to) in &self.mounts {
                libc::mount(from.as_ptr(), to.as_ptr(), none, bind, none.cast());
            }
            libc::chdir(self.root.as_ptr());
            libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr());
            libc::umount2(c".".as_ptr(), libc::MNT_DETACH);
            libc::chdir(c"/".as_ptr());
        }
    }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Runs one command to its end.
pub fn run(config: TraceConfig, argv: &[impl AsRef<[u8]>], owner: Owner) -> (Trace, ProcessExit) {
    run_with(config, argv, owner, &Options::default())
}

pub fn run_with(
    config: TraceConfig,
    argv: &[impl AsRef<[u8]>],
    owner: Owner,
    options: &Options,
) -> (Trace, ProcessExit) {
    let session = Session::start(config);
    let traced = start(&session, argv, owner, options);
    let exit = traced.wait(soon()).expect("the command did not end");
    traced.kill_tree();
    (session.finish(), exit)
}

/// The program of `specimens/acts.c`, compiled once.
pub fn acts() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| compile("acts", &["-pthread"]))
}

/// The program of `specimens/raw.c`, compiled once.
pub fn raw() -> &'static str {
    static BUILT: OnceLock<String> = OnceLock::new();
    BUILT.get_or_init(|| compile("raw", &["-static", "-nostdlib", "-ffreestanding"]))
}

fn compile(name: &str, flags: &[&str]) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/specimens/{name}.c"));
    let folder = Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("/tmp"));
    let test = std::env::current_exe().unwrap();
    let program = folder.join(format!("{name}-{}", test.file_name().unwrap().display()));
    // Built aside and moved, so that a run beside this one never meets half a program.
    let fresh = folder.join(format!("{name}-{}", std::process::id()));
    let status = Command::new("cc")
        .args(["-O1", "-w", "-o"])
        .arg(&fresh)
        .arg(source)
        .args(flags)
        .status()
        .expect("a C compiler is needed, as for linking");
    assert!(status.success());
    std::fs::rename(&fresh, &program).unwrap();
    program.to_str().unwrap().to_owned()
}

/// The events of some kind.
pub fn find<'a>(trace: &'a Trace, wanted: impl Fn(&EventKind) -> bool + 'a) -> Vec<&'a Event> {
    trace
        .events
        .iter()
        .filter(|event| wanted(&event.kind))
        .collect()
}

pub fn complete(trace: &Trace) {
    assert_eq!(trace.lost, 0);
    assert!(trace.incomplete.is_empty(), "{:?}", trace.incomplete);
    for (index, event) in trace.events.iter().enumerate() {
        assert_eq!(event.seq, index as u64 + 1);
    }
}

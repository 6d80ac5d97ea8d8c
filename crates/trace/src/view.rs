//! A process as the supervisor sees it from outside: its folders, its ids, its files.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use crate::paths::{Found, MAY_EXECUTE, allows, split_last};
use crate::procfs::{self, Status};
use crate::sys;
use crate::tree::Caller;

/// Folders remembered as open or closed to a process.
const MAX_FOLDERS: usize = 512;

/// One process as the supervisor sees it. Kept between calls, because looking it up costs more than a call.
pub(crate) struct View {
    /// The thread that called last: a process's first one may be gone.
    pub(crate) tid: i32,
    pub(crate) inner_pid: i32,
    pub(crate) root: Option<OwnedFd>,
    pub(crate) root_prefix: Vec<u8>,
    memory: Option<Arc<File>>,
    loads: u32,
    cwd: Option<Vec<u8>>,
    ids: Option<Status>,
    folders: HashMap<Vec<u8>, bool>,
    /// Threads in a call that changes folder, root or ids: nothing may be remembered until they are back.
    unsettled: Vec<i32>,
    /// Threads or processes share or split their folder in unusual ways: never remember it.
    pub(crate) no_memory: bool,
}

impl View {
    pub(crate) fn new(tid: i32, caller: &Caller) -> Self {
        let mut view = Self {
            tid,
            inner_pid: caller.inner_pid,
            root: None,
            root_prefix: Vec::new(),
            memory: open_memory(tid),
            loads: caller.loads,
            cwd: None,
            ids: None,
            folders: HashMap::new(),
            unsettled: Vec::new(),
            no_memory: false,
        };
        view.forget();
        view
    }

    /// Called at the start of each call of the process.
    pub(crate) fn settle(&mut self, tid: i32) {
        self.tid = tid;
        if self.unsettled.contains(&tid) {
            self.unsettled.retain(|unsettled| *unsettled != tid);
            self.forget();
        }
    }

    /// Whether it must not be dropped yet, because a new one would not know what to wait for.
    pub(crate) fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// The memory the process has now.
    pub(crate) fn memory(&mut self, caller: &Caller) -> Option<Arc<File>> {
        if self.loads != caller.loads {
            self.loads = caller.loads;
            self.memory = open_memory(self.tid);
        }
        self.memory.clone()
    }

    /// The thread's call will change its folder, root or ids once it is let go.
    pub(crate) fn unsettle(&mut self, tid: i32) {
        self.unsettled.push(tid);
        self.forget();
    }

    fn forget(&mut self) {
        self.cwd = None;
        self.ids = None;
        self.folders.clear();
        self.root_prefix = procfs::root_prefix(self.tid);
        self.root = CString::new(format!("/proc/{}/root", self.tid))
            .ok()
            .and_then(|path| {
                let flags = libc::O_PATH | libc::O_DIRECTORY;
                sys::openat2(libc::AT_FDCWD, &path, flags, 0).ok()
            });
    }

    /// Folders' permissions may have changed.
    pub(crate) fn forget_folders(&mut self) {
        self.folders.clear();
    }

    fn cwd(&mut self, tid: i32) -> Option<Vec<u8>> {
        if let Some(cwd) = &self.cwd {
            return Some(cwd.clone());
        }
        let cwd = procfs::inside(procfs::link(tid, "cwd")?, &self.root_prefix);
        if self.unsettled.is_empty() && !self.no_memory {
            self.cwd = Some(cwd.clone());
        }
        Some(cwd)
    }

    /// Path of an open file.
    pub(crate) fn of_descriptor(&self, tid: i32, fd: i32) -> Option<Vec<u8>> {
        let target = procfs::link(tid, &format!("fd/{fd}"))?;
        Some(procfs::inside(target, &self.root_prefix))
    }

    /// Makes a path absolute; `.`, `..` and links stay in it. `None`: the folder it starts from is not known.
    pub(crate) fn absolute(&mut self, tid: i32, dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
        if path.first() == Some(&b'/') {
            return Some(path.to_vec());
        }
        let mut full = if dirfd == libc::AT_FDCWD {
            self.cwd(tid)?
        } else {
            self.of_descriptor(tid, dirfd)?
        };
        if full.first() != Some(&b'/') {
            return None;
        }
        if !path.is_empty() {
            full.push(b'/');
            full.extend_from_slice(path);
        }
        Some(full)
    }

    fn ids(&mut self, tid: i32) -> Option<&Status> {
        if self.ids.is_none() || !self.unsettled.is_empty() {
            self.ids = procfs::status(tid);
        }
        self.ids.as_ref()
    }

    /// Whether the mode bits let the process do it. Access lists and the like are not looked at.
    pub(crate) fn may(&mut self, tid: i32, stat: &libc::stat, want: u32) -> bool {
        let Some(ids) = self.ids(tid) else {
            return true;
        };
        allows(ids, stat, want)
    }

    /// Whether the process owns a file or may act as if.
    pub(crate) fn owns(&mut self, tid: i32, stat: &libc::stat) -> bool {
        const CAP_FOWNER: u64 = 1 << 3;
        self.ids(tid)
            .is_none_or(|ids| ids.fsuid == stat.st_uid || ids.capabilities & CAP_FOWNER != 0)
    }

    /// Whether the process may pass through every folder on the way to a resolved path.
    pub(crate) fn reaches(&mut self, tid: i32, path: &[u8]) -> bool {
        let Some(end) = path.iter().rposition(|&byte| byte == b'/') else {
            return true;
        };
        if let Some(&known) = self.folders.get(&path[..end]) {
            return known;
        }
        let ends = (1..=end).filter(|&end| path[end] == b'/');
        let reachable = [&b"/"[..]]
            .into_iter()
            .chain(ends.map(|end| &path[..end]))
            .all(|folder| match self.open(folder, false) {
                Ok(found) => self.may(tid, &found.stat, MAY_EXECUTE),
                Err(_) => true,
            });
        if self.folders.len() >= MAX_FOLDERS {
            self.folders.clear();
        }
        if self.unsettled.is_empty() {
            self.folders.insert(path[..end].to_vec(), reachable);
        }
        reachable
    }

    /// Opens a handle on a path without passing a link.
    pub(crate) fn open(&self, path: &[u8], follow: bool) -> Result<Found, Option<i32>> {
        self.open_with(path, follow, libc::RESOLVE_NO_SYMLINKS)
    }

    pub(crate) fn open_with(
        &self,
        path: &[u8],
        follow: bool,
        resolve: u64,
    ) -> Result<Found, Option<i32>> {
        let root = self.root.as_ref().ok_or(None)?;
        let path = CString::new(path).map_err(|_| None)?;
        let flags = libc::O_PATH | if follow { 0 } else { libc::O_NOFOLLOW };
        let file = sys::openat2(
            root.as_raw_fd(),
            &path,
            flags,
            libc::RESOLVE_IN_ROOT | resolve,
        )
        .map_err(|error| error.raw_os_error())?;
        let stat = sys::fstat(&file).map_err(|error| error.raw_os_error())?;
        Ok(Found { file, stat })
    }

    /// The folder of a resolved path that need not exist.
    pub(crate) fn folder_of(&self, path: &[u8]) -> Option<Found> {
        let (folder, _) = split_last(path)?;
        self.open(folder, true).ok()
    }
}

fn open_memory(tid: i32) -> Option<Arc<File>> {
    let file = File::open(format!("/proc/{tid}/mem"));
    file.ok().map(Arc::new)
}

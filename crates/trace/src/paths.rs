//! Where a path of a sample leads: absolute inside the sandbox, links resolved, and whether it is there.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::procfs::{self, Status};
use crate::sys;
use crate::tree::{Caller, Tree};

/// Symbolic links followed by hand before a path counts as a loop, as in the kernel.
const MAX_LINKS: usize = 40;
/// Folders remembered as open or closed to a process.
const MAX_FOLDERS: usize = 512;

const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;

pub(crate) const MAY_READ: u32 = 4;
pub(crate) const MAY_WRITE: u32 = 2;
pub(crate) const MAY_EXECUTE: u32 = 1;

/// Takes out `.`, `..` and double slashes without looking at the file system. The result is absolute.
pub(crate) fn lexical(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + 1);
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let end = out.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                out.truncate(end);
            }
            part => {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

/// The folder a path is in, and its last part. `None`: it ends in `/`, `.` or `..`.
fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    let last = &path[slash + 1..];
    (!matches!(last, b"" | b"." | b"..")).then_some((&path[..=slash], last))
}

/// What was found where a path leads.
pub(crate) struct Found {
    /// Handle on the file itself (`O_PATH`).
    pub(crate) file: OwnedFd,
    pub(crate) stat: libc::stat,
}

impl Found {
    pub(crate) fn is(&self, kind: libc::mode_t) -> bool {
        self.stat.st_mode & libc::S_IFMT == kind
    }
}

/// Where a path leads.
pub(crate) struct Place {
    /// Absolute inside the sandbox; links are resolved as far as the path exists.
    pub(crate) path: Vec<u8>,
    /// The file, or why it cannot be reached (`None`: not known).
    pub(crate) found: Result<Found, Option<i32>>,
}

/// One process as the supervisor sees it. Kept between calls, because looking it up costs more than a call.
pub(crate) struct View {
    pub(crate) host_pid: i32,
    inner_pid: i32,
    root: Option<OwnedFd>,
    root_prefix: Vec<u8>,
    cwd: Option<Vec<u8>>,
    ids: Option<Status>,
    folders: HashMap<Vec<u8>, bool>,
    /// A thread is in a call that changes folder, root or ids: nothing may be remembered until it is back.
    unsettled: Option<i32>,
    /// Threads or processes share or split their folder in unusual ways: never remember it.
    pub(crate) no_memory: bool,
}

impl View {
    pub(crate) fn new(caller: &Caller) -> Self {
        let mut view = Self {
            host_pid: caller.host_pid,
            inner_pid: caller.inner_pid,
            root: None,
            root_prefix: Vec::new(),
            cwd: None,
            ids: None,
            folders: HashMap::new(),
            unsettled: None,
            no_memory: false,
        };
        view.forget();
        view
    }

    /// Called at the start of each call of the process.
    pub(crate) fn settle(&mut self, tid: i32) {
        if self.unsettled == Some(tid) {
            self.unsettled = None;
            self.forget();
        }
    }

    /// The thread's call will change its folder, root or ids once it is let go.
    pub(crate) fn unsettle(&mut self, tid: i32) {
        self.unsettled = Some(tid);
        self.forget();
    }

    fn forget(&mut self) {
        self.cwd = None;
        self.ids = None;
        self.folders.clear();
        self.root_prefix = procfs::root_prefix(self.host_pid);
        self.root = CString::new(format!("/proc/{}/root", self.host_pid))
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
        if self.unsettled.is_none() && !self.no_memory {
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
        if self.ids.is_none() || self.unsettled.is_some() {
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
        if self.unsettled.is_none() {
            self.folders.insert(path[..end].to_vec(), reachable);
        }
        reachable
    }

    /// Opens a handle on a path without passing a link.
    fn open(&self, path: &[u8], follow: bool) -> Result<Found, Option<i32>> {
        self.open_with(path, follow, libc::RESOLVE_NO_SYMLINKS)
    }

    fn open_with(&self, path: &[u8], follow: bool, resolve: u64) -> Result<Found, Option<i32>> {
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

    /// Finds where an absolute path leads. `follow`: through a link at its end, too.
    pub(crate) fn look(
        &mut self,
        full: &[u8],
        follow: bool,
        tree: &dyn Fn(i32) -> Option<i32>,
    ) -> Place {
        let special = full.starts_with(b"/proc/");
        if !special {
            match self.open(full, follow) {
                Err(Some(libc::ELOOP)) => {}
                Ok(found) if follow && found.is(libc::S_IFLNK) => {}
                found => {
                    return Place {
                        path: lexical(full),
                        found,
                    };
                }
            }
            if let Ok(found) = self.open_with(full, follow, 0)
                && let Ok(path) = sys::readlinkat(
                    libc::AT_FDCWD,
                    &CString::new(format!("/proc/self/fd/{}", found.file.as_raw_fd()))
                        .expect("a number has no NUL"),
                )
            {
                let path = procfs::inside(path, &self.root_prefix);
                return Place {
                    path,
                    found: Ok(found),
                };
            }
        }
        self.walk(full, follow, tree)
    }

    /// Follows a path part by part. Slower than asking the kernel, but it knows the sample's own `/proc/self`,
    /// passes the links of /proc that lead to open files, and tells where a dangling link leads.
    fn walk(&self, full: &[u8], follow: bool, tree: &dyn Fn(i32) -> Option<i32>) -> Place {
        let mut todo: Vec<Vec<u8>> = parts(full).rev().map(<[u8]>::to_vec).collect();
        let mut at = Vec::new();
        let mut links = 0;
        let mut found = self.open(b"/", false);
        while let Some(part) = todo.pop() {
            match &part[..] {
                b"." => continue,
                b".." => {
                    let end = at.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                    at.truncate(end);
                    found = self.open(if at.is_empty() { b"/" } else { &at }, false);
                    continue;
                }
                _ => {}
            }
            at.push(b'/');
            at.extend_from_slice(&part);
            let last = todo.is_empty();
            let target = match self.magic_link(&at, tree) {
                Some(Magic::Path(target)) if !last || follow => Some(target),
                Some(Magic::Path(_) | Magic::Other) => {
                    found = Err(None);
                    None
                }
                None => {
                    found = self.open(&self.own(&at), false);
                    match &found {
                        Ok(link) if link.is(libc::S_IFLNK) && (!last || follow) => {
                            sys::readlinkat(link.file.as_raw_fd(), c"").ok()
                        }
                        _ => None,
                    }
                }
            };
            if let Some(target) = target {
                links += 1;
                if links > MAX_LINKS || todo.len() > 4096 {
                    return Place {
                        path: lexical(full),
                        found: Err(Some(libc::ELOOP)),
                    };
                }
                if target.first() == Some(&b'/') {
                    at.clear();
                } else {
                    let end = at.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                    at.truncate(end);
                }
                todo.extend(parts(&target).rev().map(<[u8]>::to_vec));
                found = self.open(if at.is_empty() { b"/" } else { &at }, false);
            } else if found.is_err() {
                for part in todo.iter().rev() {
                    at.push(b'/');
                    at.extend_from_slice(part);
                }
                break;
            }
        }
        Place {
            path: lexical(&at),
            found,
        }
    }

    /// `/proc/self` by the number the sample has, since it would mean the supervisor here.
    fn own(&self, path: &[u8]) -> Vec<u8> {
        for name in [&b"/proc/self"[..], b"/proc/thread-self"] {
            if let Some(rest) = path.strip_prefix(name)
                && matches!(rest.first(), None | Some(b'/'))
            {
                return [format!("/proc/{}", self.inner_pid).as_bytes(), rest].concat();
            }
        }
        path.to_vec()
    }

    /// A link of /proc that leads to an open file rather than to a name.
    fn magic_link(&self, path: &[u8], tree: &dyn Fn(i32) -> Option<i32>) -> Option<Magic> {
        let rest = path.strip_prefix(b"/proc/")?;
        let text = std::str::from_utf8(rest).ok()?;
        let (process, mut name) = text.split_once('/')?;
        let pid = match process {
            "self" | "thread-self" => self.host_pid,
            number => tree(number.parse().ok()?)?,
        };
        if let Some(task) = name.strip_prefix("task/") {
            name = task.split_once('/')?.1;
        }
        let is_magic = matches!(name, "cwd" | "root" | "exe")
            || name
                .strip_prefix("fd/")
                .is_some_and(|fd| fd.parse::<u32>().is_ok());
        if !is_magic {
            return None;
        }
        let target = procfs::inside(procfs::link(pid, name)?, &self.root_prefix);
        Some(if target.first() == Some(&b'/') {
            Magic::Path(target)
        } else {
            Magic::Other
        })
    }

    /// The folder of a resolved path that need not exist.
    pub(crate) fn folder_of(&self, path: &[u8]) -> Option<Found> {
        let (folder, _) = split_last(path)?;
        self.open(folder, true).ok()
    }
}

enum Magic {
    Path(Vec<u8>),
    /// A pipe, a socket.
    Other,
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
}

fn allows(ids: &Status, stat: &libc::stat, want: u32) -> bool {
    let is_folder = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    if ids.capabilities & CAP_DAC_OVERRIDE != 0 {
        return want & MAY_EXECUTE == 0 || is_folder || stat.st_mode & 0o111 != 0;
    }
    if ids.capabilities & CAP_DAC_READ_SEARCH != 0
        && (want == MAY_READ || (is_folder && want & MAY_WRITE == 0))
    {
        return true;
    }
    let shift = if ids.fsuid == stat.st_uid {
        6
    } else if ids.fsgid == stat.st_gid || ids.groups.contains(&stat.st_gid) {
        3
    } else {
        0
    };
    (stat.st_mode >> shift) & want == want
}

/// Finds the host's pid for one the sample names.
pub(crate) fn host_pid(tree: &Tree, inner: i32) -> Option<i32> {
    tree.host_pid(tree.by_inner_pid(inner)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_slashes_are_taken_out_and_nothing_leaves_the_root() {
        for (path, expected) in [
            ("/a/./b//c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("", "/"),
            ("/..", "/"),
            ("/a/b/..", "/a"),
        ] {
            assert_eq!(lexical(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    fn stat(mode: u32, uid: u32, gid: u32) -> libc::stat {
        let file = std::fs::File::open("/").unwrap();
        let mut stat = sys::fstat(&file.into()).unwrap();
        stat.st_mode = mode;
        stat.st_uid = uid;
        stat.st_gid = gid;
        stat
    }

    #[test]
    fn mode_bits_decide_by_the_closest_class() {
        let ids = Status {
            fsuid: 1000,
            fsgid: 1000,
            groups: vec![7],
            ..Status::default()
        };
        let file = libc::S_IFREG;
        assert!(allows(
            &ids,
            &stat(file | 0o600, 1000, 0),
            MAY_READ | MAY_WRITE
        ));
        assert!(!allows(&ids, &stat(file | 0o066, 1000, 0), MAY_READ));
        assert!(allows(&ids, &stat(file | 0o040, 0, 7), MAY_READ));
        assert!(!allows(&ids, &stat(file | 0o600, 0, 0), MAY_READ));
        let root = Status {
            capabilities: CAP_DAC_OVERRIDE,
            ..Status::default()
        };
        assert!(allows(&root, &stat(file, 5, 5), MAY_WRITE));
        assert!(!allows(&root, &stat(file | 0o644, 5, 5), MAY_EXECUTE));
    }

    fn own_view() -> View {
        View::new(&Caller {
            process: apa_model::ProcessId(1),
            host_pid: std::process::id() as i32,
            inner_pid: std::process::id() as i32,
            package_code: false,
        })
    }

    #[test]
    fn links_are_resolved_also_dangling_ones_and_those_of_proc() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name).into_os_string().into_encoded_bytes();
        std::fs::write(base.join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink("secret", base.join("link")).unwrap();
        std::os::unix::fs::symlink("absent", base.join("dangling")).unwrap();
        let through_proc = format!("/proc/self/root{}/", base.display());
        std::os::unix::fs::symlink(&through_proc, base.join("around")).unwrap();
        let mut view = own_view();
        let none = |_| None;
        let mut look = |path: &[u8], follow| {
            let place = view.look(path, follow, &none);
            (place.path, place.found.map(|_| ()))
        };
        assert_eq!(look(&at("link"), true), (at("secret"), Ok(())));
        assert_eq!(look(&at("link"), false), (at("link"), Ok(())));
        assert_eq!(
            look(&at("dangling"), true),
            (at("absent"), Err(Some(libc::ENOENT)))
        );
        assert_eq!(look(&at("around/secret"), true), (at("secret"), Ok(())));
        let direct = [through_proc.as_bytes(), b"secret"].concat();
        assert_eq!(look(&direct, true), (at("secret"), Ok(())));
        assert_eq!(
            look(&at("none/x"), true),
            (at("none/x"), Err(Some(libc::ENOENT)))
        );
        assert!(look(b"/proc/self/status", true).1.is_ok());
    }
}

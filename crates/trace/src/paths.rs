//! Where paths lead, and who may go there.

use std::os::fd::OwnedFd;

use crate::procfs::Status;

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
pub(crate) fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
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

/// The parts of a path between its slashes.
pub(crate) fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
}

/// Whether the mode bits let somebody with these ids do it.
pub(crate) fn allows(ids: &Status, stat: &libc::stat, want: u32) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys;

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
}

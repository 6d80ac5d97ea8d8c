//! Follows a sample's paths through links, also those that mean something else to the supervisor.

use std::ffi::CString;
use std::os::fd::AsRawFd;

use crate::paths::{Found, Place, lexical, parts};
use crate::procfs;
use crate::sys;
use crate::tree::Tree;
use crate::view::View;

/// Symbolic links followed by hand before a path counts as a loop, as in the kernel.
const MAX_LINKS: usize = 40;
/// Parts a path may have while links are put into it.
const MAX_PARTS: usize = 4096;

impl View {
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
        let (mut at, mut links, mut magic) = (Vec::new(), 0, false);
        let mut found = self.here(&at);
        while let Some(part) = todo.pop() {
            match &part[..] {
                b"." => continue,
                b".." => {
                    to_parent(&mut at);
                    found = self.here(&at);
                    continue;
                }
                _ => {}
            }
            at.push(b'/');
            at.extend_from_slice(&part);
            let step = self.step(&at, follow || !todo.is_empty(), tree);
            magic |= step.magic;
            found = step.found;
            if let Some(target) = step.target {
                links += 1;
                if links > MAX_LINKS || todo.len() > MAX_PARTS {
                    found = Err(Some(libc::ELOOP));
                    break;
                }
                if target.first() == Some(&b'/') {
                    at.clear();
                } else {
                    to_parent(&mut at);
                }
                todo.extend(parts(&target).rev().map(<[u8]>::to_vec));
                found = self.here(&at);
            } else if found.is_err() {
                break;
            }
        }
        for part in todo.iter().rev() {
            at.push(b'/');
            at.extend_from_slice(part);
        }
        // The file behind an open descriptor may be there without its name.
        if magic
            && found
                .as_ref()
                .is_err_and(|errno| *errno == Some(libc::ENOENT))
        {
            found = Err(None);
        }
        Place {
            path: lexical(&at),
            found,
        }
    }

    fn here(&self, at: &[u8]) -> Result<Found, Option<i32>> {
        self.open(if at.is_empty() { b"/" } else { at }, false)
    }

    /// Looks at the last part of a path whose others are no links.
    fn step(&self, at: &[u8], follow: bool, tree: &dyn Fn(i32) -> Option<i32>) -> Step {
        match self.magic_link(at, tree) {
            Some(Magic::Path(target)) if follow => Step {
                found: Err(None),
                target: Some(target),
                magic: true,
            },
            Some(_) => Step {
                found: Err(None),
                target: None,
                magic: true,
            },
            None => {
                let found = self.open(&self.own(at), false);
                let target = match &found {
                    Ok(link) if follow && link.is(libc::S_IFLNK) => {
                        sys::readlinkat(link.file.as_raw_fd(), c"").ok()
                    }
                    _ => None,
                };
                Step {
                    found,
                    target,
                    magic: false,
                }
            }
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
            "self" | "thread-self" => self.tid,
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
}

/// What the last part of a path is.
struct Step {
    found: Result<Found, Option<i32>>,
    /// Where it leads on, if it is a link that is to be followed.
    target: Option<Vec<u8>>,
    magic: bool,
}

fn to_parent(path: &mut Vec<u8>) {
    let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path.truncate(end);
}

enum Magic {
    Path(Vec<u8>),
    /// A pipe, a socket.
    Other,
}

/// Finds the host's pid for one the sample names.
pub(crate) fn host_pid(tree: &Tree, inner: i32) -> Option<i32> {
    tree.host_pid(tree.by_inner_pid(inner)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Caller;

    fn own_view() -> View {
        let pid = std::process::id() as i32;
        View::new(
            pid,
            &Caller {
                process: apa_model::ProcessId(1),
                inner_pid: std::process::id() as i32,
                loads: 0,
                package_code: false,
            },
        )
    }

    #[test]
    fn links_are_resolved_also_dangling_ones_and_those_of_proc() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name).into_os_string().into_encoded_bytes();
        std::fs::write(base.join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink("secret", base.join("link")).unwrap();
        std::os::unix::fs::symlink("absent", base.join("dangling")).unwrap();
        std::os::unix::fs::symlink("loop", base.join("loop")).unwrap();
        let gone = std::fs::File::create(base.join("gone")).unwrap();
        std::fs::remove_file(base.join("gone")).unwrap();
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
        assert_eq!(look(&at("loop"), true).1, Err(Some(libc::ELOOP)));
        let descriptor = format!("/proc/self/fd/{}", gone.as_raw_fd());
        assert_eq!(look(descriptor.as_bytes(), true).1, Err(None));
    }
}

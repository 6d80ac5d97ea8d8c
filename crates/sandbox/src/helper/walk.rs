//! The writable layer from inside: what is in it now, and files put into it. By descriptors, never following a
//! link, on one file system: what the sample does to its folders meanwhile cannot lead out of it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use apa_model::Hostile;
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};
use serde::{Deserialize, Serialize};

use crate::wire::Wire;

/// Folders nested deeper than this are not entered, and said so.
const MAX_DEPTH: usize = 128;

/// Files that were put there by us, by inode, with the time of their last change (which no program can set).
pub(super) type Baseline = HashMap<u64, (i64, i64)>;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    /// With a descriptor to read it from.
    File,
    Symlink(Hostile),
    /// A folder too deep to be entered.
    TooDeep,
    /// A folder or file that could not be read, with the error.
    Unreadable(i32),
    /// The end of the list.
    End,
}

/// One thing found in the writable layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: Hostile,
    pub(crate) kind: EntryKind,
    pub(crate) size: u64,
    pub(crate) mode: u32,
}

/// Where the changes to one overlaid folder lie, in the same file system as everything else that is written.
pub(super) struct Layer {
    /// The folder, without a slash at its end.
    path: Vec<u8>,
    changes: OwnedFd,
}

pub(super) type Layers = Vec<Layer>;

impl Layer {
    /// `changes` is the layer's own folder, for the one seen at `path`.
    pub(super) fn open(path: &str, changes: &str) -> io::Result<Self> {
        Ok(Self {
            path: path.trim_end_matches('/').into(),
            changes: open_folder(None, &std::ffi::CString::new(changes)?)?,
        })
    }
}

/// Goes through the root file system.
pub(super) struct Walker<'a> {
    baseline: Baseline,
    layers: &'a [Layer],
}

impl<'a> Walker<'a> {
    pub(super) fn new(baseline: Baseline, layers: &'a [Layer]) -> Self {
        Self { baseline, layers }
    }

    /// Remembers every file there is.
    pub(super) fn baseline(mut self) -> io::Result<Baseline> {
        let mut found = Baseline::default();
        self.walk(&mut |_, stat, _| {
            if let Some(stat) = stat {
                found.insert(stat.st_ino, (stat.st_ctime, stat.st_ctime_nsec));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Sends every file and link that is new or changed, then [`EntryKind::End`].
    pub(super) fn send(mut self, answers: &Wire) -> io::Result<()> {
        self.walk(&mut |entry, _, file| match file {
            Some(file) => answers.send(&entry, &[file.as_fd()]),
            None => answers.send(&entry, &[]),
        })?;
        answers.send(&Entry::unread("", EntryKind::End), &[])
    }

    fn walk(&mut self, visit: &mut Visit<'_>) -> io::Result<()> {
        let root = open_folder(None, c"/")?;
        self.tree(&root, b"", visit)?;
        for layer in self.layers {
            self.tree(&layer.changes, &layer.path, visit)?;
        }
        Ok(())
    }

    /// Everything on the file system of `root`, which is seen at `prefix`.
    fn tree(&self, root: &OwnedFd, prefix: &[u8], visit: &mut Visit<'_>) -> io::Result<()> {
        let device = fstat(root)?.st_dev;
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            let place = Place {
                root,
                prefix,
                path: &path,
                device,
            };
            if let Err(error) = self.folder(&place, &mut pending, visit) {
                let kind = EntryKind::Unreadable(error.raw_os_error().unwrap_or(libc::EIO));
                visit(Entry::unread([prefix, &path].concat(), kind), None, None)?;
            }
        }
        Ok(())
    }

    fn folder(
        &self,
        place: &Place<'_>,
        pending: &mut Vec<Vec<u8>>,
        visit: &mut Visit<'_>,
    ) -> io::Result<()> {
        let folder = open_path(place.root, place.path)?;
        for name in names(&folder)? {
            let below = [place.path, b"/", name.to_bytes()].concat();
            let path = [place.prefix, &below].concat();
            // What is gone by now is not there any more.
            let Ok(stat) = fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else {
                continue;
            };
            if stat.st_dev != place.device {
                continue;
            }
            if SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) != SFlag::S_IFDIR {
                self.file(&folder, &name, path, &stat, visit)?;
            } else if path.iter().filter(|&&byte| byte == b'/').count() > MAX_DEPTH {
                visit(Entry::unread(path, EntryKind::TooDeep), None, None)?;
            } else {
                pending.push(below);
            }
        }
        Ok(())
    }

    fn file(
        &self,
        folder: &OwnedFd,
        name: &std::ffi::CStr,
        path: Vec<u8>,
        stat: &FileStat,
        visit: &mut Visit<'_>,
    ) -> io::Result<()> {
        if self.baseline.get(&stat.st_ino) == Some(&(stat.st_ctime, stat.st_ctime_nsec)) {
            return Ok(());
        }
        let mut entry = Entry::unread(path, EntryKind::File);
        entry.mode = stat.st_mode & 0o7777;
        match SFlag::from_bits_truncate(stat.st_mode & libc::S_IFMT) {
            SFlag::S_IFLNK => {
                let target = readlinkat(folder, name).unwrap_or_default();
                entry.kind = EntryKind::Symlink(Hostile::new(target.into_encoded_bytes()));
                visit(entry, Some(stat), None)
            }
            SFlag::S_IFREG => {
                entry.size = stat.st_size as u64;
                let flags = OFlag::O_RDONLY
                    | OFlag::O_NOFOLLOW
                    | OFlag::O_NONBLOCK
                    | OFlag::O_NOCTTY
                    | OFlag::O_CLOEXEC;
                match openat(folder, name, flags, Mode::empty()) {
                    // What was a file a moment ago may be a pipe now.
                    Ok(file) if fstat(&file).is_ok_and(|now| now.st_ino == stat.st_ino) => {
                        visit(entry, Some(stat), Some(&file))
                    }
                    Ok(_) => Ok(()),
                    Err(errno) => {
                        entry.kind = EntryKind::Unreadable(errno as i32);
                        visit(entry, Some(stat), None)
                    }
                }
            }
            _ => Ok(()),
        }
    }
}

/// A folder on the way.
struct Place<'a> {
    root: &'a OwnedFd,
    prefix: &'a [u8],
    /// Below `root`.
    path: &'a [u8],
    device: u64,
}

type Visit<'a> = dyn FnMut(Entry, Option<&FileStat>, Option<&OwnedFd>) -> io::Result<()> + 'a;

impl Entry {
    fn unread(path: impl Into<Vec<u8>>, kind: EntryKind) -> Self {
        Self {
            path: Hostile::new(path),
            kind,
            size: 0,
            mode: 0,
        }
    }
}

fn open_folder(parent: Option<&OwnedFd>, name: &std::ffi::CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match parent {
        Some(parent) => openat(parent, name, flags, Mode::empty()),
        None => nix::fcntl::open(name, flags, Mode::empty()),
    }
}

/// Opens a folder one step at a time: a path may be longer than one call takes, and no step may be a link.
fn open_path(root: &OwnedFd, path: &[u8]) -> io::Result<OwnedFd> {
    let mut folder = open_folder(Some(root), c".")?;
    for part in path
        .split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty())
    {
        folder = open_folder(Some(&folder), &std::ffi::CString::new(part)?)?;
    }
    Ok(folder)
}

/// Names in a folder, sorted.
fn names(folder: &OwnedFd) -> io::Result<Vec<std::ffi::CString>> {
    let copy = open_folder(Some(folder), c".")?;
    let mut names = Vec::new();
    for entry in Dir::from_fd(copy)?.iter() {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is put somewhere.
pub(super) enum Content {
    File(File),
    Link(Hostile),
    Folder,
}

/// Writes a file, link or folder with the folders above it, owned by `owner` if given, and remembers it as ours.
pub(super) fn write(
    path: &str,
    mode: u32,
    owner: Option<(u32, u32)>,
    content: Content,
    baseline: &mut Baseline,
    layers: &[Layer],
) -> io::Result<()> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let plain = path.starts_with('/') && !parts.iter().any(|part| matches!(*part, "." | ".."));
    let name = parts.pop().filter(|_| plain);
    let name = name.ok_or_else(|| io::Error::other("not an absolute path without . and .."))?;
    let own = |fd: &OwnedFd| match owner {
        Some((uid, gid)) => fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))),
        None => Ok(()),
    };
    let mut folder = open_folder(None, c"/")?;
    for part in parts {
        let part = std::ffi::CString::new(part)?;
        let made = mkdirat(&folder, part.as_c_str(), Mode::from_bits_truncate(0o755)).is_ok();
        folder = open_folder(Some(&folder), &part)?;
        if made {
            fchmod(&folder, Mode::from_bits_truncate(0o755))?;
            own(&folder)?;
        }
    }
    let name = std::ffi::CString::new(name)?;
    let content = match content {
        Content::File(file) => file,
        Content::Link(target) => {
            replace(&folder, &name);
            let target = std::ffi::CString::new(target.as_bytes())?;
            nix::unistd::symlinkat(target.as_c_str(), &folder, name.as_c_str())?;
            let stat = fstatat(&folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            remember(path, &stat, baseline, layers);
            return Ok(());
        }
        Content::Folder => {
            // It may be there already.
            let _ = mkdirat(&folder, name.as_c_str(), Mode::from_bits_truncate(0o755));
            let made = open_folder(Some(&folder), &name)?;
            own(&made)?;
            return Ok(fchmod(
                &made,
                Mode::from_bits_truncate(mode & 0o777 | 0o700),
            )?);
        }
    };
    replace(&folder, &name);
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let target = openat(
        &folder,
        name.as_c_str(),
        flags,
        Mode::from_bits_truncate(mode & 0o777),
    )?;
    let mut target = File::from(target);
    io::copy(&mut { content }, &mut target)?;
    let target = OwnedFd::from(target);
    own(&target)?;
    fchmod(&target, Mode::from_bits_truncate(mode & 0o7777))?;
    remember(path, &fstat(&target)?, baseline, layers);
    Ok(())
}

/// Takes away what is in the way. Where that is refused (something is mounted there), writing says why.
fn replace(folder: &OwnedFd, name: &std::ffi::CStr) {
    let _ = unlinkat(folder, name, UnlinkatFlags::NoRemoveDir);
}

/// Notes a file as ours. In an overlay its number is that of the layer below, so it is looked up there.
fn remember(path: &str, seen: &FileStat, baseline: &mut Baseline, layers: &[Layer]) {
    let below = |layer: &Layer| {
        let rest = path.as_bytes().strip_prefix(layer.path.as_slice())?;
        let rest = rest.strip_prefix(b"/")?;
        let rest = std::ffi::CString::new(rest).ok()?;
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
        fstatat(&layer.changes, rest.as_c_str(), flags).ok()
    };
    let stat = layers.iter().find_map(below).unwrap_or(*seen);
    baseline.insert(stat.st_ino, (stat.st_ctime, stat.st_ctime_nsec));
}

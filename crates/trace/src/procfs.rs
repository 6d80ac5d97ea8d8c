//! What the host's /proc tells about a traced process.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use apa_model::Hostile;

use crate::sys;

/// Longest command line read, bytes.
const MAX_CMDLINE: u64 = 256 << 10;
/// Arguments kept.
const MAX_ARGS: usize = 256;
/// Bytes of one argument kept.
const MAX_ARG: usize = 32 << 10;
/// Longest environment read, bytes.
const MAX_ENVIRON: u64 = 1 << 20;
/// Bytes of one variable's value kept.
const MAX_VALUE: usize = 4 << 10;

/// Numbers of one thread from `/proc/PID/status`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    pub(crate) tgid: i32,
    pub(crate) ppid: i32,
    /// Process id in the innermost namespace.
    pub(crate) inner_pid: i32,
    pub(crate) fsuid: u32,
    pub(crate) fsgid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) capabilities: u64,
}

/// Reads a thread's status; `None` when it is gone.
pub(crate) fn status(tid: i32) -> Option<Status> {
    let text = std::fs::read(format!("/proc/{tid}/status")).ok()?;
    Some(parse_status(&text))
}

fn parse_status(text: &[u8]) -> Status {
    let mut status = Status::default();
    for line in text.split(|&byte| byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let mut words = value.split_ascii_whitespace();
        let last = || value.split_ascii_whitespace().next_back();
        match key {
            "Tgid" => status.tgid = number(words.next()),
            "PPid" => status.ppid = number(words.next()),
            "NStgid" => status.inner_pid = number(last()),
            "Uid" => status.fsuid = number(last()),
            "Gid" => status.fsgid = number(last()),
            "Groups" => status.groups = words.filter_map(|word| word.parse().ok()).collect(),
            "CapEff" => {
                status.capabilities = words
                    .next()
                    .and_then(|word| u64::from_str_radix(word, 16).ok())
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    status
}

fn number<T: std::str::FromStr + Default>(word: Option<&str>) -> T {
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Target of a link below `/proc/TID/`.
pub(crate) fn link(tid: i32, name: &str) -> Option<Vec<u8>> {
    let path = CString::new(format!("/proc/{tid}/{name}")).ok()?;
    sys::readlinkat(libc::AT_FDCWD, &path).ok()
}

/// A process's root folder as the supervisor sees it; empty when it is the top of its mount tree.
pub(crate) fn root_prefix(tid: i32) -> Vec<u8> {
    link(tid, "root")
        .filter(|path| path != b"/")
        .unwrap_or_default()
}

/// Takes the root folder off a path read from /proc. Inside another mount namespace /proc shows paths
/// from the top of that namespace, which after `pivot_root` is the sandbox's own view.
pub(crate) fn inside(mut path: Vec<u8>, root: &[u8]) -> Vec<u8> {
    if !root.is_empty()
        && path.starts_with(root)
        && matches!(path.get(root.len()), None | Some(b'/'))
    {
        path.drain(..root.len());
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// A process's program with what came with it, as the kernel holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) exe: Hostile,
    pub(crate) argv: Vec<Hostile>,
    pub(crate) cwd: Hostile,
    pub(crate) env_names: Vec<Hostile>,
    pub(crate) env: BTreeMap<String, Hostile>,
}

impl Image {
    /// Bytes it takes, roughly.
    pub(crate) fn text_bytes(&self) -> usize {
        let list = |texts: &[Hostile]| texts.iter().map(|text| text.len() + 32).sum::<usize>();
        let values = self.env.values().map(|value| value.len() + 64);
        self.exe.len()
            + self.cwd.len()
            + list(&self.argv)
            + list(&self.env_names)
            + values.sum::<usize>()
    }

    /// Leaves only the beginning of the arguments.
    pub(crate) fn cut(&mut self) {
        self.argv.truncate(4);
        for argument in &mut self.argv {
            *argument = argument.shortened(256);
        }
        self.argv.push("…".into());
        self.env_names = Vec::new();
        self.env = BTreeMap::new();
    }
}

/// Every variable of a process's environment, for rules. Dropped after they were applied.
pub(crate) struct Environment(Vec<u8>);

impl Environment {
    /// From NUL-separated `NAME=VALUE`.
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Self(text)
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.split(|&byte| byte == 0).filter_map(|entry| {
            let equals = entry.iter().position(|&byte| byte == b'=')?;
            Some((&entry[..equals], &entry[equals + 1..]))
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.pairs()
            .find(|(key, _)| *key == name.as_bytes())
            .map(|(_, value)| value)
    }
}

/// A program that was loaded.
pub(crate) struct Loaded {
    pub(crate) image: Image,
    pub(crate) environment: Environment,
    /// No file stands for it any more, or never did.
    pub(crate) unlinked: bool,
    pub(crate) file: Option<OwnedFd>,
}

/// Reads what a process runs, at an exec stop or before it was let go.
pub(crate) fn load(pid: i32, env_values: &[String]) -> Loaded {
    let root = root_prefix(pid);
    let file = File::open(format!("/proc/{pid}/exe"))
        .ok()
        .map(OwnedFd::from);
    let unlinked = file
        .as_ref()
        .and_then(|file| sys::fstat(file).ok())
        .is_some_and(|stat| stat.st_nlink == 0);
    let exe = inside(link(pid, "exe").unwrap_or_default(), &root);
    let environment = Environment::new(read_bounded(pid, "environ", MAX_ENVIRON));
    let image = Image {
        exe: program_name(exe, unlinked),
        argv: split_arguments(&read_bounded(pid, "cmdline", MAX_CMDLINE + 1)),
        cwd: inside(link(pid, "cwd").unwrap_or_default(), &root).into(),
        env_names: environment
            .pairs()
            .take(4096)
            .map(|(name, _)| Hostile::from(name).shortened(256))
            .collect(),
        env: env_values
            .iter()
            .filter_map(|name| {
                let value = Hostile::from(environment.get(name)?).shortened(MAX_VALUE);
                Some((name.clone(), value))
            })
            .collect(),
    };
    Loaded {
        image,
        environment,
        unlinked,
        file,
    }
}

/// `/memfd:NAME (deleted)` is a program in memory, whatever else is called so still has a link.
fn program_name(exe: Vec<u8>, unlinked: bool) -> Hostile {
    let in_memory = exe
        .strip_prefix(b"/memfd:")
        .and_then(|rest| rest.strip_suffix(b" (deleted)"));
    match in_memory {
        Some(name) if unlinked => [b"memfd:", name].concat().into(),
        _ => exe.into(),
    }
}

fn read_bounded(pid: i32, name: &str, max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{pid}/{name}")) {
        // A process that dies meanwhile gives what there was.
        let _ = file.take(max).read_to_end(&mut bytes);
    }
    bytes
}

/// Splits a command line at its NULs. What is cut shows `…`.
fn split_arguments(cmdline: &[u8]) -> Vec<Hostile> {
    if cmdline.is_empty() {
        return Vec::new();
    }
    let cut = cmdline.len() as u64 > MAX_CMDLINE;
    let text = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    let mut arguments: Vec<Hostile> = text
        .split(|&byte| byte == 0)
        .take(MAX_ARGS + 1)
        .map(|argument| Hostile::from(argument).shortened(MAX_ARG))
        .collect();
    if cut || arguments.len() > MAX_ARGS {
        arguments.truncate(MAX_ARGS);
        arguments.push("…".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_gives_file_ids_and_the_innermost_pid() {
        let status = parse_status(
            b"Name:\tx\nTgid:\t40\nPPid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 20 \nNStgid:\t40\t3\nCapEff:\t0000000000000002\n",
        );
        assert_eq!((status.tgid, status.ppid, status.inner_pid), (40, 7, 3));
        assert_eq!((status.fsuid, status.fsgid), (4, 8));
        assert_eq!(
            (&status.groups[..], status.capabilities),
            (&[10, 20][..], 2)
        );
    }

    #[test]
    fn root_folder_is_taken_off_only_at_a_boundary() {
        assert_eq!(inside(b"/a/b".to_vec(), b""), b"/a/b");
        assert_eq!(inside(b"/a/b".to_vec(), b"/a"), b"/b");
        assert_eq!(inside(b"/a".to_vec(), b"/a"), b"/");
        assert_eq!(inside(b"/ab".to_vec(), b"/a"), b"/ab");
    }

    #[test]
    fn arguments_are_bounded_visibly() {
        assert_eq!(
            split_arguments(b"a\0\0\xff\0"),
            [&b"a"[..], b"", b"\xff"].map(Hostile::from)
        );
        let many = split_arguments(&b"x\0".repeat(1000));
        assert_eq!((many.len(), many[256].to_string()), (257, "…".to_owned()));
        let long = split_arguments(&[b'x'; 40_000]);
        assert_eq!(long[0].len(), MAX_ARG + "…".len());
        assert!(split_arguments(b"").is_empty());
    }

    #[test]
    fn only_a_program_without_a_link_is_called_a_memory_file() {
        let path = b"/memfd:x (deleted)".to_vec();
        assert_eq!(program_name(path.clone(), true).to_string(), "memfd:x");
        assert_eq!(program_name(path, false).to_string(), "/memfd:x (deleted)");
    }
}

//! The only place of this crate that looks at the host: environment, programs, their output.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest a client may take to tell its configuration.
const PATIENCE: Duration = Duration::from_secs(30);

/// A variable, if it is set to text.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// All variables whose name starts with `prefix`, ignoring case; sorted.
pub(crate) fn variables(prefix: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
        .collect();
    found.sort();
    found
}

/// The home folder.
pub(crate) fn home() -> Option<PathBuf> {
    env::home_dir()
}

/// Where a program is, as seen from inside the sandbox: only system folders are visible there.
pub(crate) fn system_program(name: &str) -> String {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| format!("{folder}/{name}"))
        .find(|path| PathBuf::from(path).is_file())
        .unwrap_or_else(|| format!("/usr/bin/{name}"))
}

/// Most links that are followed on the way to one file.
const MOST_LINKS: usize = 40;

/// The absolute path of something inside a root file system, with every link followed inside that root.
pub(crate) fn inside(root: &Path, path: &str) -> String {
    let mut pending: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
    let mut found: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                found.pop();
                continue;
            }
            _ => found.push(part),
        }
        let target = std::fs::read_link(root.join(found.join("/")));
        if let Some(target) = target.ok().filter(|_| links < MOST_LINKS) {
            links += 1;
            found.pop();
            let target = target.to_string_lossy().into_owned();
            if target.starts_with('/') {
                found.clear();
            }
            pending.extend(target.split('/').rev().map(str::to_owned));
        }
    }
    format!("/{}", found.join("/"))
}

/// Largest text that is read, bytes.
const MOST_TEXT: u64 = 64 << 10;

/// Names and texts of the files of a folder whose names end so, sorted.
pub(crate) fn texts(folder: &Path, end: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let small = std::fs::metadata(entry.path()).is_ok_and(|data| data.len() <= MOST_TEXT);
            let text =
                (small && name.ends_with(end)).then(|| std::fs::read_to_string(entry.path()));
            Some((name, text?.ok()?))
        })
        .collect();
    found.sort();
    found
}

/// The folder below which the system keeps Node's own headers, which native modules are built with.
pub(crate) fn node_headers() -> Option<&'static str> {
    PathBuf::from("/usr/include/node/node.h")
        .is_file()
        .then_some("/usr")
}

/// Standard output of a program that must end with status 0. It runs in the root folder, so that no
/// configuration of a current project counts.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null());
    let child = command.stdout(Stdio::piped());
    let (status, text) = finish(child, program, |child| child.stdout.take())?;
    if status.success() {
        Ok(text)
    } else {
        Err(format!("{program} ended with {status}"))
    }
}

/// What a program says on standard error, however it ends; it runs in the root folder as well.
pub(crate) fn complaint(
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null());
    let child = command
        .envs(variables.iter().copied())
        .stderr(Stdio::piped());
    finish(child, program, |child| child.stderr.take()).map(|(_, text)| text)
}

/// How a program ends and what it writes into a pipe, within [`PATIENCE`].
fn finish<P: Read + Send + 'static>(
    command: &mut Command,
    program: &str,
    pipe: fn(&mut Child) -> Option<P>,
) -> Result<(ExitStatus, String), String> {
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let pipe = pipe(&mut child);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(pipe) = pipe {
            // Cut output fails to parse later, which says more than an error here.
            let _ = pipe.take(1 << 20).read_to_string(&mut text);
        }
        text
    });
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "{program} did not answer within {} s",
                    PATIENCE.as_secs()
                ));
            }
        }
    };
    let text = reader
        .join()
        .map_err(|_| format!("{program}: reading its output failed"))?;
    Ok((status, text))
}

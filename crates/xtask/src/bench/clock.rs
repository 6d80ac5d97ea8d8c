//! Runs a program to its end and takes the time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Fine enough for runs of a second, and nearly free.
const POLL: Duration = Duration::from_millis(1);
/// Of what a failed program printed, so much is repeated.
const TAIL: i64 = 2_000;

/// A program that ended by itself.
pub(super) struct Run {
    pub(super) seconds: f64,
    /// `None`: by a signal.
    pub(super) status: Option<i32>,
    tail: String,
}

impl Run {
    /// How it ended and what it said last.
    pub(super) fn failure(&self) -> String {
        let status = self.status.map_or_else(
            || "a signal".to_owned(),
            |status| format!("status {status}"),
        );
        format!("{status}: {}", self.tail)
    }
}

/// Runs a command with its output kept aside.
///
/// # Errors
/// When it cannot be started or does not end in time; it is killed then.
pub(super) fn time(command: &mut Command, timeout: Duration) -> anyhow::Result<Run> {
    let mut log = tempfile::tempfile().context("cannot make a temporary file")?;
    let share = |log: &File| log.try_clone().context("cannot share a temporary file");
    command
        .stdin(Stdio::null())
        .stdout(share(&log)?)
        .stderr(share(&log)?);
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for a program")? {
            break status;
        }
        if start.elapsed() > timeout {
            child.kill().context("cannot end a program")?;
            child.wait().context("cannot wait for a program")?;
            bail!("{command:?} did not end within {} s", timeout.as_secs());
        }
        std::thread::sleep(POLL);
    };
    Ok(Run {
        seconds: start.elapsed().as_secs_f64(),
        status: status.code(),
        tail: tail(&mut log).unwrap_or_default(),
    })
}

fn tail(log: &mut File) -> std::io::Result<String> {
    let length = log.seek(SeekFrom::End(0))?.min(TAIL as u64);
    log.seek(SeekFrom::End(-(length as i64)))?;
    let mut bytes = Vec::new();
    log.take(length).read_to_end(&mut bytes)?;
    // What a program prints may quote a package: it must not drive the terminal.
    Ok(apa_model::Hostile::from(bytes).to_string())
}

/// Whether a program is on the path.
pub(super) fn is_there(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_timed_and_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "printf 'a\\033[2Jb' >&2; exit 3"]);
        let run = time(&mut command, Duration::from_secs(20)).unwrap();
        assert_eq!(run.status, Some(3));
        assert_eq!(run.failure(), "status 3: a\\u{1b}[2Jb");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let start = Instant::now();
        let mut command = Command::new("sleep");
        command.arg("60");
        assert!(time(&mut command, Duration::from_millis(50)).is_err());
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}

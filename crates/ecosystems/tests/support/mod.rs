//! Starts a harness the way the supervisor does, without a sandbox: benign fixtures only.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use tempfile::TempDir;

/// A project folder with a harness, and what it is started with.
pub(crate) struct Project {
    pub(crate) folder: TempDir,
    argv: Vec<String>,
    env: Vec<(String, String)>,
}

/// What one start of a harness came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) lines: Vec<String>,
    pub(crate) status: Option<i32>,
    pub(crate) output: String,
}

impl Project {
    /// A folder with these files. In `argv`, `{mode}` and `{entries}` are replaced, `{folder}` is the project.
    pub(crate) fn new(argv: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let here = |text: &str| text.replace("{folder}", folder.path().to_str().unwrap());
        Self {
            argv: argv.iter().map(|word| here(word)).collect(),
            env: env
                .iter()
                .map(|(name, value)| (name.to_string(), here(value)))
                .collect(),
            folder,
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Starts it once with all entries.
    pub(crate) fn start(&self, mode: &str, entries: &[&str]) -> Ran {
        self.start_from(mode, entries, 0, false)
    }

    /// The texts that its probe tells of, in order, and all other lines.
    pub(crate) fn probed(&self, mode: &str, entries: &[&str]) -> (Vec<String>, Vec<String>) {
        let ran = self.start_from(mode, entries, 0, true);
        let (code, others): (Vec<_>, Vec<_>) = ran
            .lines
            .into_iter()
            .partition(|line| line.starts_with("code "));
        let text = |line: String| {
            let text = line.rsplit(' ').next().unwrap();
            let text = base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap();
            String::from_utf8_lossy(&text).into_owned()
        };
        (code.into_iter().map(text).collect(), others)
    }

    fn start_from(&self, mode: &str, entries: &[&str], first: usize, probes: bool) -> Ran {
        let list = self.path("entries.json");
        let entries: Vec<_> = entries.iter().enumerate().skip(first).collect();
        let json: Vec<_> = entries
            .iter()
            .map(|(index, name)| format!(r#"{{"index": {index}, "name": "{name}"}}"#))
            .collect();
        let json = json.join(",");
        let text = format!(r#"{{"entries": [{json}], "probes": {probes}}}"#);
        fs::write(&list, text).unwrap();
        let report = self.path("report");
        let words = self.argv.iter().map(|word| match word.as_str() {
            "{mode}" => mode.to_owned(),
            "{entries}" => list.to_str().unwrap().to_owned(),
            word => word.to_owned(),
        });
        let output = Command::new("/bin/sh")
            .args(["-c", "exec \"$@\" 3>\"$0\""])
            .arg(&report)
            .args(words)
            .current_dir(self.folder.path())
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let lines = fs::read_to_string(&report).unwrap();
        Ran {
            lines: lines.lines().map(str::to_owned).collect(),
            status: output.status.code(),
            output: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        }
    }

    /// Starts it again after each death with the entries after the one that was under way, as the supervisor
    /// does, and gives all lines.
    pub(crate) fn start_until_end(&self, mode: &str, entries: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut first = 0;
        for _ in 0..=entries.len() {
            let ran = self.start_from(mode, entries, first, false);
            let last = ran
                .lines
                .iter()
                .rev()
                .find_map(|line| line.strip_prefix("start ")?.parse().ok());
            first = last.map_or(first, |last: usize| last + 1);
            let ended = ran.lines.last().is_some_and(|line| line == "end");
            lines.extend(ran.lines);
            if ended || first >= entries.len() {
                break;
            }
        }
        lines
    }
}

/// Whether a program is there; otherwise says loudly that the test is skipped.
pub(crate) fn available(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    there
}

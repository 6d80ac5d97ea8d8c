use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::memo::{Key, remember};
use crate::{EcosystemError, host};

/// The interpreter that the sandbox shows, which is the host's own.
pub(super) const PYTHON: &str = "/usr/bin/python3";

/// One start of the interpreter tells everything; pip's parser has configuration files, environment and its
/// built-in default already merged.
const QUESTION: &str = "
import importlib.util, json, sys
from pip import __version__
from pip._internal.commands import create_command
from pip._internal.utils.compatibility_tags import get_supported
print(json.dumps({
    'index_url': create_command('install').parser.get_default_values().index_url,
    'version': '%d.%d.%d' % sys.version_info[:3],
    'pip': __version__,
    'setuptools': bool(importlib.util.find_spec('setuptools')),
    'wheel': bool(importlib.util.find_spec('wheel')),
    'tags': [str(tag) for tag in get_supported()],
}))
";

/// What the genuine pip and its interpreter say about themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Interpreter {
    /// Root of the simple index it installs from.
    pub(super) index_url: String,
    /// `3.11.2`.
    pub(super) version: String,
    /// Version of pip.
    pub(super) pip: String,
    /// Whether setuptools is there without being fetched.
    pub(super) setuptools: bool,
    /// Whether wheel is.
    pub(super) wheel: bool,
    /// Wheel tags it takes, best first.
    pub(super) tags: Vec<String>,
}

impl Interpreter {
    /// Asks pip, or remembers its answer until its configuration changes; `cache` is a folder for that.
    pub(super) fn ask(cache: Option<&Path>) -> Result<Self, EcosystemError> {
        let failed = |why| EcosystemError::Client { client: "pip", why };
        let answer = remember(state(), cache, || {
            host::output(PYTHON, &["-c", QUESTION]).map_err(failed)
        })?;
        serde_json::from_str(&answer).map_err(|error| failed(format!("its answer is odd: {error}")))
    }

    /// `3.11`.
    pub(super) fn minor(&self) -> String {
        let mut parts = self.version.split('.');
        match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) => format!("{major}.{minor}"),
            _ => "3".to_owned(),
        }
    }

    /// Whether pip runs a setup.py itself when no pyproject.toml asks for a build backend.
    pub(super) fn runs_setup_py(&self) -> bool {
        let mut parts = self
            .pip
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        self.setuptools && (self.wheel || version < (23, 1)) && version < (25, 3)
    }
}

/// Everything the answer depends on.
fn state() -> Key {
    let mut files: Vec<PathBuf> = [PYTHON, "/etc/pip.conf", "/etc/xdg/pip/pip.conf"]
        .iter()
        .chain(&[
            "/usr/lib/python3/dist-packages",
            "/usr/local/lib/python3/dist-packages",
        ])
        .map(PathBuf::from)
        .collect();
    if let Some(home) = host::home() {
        files.push(home.join(".pip/pip.conf"));
        files.push(home.join(".config/pip/pip.conf"));
    }
    let variables: Vec<_> = ["PIP_", "XDG_CONFIG", "PYTHON"]
        .iter()
        .flat_map(|prefix| host::variables(prefix))
        .collect();
    files.extend(
        variables
            .iter()
            .filter(|(name, _)| name == "PIP_CONFIG_FILE" || name == "XDG_CONFIG_HOME")
            .map(|(_, value)| PathBuf::from(value)),
    );
    files
        .iter()
        .fold(Key::new(QUESTION).variables(&variables), |key, file| {
            key.file(file)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_genuine_interpreter_tells_its_tags_and_index() {
        let Ok(interpreter) = Interpreter::ask(None) else {
            eprintln!("SKIPPED: no {PYTHON} with pip");
            return;
        };
        assert!(interpreter.tags.iter().any(|tag| tag == "py3-none-any"));
        assert!(interpreter.version.starts_with(&interpreter.minor()));
        assert!(interpreter.index_url.starts_with("http"));
    }
}

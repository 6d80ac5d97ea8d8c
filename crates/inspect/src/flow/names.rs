//! Which file a name means.

use std::collections::HashMap;

use super::value::Value;
use super::{Flow, Loaded, ROOT};
use crate::lang::Language;

/// Files by the names that code gives them.
pub(crate) struct Files {
    by_path: HashMap<String, u32>,
    /// Python modules by their last dotted parts: `pkg.utils` and `utils`.
    by_module: HashMap<String, u32>,
}

impl Files {
    pub(super) fn new(modules: &[Loaded]) -> Self {
        let mut files = Self {
            by_path: HashMap::new(),
            by_module: HashMap::new(),
        };
        for (at, loaded) in modules.iter().enumerate() {
            files.by_path.insert(loaded.path.clone(), at as u32);
            if loaded.language == Language::Python && loaded.layers.is_empty() {
                let stem = loaded.path.trim_end_matches(".py").trim_end_matches(".pyw");
                let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
                let mut parts: Vec<&str> = stem.split('/').collect();
                while !parts.is_empty() {
                    files.by_module.entry(parts.join(".")).or_insert(at as u32);
                    parts.remove(0);
                }
            }
        }
        files
    }

    /// Index of the file at this path.
    pub(crate) fn at(&self, path: &str) -> Option<u32> {
        self.by_path.get(path).copied()
    }

    /// The file that JavaScript at `from` means by `name`.
    pub(crate) fn javascript(&self, from: &str, name: &str) -> Option<u32> {
        if !name.starts_with('.') && !name.starts_with('/') {
            return None;
        }
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = normal(&format!("{folder}/{name}"));
        [
            "",
            ".js",
            ".cjs",
            ".mjs",
            ".ts",
            ".json",
            "/index.js",
            "/index.cjs",
            "/index.mjs",
            "/index.ts",
        ]
        .iter()
        .find_map(|ending| self.at(&format!("{path}{ending}")))
        .or_else(|| {
            let typed = path.strip_suffix(".js")?;
            self.at(&format!("{typed}.ts"))
        })
    }

    /// The file that Python at `from` means by `name`: dots in front are relative.
    pub(crate) fn python(&self, from: &str, name: &str) -> Option<u32> {
        let dots = name.bytes().take_while(|byte| *byte == b'.').count();
        if dots == 0 {
            return self.by_module.get(name).copied();
        }
        let mut parts: Vec<&str> = from.split('/').collect();
        parts.truncate(parts.len().saturating_sub(dots));
        parts.extend(name[dots..].split('.').filter(|part| !part.is_empty()));
        let path = parts.join("/");
        self.at(&format!("{path}.py"))
            .or_else(|| self.at(&format!("{path}/__init__.py")))
    }
}

/// Without `.`, `..` and empty parts.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Flow {
    /// The module of this name: one of the package, or something outside of it.
    pub(super) fn load(&mut self, name: &str) -> Value {
        let from = self.module();
        let found = match from.language {
            Language::Python => self.files.python(&from.path, name),
            Language::JavaScript => self.files.javascript(&from.path, name),
            Language::Shell => None,
        };
        match found {
            Some(file) if file != self.here().0 => {
                self.edges.insert((self.here(), (file, ROOT)));
                self.exports[file as usize].clone()
            }
            Some(_) => Value::default(),
            None => Value::path(name.strip_prefix("node:").unwrap_or(name)),
        }
    }

    /// `from package import module`.
    pub(super) fn submodule(&mut self, module: &str, name: &str) -> Option<Value> {
        let from = self.module();
        if from.language != Language::Python {
            return None;
        }
        let full = match module.ends_with('.') {
            true => format!("{module}{name}"),
            false => format!("{module}.{name}"),
        };
        self.files.python(&from.path, &full)?;
        Some(self.load(&full))
    }
}

impl Flow {
    /// The file that a command line means by `name`.
    pub(crate) fn file_at(&self, language: Language, name: &str) -> Option<u32> {
        let name = normal(name);
        match language {
            Language::JavaScript => self.files.javascript("package.json", &format!("./{name}")),
            Language::Python | Language::Shell => self.files.at(&name),
        }
    }

    /// Acts of a hook's command line.
    pub(crate) fn hook_acts(
        &mut self,
        file: u32,
        line: u32,
        name: &str,
        command: &str,
        told: &crate::lang::shell::Told,
    ) {
        self.stack.push((file, ROOT));
        let none = super::Taints::default();
        self.act(
            crate::act::ActKind::Spawn,
            line,
            name,
            command,
            none.clone(),
        );
        self.shell_acts(line, name, told, &none);
        self.run_files(line, told);
        self.stack.pop();
    }
}

//! What runs a package's files: hooks of its manifest, build scripts, start-up files, entry points.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::flow::Flow;
use crate::lang::shell;
use crate::package::{SourceFile, When, is_test};

/// Scripts that npm runs when a package is installed from a registry.
const NPM_HOOKS: &[&str] = &["preinstall", "install", "postinstall"];
/// Deepest object of `exports` that is followed.
const MAX_DEPTH: u8 = 8;

/// A command line that runs at installation.
#[derive(Debug)]
pub(crate) struct Hook {
    /// The file it stands in.
    pub(crate) path: String,
    pub(crate) line: u32,
    pub(crate) name: String,
    pub(crate) command: String,
}

/// What the manifests say.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) hooks: Vec<Hook>,
    /// Files that are imported by the package's name.
    imported: BTreeSet<String>,
    /// Hosts of home page and repository.
    pub(crate) hosts: BTreeSet<String>,
    /// Files that build backends of the tree run.
    build: BTreeSet<String>,
    npm: bool,
}

impl Entries {
    /// When the code of a file runs by itself.
    pub(crate) fn when(&self, path: &str) -> Option<When> {
        if path == "setup.py" || self.build.contains(path) {
            return Some(When::Install);
        }
        if path.ends_with(".pth") || matches!(path, "sitecustomize.py" | "usercustomize.py") {
            return Some(When::Start);
        }
        if self.npm {
            let plain = path.trim_start_matches("./");
            return self.imported.contains(plain).then_some(When::Import);
        }
        let script = path.contains(".data/scripts/")
            || path.starts_with("bin/")
            || path.starts_with("scripts/");
        let main = path.ends_with("__main__.py");
        (path.ends_with(".py") && !is_test(path) && !script && !main).then_some(When::Import)
    }
}

/// Reads the manifests among `files`.
pub(crate) fn read(files: &[SourceFile]) -> Entries {
    let mut entries = Entries::default();
    let find = |path: &str| {
        let file = files.iter().rev().find(|file| file.path == path)?;
        String::from_utf8(file.bytes.to_vec()).ok()
    };
    if let Some(text) = find("package.json") {
        entries.npm = true;
        npm(&text, files, &mut entries);
    }
    if let Some(text) = find("binding.gyp") {
        gyp(&text, &mut entries);
    }
    if let Some(text) = find("pyproject.toml") {
        pyproject(&text, &mut entries);
    }
    for path in ["PKG-INFO", "setup.cfg"] {
        if let Some(text) = find(path) {
            hosts(&text, &mut entries.hosts);
        }
    }
    let metadata = files
        .iter()
        .find(|file| file.path.ends_with(".dist-info/METADATA"));
    if let Some(file) = metadata {
        hosts(&String::from_utf8_lossy(&file.bytes), &mut entries.hosts);
    }
    entries
}

fn npm(text: &str, files: &[SourceFile], entries: &mut Entries) {
    let Ok(manifest) = serde_json::from_str::<Json>(text.trim_start_matches('\u{feff}')) else {
        return;
    };
    for name in NPM_HOOKS {
        let command = manifest.pointer(&format!("/scripts/{name}"));
        if let Some(command) = command.and_then(Json::as_str) {
            let quoted = format!("\"{name}\"");
            let at = text.lines().position(|line| line.contains(&quoted));
            entries.hooks.push(Hook {
                path: "package.json".to_owned(),
                line: at.map_or(1, |at| at as u32 + 1),
                name: (*name).to_owned(),
                command: command.to_owned(),
            });
        }
    }
    let mut names = Vec::new();
    for field in ["main", "module", "browser", "exports"] {
        if let Some(value) = manifest.get(field) {
            strings(value, &mut names, 0);
        }
    }
    if manifest.get("main").is_none() && manifest.get("exports").is_none() {
        names.push("index".to_owned());
    }
    for name in names {
        let name = crate::flow::normal(&name);
        let star = name.split_once('*');
        let matched = files
            .iter()
            .map(|file| &file.path)
            .filter(|path| match star {
                Some((before, after)) => {
                    path.starts_with(before) && path.ends_with(after) && !is_test(path)
                }
                None => {
                    let endings = [
                        "",
                        ".js",
                        ".cjs",
                        ".mjs",
                        "/index.js",
                        "/index.cjs",
                        "/index.mjs",
                    ];
                    endings
                        .iter()
                        .any(|ending| **path == format!("{name}{ending}").trim_start_matches('/'))
                }
            });
        entries.imported.extend(matched.cloned());
    }
    for field in ["/homepage", "/repository/url", "/repository", "/bugs/url"] {
        if let Some(address) = manifest.pointer(field).and_then(Json::as_str) {
            hosts(address, &mut entries.hosts);
        }
    }
}

fn strings(value: &Json, out: &mut Vec<String>, depth: u8) {
    match value {
        Json::String(text) => out.push(text.clone()),
        Json::Array(items) if depth < MAX_DEPTH => {
            items
                .iter()
                .take(200)
                .for_each(|item| strings(item, out, depth + 1));
        }
        Json::Object(fields) if depth < MAX_DEPTH => {
            fields
                .values()
                .take(400)
                .for_each(|item| strings(item, out, depth + 1));
        }
        _ => {}
    }
}

/// `<!(command)` in a build description is run by the build.
fn gyp(text: &str, entries: &mut Entries) {
    for (at, line) in text.lines().enumerate().take(2000) {
        let rest = line.split_once("<!@(").or_else(|| line.split_once("<!("));
        if let Some((_, rest)) = rest {
            let command = rest.rsplit_once(')').map_or(rest, |(command, _)| command);
            entries.hooks.push(Hook {
                path: "binding.gyp".to_owned(),
                line: at as u32 + 1,
                name: "build description".to_owned(),
                command: command.to_owned(),
            });
        }
    }
}

fn pyproject(text: &str, entries: &mut Entries) {
    let Ok(table) = text.parse::<toml::Table>() else {
        return;
    };
    let system = table.get("build-system");
    let backend = system.and_then(|system| system.get("build-backend")?.as_str());
    let folders = system.and_then(|system| system.get("backend-path")?.as_array());
    if let (Some(backend), Some(folders)) = (backend, folders) {
        let module = backend
            .split(':')
            .next()
            .unwrap_or_default()
            .replace('.', "/");
        for folder in folders.iter().filter_map(toml::Value::as_str).take(20) {
            let path = crate::flow::normal(&format!("{folder}/{module}"));
            entries.build.insert(format!("{path}.py"));
            entries.build.insert(format!("{path}/__init__.py"));
        }
    }
    let urls = table
        .get("project")
        .and_then(|project| project.get("urls")?.as_table());
    for address in urls
        .into_iter()
        .flat_map(toml::Table::values)
        .filter_map(toml::Value::as_str)
    {
        hosts(address, &mut entries.hosts);
    }
}

fn hosts(text: &str, out: &mut BTreeSet<String>) {
    for rest in text.split("://").skip(1).take(100) {
        let host: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || ".-".contains(*c))
            .collect();
        if host.contains('.') {
            out.insert(host.trim_start_matches("www.").to_ascii_lowercase());
        }
    }
}

impl Flow {
    /// Reads the command line of a hook. Gives the files that it runs.
    pub(crate) fn run_hook(&mut self, file: u32, hook: &Hook) -> Vec<u32> {
        let told = shell::read(&hook.command);
        self.hook_acts(file, hook.line, &hook.name, &hook.command, &told);
        let files = told.files.iter();
        files
            .filter_map(|(language, name)| self.file_at(*language, name))
            .collect()
    }
}

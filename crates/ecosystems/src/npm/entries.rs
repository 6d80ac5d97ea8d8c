use std::collections::BTreeSet;

use serde_json::Value;

use super::manifest::{Manifest, normal};

/// Most modules of one package that are imported.
const MOST: usize = 300;
/// Most subpaths that one manifest's `exports` may expand to before the limit above applies.
const MOST_SUBPATHS: usize = 2_000;
/// Deepest nesting of conditions that is followed.
const DEEPEST: usize = 16;

/// What to import, and how much there was.
pub(super) struct Imports {
    /// Names for the harness, the package's front doors first.
    pub(super) entries: Vec<String>,
    /// How many of `entries` are reachable by name, which stand first.
    pub(super) named: usize,
    /// Modules found, before the limit.
    pub(super) found: usize,
}

/// Every way into a package: its main entry, each subpath of `exports`, and the files nothing points at.
pub(super) fn imports(manifest: &Manifest, name: &str) -> Imports {
    let mut list = List::new(manifest, name);
    match manifest.field("exports") {
        Some(exports) => list.add_exports(exports),
        None => list.add_main(),
    }
    if let Some(module) = manifest.text("module") {
        list.add_file(&normal(module));
    }
    let named = list.entries.len();
    list.add_rest();
    let found = list.entries.len();
    list.entries.truncate(MOST);
    Imports {
        named: named.min(MOST),
        entries: list.entries,
        found,
    }
}

struct List<'a> {
    manifest: &'a Manifest,
    name: &'a str,
    entries: Vec<String>,
    covered: BTreeSet<String>,
}

impl<'a> List<'a> {
    fn new(manifest: &'a Manifest, name: &'a str) -> Self {
        // Programs are run in their own phase; importing one would run it with our arguments.
        let covered = manifest
            .programs()
            .into_iter()
            .map(|(_, file)| file)
            .collect();
        Self {
            manifest,
            name,
            entries: Vec::new(),
            covered,
        }
    }

    fn add_main(&mut self) {
        let main = normal(self.manifest.text("main").unwrap_or("index.js"));
        let candidates = [
            main.clone(),
            format!("{main}.js"),
            format!("{main}.json"),
            format!("{main}.node"),
            format!("{main}/index.js"),
            "index.js".to_owned(),
            "index.json".to_owned(),
            "index.node".to_owned(),
        ];
        if let Some(file) = candidates
            .into_iter()
            .find(|file| self.manifest.files.contains(file))
        {
            self.covered.insert(file);
            self.entries.push(format!("require {}", self.name));
        }
    }

    fn add_exports(&mut self, exports: &Value) {
        match exports {
            Value::Object(map) if map.keys().any(|key| key.starts_with('.')) => {
                // The main door first: a failed import of another may leave the loader unable to open it.
                let (main, others): (Vec<_>, Vec<_>) =
                    map.iter().partition(|(subpath, _)| *subpath == ".");
                for (subpath, target) in main.into_iter().chain(others) {
                    self.add_subpath(subpath, target);
                }
            }
            target => self.add_subpath(".", target),
        }
    }

    fn add_subpath(&mut self, subpath: &str, target: &Value) {
        let required = resolve(target, &["node", "require", "default", "module-sync"], 0);
        let imported = resolve(target, &["node", "import", "default", "module-sync"], 0);
        // Loading twice what is the same file would show nothing new.
        let imported = imported.filter(|file| Some(file) != required.as_ref());
        for (how, file) in [("require", required), ("import", imported)] {
            let Some(file) = file else { continue };
            for (subpath, file) in self.expand(subpath, &file) {
                let specifier = format!("{}{}", self.name, subpath.trim_start_matches('.'));
                if self.entries.len() < MOST_SUBPATHS && is_module(&file) {
                    self.entries.push(format!("{how} {specifier}"));
                }
                self.covered.insert(file);
            }
        }
    }

    /// Subpaths with their files; `*` stands for whatever makes the target a file of the package.
    fn expand(&self, subpath: &str, target: &str) -> Vec<(String, String)> {
        let target = normal(target);
        let Some((before, after)) = target.split_once('*') else {
            return vec![(subpath.to_owned(), target)];
        };
        self.manifest
            .files
            .iter()
            .filter_map(|file| {
                let star = file.strip_prefix(before)?.strip_suffix(after)?;
                Some((subpath.replacen('*', star, 1), file.clone()))
            })
            .take(MOST_SUBPATHS)
            .collect()
    }

    fn add_file(&mut self, file: &str) {
        if self.manifest.files.contains(file) && self.covered.insert(file.to_owned()) {
            self.entries.push(format!("file {file}"));
        }
    }

    fn add_rest(&mut self) {
        let mut rest: Vec<_> = self
            .manifest
            .files
            .iter()
            .filter(|file| is_script(file) && !is_aside(file))
            .cloned()
            .collect();
        rest.sort_by_key(|file| file.matches('/').count());
        for file in rest {
            self.add_file(&file);
        }
    }
}

/// The file that the first matching condition leads to.
fn resolve(target: &Value, conditions: &[&str], depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    match target {
        Value::String(file) => Some(file.clone()),
        Value::Array(list) => list
            .iter()
            .find_map(|item| resolve(item, conditions, depth + 1)),
        Value::Object(map) => map
            .iter()
            .filter(|(condition, _)| conditions.contains(&condition.as_str()))
            .find_map(|(_, value)| resolve(value, conditions, depth + 1)),
        _ => None,
    }
}

fn is_script(file: &str) -> bool {
    [".js", ".cjs", ".mjs"]
        .iter()
        .any(|suffix| file.ends_with(suffix))
}

fn is_module(file: &str) -> bool {
    !file.ends_with(".d.ts") && (is_script(file) || file.ends_with(".node") || !file.contains('.'))
}

/// Tests, examples, build configuration and browser bundles: not what a dependent package loads.
fn is_aside(file: &str) -> bool {
    let mut parts = file.split('/').rev();
    let base = parts.next().unwrap_or_default();
    let folder = parts.any(|part| {
        matches!(
            part,
            "test"
                | "tests"
                | "__tests__"
                | "spec"
                | "example"
                | "examples"
                | "demo"
                | "fixtures"
                | "benchmark"
                | "benchmarks"
                | "docs"
                | "node_modules"
                | "umd"
                | "coverage"
        )
    });
    let name = base.contains(".test.")
        || base.contains(".spec.")
        || base.contains(".min.")
        || base.contains(".config.")
        || base == "Gruntfile.js"
        || base == "gulpfile.js";
    folder || name
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::manifest;
    use super::*;

    fn list(json: &str, files: &[&str]) -> Vec<String> {
        imports(&manifest(json, files), "a").entries
    }

    #[test]
    fn main_comes_first_then_every_other_script() {
        assert_eq!(
            list(
                r#"{"main":"./lib/main"}"#,
                &[
                    "lib/main.js",
                    "lib/deep/x.mjs",
                    "top.cjs",
                    "test/t.js",
                    "a.min.js",
                    "style.css",
                    "b.d.ts"
                ]
            ),
            ["require a", "file top.cjs", "file lib/deep/x.mjs"]
        );
    }

    #[test]
    fn every_subpath_of_exports_is_imported_in_both_worlds_and_patterns_are_expanded() {
        assert_eq!(
            list(
                r#"{"exports":{".":{"types":"./x.d.ts","import":"./i.mjs","require":"./r.cjs"},
                    "./one":{"node":{"default":"./one.js"}}, "./f/*":"./src/*.js","./package.json":"./package.json",
                    "./closed":null,"./browser":{"browser":"./b.js"}}}"#,
                &["i.mjs", "r.cjs", "one.js", "src/p.js", "src/q/r.js", "b.js"]
            ),
            [
                "require a",
                "import a",
                "require a/one",
                "require a/f/p",
                "require a/f/q/r",
                "file b.js"
            ]
        );
        assert_eq!(
            list(
                r#"{"exports":{"./web":{"import":"./w.mjs"},".":"./m.js"}}"#,
                &["m.js", "w.mjs"]
            ),
            ["require a", "import a/web"]
        );
        assert_eq!(list(r#"{"exports":"./m.js"}"#, &["m.js"]), ["require a"]);
        assert_eq!(
            list(r#"{"exports":{"import":["./m.mjs"]}}"#, &["m.mjs"]),
            ["import a"]
        );
    }

    #[test]
    fn programs_are_left_to_the_execute_phase() {
        assert_eq!(
            list(r#"{"name":"a","bin":"cli.js"}"#, &["cli.js", "index.js"]),
            ["require a"]
        );
    }

    #[test]
    fn the_number_of_modules_is_bounded_and_told() {
        let files: Vec<String> = (0..MOST + 20).map(|n| format!("m{n}.js")).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let imports = imports(&manifest("{}", &files), "a");
        assert_eq!(
            (imports.entries.len(), imports.found, imports.named),
            (MOST, MOST + 20, 0)
        );
    }

    #[test]
    fn nested_conditions_of_any_depth_end() {
        let json = format!(
            r#"{{"exports":{}"./x.js"{}}}"#,
            r#"{"node":"#.repeat(100),
            "}".repeat(100)
        );
        assert_eq!(list(&json, &["x.js"]), ["file x.js"]);
    }
}

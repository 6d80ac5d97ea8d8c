//! The package as a whole: which files are code, what runs them, and what they do when they run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use apa_model::Evidence;

use crate::act::Act;
use crate::flow::{Flow, FuncId, Loaded, ROOT, Taint};
use crate::ir::Module;
use crate::lang::{self, Language};
use crate::manifest::{self, Entries};
use crate::text::{self, Sign};

/// Largest file that is looked at as text, bytes.
const MAX_TEXT: usize = 8 << 20;
/// Most bytes of source parsed for one package.
const MAX_TOTAL: usize = 24 << 20;

/// One file of the package.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Below the folder that everything lies in.
    pub(crate) path: String,
    pub(crate) bytes: Arc<[u8]>,
}

/// When code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    /// Only in tests, examples and documents.
    Test,
    /// When a user calls it.
    Run,
    /// When the package is imported.
    Import,
    /// Whenever the interpreter starts.
    Start,
    /// When it is installed.
    Install,
}

impl When {
    /// Nobody has to call it.
    pub(crate) fn by_itself(self) -> bool {
        self >= Self::Import
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Test => "in its tests",
            Self::Run => "when it is used",
            Self::Import => "when it is imported",
            Self::Start => "whenever Python starts",
            Self::Install => "when it is installed",
        }
    }
}

/// A file that was not looked into, or not wholly.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    pub(crate) path: String,
    pub(crate) why: String,
    /// It is code in a language that is read here, so what is missing matters.
    pub(crate) code: bool,
}

/// Everything that reading the package told.
pub(crate) struct Package {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) flow: Flow,
    pub(crate) acts: Vec<Act>,
    pub(crate) signs: Vec<Sign>,
    pub(crate) entries: Entries,
    pub(crate) gaps: Vec<Gap>,
    /// Bytes of code that were followed, and of all that are code.
    pub(crate) read: (u64, u64),
    when: BTreeMap<FuncId, When>,
}

impl Package {
    pub(crate) fn read(files: Vec<SourceFile>) -> Self {
        let entries = manifest::read(&files);
        let mut loaded = Vec::new();
        let mut gaps = Vec::new();
        let mut signs = Vec::new();
        let mut read = (0, 0);
        for file in &files {
            let Some(source) = as_text(file, &mut gaps) else {
                continue;
            };
            signs.extend(text::signs(&file.path, &source));
            let Some(language) = lang::recognise(&file.path, &file.bytes) else {
                continue;
            };
            if is_declaration(&file.path) {
                continue;
            }
            read.1 += source.len() as u64;
            let parsed = match read.0 as usize + source.len() > MAX_TOTAL {
                true => Err(format!(
                    "more than {MAX_TOTAL} bytes of code are in the package"
                )),
                false => parse(language, &file.path, &source),
            };
            match parsed {
                Ok(module) => {
                    if let Some(why) = &module.partial {
                        let why = why.clone();
                        gaps.push(gap(&file.path, why, !is_test(&file.path)));
                    }
                    read.0 += source.len() as u64;
                    loaded.push(Loaded {
                        path: file.path.clone(),
                        language,
                        module,
                        layers: Vec::new(),
                        script: (language == Language::Shell).then(|| source.clone()),
                    });
                }
                Err(why) => gaps.push(gap(&file.path, why, true)),
            }
        }
        for hook in &entries.hooks {
            loaded.push(Loaded {
                path: hook.path.clone(),
                language: Language::JavaScript,
                module: Module::default(),
                layers: vec!["command line"],
                script: None,
            });
        }
        let first_hook = loaded.len() - entries.hooks.len();
        let mut flow = Flow::new(loaded);
        let mut ran = Vec::new();
        for (at, hook) in entries.hooks.iter().enumerate() {
            let file = (first_hook + at) as u32;
            ran.extend(flow.run_hook(file, hook));
        }
        flow.run();
        let acts = flow.acts();
        let mut package = Self {
            when: BTreeMap::new(),
            files,
            flow,
            acts,
            signs,
            entries,
            gaps,
            read,
        };
        package.when = package.reach(first_hook, &ran);
        package
    }

    /// When each function runs: what starts by itself, and whatever that calls.
    fn reach(&self, first_hook: usize, ran: &[u32]) -> BTreeMap<FuncId, When> {
        let mut calls: BTreeMap<FuncId, Vec<FuncId>> = BTreeMap::new();
        for (from, to) in &self.flow.edges {
            calls.entry(*from).or_default().push(*to);
        }
        let mut when: BTreeMap<FuncId, When> = BTreeMap::new();
        let mut queue: VecDeque<(FuncId, When)> = VecDeque::new();
        for (at, loaded) in self.flow.modules.iter().enumerate() {
            let file = at as u32;
            let hook = at >= first_hook && loaded.layers.first() == Some(&"command line");
            let root = match self.entries.when(&loaded.path) {
                _ if hook && at < first_hook + self.entries.hooks.len() => Some(When::Install),
                _ if ran.contains(&file) => Some(When::Install),
                _ if !loaded.layers.is_empty() => None,
                found => found,
            };
            if let Some(root) = root {
                queue.push_back(((file, ROOT), root));
                // A build script's functions are its commands.
                if root == When::Install && loaded.path.ends_with(".py") {
                    let functions = 0..loaded.module.functions.len() as u32;
                    queue.extend(functions.map(|function| ((file, function), root)));
                }
            }
        }
        while let Some((func, reached)) = queue.pop_front() {
            let known = when.get(&func).copied();
            if known.is_some_and(|known| known >= reached) {
                continue;
            }
            when.insert(func, reached);
            for next in calls.get(&func).into_iter().flatten() {
                queue.push_back((*next, reached));
            }
        }
        when
    }

    /// When an act takes place.
    pub(crate) fn when(&self, act: &Act) -> When {
        self.when.get(&act.func).copied().unwrap_or_else(|| {
            match is_test(&self.flow.modules[act.file as usize].path) {
                true => When::Test,
                false => When::Run,
            }
        })
    }

    /// Acts that no test makes, in order.
    pub(crate) fn acts(&self) -> impl Iterator<Item = &Act> {
        self.acts.iter().filter(|act| self.when(act) > When::Test)
    }

    /// File and line of an act: for code inside of code, where the outermost text is.
    pub(crate) fn place(&self, file: u32, line: u32) -> (String, u32) {
        let path = &self.flow.modules[file as usize].path;
        match lang::outer_line(path) {
            Some(outer) => {
                let path = path.split('\u{1}').next().unwrap_or_default();
                (path.to_owned(), outer)
            }
            None => (path.clone(), line.max(1)),
        }
    }

    pub(crate) fn evidence(&self, act: &Act, words: &str) -> Evidence {
        let (path, line) = self.place(act.file, act.line);
        let layers = &self.flow.modules[act.file as usize].layers;
        let inside = match layers.as_slice() {
            [] => String::new(),
            layers if path.ends_with(".json") && layers == ["command line"] => String::new(),
            layers => format!(" (in code that was {})", layers.join(", then ")),
        };
        Evidence::File {
            path: path.into(),
            line: Some(line),
            detail: format!("{words}{inside}").into(),
        }
    }

    pub(crate) fn origin(&self, taint: &Taint) -> Option<Evidence> {
        if taint.line == 0 {
            return None;
        }
        let (path, line) = self.place(taint.file, taint.line);
        Some(Evidence::File {
            path: path.into(),
            line: Some(line),
            detail: format!("from here: {}", taint.detail).into(),
        })
    }

    /// Hosts that the package calls its own: its home page and repository.
    pub(crate) fn own_hosts(&self) -> &BTreeSet<String> {
        &self.entries.hosts
    }
}

fn gap(path: &str, why: String, code: bool) -> Gap {
    Gap {
        path: path.to_owned(),
        why,
        code,
    }
}

/// The text of a file, or `None` where it is none. What is no text and is no data either is a gap.
fn as_text(file: &SourceFile, gaps: &mut Vec<Gap>) -> Option<String> {
    let code = lang::recognise(&file.path, &file.bytes).is_some();
    if file.bytes.len() > MAX_TEXT {
        let why = format!("it has {} bytes, more than are read", file.bytes.len());
        gaps.push(gap(&file.path, why, code));
        return None;
    }
    if let Some(kind) = text::machine_code(&file.bytes) {
        gaps.push(gap(&file.path, kind.to_owned(), false));
        return None;
    }
    match text::decoded(&file.bytes) {
        Some(source) => Some(source),
        None => {
            if code {
                let why = "its characters are in no encoding that is read".to_owned();
                gaps.push(gap(&file.path, why, true));
            }
            None
        }
    }
}

fn parse(language: Language, path: &str, source: &str) -> Result<Module, String> {
    if path.ends_with(".pth") {
        let code: Vec<&str> = source
            .lines()
            .map(
                |line| match line.starts_with("import ") || line.starts_with("import\t") {
                    true => line,
                    false => "",
                },
            )
            .collect();
        return lang::parse(language, &code.join("\n"), path);
    }
    lang::parse(language, source, path)
}

/// Types only: nothing in it runs.
fn is_declaration(path: &str) -> bool {
    [".pyi", ".d.ts", ".d.mts", ".d.cts"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// Whether a path is of tests, examples or documents.
pub(crate) fn is_test(path: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "test",
        "tests",
        "__tests__",
        "spec",
        "specs",
        "fixtures",
        "testing",
        "examples",
        "example",
        "docs",
        "doc",
        "bench",
        "benchmark",
        "benchmarks",
        "demo",
        "demos",
        "samples",
        "testdata",
        "e2e",
        "__mocks__",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/')
        .rev()
        .skip(1)
        .any(|part| FOLDERS.contains(&part))
        || name.starts_with("test_")
        || name.contains(".test.")
        || name.contains(".spec.")
        || name == "conftest.py"
}

//! Code inside of code: decoded text that is run, command lines, scripts written to files.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::value::Value;
use super::{Flow, FuncId, Loaded};
use crate::lang::{self, Language};

/// Most pieces looked into, per package.
const MAX_PIECES: usize = 64;
/// Longest piece, bytes.
const MAX_BYTES: usize = 1 << 20;
/// Most pieces within pieces.
const MAX_DEPTH: usize = 8;

/// What waits to be looked into.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Piece>,
    seen: BTreeSet<u64>,
}

struct Piece {
    from: FuncId,
    line: u32,
    language: Language,
    code: String,
    layer: &'static str,
}

impl Flow {
    /// A shell script, line by line.
    pub(super) fn run_script(&mut self, script: &str) {
        let told = lang::shell::read(script);
        self.shell_acts(1, "shell script", &told, &super::Taints::default());
        self.run_files(1, &told);
    }

    /// Files that a command line runs: of the package, or written before.
    pub(super) fn run_files(&mut self, line: u32, told: &lang::shell::Told) {
        for (language, name) in &told.files {
            if let Some(file) = self.file_at(*language, name) {
                self.edges.insert((self.here(), (file, super::ROOT)));
            } else if let Some(code) = self.written.get(name.as_str()).cloned() {
                self.inner_code(line, *language, &code, "written to a file");
            }
        }
    }

    /// Remembers code that runs where `line` is.
    pub(super) fn inner_code(
        &mut self,
        line: u32,
        language: Language,
        code: &[u8],
        layer: &'static str,
    ) {
        let Ok(code) = std::str::from_utf8(code) else {
            return;
        };
        // What is shorter than this does no harm worth following.
        if code.len() < 12 {
            return;
        }
        let mut hasher = DefaultHasher::new();
        (self.here().0, line, code).hash(&mut hasher);
        if !self.inner.seen.insert(hasher.finish()) {
            return;
        }
        if self.inner.seen.len() > MAX_PIECES || code.len() > MAX_BYTES {
            self.gave_up = Some("it holds more code in texts than is looked into");
            return;
        }
        self.inner.waiting.push_back(Piece {
            from: self.here(),
            line,
            language,
            code: code.to_owned(),
            layer,
        });
    }

    pub(super) fn run_inner_code(&mut self) {
        while let Some(piece) = self.inner.waiting.pop_front() {
            let outer = self.modules[piece.from.0 as usize].clone();
            if outer.layers.len() >= MAX_DEPTH {
                self.gave_up = Some("its code is wrapped more often than is unwrapped");
                continue;
            }
            let Ok(module) = lang::parse(piece.language, &piece.code, "inner") else {
                continue;
            };
            let mut layers = outer.layers.clone();
            layers.push(piece.layer);
            let file = self.modules.len() as u32;
            let line = match outer.layers.is_empty() {
                true => piece.line,
                false => lang::outer_line(&outer.path).unwrap_or(piece.line),
            };
            let path = outer.path.split('\u{1}').next().unwrap_or_default();
            self.modules.push(Rc::new(Loaded {
                path: format!("{path}\u{1}{line}"),
                language: piece.language,
                module,
                layers,
                script: (piece.language == Language::Shell).then_some(piece.code),
            }));
            self.exports.push(Value::default());
            self.edges.insert((piece.from, Self::root_of(file)));
            for _ in 0..2 {
                self.run_module(file);
            }
        }
    }
}

//! Front ends: one a language, each lowers source text to [`crate::ir`].

mod guard;
mod javascript;
mod javascript_expr;
mod lines;
mod python;
pub(crate) mod shell;

use crate::ir::Module;

/// Languages that values are followed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Language {
    Python,
    JavaScript,
    /// Read line by line, not followed.
    Shell,
}

/// Parses `source`. `name` is the file's name.
///
/// # Errors
/// In words, when the text would cost the parser more stack than it has.
pub(crate) fn parse(language: Language, source: &str, name: &str) -> Result<Module, String> {
    guard::check(language, source)?;
    Ok(match language {
        Language::Python => python::lower(source),
        Language::JavaScript => javascript::lower(source, name),
        Language::Shell => Module::default(),
    })
}

/// The language of a file, by name first, then by its first bytes: an ending that lies hides nothing.
pub(crate) fn recognise(path: &str, bytes: &[u8]) -> Option<Language> {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "py" | "pyw" | "pyi" | "pth" => return Some(Language::Python),
        "js" | "cjs" | "mjs" | "jsx" | "ts" | "tsx" | "cts" | "mts" | "es6" => {
            return Some(Language::JavaScript);
        }
        "sh" | "bash" | "bat" | "cmd" | "ps1" | "zsh" => return Some(Language::Shell),
        _ => {}
    }
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned();
    if line.starts_with("#!") {
        if line.contains("python") {
            return Some(Language::Python);
        }
        if line.contains("sh") && !line.contains("node") {
            return Some(Language::Shell);
        }
        if line.contains("node") || line.contains("bun") || line.contains("deno") {
            return Some(Language::JavaScript);
        }
    }
    None
}

/// The language of a script that code writes to a file.
pub(crate) fn dropped(path: &str, code: &[u8]) -> Option<Language> {
    let path = path.trim_end_matches('\u{1}');
    let script = path.ends_with(".py") || path.ends_with(".pyw") || path.ends_with(".pth");
    if script || code.starts_with(b"#!/usr/bin/env python") {
        return Some(Language::Python);
    }
    let script = path.ends_with(".js") || path.ends_with(".cjs") || path.ends_with(".mjs");
    if script {
        return Some(Language::JavaScript);
    }
    let script = [".sh", ".bat", ".ps1", ".cmd"]
        .iter()
        .any(|ending| path.ends_with(ending));
    (script || code.starts_with(b"#!/bin/") || code.starts_with(b"#!/usr/bin/env bash"))
        .then_some(Language::Shell)
}

/// The line of the file that inner code was found at.
pub(crate) fn outer_line(path: &str) -> Option<u32> {
    path.split('\u{1}').nth(1)?.parse().ok()
}

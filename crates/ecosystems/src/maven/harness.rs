//! The harness, compiled once with the machine's own compiler: the sandbox's Java is the same, and compiling it at
//! every start would cost a second each.

use std::path::Path;
use std::sync::OnceLock;

use crate::{host, pack};

const SOURCE: &str = include_str!("Main.java");
/// What an empty package of every shape consists of: a program, an agent, an annotation processor.
const EMPTY: &str = include_str!("Empty.java");

/// Class files by path.
pub(super) type Classes = Vec<(String, Vec<u8>)>;

struct Compiled {
    harness: Classes,
    empty: Classes,
}

static COMPILED: OnceLock<Result<Compiled, String>> = OnceLock::new();

fn compiled() -> Result<&'static Compiled, &'static str> {
    let compiled = COMPILED.get_or_init(|| {
        compile(&[("launch/Main.java", SOURCE), ("empty/Empty.java", EMPTY)]).map(|classes| {
            let (harness, empty) = classes
                .into_iter()
                .partition(|(path, _)| path.starts_with("launch/"));
            Compiled { harness, empty }
        })
    });
    compiled.as_ref().map_err(String::as_str)
}

/// The harness as a jar.
///
/// # Errors
/// In words, when there is no compiler.
pub(super) fn jar() -> Result<Vec<u8>, &'static str> {
    let files: Vec<_> = compiled()?
        .harness
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    Ok(pack::zip(&files))
}

/// The class of the empty package; nothing where there is no compiler.
pub(super) fn empty() -> &'static [(String, Vec<u8>)] {
    compiled().map_or(&[], |compiled| &compiled.empty)
}

/// Compiles sources of ours, outside the sandbox.
fn compile(sources: &[(&str, &str)]) -> Result<Classes, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let out = folder.path().join("out");
    let mut arguments = vec![
        "-proc:none".to_owned(),
        "-nowarn".to_owned(),
        "-encoding".to_owned(),
        "UTF-8".to_owned(),
        "-d".to_owned(),
        out.display().to_string(),
    ];
    for (path, text) in sources {
        let path = folder.path().join(path);
        let written = std::fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| std::fs::write(&path, text));
        written.map_err(|error| error.to_string())?;
        arguments.push(path.display().to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    host::output(&host::system_program("javac"), &arguments)?;
    let mut classes = Vec::new();
    collect(&out, &out, &mut classes)?;
    classes.sort();
    Ok(classes)
}

fn collect(root: &Path, folder: &Path, classes: &mut Classes) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    for entry in std::fs::read_dir(folder).map_err(told)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, classes)?;
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        let bytes = std::fs::read(&path).map_err(told)?;
        classes.push((name.display().to_string(), bytes));
    }
    Ok(())
}

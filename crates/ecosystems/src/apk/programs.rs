use apa_apk::{FileKind, Package};
use apa_model::Program;

use super::layout::Layout;

/// Most programs that are run.
const MOST_PROGRAMS: usize = 60;
/// Most libraries that are loaded.
const MOST_LIBRARIES: usize = 40;
const WAYS: [Option<&str>; 3] = [None, Some("--help"), Some("--version")];

/// The ways each executable file of a package is started, what lies where programs lie first; and how many files
/// there are, and are taken.
pub(super) fn programs(package: &Package, layout: &Layout<'_>) -> (Vec<Program>, usize, usize) {
    let executable = package.files.iter().filter(|file| {
        matches!(&file.kind, FileKind::File(bytes) if !bytes.is_empty()) && file.mode & 0o111 != 0
    });
    let (libraries, mut programs): (Vec<_>, Vec<_>) = executable
        .map(|file| file.path.as_str())
        .partition(|path| is_library(path));
    programs.sort_by_key(|path| (!is_in_path(path), *path));
    let found = programs.len() + libraries.len();
    programs.truncate(MOST_PROGRAMS);
    let libraries = &libraries[..libraries.len().min(MOST_LIBRARIES)];
    let taken = programs.len() + libraries.len();
    let run = programs.iter().flat_map(|path| {
        let path = layout.place(path);
        WAYS.map(|argument| {
            let argument = argument.map(str::to_owned);
            let argv: Vec<_> = std::iter::once(path.clone()).chain(argument).collect();
            Program {
                name: format!("run {}", argv.join(" ")),
                argv,
            }
        })
    });
    // What a library does when it is loaded, it does in any program.
    let load = libraries.iter().map(|path| {
        let path = layout.place(path);
        Program {
            name: format!("load {path}"),
            argv: vec![
                "/usr/bin/env".to_owned(),
                format!("LD_PRELOAD={path}"),
                "/bin/true".to_owned(),
            ],
        }
    });
    (run.chain(load).collect(), taken, found)
}

fn is_in_path(path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    matches!(
        folder,
        "bin" | "sbin" | "usr/bin" | "usr/sbin" | "usr/local/bin" | "usr/local/sbin"
    )
}

fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".so") || name.contains(".so.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_by_name() {
        assert!(is_library("usr/lib/libz.so.1.3") && is_library("usr/lib/x/mod.so"));
        assert!(!is_library("usr/bin/so") && !is_library("usr/bin/x.sock"));
    }
}

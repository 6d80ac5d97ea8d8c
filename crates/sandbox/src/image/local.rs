//! `/usr/local` anew: interpreters that images keep there, toolchains that are shown there, and nothing else. The
//! rest is the operator's: tools, configuration, and modules that every interpreter would load.

use std::path::{Path, PathBuf};

use super::{Node, Who};

/// An interpreter: if the first name is there, it lives there, and what it needs is kept.
struct Tool {
    program: &'static str,
    programs: &'static [&'static str],
    libraries: &'static [&'static str],
}

const TOOLS: [Tool; 4] = [
    Tool {
        program: "python3",
        programs: &["python", "pip", "pydoc", "idle"],
        libraries: &["python", "libpython"],
    },
    Tool {
        program: "node",
        programs: &["node", "npm", "npx", "corepack"],
        libraries: &["node_modules"],
    },
    Tool {
        program: "ruby",
        programs: &[
            "ruby", "gem", "rake", "bundle", "erb", "irb", "rdoc", "ri", "racc", "rbs",
        ],
        libraries: &["ruby", "libruby"],
    },
    Tool {
        program: "php",
        programs: &["php", "phar", "composer"],
        libraries: &["php"],
    },
];

/// Whether a view has its place in here.
pub(super) fn holds(place: &str) -> bool {
    place.starts_with("/usr/local/")
}

/// What to make of the folder `host`, which stands for `/usr/local`. Of the views given, those that belong in here
/// are in it, with links to their programs.
pub(super) fn nodes(host: &Path, views: &[(PathBuf, String)]) -> Vec<Node> {
    if !host.is_dir() {
        return Vec::new();
    }
    let mut list = vec![Node::Hide {
        path: "/usr/local".into(),
    }];
    for name in [
        "bin", "etc", "games", "include", "lib", "sbin", "share", "src",
    ] {
        list.push(Node::Dir {
            path: format!("/usr/local/{name}"),
            mode: 0o755,
            owner: Who::Root,
        });
    }
    list.push(Node::Link {
        path: "/usr/local/man".into(),
        target: "share/man".into(),
    });
    for tool in TOOLS
        .iter()
        .filter(|tool| host.join("bin").join(tool.program).exists())
    {
        list.extend(kept(host, "bin", tool.programs));
        list.extend(kept(host, "lib", tool.libraries));
        list.extend(kept(host, "include", tool.programs));
    }
    for (source, place) in views.iter().filter(|(_, place)| holds(place)) {
        list.extend(linked(source, place));
        list.push(Node::Anonymous {
            path: place.clone(),
            source: source.clone(),
        });
    }
    list.push(Node::Protect {
        path: "/usr/local".into(),
    });
    list
}

/// Links to the programs of a toolchain.
fn linked(source: &Path, place: &str) -> Vec<Node> {
    let Ok(programs) = std::fs::read_dir(source.join("bin")) else {
        return Vec::new();
    };
    programs
        .flatten()
        .filter_map(|program| program.file_name().into_string().ok())
        .map(|name| Node::Link {
            path: format!("/usr/local/bin/{name}"),
            target: format!("{place}/bin/{name}"),
        })
        .collect()
}

/// Entries of a folder whose names start with one of `starts`.
fn kept(host: &Path, folder: &str, starts: &[&str]) -> Vec<Node> {
    let Ok(entries) = std::fs::read_dir(host.join(folder)) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            starts.iter().find(|start| name.starts_with(**start))?;
            let path = format!("/usr/local/{folder}/{name}");
            Some(match std::fs::read_link(entry.path()) {
                Ok(target) => Node::Link {
                    path,
                    target: target.to_string_lossy().into_owned(),
                },
                Err(_) => Node::Bind {
                    path,
                    source: entry.path(),
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(nodes: &[Node]) -> Vec<&str> {
        nodes
            .iter()
            .filter_map(|node| match node {
                Node::Bind { path, .. }
                | Node::Anonymous { path, .. }
                | Node::Link { path, .. } => Some(path.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn the_operators_tools_and_modules_are_left_out() {
        let host = tempfile::tempdir().unwrap();
        for file in [
            "bin/node",
            "bin/deploy",
            "bin/apa",
            "lib/python3.11/dist-packages/x.pth",
            "lib/node_modules/npm/x",
        ] {
            let path = host.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("../lib/node_modules/npm/x", host.path().join("bin/npm"))
            .unwrap();
        let nodes = nodes(host.path(), &[]);
        let mut kept = paths(&nodes);
        kept.sort_unstable();
        assert_eq!(
            kept,
            [
                "/usr/local/bin/node",
                "/usr/local/bin/npm",
                "/usr/local/lib/node_modules",
                "/usr/local/man"
            ]
        );
    }

    #[test]
    fn a_toolchain_is_shown_with_links_to_its_programs() {
        let host = tempfile::tempdir().unwrap();
        let toolchain = tempfile::tempdir().unwrap();
        std::fs::create_dir(toolchain.path().join("bin")).unwrap();
        std::fs::write(toolchain.path().join("bin/rustc"), "").unwrap();
        let view = |place: &str| (toolchain.path().to_owned(), place.to_owned());
        let views = [view("/usr/local/lib/rust"), view("/srv/other")];
        let nodes = nodes(host.path(), &views);
        assert_eq!(
            paths(&nodes),
            [
                "/usr/local/man",
                "/usr/local/bin/rustc",
                "/usr/local/lib/rust"
            ]
        );
        assert!(matches!(nodes.last(), Some(Node::Protect { .. })));
    }
}

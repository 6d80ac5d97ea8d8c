//! Files that the sample put on simulated servers: what was stored can be fetched again. In memory, never on disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::shared::lock;

/// Bytes kept for fetching, and files.
const BYTES: usize = 32 << 20;
const FILES: usize = 4096;

/// One thing in a folder.
#[derive(Clone)]
pub(crate) enum Node {
    Folder,
    File(Arc<Vec<u8>>),
}

#[derive(Default)]
struct Kept {
    /// By server and absolute path.
    nodes: BTreeMap<(String, String), Node>,
    bytes: usize,
}

/// What was stored, by server.
#[derive(Default)]
pub(crate) struct Uploads {
    kept: Mutex<Kept>,
}

impl Uploads {
    /// Stores a file, or makes a folder. Without room it is forgotten: the blob store has it all the same.
    pub(crate) fn put(&self, server: &str, path: &str, node: Node) {
        let mut kept = lock(&self.kept);
        let size = size(&node);
        if kept.bytes + size > BYTES || kept.nodes.len() >= FILES {
            return;
        }
        let old = kept
            .nodes
            .insert((server.to_owned(), path.to_owned()), node);
        kept.bytes = kept.bytes + size - old.as_ref().map_or(0, self::size);
    }

    pub(crate) fn get(&self, server: &str, path: &str) -> Option<Node> {
        lock(&self.kept)
            .nodes
            .get(&(server.to_owned(), path.to_owned()))
            .cloned()
    }

    /// Takes one away; true when it was there.
    pub(crate) fn remove(&self, server: &str, path: &str) -> Option<Node> {
        let mut kept = lock(&self.kept);
        let old = kept.nodes.remove(&(server.to_owned(), path.to_owned()))?;
        kept.bytes -= size(&old);
        Some(old)
    }

    /// Name and content of what lies directly in a folder.
    pub(crate) fn list(&self, server: &str, folder: &str) -> Vec<(String, Node)> {
        let inside = format!("{}/", folder.trim_end_matches('/'));
        lock(&self.kept)
            .nodes
            .iter()
            .filter(|((at, _), _)| at == server)
            .filter_map(|((_, path), node)| Some((path.strip_prefix(&inside)?, node)))
            .filter(|(name, _)| !name.is_empty() && !name.contains('/'))
            .map(|(name, node)| (name.to_owned(), node.clone()))
            .collect()
    }
}

fn size(node: &Node) -> usize {
    match node {
        Node::Folder => 0,
        Node::File(bytes) => bytes.len(),
    }
}

/// An absolute path from a folder and what a client says, with `.` and `..` resolved; never above the root.
pub(crate) fn resolve(folder: &str, given: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let start = if given.starts_with('/') { "" } else { folder };
    for part in start
        .split('/')
        .chain(given.split('/'))
        .filter(|part| !part.is_empty() && *part != ".")
    {
        match part {
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
        parts.truncate(32);
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_never_leave_the_root() {
        assert_eq!(resolve("/a/b", "../c"), "/a/c");
        assert_eq!(resolve("/a", "/../../etc/passwd"), "/etc/passwd");
        assert_eq!(resolve("/", ""), "/");
    }

    #[test]
    fn what_is_stored_is_listed_and_fetched_on_its_server_only() {
        let uploads = Uploads::default();
        uploads.put("a", "/d/x", Node::File(Arc::new(b"1".to_vec())));
        uploads.put("a", "/d", Node::Folder);
        assert_eq!(uploads.list("a", "/").len(), 1);
        assert_eq!(uploads.list("a", "/d")[0].0, "x");
        assert!(uploads.get("b", "/d/x").is_none());
        assert!(uploads.remove("a", "/d/x").is_some());
        assert!(uploads.list("a", "/d").is_empty());
    }

    proptest! {
        #[test]
        fn every_path_is_absolute_and_resolved(folder in "/[a-z./]{0,20}", given: String) {
            let path = resolve(&folder, &given);
            prop_assert!(path.starts_with('/') && !path.split('/').any(|part| part == ".."));
        }
    }
}

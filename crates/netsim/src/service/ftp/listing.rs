//! What a folder holds, in the three forms it is asked for.

use std::sync::Arc;

use crate::uploads::{Node, Uploads};

/// What was stored in a folder; the root of every server holds a little more.
pub(super) fn of(uploads: &Uploads, server: &str, folder: &str) -> Vec<(String, Node)> {
    let mut nodes = uploads.list(server, folder);
    if folder == "/" {
        nodes.push(("pub".to_owned(), Node::Folder));
        nodes.push((
            "readme.txt".to_owned(),
            Node::File(Arc::new(b"ok\n".to_vec())),
        ));
    }
    nodes
}

/// As `LIST`, `NLST` or `MLSD` give it.
pub(super) fn lines(nodes: &[(String, Node)], form: &str) -> String {
    nodes
        .iter()
        .map(|(name, node)| match form {
            "NLST" => format!("{name}\r\n"),
            "MLSD" => facts(name, node),
            _ => long(name, node),
        })
        .collect()
}

/// `type=file;size=3;modify=20261102081400; name`.
pub(super) fn facts(name: &str, node: &Node) -> String {
    match node {
        Node::Folder => format!("type=dir;modify=20261102081400; {name}\r\n"),
        Node::File(bytes) => format!(
            "type=file;size={};modify=20261102081400; {name}\r\n",
            bytes.len()
        ),
    }
}

fn long(name: &str, node: &Node) -> String {
    let (mode, links, size) = match node {
        Node::Folder => ("drwxr-xr-x", 2, 4096),
        Node::File(bytes) => ("-rw-r--r--", 1, bytes.len()),
    };
    format!("{mode}    {links} 1000     1000     {size:>8} Nov 02 08:14 {name}\r\n")
}

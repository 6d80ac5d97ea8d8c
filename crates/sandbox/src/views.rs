//! Views of host folders in which the host's root owns its files inside the sandbox too: detached, id-mapped,
//! read-only mounts. Only root can make them; otherwise files of the host seem to belong to `nobody`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use crate::image::Node;
use crate::kernel::{NO_DEVICES, NO_SUID, READ_ONLY, clone_tree, set_tree_attributes};
use crate::wire::MAX_FDS;

/// Makes views for what an image binds, with their places in it. What cannot be made is left to the
/// helper, which binds it plainly.
pub(crate) fn make(image: &[Node], pid: i32) -> Vec<(usize, OwnedFd)> {
    let Ok(namespace) = File::open(format!("/proc/{pid}/ns/user")) else {
        return Vec::new();
    };
    image
        .iter()
        .enumerate()
        .filter_map(|(place, node)| {
            let view = view(node.source()?, &namespace).ok()?;
            Some((place, view))
        })
        // One message carries them, and possibly its own body in one more.
        .take(MAX_FDS - 1)
        .collect()
}

fn view(source: &Path, namespace: &File) -> io::Result<OwnedFd> {
    let tree = clone_tree(source)?;
    set_tree_attributes(&tree, READ_ONLY | NO_SUID | NO_DEVICES, namespace.as_fd())?;
    Ok(tree)
}

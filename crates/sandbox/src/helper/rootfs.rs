//! Builds the sample's root file system on one bounded memory file system and moves into it.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::walk::{Layer, Layers};
use super::{Failure, Setup, Step};
use crate::image::{Content, Node, Who};
use crate::kernel::{NO_DEVICES, NO_SUID, READ_ONLY, attach_tree, set_mount_attributes};

/// Where the new root may be put together: ordinary folders of every host, covered only for this process.
const WORKPLACES: [&str; 4] = ["/mnt", "/media", "/srv", "/opt"];
/// What stays writable where one id owns everything, so that ownership protects nothing.
const SAMPLES_OWN: [&str; 5] = ["home", "tmp", "var/tmp", "run", "dev/shm"];
/// The same where the sample may change the system.
const SYSTEM: [&str; 5] = ["etc", "opt", "srv", "var", "root"];
/// Most folders of one overlay that are handed to the sample.
const MOST_YIELDED: usize = 5_000;
/// Host files that are copied are configuration; more than this is not.
const MAX_COPY: u64 = 16 << 20;

/// Detached views made by `apa` with translated owners, by place in the image.
pub(super) type Views = HashMap<usize, OwnedFd>;

/// Builds the image and makes it this process's root. Gives what holds the changes to overlaid folders.
pub(super) fn enter(setup: &Setup, mut views: Views) -> Result<Layers, Failure> {
    let options = format!(
        "size={},nr_inodes={},mode=755",
        setup.disk_bytes, setup.inodes
    );
    let workplace = workplace(setup)?;
    mount(
        Some("tmpfs"),
        workplace,
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )
    .step("mount the writable layer")?;
    chdir(workplace).step("enter the writable layer")?;
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let mut layers = Layers::default();
    if setup
        .image
        .iter()
        .any(|node| matches!(node, Node::Overlay { .. }))
    {
        step_aside().step("make room for layers")?;
    }
    for (place, node) in setup.image.iter().enumerate() {
        let view = views.remove(&place);
        let made = match node {
            Node::Overlay {
                path,
                source,
                yielded,
            } => overlay(path, source, view, layers.len()).and_then(|layer| {
                let made = layer.is_some();
                layers.extend(layer);
                match *yielded && made && setup.groups {
                    true => yield_folders(&inside(path), setup),
                    false => Ok(()),
                }
            }),
            node => make(node, setup, view),
        };
        made.map_err(|error| Failure {
            errno: error.raw_os_error(),
            what: format!("make {node:.120?}: {error}"),
        })?;
    }
    terminals().step("mount /dev/pts")?;
    if !setup.groups {
        let system = if setup.system_writable {
            &SYSTEM[..]
        } else {
            &[]
        };
        for folder in SAMPLES_OWN.iter().chain(system).map(Path::new) {
            if folder.is_dir() {
                attach(folder, folder).step("keep a folder writable")?;
            }
        }
    }
    pivot_root(".", ".").step("change the root")?;
    umount2(".", MntFlags::MNT_DETACH).step("detach the host's root")?;
    chdir("/").step("enter the new root")?;
    if !setup.groups {
        let flags = MsFlags::MS_BIND
            | MsFlags::MS_REMOUNT
            | MsFlags::MS_RDONLY
            | MsFlags::MS_NOSUID
            | MsFlags::MS_NODEV;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).step("protect the root")?;
    }
    Ok(layers)
}

/// Builds the root in a folder of the memory file system, so that what lies beside it counts as written and is out of
/// the sample's reach.
fn step_aside() -> io::Result<()> {
    fs::create_dir("layers")?;
    fs::create_dir("root")?;
    attach(Path::new("root"), Path::new("root"))?;
    Ok(chdir("root")?)
}

/// Mounts a writable view of a folder; nothing when the host has none.
fn overlay(
    path: &str,
    source: &Path,
    view: Option<OwnedFd>,
    number: usize,
) -> io::Result<Option<Layer>> {
    if !source.is_dir() {
        return Ok(None);
    }
    let place = |what: &str| format!("../layers/{number}/{what}");
    for what in ["lower", "upper", "work"] {
        fs::create_dir_all(place(what))?;
    }
    let (lower, upper) = (place("lower"), place("upper"));
    match view {
        Some(view) => attach_tree(&view, Path::new(&lower))?,
        None => attach(source, Path::new(&lower))?,
    }
    let mode = fs::metadata(&lower)?.permissions();
    fs::set_permissions(&upper, mode)?;
    fs::create_dir_all(inside(path))?;
    let options = format!(
        "lowerdir={lower},upperdir={upper},workdir={},xino=off,userxattr",
        place("work")
    );
    mount(
        Some("overlay"),
        &inside(path),
        Some("overlay"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some(options.as_str()),
    )?;
    // The overlay keeps it.
    umount2(lower.as_str(), MntFlags::MNT_DETACH)?;
    Ok(Some(Layer::open(path, &upper)?))
}

/// Makes the sample the owner of a folder and of those below it.
fn yield_folders(top: &Path, setup: &Setup) -> io::Result<()> {
    let mut pending = vec![top.to_owned()];
    let mut left = MOST_YIELDED;
    while let Some(folder) = pending.pop() {
        own(&folder, Who::Sample, setup)?;
        left -= 1;
        for entry in fs::read_dir(&folder)?.flatten() {
            if left > pending.len() && entry.file_type()?.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    Ok(())
}

/// A folder that covers nothing which the image needs.
fn workplace(setup: &Setup) -> Result<&'static str, Failure> {
    let needed = |folder: &str| {
        setup.image.iter().any(|node| {
            node.source()
                .is_some_and(|source| source.starts_with(folder))
        })
    };
    WORKPLACES
        .into_iter()
        .find(|folder| Path::new(folder).is_dir() && !needed(folder))
        .ok_or_else(|| Failure::new("no folder to build the root in: make /mnt"))
}

/// The absolute path, relative to the workplace.
fn inside(path: &str) -> PathBuf {
    let relative = path.trim_start_matches('/');
    if relative.is_empty() {
        PathBuf::from(".")
    } else {
        PathBuf::from(relative)
    }
}

fn make(node: &Node, setup: &Setup, view: Option<OwnedFd>) -> io::Result<()> {
    if let Node::Dir { path, .. } | Node::File { path, .. } | Node::Link { path, .. } = node {
        clear_links(&inside(path));
    }
    match node {
        Node::Dir { path, mode, owner } => {
            let path = inside(path);
            fs::create_dir_all(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
            own(&path, *owner, setup)
        }
        Node::File {
            path,
            mode,
            owner,
            content,
        } => {
            let path = inside(path);
            let private = *owner == Who::Root && *mode & 0o004 == 0;
            // Where one id owns everything, only the missing mode bits keep the sample out.
            let mode = if private && !setup.groups { &0 } else { mode };
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(*mode)
                .open(&path)?;
            write(&mut file, content)?;
            own(&path, *owner, setup)
        }
        Node::Link { path, target } => match symlink(target, inside(path)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        },
        Node::Bind { path, source } => bind(&inside(path), source, view),
        Node::Anonymous { path, source } => anonymous(&inside(path), source, view),
        // Made where its layer can be kept.
        Node::Overlay { .. } => Ok(()),
        Node::Device { path, source } => {
            let path = inside(path);
            File::create(&path)?;
            attach(source, &path)
        }
        Node::Proc { path } => {
            fs::create_dir(inside(path))?;
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            Ok(mount(
                Some("proc"),
                &inside(path),
                Some("proc"),
                flags,
                None::<&str>,
            )?)
        }
        Node::Hide { path } => hide(&inside(path)),
        Node::Protect { path } => protect(&inside(path)),
        Node::Replace { path, text } => replace(&inside(path), text),
    }
}

/// Takes away links of the image on the way to what is made, which would lead out of it.
fn clear_links(path: &Path) {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        so_far.push(part);
        if fs::symlink_metadata(&so_far).is_ok_and(|found| found.is_symlink()) {
            // Where it cannot be removed it is on a read-only view of the host, and leads nowhere new.
            let _ = fs::remove_file(&so_far);
        }
    }
}

fn own(path: &Path, owner: Who, setup: &Setup) -> io::Result<()> {
    match owner {
        Who::Sample if setup.groups => lchown(path, Some(setup.uid), Some(setup.gid)),
        _ => Ok(()),
    }
}

fn write(file: &mut File, content: &Content) -> io::Result<()> {
    match content {
        Content::Text(text) => file.write_all(text.as_bytes()),
        Content::Bytes(bytes) => file.write_all(bytes),
        Content::Copy(source, suffix) => {
            if let Ok(source) = File::open(source) {
                let mut bytes = Vec::new();
                source.take(MAX_COPY).read_to_end(&mut bytes)?;
                file.write_all(&bytes)?;
            }
            file.write_all(suffix.as_bytes())
        }
    }
}

fn bind(path: &Path, source: &Path, view: Option<OwnedFd>) -> io::Result<()> {
    // A view may be of what its maker alone can reach.
    let metadata = match &view {
        Some(view) => File::from(view.try_clone()?).metadata(),
        None => fs::metadata(source),
    };
    let Ok(metadata) = metadata else {
        return Ok(());
    };
    if metadata.is_dir() {
        fs::create_dir_all(path)?;
    } else {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        File::create(path)?;
    }
    match view {
        Some(view) => attach_tree(&view, path),
        None => {
            attach(source, path)?;
            set_mount_attributes(path, READ_ONLY | NO_SUID | NO_DEVICES)
        }
    }
}

/// The list of mounts tells from which folder of its file system a bind mount is. An overlay of that folder and an
/// empty one tells what it was given: two relative paths. Where the kernel makes none, it is a bind mount.
fn anonymous(path: &Path, source: &Path, view: Option<OwnedFd>) -> io::Result<()> {
    let (folder, nothing) = (Path::new("run/lower"), Path::new("run/none"));
    fs::create_dir_all(folder)?;
    fs::create_dir_all(nothing)?;
    bind(folder, source, view)?;
    fs::create_dir_all(path)?;
    let target = std::env::current_dir()?.join(path);
    let root = File::open(".")?;
    std::env::set_current_dir(folder)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let layers = Some("lowerdir=.:../none");
    let laid = mount(Some("overlay"), &target, Some("overlay"), flags, layers);
    nix::unistd::fchdir(&root)?;
    if laid.is_err() {
        attach(folder, path)?;
    }
    umount2(folder, MntFlags::MNT_DETACH)?;
    fs::remove_dir(folder)?;
    fs::remove_dir(nothing)
}

fn attach(source: &Path, path: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(mount(
        Some(source),
        path,
        None::<&str>,
        flags,
        None::<&str>,
    )?)
}

fn hide(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
            let options = Some("size=1m,nr_inodes=1024,mode=755");
            mount(Some("tmpfs"), path, Some("tmpfs"), flags, options)?;
            // `/usr/local` is filled afterwards and protected then.
            if path.starts_with("proc") {
                protect(path)
            } else {
                Ok(())
            }
        }
        Ok(_) => attach(Path::new("/dev/null"), path),
        Err(_) => Ok(()),
    }
}

fn protect(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    attach(path, path)?;
    set_mount_attributes(path, READ_ONLY)
}

/// Binds a file with the text over the one at `path`, from a file system of its own that is otherwise unreachable.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let Some(name) = path.file_name().filter(|_| path.exists()) else {
        return Ok(());
    };
    let staging = Path::new("run");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        Some("tmpfs"),
        staging,
        Some("tmpfs"),
        flags,
        Some("size=16k,nr_inodes=4,mode=755"),
    )?;
    let file = staging.join(name);
    fs::write(&file, text)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444))?;
    attach(&file, path)?;
    set_mount_attributes(path, READ_ONLY)?;
    Ok(umount2(staging, MntFlags::MNT_DETACH)?)
}

/// Pseudo-terminals of this sandbox alone.
fn terminals() -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = "newinstance,ptmxmode=0666,mode=0620";
    Ok(mount(
        Some("devpts"),
        "dev/pts",
        Some("devpts"),
        flags,
        Some(options),
    )?)
}

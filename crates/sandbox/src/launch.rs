//! Starts the outer helper.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::helper::HELPER_ARGV0;
use crate::kernel::{executable_memory, seal};
use crate::wire::Wire;

/// A copy of the helper's executable in memory: inside the sandbox `/proc/…/exe` of a helper then names no file of
/// the host, and no descriptor leads to the host's executable.
pub(crate) struct Helper {
    source: PathBuf,
    copy: Mutex<Option<OwnedFd>>,
}

impl Helper {
    pub(crate) fn new(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            copy: Mutex::new(None),
        }
    }

    /// Starts the helper with its end of a channel as standard input.
    pub(crate) fn start(&self) -> io::Result<(Child, Wire)> {
        let (ours, theirs) = crate::wire::pair()?;
        let mut copy = self
            .copy
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let executable = match &*copy {
            Some(executable) => executable,
            None => copy.insert(in_memory(&self.source)?),
        };
        let child = Command::new(format!("/proc/self/fd/{}", executable.as_raw_fd()))
            .arg0(HELPER_ARGV0)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok((child, Wire::new(ours)))
    }
}

fn in_memory(source: &Path) -> io::Result<OwnedFd> {
    let mut file = File::open(source)?;
    let mut copy = File::from(executable_memory(c"init")?);
    io::copy(&mut file, &mut copy)?;
    copy.rewind()?;
    seal(&copy)?;
    Ok(copy.into())
}

//! What code does, as far as reading tells: calls with what flows into them.

use std::rc::Rc;

use crate::flow::{FuncId, Taints};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ActKind {
    /// A request or raw bytes leave; the text is where to.
    Net,
    /// A name is looked up.
    Resolve,
    /// A socket is connected.
    Connect,
    /// Text is run as code.
    Eval,
    /// A program is started; the text is its command line.
    Spawn,
    /// A file is written; the text is its path.
    Write,
    /// A file is made executable.
    Chmod,
    /// Files are deleted.
    Delete,
    /// A module or library is loaded by its path.
    Load,
    /// A file that holds credentials is read.
    Read,
    /// Data is hashed: how installers check what they fetched.
    Hash,
    /// The standard streams are put on a socket.
    Dup,
    /// A shell is given to a remote machine.
    ReverseShell,
    /// A package is published.
    Publish,
    /// Something is arranged to start again.
    Persist,
    /// Coins are mined.
    Mine,
    /// An AI tool is run without asking its user.
    Agent,
    /// A security tool is stopped or told to look away.
    Disarm,
    /// Another package is installed from outside the registry.
    InstallOther,
    /// A system tool that runs remote or hidden code (mshta, encoded PowerShell).
    Lolbin,
    /// The clipboard is overwritten.
    ClipboardWrite,
    /// A function of the browser is replaced.
    Hook,
}

/// One act.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) kind: ActKind,
    pub(crate) file: u32,
    pub(crate) line: u32,
    /// In which function.
    pub(crate) func: FuncId,
    /// What is called.
    pub(crate) callee: Rc<str>,
    /// Where to, which path, which command; unknown parts are [`crate::flow::HOLE`].
    pub(crate) text: Rc<str>,
    /// What flows into it.
    pub(crate) taints: Taints,
    /// It happens out of sight: output dropped, window hidden, detached.
    pub(crate) silent: bool,
}

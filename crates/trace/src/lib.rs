//! Tracers: system calls to events, process tree, attribution, loss accounting.
//!
//! A [`Session`] records one detonation. Each command in it is traced by two threads. One answers the command's
//! seccomp filter: it is asked about calls of interest before they are made, reads their arguments from the
//! sample's memory, records them and lets them pass (or refuses them). The other follows births, loaded programs
//! and ends by ptrace, so that executions are known from the new memory image.
//!
//! A call that is asked about costs about 7 µs, nearly all of it the two switches between sample and supervisor; the
//! others cost nothing. `examples/overhead.rs` measures it beside the bare command.
//!
//! Nothing here trusts the sample: what it prints is never read, every address it gives may be nonsense, every list
//! it makes has a bound, and a bound that is hit is in [`Trace::incomplete`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod attribute;
mod capture;
#[allow(unsafe_code)]
pub mod child;
mod files;
mod filter;
mod glob;
mod kernel;
mod log;
mod memory;
mod net;
mod owner;
mod paths;
mod process;
mod procfs;
mod session;
mod shared;
mod supervisor;
#[allow(unsafe_code)]
mod sys;
mod syscalls;
mod tracer;
mod tree;
mod view;
mod walk;

pub use filter::Filter;
pub use owner::{matches, matches_path};
pub use session::{Captured, Progress, Session, Trace, TraceConfig, TraceError, Traced};

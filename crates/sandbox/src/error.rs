use std::io;

/// Why a sandbox could not do what was asked. What happens *inside* one is never an error.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The machine cannot isolate a sample; nothing was run.
    #[error("no isolation: {reason}; {fix}")]
    Unavailable {
        /// What failed.
        reason: String,
        /// What to do about it.
        fix: String,
    },
    /// The sandbox's own processes failed or are gone.
    #[error(
        "the sandbox failed to {step}: {reason}; run `apa doctor` to see what this machine lacks"
    )]
    Helper {
        /// What was being done.
        step: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// A call on the host's side failed.
    #[error("cannot {step}")]
    Io {
        /// What was being done.
        step: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A planned file could not be put into the sandbox.
    #[error("cannot write {path} in the sandbox: {reason}")]
    Write {
        /// Its path in the sandbox.
        path: String,
        /// Why.
        reason: String,
    },
    /// The tracer could not take over a command, which was killed before it ran.
    #[error("cannot trace `{program}`")]
    Trace {
        /// The program that was to be started.
        program: String,
        /// The cause.
        source: apa_trace::TraceError,
    },
}

impl SandboxError {
    /// Whether the machine offers no isolation, so that nothing may be run at all.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Names what was being done when a call failed.
pub(crate) trait Doing<T> {
    fn doing(self, step: &'static str) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, step: &'static str) -> Result<T, SandboxError> {
        self.map_err(|error| SandboxError::Io {
            step,
            source: error.into(),
        })
    }
}

//! A sandbox with a tracer, and short ways to use them.

use std::io::Read;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use apa_model::{BlobSink, Digest, Limits, Owner, Persona, ProcessExit};
use apa_sandbox::{Backend, Command, Running, Sandbox, SandboxError, SandboxSpec, default_backend};
use apa_trace::{Session, TraceConfig};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

static BACKEND: LazyLock<Arc<dyn Backend>> = LazyLock::new(default_backend);

pub(crate) struct Lab {
    pub(crate) sandbox: Box<dyn Sandbox>,
    pub(crate) session: Session,
}

/// Forgets what it is given.
struct Nowhere;

impl BlobSink for Nowhere {
    fn put(&self, reader: &mut dyn Read) -> std::io::Result<(Digest, u64)> {
        Ok((Digest::new(), std::io::copy(reader, &mut std::io::sink())?))
    }
}

impl Lab {
    pub(crate) fn open() -> Result<Self, SandboxError> {
        Self::with(SandboxSpec::default())
    }

    pub(crate) fn new() -> Self {
        Self::open().unwrap()
    }

    pub(crate) fn persona(persona: Persona) -> Self {
        Self::with(SandboxSpec {
            persona,
            ..SandboxSpec::default()
        })
        .unwrap()
    }

    pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::with(SandboxSpec {
            limits,
            ..SandboxSpec::default()
        })
        .unwrap()
    }

    pub(crate) fn with(spec: SandboxSpec) -> Result<Self, SandboxError> {
        let sandbox = BACKEND.create(spec)?;
        let session = Session::start(TraceConfig {
            all_syscalls: false,
            env_values: Vec::new(),
            owners: Vec::new(),
            protected: sandbox.guest().protected.clone(),
            max_events: 1_000_000,
            max_captured_bytes: 1 << 20,
            max_captured_file_bytes: 1 << 20,
            capture_under: Vec::new(),
            blobs: Arc::new(Nowhere),
            started: Instant::now(),
        });
        Ok(Self { sandbox, session })
    }

    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        Command {
            argv: argv.iter().map(|argument| (*argument).to_owned()).collect(),
            env: Vec::new(),
            cwd: self.sandbox.guest().project_dir.clone(),
            owner: Owner::Package,
            report: false,
            output_bytes: 1 << 20,
        }
    }

    pub(crate) fn start(&mut self, script: &str) -> Running {
        let command = self.command(&["/bin/bash", "-c", script]);
        self.sandbox.spawn(&command, &self.session).unwrap()
    }

    /// Runs a script to its end; exit code (128 + signal) and output.
    pub(crate) fn run(&mut self, script: &str) -> (i32, String) {
        finish(&self.start(script))
    }

    /// Output of a script that must succeed.
    pub(crate) fn sh(&mut self, script: &str) -> String {
        let (status, output) = self.run(script);
        assert_eq!(status, 0, "{script}: {output}");
        output
    }

    /// Runs a script that must fail, by every command in it that is followed by `||`.
    pub(crate) fn refused(&mut self, commands: &[&str]) {
        for command in commands {
            let (status, output) = self.run(command);
            assert_ne!(status, 0, "`{command}` succeeded: {output}");
        }
    }

    pub(crate) fn close(self) -> apa_trace::Trace {
        let teardown = self.sandbox.destroy();
        assert_eq!(teardown.problems, Vec::<String>::new());
        self.session.finish()
    }
}

/// Waits for the end of a command.
pub(crate) fn finish(running: &Running) -> (i32, String) {
    let exit = running
        .traced
        .wait(Instant::now() + PATIENCE)
        .expect("it ends in time");
    let output = running.output().tail.lossy().into_owned();
    let status = match exit {
        ProcessExit::Status(code) => code,
        ProcessExit::Signal(signal) => 128 + signal,
    };
    (status, output)
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

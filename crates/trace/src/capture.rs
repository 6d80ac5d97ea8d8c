//! Keeps the bytes of files before they vanish, and the hash of programs that are run.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use apa_model::{BlobSink, Digest, EventKind, Hostile, IncompleteCode, Phase, ProcessId};
use sha2::{Digest as _, Sha256};

use crate::Captured;
use crate::log::Log;
use crate::shared::lock;
use crate::sys;

/// Files waiting to be read; each holds a descriptor.
const QUEUE: usize = 128;
/// How long a sample is held up by a slow store before a file is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Records kept of files.
const MAX_FILES: usize = 50_000;

/// A file to keep.
pub(crate) struct Job {
    pub(crate) file: OwnedFd,
    pub(crate) path: Hostile,
    pub(crate) when: &'static str,
    pub(crate) process: ProcessId,
    pub(crate) phase: Phase,
    /// The exec event that waits for the hash.
    pub(crate) exec: Option<u64>,
}

enum Message {
    Keep(Job, Option<SyncSender<()>>),
    Finish,
}

/// Gives jobs to the background thread.
pub(crate) struct Keeper {
    queue: SyncSender<Message>,
    thread: Mutex<Option<JoinHandle<Vec<Captured>>>>,
    log: Arc<Mutex<Log>>,
}

impl Keeper {
    pub(crate) fn start(
        blobs: Arc<dyn BlobSink>,
        max_bytes: u64,
        max_file_bytes: u64,
        log: Arc<Mutex<Log>>,
    ) -> Self {
        let (queue, jobs) = sync_channel(QUEUE);
        let worker = Worker {
            blobs,
            room: max_bytes,
            max_file_bytes,
            log: Arc::clone(&log),
            seen: HashMap::new(),
            kept: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("keep".into())
            .spawn(move || worker.run(&jobs))
            .ok();
        Self {
            queue,
            thread: Mutex::new(thread),
            log,
        }
    }

    /// Keeps a file's bytes some time soon. The open descriptor keeps them alive when the name goes.
    pub(crate) fn keep(&self, job: Job) {
        self.send(job, None);
    }

    /// Keeps a file's bytes before it returns, because they are about to be overwritten.
    pub(crate) fn keep_now(&self, job: Job) {
        let (done, wait) = sync_channel(1);
        if self.send(job, Some(done)) {
            // The worker drops the sender when it fails; either way there is nothing more to wait for.
            let _ = wait.recv();
        }
    }

    fn send(&self, job: Job, done: Option<SyncSender<()>>) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let phase = job.phase;
        let mut message = Message::Keep(job, done);
        loop {
            match self.queue.try_send(message) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => {
                    message = back;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => {
                    lock(&self.log).problem(
                        IncompleteCode::DroppedLimit,
                        phase,
                        "files vanished faster than they could be kept",
                    );
                    return false;
                }
            }
        }
    }

    /// Waits for the last job.
    pub(crate) fn finish(&self) -> Vec<Captured> {
        let thread = lock(&self.thread).take();
        // A worker that is gone has dropped its end; joining tells.
        let _ = self.queue.send(Message::Finish);
        thread
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

/// Tells two states of a file apart.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

struct Worker {
    blobs: Arc<dyn BlobSink>,
    room: u64,
    max_file_bytes: u64,
    log: Arc<Mutex<Log>>,
    seen: HashMap<Identity, Digest>,
    kept: Vec<Captured>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Message>) -> Vec<Captured> {
        while let Ok(Message::Keep(job, done)) = jobs.recv() {
            self.keep(job);
            drop(done);
        }
        self.kept
    }

    fn keep(&mut self, job: Job) {
        let Ok(stat) = sys::fstat(&job.file) else {
            return;
        };
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            return;
        }
        let identity = Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        };
        let size = stat.st_size as u64;
        let known = self.seen.get(&identity).cloned();
        let again = known.is_some() && job.exec.is_some();
        let sha256 = known.or_else(|| self.store(&job, size));
        if let (Some(seq), Some(digest)) = (job.exec, &sha256) {
            self.fill_exec(seq, digest);
        }
        if again {
            return;
        }
        if let Some(digest) = &sha256
            && self.seen.len() < MAX_FILES
        {
            self.seen.insert(identity, digest.clone());
        }
        if self.kept.len() == MAX_FILES {
            self.limit(job.phase, "more files than are listed vanished");
            return;
        }
        self.kept.push(Captured {
            path: job.path,
            sha256,
            size,
            when: job.when,
            mode: stat.st_mode & 0o7777,
            process: job.process,
            phase: job.phase,
        });
    }

    /// Stores the bytes within the limits. A program too large to keep is still hashed.
    fn store(&mut self, job: &Job, size: u64) -> Option<Digest> {
        let file = File::from(job.file.try_clone().ok()?);
        let limit = self.max_file_bytes.min(self.room);
        if size > limit {
            self.limit(
                job.phase,
                "a file that vanished or was run was too large to keep, or too much was kept already",
            );
            return job
                .exec
                .and_then(|_| hash(At::start(&file).take(size)).ok());
        }
        match self.blobs.put(&mut At::start(&file).take(limit)) {
            Ok((digest, stored)) => {
                self.room = self.room.saturating_sub(stored);
                Some(digest)
            }
            Err(error) => {
                let detail = format!("a file that vanished could not be kept: {error}");
                self.limit(job.phase, &detail);
                None
            }
        }
    }

    fn fill_exec(&self, seq: u64, digest: &Digest) {
        if let Some(event) = lock(&self.log).event_mut(seq)
            && let EventKind::Exec { sha256, .. } = &mut event.kind
        {
            *sha256 = Some(digest.clone());
        }
    }

    fn limit(&self, phase: Phase, detail: &str) {
        lock(&self.log).problem(IncompleteCode::DroppedLimit, phase, detail);
    }
}

/// Reads a file from its start without moving the position a descriptor may share with others.
struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> At<'a> {
    fn start(file: &'a File) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

fn hash(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    io::copy(&mut reader, &mut hasher)?;
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

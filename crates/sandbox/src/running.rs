//! A started command: its output and its report, read in the background within bounds.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};

use apa_model::Hostile;
use apa_trace::Traced;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Past so many times the bytes kept the pipe is closed: the writer gets `EPIPE` and a flood ends.
const FLOOD: u64 = 256;
const MAX_LINE: usize = 64 << 10;
/// Lines handed out in all; a harness writes a few per entry.
const MAX_LINES: usize = 200_000;
/// Lines waiting to be taken; the writer waits then.
const WAITING_LINES: usize = 1024;

/// A command that was started.
pub struct Running {
    /// Its processes.
    pub traced: Traced,
    /// Lines of its descriptor 3 without the newline, each cut at 64 KiB; at most 200,000.
    pub report: Option<Receiver<Hostile>>,
    pub(crate) output: Arc<Collector>,
}

/// What a command printed, standard output and error in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The last bytes.
    pub tail: Hostile,
    /// Bytes in all.
    pub total: u64,
    /// Something is missing before the tail, or the pipe was closed because of a flood.
    pub truncated: bool,
}

impl Running {
    /// What was printed until now, everything that lies in the pipe included.
    pub fn output(&self) -> Output {
        self.output.look()
    }
}

/// Reads a pipe into a ring.
pub(crate) struct Collector {
    keep: usize,
    state: Mutex<State>,
    /// Set once more was printed than is kept.
    exceeded: Arc<AtomicBool>,
}

struct State {
    pipe: Option<File>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Collector {
    /// Reads until all writers are gone. `exceeded` is set when something could not be kept.
    pub(crate) fn start(
        pipe: OwnedFd,
        keep: u64,
        exceeded: Arc<AtomicBool>,
    ) -> io::Result<Arc<Self>> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let waiting = pipe.try_clone()?;
        let state = State {
            pipe: Some(pipe.into()),
            tail: VecDeque::new(),
            total: 0,
        };
        let keep = usize::try_from(keep).unwrap_or(usize::MAX).max(1);
        let collector = Arc::new(Self {
            keep,
            state: Mutex::new(state),
            exceeded,
        });
        let reader = Arc::clone(&collector);
        std::thread::Builder::new()
            .name("output".into())
            .spawn(move || {
                loop {
                    let mut ready = [PollFd::new(waiting.as_fd(), PollFlags::POLLIN)];
                    // An interrupted wait is tried again by reading nothing.
                    let _ = poll(&mut ready, PollTimeout::NONE);
                    if !reader.read_available() {
                        return;
                    }
                }
            })?;
        Ok(collector)
    }

    /// What came until now.
    pub(crate) fn look(&self) -> Output {
        self.read_available();
        let state = self.lock();
        Output {
            tail: Hostile::new(Vec::from(state.tail.clone())),
            total: state.total,
            truncated: state.total > state.tail.len() as u64,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Takes what is in the pipe; `false` once it has ended or was closed.
    fn read_available(&self) -> bool {
        let mut state = self.lock();
        let mut buffer = [0; 16 << 10];
        loop {
            let Some(pipe) = &mut state.pipe else {
                return false;
            };
            match pipe.read(&mut buffer) {
                Ok(0) => state.pipe = None,
                Ok(length) => self.keep(&mut state, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => state.pipe = None,
            }
            if state.total > FLOOD.saturating_mul(self.keep as u64) {
                state.pipe = None;
            }
        }
    }

    fn keep(&self, state: &mut State, bytes: &[u8]) {
        state.total += bytes.len() as u64;
        state.tail.extend(bytes);
        let surplus = state.tail.len().saturating_sub(self.keep);
        if surplus > 0 {
            state.tail.drain(..surplus);
            self.exceeded.store(true, Ordering::Relaxed);
        }
    }
}

/// Hands out the lines of a pipe.
pub(crate) fn lines(pipe: OwnedFd) -> io::Result<Receiver<Hostile>> {
    let (sender, receiver) = sync_channel(WAITING_LINES);
    std::thread::Builder::new()
        .name("report".into())
        .spawn(move || send_lines(BufReader::new(File::from(pipe)), &sender))?;
    Ok(receiver)
}

fn send_lines(mut pipe: BufReader<File>, sender: &SyncSender<Hostile>) {
    for _ in 0..MAX_LINES {
        let mut line = Vec::new();
        match (&mut pipe)
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() == MAX_LINE && pipe.skip_until(b'\n').is_err() {
            return;
        }
        if sender.send(Hostile::new(line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn pipe() -> (OwnedFd, File) {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        (read, write.into())
    }

    #[test]
    fn the_last_bytes_are_kept_and_the_rest_is_counted() {
        let (read, mut write) = pipe();
        let exceeded = Arc::new(AtomicBool::new(false));
        let collector = Collector::start(read, 4, Arc::clone(&exceeded)).unwrap();
        write.write_all(b"abcdefgh").unwrap();
        collector.read_available();
        let state = collector.lock();
        assert_eq!(Vec::from(state.tail.clone()), b"efgh");
        assert_eq!(state.total, 8);
        assert!(exceeded.load(Ordering::Relaxed));
    }

    #[test]
    fn a_flood_ends_with_a_broken_pipe() {
        let (read, mut write) = pipe();
        let _collector = Collector::start(read, 16, Arc::default()).unwrap();
        let broken = (0..1000).find_map(|_| write.write_all(&[b'x'; 4096]).err());
        assert_eq!(broken.unwrap().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
        let (read, mut write) = pipe();
        let receiver = lines(read).unwrap();
        let writer = std::thread::spawn(move || {
            write.write_all(&vec![b'x'; 3 * MAX_LINE]).unwrap();
            write.write_all(b"\nnext\nlast").unwrap();
        });
        let lengths: Vec<_> = receiver.iter().map(|line| line.len()).collect();
        writer.join().unwrap();
        assert_eq!(lengths, [MAX_LINE, 4, 4]);
    }
}

//! Bounded reading of a sample's memory. Every address comes from the sample and may be nonsense.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use apa_model::Hostile;

use crate::sys;

/// The kernel takes no longer path.
const MAX_PATH: usize = libc::PATH_MAX as usize;
/// Arguments kept.
const MAX_ARGS: usize = 256;
/// Bytes of one argument kept.
const MAX_ARG: usize = 32 << 10;
/// Bytes of all arguments kept.
const MAX_ARGV: usize = 256 << 10;

/// The memory a call's pointers lead into.
pub(crate) struct Memory {
    tid: i32,
    /// `/proc/PID/mem`, open: a third cheaper than naming the process each time.
    file: Option<Arc<File>>,
}

impl Memory {
    pub(crate) fn new(tid: i32, file: Option<Arc<File>>) -> Self {
        Self { tid, file }
    }

    /// Reads up to the first page that cannot be read and says how many bytes that gave.
    fn read(&self, address: u64, buffer: &mut [u8]) -> Option<usize> {
        match &self.file {
            Some(file) => file.read_at(buffer, address).ok(),
            None => sys::read_memory(self.tid, address, buffer).ok(),
        }
    }
}

/// Reads a text that ends in NUL, at most a path long. `None`: the memory cannot be read, in which case the call
/// itself will fail. A text without an end is given as far as it goes.
pub(crate) fn path(memory: &Memory, address: u64) -> Option<Vec<u8>> {
    text(memory, address, MAX_PATH)
}

fn text(memory: &Memory, address: u64, max: usize) -> Option<Vec<u8>> {
    // Most texts are short: reading little first is cheaper than a whole page.
    let mut buffer = [0u8; 256];
    let read = memory.read(address, &mut buffer)?;
    if let Some(end) = buffer[..read].iter().position(|&byte| byte == 0) {
        return Some(buffer[..end].to_vec());
    }
    let mut long = vec![0u8; max];
    let read = memory.read(address, &mut long)?;
    let end = long[..read].iter().position(|&byte| byte == 0);
    if end.is_none() && read < max {
        return None;
    }
    long.truncate(end.unwrap_or(read));
    Some(long)
}

/// Reads exactly `N` bytes.
pub(crate) fn bytes<const N: usize>(memory: &Memory, address: u64) -> Option<[u8; N]> {
    let mut buffer = [0u8; N];
    let read = memory.read(address, &mut buffer)?;
    (read == N).then_some(buffer)
}

/// Reads up to `length` bytes, at most `max`.
pub(crate) fn up_to(memory: &Memory, address: u64, length: u64, max: usize) -> Option<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(max).min(max);
    let mut buffer = vec![0u8; length];
    let read = memory.read(address, &mut buffer)?;
    buffer.truncate(read);
    Some(buffer)
}

/// The `index`th 64-bit number of a structure.
pub(crate) fn word(structure: &[u8], index: usize) -> u64 {
    structure
        .get(index * 8..index * 8 + 8)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u64::from_ne_bytes)
}

/// Reads an argument list. What is cut shows `…`; what cannot be read shows as an empty argument.
pub(crate) fn arguments(memory: &Memory, address: u64) -> Vec<Hostile> {
    let mut arguments = Vec::new();
    let mut room = MAX_ARGV;
    if address == 0 {
        return arguments;
    }
    for index in 0..=MAX_ARGS as u64 {
        let slot = address.wrapping_add(8 * index);
        let pointer = bytes::<8>(memory, slot).map_or(0, u64::from_ne_bytes);
        if pointer == 0 {
            break;
        }
        if arguments.len() == MAX_ARGS || room == 0 {
            arguments.push("…".into());
            break;
        }
        let limit = MAX_ARG.min(room);
        let argument = Hostile::from(text(memory, pointer, limit + 1).unwrap_or_default());
        room = room.saturating_sub(argument.len());
        arguments.push(argument.shortened(limit));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of reading this process's own memory.
    fn own() -> [Memory; 2] {
        let file = File::open("/proc/self/mem").unwrap();
        let pid = std::process::id() as i32;
        [
            Memory::new(pid, None),
            Memory::new(pid, Some(Arc::new(file))),
        ]
    }

    #[test]
    fn texts_are_read_across_lengths_and_bad_addresses_give_nothing() {
        let long = [vec![b'x'; 1000], vec![0]].concat();
        let endless = vec![b'y'; 3 * MAX_PATH];
        for own in &own() {
            assert_eq!(path(own, c"abc".as_ptr() as u64).unwrap(), b"abc");
            assert_eq!(path(own, long.as_ptr() as u64).unwrap().len(), 1000);
            let cut = path(own, endless.as_ptr() as u64).unwrap();
            assert_eq!(cut.len(), MAX_PATH);
            for nonsense in [8, u64::MAX - 3, 1 << 63] {
                assert_eq!(path(own, nonsense), None);
            }
        }
    }

    #[test]
    fn arguments_are_bounded_visibly() {
        let mut pointers = vec![c"a".as_ptr() as u64; 300];
        pointers.push(0);
        let huge = std::ffi::CString::new(vec![b'z'; 100_000]).unwrap();
        let two = [huge.as_ptr() as u64, 0];
        for own in &own() {
            let many = arguments(own, pointers.as_ptr() as u64);
            assert_eq!((many.len(), many[256].to_string()), (257, "…".to_owned()));
            let cut = arguments(own, two.as_ptr() as u64);
            assert_eq!(cut[0].len(), MAX_ARG + "…".len());
            assert!(arguments(own, 8).is_empty());
        }
    }
}

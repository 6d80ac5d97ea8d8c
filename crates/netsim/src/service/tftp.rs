//! Trivial file transfer: every file can be fetched, every file is taken.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use apa_model::{FlowMessage, Protocol};

use super::datagram::{Call, Heard, message};
use crate::record::Held;
use crate::shared::{Shared, lock};
use crate::uploads::{Node, resolve};

/// Transfers under way at once.
const TRANSFERS: usize = 256;
/// Bytes of a block where none are agreed on, and at most.
const BLOCK: usize = 512;
const LARGEST: usize = 8192;

enum Transfer {
    /// The client fetches.
    Out { bytes: Arc<Vec<u8>>, block: usize },
    /// The client stores.
    In {
        name: String,
        body: Held,
        block: usize,
        next: u16,
    },
}

/// Transfers by both their ends.
#[derive(Default)]
pub(crate) struct Transfers(Mutex<HashMap<(SocketAddr, SocketAddr), Transfer>>);

/// Answers a datagram of a transfer; `None` when it is none.
pub(crate) fn hear(call: Call<'_>, shared: &Arc<Shared>) -> Option<Heard> {
    let between = (call.source, call.destination);
    let (operation, rest) = call.bytes.split_first_chunk::<2>()?;
    let running = lock(&shared.transfers.0).contains_key(&between);
    match u16::from_be_bytes(*operation) {
        1 | 2 if call.port == 69 => begin(between, operation[1] == 2, rest, shared),
        3 if running => store(between, rest, shared),
        4 if running => send_on(between, rest, shared),
        5 if running => {
            lock(&shared.transfers.0).remove(&between);
            Some(heard(b"ERROR", ""))
        }
        _ => None,
    }
}

fn heard(summary: &[u8], answer: &str) -> Heard {
    Heard {
        held: false,
        ..Heard::new("tftp", Protocol::Tftp, summary, answer)
    }
}

/// A part of a transfer: nothing to note.
fn silent(reply: Option<Vec<u8>>) -> Heard {
    let mut heard = heard(b"", "");
    heard.message = None;
    heard.replies.extend(reply);
    heard
}

fn begin(
    between: (SocketAddr, SocketAddr),
    stores: bool,
    rest: &[u8],
    shared: &Arc<Shared>,
) -> Option<Heard> {
    let words: Vec<String> = rest
        .split(|b| *b == 0)
        .take(16)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let (name, options) = (words.first()?, words.get(2..).unwrap_or_default());
    let path = resolve("/", name);
    let file = (!stores).then(|| content(shared, between.1, &path));
    let mut block = BLOCK;
    let mut agreed = Vec::new();
    for pair in options.chunks_exact(2) {
        let value = match &pair[0].to_ascii_lowercase()[..] {
            "blksize" => {
                block = pair[1].parse().unwrap_or(BLOCK).clamp(8, LARGEST);
                block.to_string()
            }
            "tsize" => file
                .as_ref()
                .map_or_else(|| pair[1].clone(), |bytes| bytes.len().to_string()),
            "timeout" => pair[1].clone(),
            _ => continue,
        };
        agreed.extend_from_slice(format!("{}\0{value}\0", pair[0]).as_bytes());
    }
    let mut transfers = lock(&shared.transfers.0);
    if transfers.len() >= TRANSFERS {
        transfers.clear();
    }
    let verb = if stores { "WRQ" } else { "RRQ" };
    let summary = format!("{verb} {name}");
    let reply = match (agreed.is_empty(), &file) {
        (false, _) => [&[0, 6][..], &agreed].concat(),
        (true, Some(bytes)) => part(bytes, BLOCK, 1),
        (true, None) => vec![0, 4, 0, 0],
    };
    let answer = file
        .as_ref()
        .map_or_else(String::new, |bytes| format!("{} bytes", bytes.len()));
    transfers.insert(
        between,
        match file {
            Some(bytes) => Transfer::Out { bytes, block },
            None => {
                let body = Held::new(shared, shared.config.max_body_bytes);
                Transfer::In {
                    name: path,
                    body,
                    block,
                    next: 1,
                }
            }
        },
    );
    let mut heard = heard(summary.as_bytes(), &answer);
    heard.replies.push(reply);
    Some(heard)
}

fn content(shared: &Shared, server: SocketAddr, path: &str) -> Arc<Vec<u8>> {
    match shared.uploads.get(&server.ip().to_string(), path) {
        Some(Node::File(bytes)) => bytes,
        _ => Arc::new(crate::answers::sample_file(path, &server.ip().to_string())),
    }
}

/// One block, as it is sent; the last one is shorter than the others, if only empty.
fn part(bytes: &[u8], block: usize, number: u16) -> Vec<u8> {
    let start = (usize::from(number) - 1)
        .saturating_mul(block)
        .min(bytes.len());
    let end = (start + block).min(bytes.len());
    [&[0, 3], &number.to_be_bytes()[..], &bytes[start..end]].concat()
}

fn send_on(between: (SocketAddr, SocketAddr), rest: &[u8], shared: &Shared) -> Option<Heard> {
    let number = u16::from_be_bytes(*rest.first_chunk()?);
    let mut transfers = lock(&shared.transfers.0);
    let Transfer::Out { bytes, block } = transfers.get(&between)? else {
        return Some(silent(None));
    };
    let done = number > 0 && usize::from(number) * block > bytes.len();
    match number.checked_add(1).filter(|_| !done) {
        Some(next) => Some(silent(Some(part(bytes, *block, next)))),
        None => {
            transfers.remove(&between);
            Some(silent(None))
        }
    }
}

fn store(between: (SocketAddr, SocketAddr), rest: &[u8], shared: &Shared) -> Option<Heard> {
    let (number, data) = rest.split_first_chunk::<2>()?;
    let acknowledged = [&[0, 4][..], number].concat();
    let mut transfers = lock(&shared.transfers.0);
    let Transfer::In {
        body, block, next, ..
    } = transfers.get_mut(&between)?
    else {
        return Some(silent(None));
    };
    // A block that comes again is acknowledged again.
    if u16::from_be_bytes(*number) != *next {
        return Some(silent(Some(acknowledged)));
    }
    body.push(data);
    *next = next.wrapping_add(1);
    if data.len() >= *block {
        return Some(silent(Some(acknowledged)));
    }
    let Some(Transfer::In { name, body, .. }) = transfers.remove(&between) else {
        return None;
    };
    let bytes = Arc::new(body.as_slice().to_vec());
    shared
        .uploads
        .put(&between.1.ip().to_string(), &name, Node::File(bytes));
    let mut heard = silent(Some(acknowledged));
    heard.message = Some(FlowMessage {
        headers: vec![("path".into(), name.as_str().into())],
        ..message(b"stored", body.total, "")
    });
    heard.body = Some(body);
    Some(heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_with_a_shorter_one() {
        let bytes = [7_u8; 1024];
        assert_eq!(part(&bytes, 512, 2).len(), 516);
        assert_eq!(part(&bytes, 512, 3), [0, 3, 0, 3]);
        assert_eq!(part(&bytes, 512, u16::MAX).len(), 4);
    }
}

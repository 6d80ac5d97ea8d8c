//! Finds a run's bait secrets in bytes, as they stand and through layers of encoding.
//!
//! Layer names are stable: `base64`, `hex`, `base32`, `url`, `form`, `json`, `gzip`, `zlib`, `deflate`, `zip`,
//! `multipart`, `utf-16`, `reversed`, `xor`, and `unwrapped` (white space taken out).

mod needles;
mod packed;
mod runs;
mod text;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use apa_model::{Canary, CanaryHit, Hostile};

use needles::{Found, Needles};
use runs::{ALPHABETS, Alphabet, Run};

/// Decoders applied one after the other, at most.
const DEPTH: u8 = 4;
/// Decoded pieces looked at per scan.
const NODES: usize = 4096;
/// Bytes decoded per scan, beside four times the input.
const BYTES: usize = 64 << 20;
/// Bytes unpacked from one stream.
const UNPACKED: usize = 16 << 20;
const TIME: Duration = Duration::from_secs(5);
/// Longest pieces of a decoder that are looked at by themselves; the others are put together.
const SINGLE: usize = 8;
/// Longest piece that is turned round just in case.
const TURNED: usize = 64 << 10;
/// Longest excerpt of a hit, bytes.
const EXCERPT: usize = 120;

/// Searches bytes for the secrets of one run. Build it once; scanning needs no lock.
pub struct Matcher {
    ids: Vec<String>,
    needles: Needles,
}

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// At most one hit a canary, through the most ordinary decoders that show it.
    pub hits: Vec<CanaryHit>,
    /// A budget (bytes, pieces or time) ended before everything was decoded.
    pub gave_up: bool,
}

impl Matcher {
    /// Prepares the search for these baits.
    ///
    /// A secret counts when it is seen whole, or a contiguous part of at least 24 bytes of it, forwards, backwards or
    /// XORed with one byte.
    pub fn new(canaries: &[Canary]) -> Self {
        Self {
            ids: canaries.iter().map(|canary| canary.id.clone()).collect(),
            needles: Needles::new(canaries),
        }
    }

    /// The hits of [`Matcher::search`].
    pub fn scan(&self, bytes: &[u8], origin: &str) -> Vec<CanaryHit> {
        self.search(bytes, origin).hits
    }

    /// Searches `bytes` and whatever up to four decoders make of them. `origin` is the first layer of each hit:
    /// `http.body`, `dns.labels`, `argv`.
    pub fn search(&self, bytes: &[u8], origin: &str) -> Scan {
        if self.needles.is_empty() || bytes.is_empty() {
            return Scan::default();
        }
        let mut hunt = Hunt {
            matcher: self,
            origin,
            done: vec![false; self.ids.len()],
            scan: Scan::default(),
            likely: VecDeque::new(),
            unlikely: VecDeque::new(),
            budget: Budget {
                nodes: NODES,
                bytes: BYTES + 4 * bytes.len(),
                until: Instant::now() + TIME,
            },
        };
        hunt.look_at(&Node::root(), bytes);
        hunt.go_on();
        hunt.scan
    }
}

/// A decoded piece that waits for its turn.
#[derive(Clone, Default)]
struct Node {
    bytes: Vec<u8>,
    layers: Vec<&'static str>,
    depth: u8,
    /// Only turned round: secrets are searched in both directions anyway.
    turned: bool,
    /// It is whatever it is, so that all decoders apply.
    whole: bool,
}

impl Node {
    fn root() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// What `layer` made of this piece. `json` and `form` are said once for a text and its escapes.
    fn child(&self, layers: &[&'static str], layer: &'static str, bytes: Vec<u8>) -> Self {
        let mut layers = layers.to_vec();
        if !(matches!(layer, "json" | "form") && layers.last() == Some(&layer)) {
            layers.push(layer);
        }
        Self {
            bytes,
            layers,
            depth: self.depth + 1,
            turned: false,
            whole: false,
        }
    }
}

struct Budget {
    nodes: usize,
    bytes: usize,
    until: Instant,
}

struct Hunt<'a> {
    matcher: &'a Matcher,
    origin: &'a str,
    done: Vec<bool>,
    scan: Scan,
    /// Readable and unpacked pieces.
    likely: VecDeque<Node>,
    /// Pieces that look like nothing, or were turned round: only once nothing better is left.
    unlikely: VecDeque<Node>,
    budget: Budget,
}

impl Hunt<'_> {
    fn go_on(&mut self) {
        while let Some(node) = self
            .likely
            .pop_front()
            .or_else(|| self.unlikely.pop_front())
        {
            if self.done.iter().all(|done| *done) {
                return;
            }
            if Instant::now() > self.budget.until {
                self.scan.gave_up = true;
                return;
            }
            self.look_at(&node, &node.bytes);
        }
    }

    /// Searches one piece and queues what decoders make of it.
    fn look_at(&mut self, node: &Node, bytes: &[u8]) {
        let is_text = text::is_text(bytes);
        let mut layers = node.layers.clone();
        if (is_text || node.whole)
            && let Some(container) = text::container(bytes)
            && layers.last() != Some(&container)
        {
            layers.push(container);
        }
        if !node.turned {
            self.find(bytes, &layers);
            if let Some(squeezed) = is_text.then(|| text::squeeze(bytes)).flatten() {
                layers.push("unwrapped");
                self.find(&squeezed, &layers);
                layers.pop();
            }
        }
        if node.depth == DEPTH {
            return;
        }
        if is_text || node.whole {
            self.decode_text(node, bytes, &layers);
        }
        if node.whole || !is_text || !bytes.is_ascii() {
            self.decode_binary(node, bytes, &layers, is_text);
        }
    }

    fn decode_text(&mut self, node: &Node, bytes: &[u8], layers: &[&'static str]) {
        let stretches = runs::stretches(bytes);
        for alphabet in &ALPHABETS {
            let found = alphabet.runs(bytes, &stretches);
            self.decode_runs(node, bytes, layers, alphabet, &found);
        }
        let spaced = runs::spaced_hex(bytes);
        let encoded = !stretches.is_empty()
            || !spaced.is_empty()
            || bytes.iter().any(|byte| matches!(byte, b'%' | b'\\'));
        let others = [
            ("hex", Some(spaced).filter(|spaced| !spaced.is_empty())),
            ("url", text::percent(bytes, false)),
            ("form", text::percent(bytes, true)),
            ("json", text::unescape(bytes)),
        ];
        for (layer, decoded) in others {
            if let Some(decoded) = decoded {
                self.push(node.child(layers, layer, decoded));
            }
        }
        for value in text::binary_values(bytes) {
            self.push(node.child(layers, "url", value));
        }
        if encoded && !node.turned {
            self.push_turned(node, bytes, layers);
        }
    }

    /// Decodes each run at each alignment: text may precede it without a gap. Short results are put together, so that
    /// prose, which is full of short runs, stays cheap.
    fn decode_runs(
        &mut self,
        node: &Node,
        bytes: &[u8],
        layers: &[&'static str],
        alphabet: &Alphabet,
        runs: &[Run],
    ) {
        let mut readable = Vec::new();
        let mut other = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            for skip in 0..alphabet.alignments {
                let mut piece = Vec::with_capacity(run.length);
                alphabet.decode(bytes, run, skip, &mut piece);
                if !self.afford(piece.len()) {
                    return;
                }
                if text::is_text(&piece) {
                    readable.extend_from_slice(&piece);
                    readable.push(b'\n');
                } else if index < SINGLE {
                    self.push(node.child(layers, alphabet.name, piece));
                } else {
                    other.extend_from_slice(&piece);
                    other.push(b'\n');
                }
            }
        }
        for pile in [readable, other] {
            if !pile.is_empty() {
                self.push(node.child(layers, alphabet.name, pile));
            }
        }
    }

    fn decode_binary(&mut self, node: &Node, bytes: &[u8], layers: &[&'static str], is_text: bool) {
        let parts = packed::multipart(bytes);
        for part in &parts {
            let mut child = node.child(layers, "multipart", part.to_vec());
            child.whole = true;
            self.push(child);
        }
        if parts.is_empty() {
            self.unpack(node, bytes, layers);
        }
        if let Some(narrow) = text::narrow(bytes) {
            self.push(node.child(layers, "utf-16", narrow));
        }
        if !is_text && !node.turned {
            self.push_turned(node, bytes, layers);
        }
    }

    fn unpack(&mut self, node: &Node, bytes: &[u8], layers: &[&'static str]) {
        let (unpacked, short) = packed::unpack(bytes, UNPACKED.min(self.budget.bytes));
        self.scan.gave_up |= short;
        for stream in unpacked {
            let mut child = node.child(layers, stream.name, stream.bytes);
            child.whole = true;
            self.push(child);
        }
    }

    /// Queues the piece backwards. Large binary data is turned only when a stream seems to end it.
    fn push_turned(&mut self, node: &Node, bytes: &[u8], layers: &[&'static str]) {
        let tail = [bytes.last().copied(), bytes.iter().nth_back(1).copied()]
            .map(Option::unwrap_or_default);
        let promising = tail == [0x1f, 0x8b] || packed::is_zlib(&tail) || text::is_text(bytes);
        if bytes.len() > TURNED && !promising {
            return;
        }
        let mut child = node.child(layers, "reversed", bytes.iter().rev().copied().collect());
        child.turned = true;
        self.push(child);
    }

    fn push(&mut self, node: Node) {
        if self.budget.nodes == 0 {
            self.scan.gave_up = true;
        } else if node.bytes.len() >= 8 && self.afford(node.bytes.len()) {
            self.budget.nodes -= 1;
            let likely = node.whole || (!node.turned && text::is_text(&node.bytes));
            let queue = if likely {
                &mut self.likely
            } else {
                &mut self.unlikely
            };
            queue.push_back(node);
        }
    }

    fn afford(&mut self, bytes: usize) -> bool {
        let enough = self.budget.bytes >= bytes;
        self.budget.bytes = self.budget.bytes.saturating_sub(bytes);
        self.scan.gave_up |= !enough;
        enough
    }

    fn find(&mut self, bytes: &[u8], layers: &[&'static str]) {
        for found in self.matcher.needles.search(bytes, &mut self.done) {
            let marks = [(found.reversed, "reversed"), (found.key != 0, "xor")];
            let marks = marks
                .iter()
                .filter(|(is_so, _)| *is_so)
                .map(|(_, name)| *name);
            self.scan.hits.push(CanaryHit {
                canary: self.matcher.ids[found.canary].clone(),
                layers: std::iter::once(self.origin)
                    .chain(layers.iter().copied())
                    .chain(marks)
                    .map(str::to_owned)
                    .collect(),
                excerpt: excerpt(bytes, &found),
            });
        }
    }
}

/// The match with a little of what surrounds it, readable.
fn excerpt(bytes: &[u8], found: &Found) -> Hostile {
    let start = found.start.saturating_sub(24);
    let end = bytes.len().min(found.end + 24).min(start + EXCERPT);
    let mut excerpt: Vec<u8> = bytes[start..end]
        .iter()
        .map(|byte| byte ^ found.key)
        .collect();
    if found.reversed {
        excerpt.reverse();
    }
    Hostile::new(excerpt)
}

//! Decoders of text: base64, hexadecimal, base32, percent encoding, JSON escapes.

use std::ops::Range;

const BAD: u8 = 0xFF;
/// Encoded values looked at by themselves.
const VALUES: usize = 32;

/// An alphabet in which runs of text are recognised and decoded.
pub(super) struct Alphabet {
    /// Layer name.
    pub(super) name: &'static str,
    /// Value per byte, `BAD` outside the alphabet.
    values: [u8; 256],
    /// Bits a character carries.
    bits: u32,
    /// Shortest run worth decoding, characters.
    shortest: usize,
    /// Characters after which a byte boundary recurs: so many ways to cut a run.
    pub(super) alignments: usize,
}

/// The alphabets, tried in this order.
pub(super) static ALPHABETS: [Alphabet; 4] = [
    Alphabet {
        name: "base64",
        values: base64_values(),
        bits: 6,
        shortest: 18,
        alignments: 4,
    },
    Alphabet {
        name: "hex",
        values: hex_values(),
        bits: 4,
        shortest: 24,
        alignments: 2,
    },
    Alphabet {
        name: "base32",
        values: base32_values(b'A'),
        bits: 5,
        shortest: 20,
        alignments: 8,
    },
    Alphabet {
        name: "base32",
        values: base32_values(b'a'),
        bits: 5,
        shortest: 20,
        alignments: 8,
    },
];

const fn base64_values() -> [u8; 256] {
    let mut table = [BAD; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < letters.len() {
        table[letters[at] as usize] = at as u8;
        at += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
}

const fn hex_values() -> [u8; 256] {
    let mut table = [BAD; 256];
    let mut at = 0;
    while at < 10 {
        table[(b'0' + at) as usize] = at;
        at += 1;
    }
    at = 0;
    while at < 6 {
        table[(b'a' + at) as usize] = 10 + at;
        table[(b'A' + at) as usize] = 10 + at;
        at += 1;
    }
    table
}

const fn base32_values(first: u8) -> [u8; 256] {
    let mut table = [BAD; 256];
    let mut at = 0;
    while at < 26 {
        table[(first + at) as usize] = at;
        at += 1;
    }
    at = 0;
    while at < 6 {
        table[(b'2' + at) as usize] = 26 + at;
        at += 1;
    }
    table
}

/// A run of one alphabet: its pieces, cut only where a line was wrapped.
pub(super) struct Run {
    pieces: Vec<Range<usize>>,
    /// Characters in all pieces.
    pub(super) length: usize,
}

/// Stretches of text that may hold runs of any alphabet: base64 has the characters of all others.
pub(super) fn stretches(text: &[u8]) -> Vec<Range<usize>> {
    let runs = ALPHABETS[0].runs_in(text, 0..text.len());
    let mut spans: Vec<Range<usize>> = runs
        .iter()
        .filter_map(|run| Some(run.pieces.first()?.start..run.pieces.last()?.end))
        .collect();
    spans.sort_by_key(|span| span.start);
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match stretches.last_mut() {
            Some(open) if span.start < open.end => open.end = open.end.max(span.end),
            _ => stretches.push(span),
        }
    }
    stretches
}

impl Alphabet {
    /// Runs long enough to hold something, longest first. A run that goes on over line ends is given as a whole and,
    /// unless it is evenly wrapped, once for each long line.
    pub(super) fn runs(&self, text: &[u8], stretches: &[Range<usize>]) -> Vec<Run> {
        let within = |stretch: &Range<usize>| self.runs_in(text, stretch.clone());
        let mut runs: Vec<Run> = stretches.iter().flat_map(within).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.length));
        runs
    }

    fn runs_in(&self, text: &[u8], stretch: Range<usize>) -> Vec<Run> {
        let text = &text[..stretch.end];
        let mut runs = Vec::new();
        let mut pieces: Vec<Range<usize>> = Vec::new();
        let mut at = stretch.start;
        while at < text.len() {
            let start = at;
            while at < text.len() && self.holds(text[at]) {
                at += 1;
            }
            if at > start {
                pieces.push(start..at);
                let gap = line_end(&text[at..]);
                if gap > 0 {
                    at += gap;
                    continue;
                }
            }
            if !pieces.is_empty() {
                self.emit(&mut pieces, &mut runs);
            }
            at += 1;
        }
        self.emit(&mut pieces, &mut runs);
        runs
    }

    /// Turns pieces that follow each other into runs.
    fn emit(&self, pieces: &mut Vec<Range<usize>>, runs: &mut Vec<Run>) {
        let (first, rest) = match &pieces[..] {
            [] => return,
            [first, rest @ ..] => (first.len(), rest),
        };
        let wrapped = match rest {
            [] => false,
            [middle @ .., last] => {
                first >= 32
                    && middle.iter().all(|piece| piece.len() == first)
                    && last.len() <= first
            }
        };
        if !wrapped {
            for piece in pieces.iter().filter(|piece| piece.len() >= self.shortest) {
                runs.push(Run {
                    pieces: vec![piece.clone()],
                    length: piece.len(),
                });
            }
        }
        let length = pieces.iter().map(ExactSizeIterator::len).sum();
        if pieces.len() > 1 && length >= self.shortest {
            runs.push(Run {
                pieces: pieces.clone(),
                length,
            });
        }
        pieces.clear();
    }

    fn holds(&self, byte: u8) -> bool {
        self.values[usize::from(byte)] != BAD
    }

    /// Decodes a run after leaving out its first `skip` characters. Bits that fill no byte are dropped.
    pub(super) fn decode(&self, text: &[u8], run: &Run, mut skip: usize, out: &mut Vec<u8>) {
        let mut held = 0_u32;
        let mut bits = 0;
        for piece in &run.pieces {
            let left_out = skip.min(piece.len());
            skip -= left_out;
            for byte in &text[piece.start + left_out..piece.end] {
                held = (held << self.bits) | u32::from(self.values[usize::from(*byte)]);
                bits += self.bits;
                if bits >= 8 {
                    bits -= 8;
                    out.push((held >> bits) as u8);
                }
            }
        }
    }
}

/// Length of a line end at the start of `text`, with the blanks of a folded line.
fn line_end(text: &[u8]) -> usize {
    let breaks = text
        .iter()
        .take_while(|b| matches!(b, b'\r' | b'\n'))
        .count();
    if breaks == 0 {
        return 0;
    }
    breaks
        + text[breaks..]
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count()
}

/// Pairs of hexadecimal digits with a separator between them (`41:42:43`, `41 42 43`, `0x41,0x42`).
pub(super) fn spaced_hex(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at + 2 < text.len() {
        if !is_separator(text[at + 2]) || !is_hex(text[at]) || !is_hex(text[at + 1]) {
            at += 1;
            continue;
        }
        let start = out.len();
        let end = spaced_pairs(text, at, &mut out);
        if out.len() - start < 12 {
            out.truncate(start);
            at += 1;
        } else {
            out.push(b'\n');
            at = end;
        }
    }
    out
}

/// Reads separated pairs from `at` on; returns where they end.
fn spaced_pairs(text: &[u8], mut at: usize, out: &mut Vec<u8>) -> usize {
    let values = &ALPHABETS[1].values;
    loop {
        if text[at..].starts_with(b"0x") {
            at += 2;
        }
        let [high, low, ..] = text[at..] else {
            return at;
        };
        let (high, low) = (values[usize::from(high)], values[usize::from(low)]);
        if high == BAD || low == BAD {
            return at;
        }
        out.push(high << 4 | low);
        at += 2;
        let gap = text[at..]
            .iter()
            .take(3)
            .take_while(|b| is_separator(**b))
            .count();
        if !(1..=2).contains(&gap) {
            return at;
        }
        at += gap;
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b':' | b',' | b'\n')
}

fn is_hex(byte: u8) -> bool {
    ALPHABETS[1].holds(byte)
}

/// Undoes `%41`; `plus` also turns `+` into a blank, as forms do. `None` where there is nothing to undo.
pub(super) fn percent(text: &[u8], plus: bool) -> Option<Vec<u8>> {
    if !text.contains(&if plus { b'+' } else { b'%' }) {
        return None;
    }
    let digit = |byte: Option<&u8>| {
        byte.map(|b| ALPHABETS[1].values[usize::from(*b)])
            .filter(|value| *value != BAD)
    };
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut changed = false;
    while at < text.len() {
        match (text[at], digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
                changed = true;
                continue;
            }
            (b'+', ..) if plus => {
                out.push(b' ');
                changed = true;
            }
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    changed.then_some(out)
}

/// Percent-encoded values (of a form, in quotes) that are binary once they are decoded, the first few. They are
/// wanted without what surrounds them: a deflate stream is only recognised at its start.
pub(super) fn binary_values(text: &[u8]) -> Vec<Vec<u8>> {
    if !text.contains(&b'%') {
        return Vec::new();
    }
    text.split(|b| b.is_ascii_whitespace() || b"&=\"'<>".contains(b))
        .filter_map(|value| percent(value, false).filter(|decoded| !is_text(decoded)))
        .take(VALUES)
        .collect()
}

/// Undoes the escapes of JSON strings (and `\xNN`) in the whole text. `None` where there are none.
pub(super) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'\\') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut changed = false;
    while at < text.len() {
        let (bytes, used) = if text[at] == b'\\' {
            escape(&text[at + 1..])
        } else {
            (None, 0)
        };
        match bytes {
            Some(character) => {
                let mut buffer = [0; 4];
                if character <= '\u{ff}' && text[at + 1] == b'x' {
                    out.push(character as u32 as u8);
                } else {
                    out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
                }
                at += 1 + used;
                changed = true;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

/// The character that follows a backslash stands for, and how many bytes spell it.
fn escape(after: &[u8]) -> (Option<char>, usize) {
    let number = |digits: usize| {
        after
            .get(1..=digits)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32)
    };
    match after.first() {
        Some(b'n') => (Some('\n'), 1),
        Some(b't') => (Some('\t'), 1),
        Some(b'r') => (Some('\r'), 1),
        Some(b'b') => (Some('\u{8}'), 1),
        Some(b'f') => (Some('\u{c}'), 1),
        Some(c @ (b'"' | b'\\' | b'/' | b'\'')) => (Some(char::from(*c)), 1),
        Some(b'u') => (number(4), 5),
        Some(b'x') => (number(2), 3),
        _ => (None, 0),
    }
}

/// UTF-16 text of mostly Latin letters with its zero bytes taken out.
pub(super) fn narrow(bytes: &[u8]) -> Option<Vec<u8>> {
    let zeros = bytes.iter().filter(|b| **b == 0).count();
    (bytes.len() >= 24 && zeros * 5 >= bytes.len() * 2)
        .then(|| bytes.iter().filter(|b| **b != 0).copied().collect())
}

/// The text without white space, if it has any.
pub(super) fn squeeze(text: &[u8]) -> Option<Vec<u8>> {
    let squeezed: Vec<u8> = text
        .iter()
        .filter(|b| !b.is_ascii_whitespace())
        .copied()
        .collect();
    (squeezed.len() != text.len()).then_some(squeezed)
}

/// Whether bytes are mostly readable, so that text decoders may find something in them.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let plain = |b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    let sample = &bytes[..bytes.len().min(4096)];
    let readable = sample.iter().filter(|b| plain(b)).count();
    readable * 20 >= sample.len() * 17
        || (readable * 2 >= sample.len()
            && !sample.contains(&0)
            && std::str::from_utf8(bytes).is_ok())
}

/// What kind of container a text is, for the layer chain: it needs no decoding by itself.
pub(super) fn container(text: &[u8]) -> Option<&'static str> {
    let trimmed = text.trim_ascii();
    let (first, last) = (trimmed.first()?, trimmed.last()?);
    if matches!((first, last), (b'{', b'}') | (b'[', b']')) {
        return Some("json");
    }
    let name = trimmed
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%')
        })
        .count();
    let is_form = name > 0
        && name <= 64
        && trimmed.get(name) == Some(&b'=')
        && trimmed.get(name + 1).is_some_and(|b| *b != b'=')
        && !trimmed.iter().any(u8::is_ascii_whitespace);
    is_form.then_some("form")
}

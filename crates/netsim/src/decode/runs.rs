//! Runs of base64, hexadecimal and base32 in text, wherever they stand.

use std::ops::Range;

const BAD: u8 = 0xFF;

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
        if !is_separator(text[at + 2])
            || hex_digit(text[at]).is_none()
            || hex_digit(text[at + 1]).is_none()
        {
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
    loop {
        if text[at..].starts_with(b"0x") {
            at += 2;
        }
        let [high, low, ..] = text[at..] else {
            return at;
        };
        let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else {
            return at;
        };
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

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    Some(ALPHABETS[1].values[usize::from(byte)]).filter(|value| *value != BAD)
}

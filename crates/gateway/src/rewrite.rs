//! Metadata with some strings replaced, without building the whole document again.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

/// A JSON document some of whose strings stand for addresses below the gateway.
#[derive(Debug)]
pub(crate) struct Rewritten {
    body: Bytes,
    /// In order, without overlap: what to take out, and the path below the gateway to put there.
    cuts: Vec<(Range<usize>, String)>,
}

impl Rewritten {
    pub(crate) fn new(body: Bytes, mut cuts: Vec<(Range<usize>, String)>) -> Self {
        cuts.sort_unstable_by_key(|(range, _)| range.start);
        Self { body, cuts }
    }

    /// Where a value of the document stands in it.
    pub(crate) fn place(body: &[u8], value: &RawValue) -> Option<Range<usize>> {
        let start = (value.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let end = start.checked_add(value.get().len())?;
        (end <= body.len()).then_some(start..end)
    }

    /// The document for a gateway at `base` (no `/` at its end).
    pub(crate) fn render(&self, base: &str) -> Bytes {
        let added: usize = self
            .cuts
            .iter()
            .map(|(_, path)| path.len() + base.len() + 2)
            .sum();
        let mut out = Vec::with_capacity(self.body.len() + added);
        let mut at = 0;
        for (range, path) in &self.cuts {
            out.extend_from_slice(&self.body[at..range.start]);
            out.push(b'"');
            out.extend_from_slice(base.as_bytes());
            out.extend_from_slice(path.as_bytes());
            out.push(b'"');
            at = range.end;
        }
        out.extend_from_slice(&self.body[at..]);
        out.into()
    }
}

//! Gzip with all its members, as the clients read it.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use flate2::bufread::GzDecoder;

use crate::collect::Collector;

/// Most members read one after another.
const MEMBERS: u32 = 1024;

/// What followed the first member.
#[derive(Default)]
pub(crate) struct Tail {
    /// Members after the first.
    pub(crate) extra_members: Cell<u32>,
    /// Bytes that are neither a member nor padding follow.
    pub(crate) junk: Cell<bool>,
    /// There were more members than are read.
    pub(crate) cut: Cell<bool>,
}

impl Tail {
    /// Records it.
    pub(crate) fn report(&self, out: &mut Collector<'_>) {
        if self.extra_members.get() > 0 {
            let detail = format!("{} gzip members follow the first", self.extra_members.get());
            out.anomaly("extra-gzip-member", b"", detail);
        }
        if self.junk.get() {
            out.anomaly("suffix-data", b"", "data follows the gzip stream");
        }
        if self.cut.get() {
            let detail = "too many gzip members; the rest was not read";
            out.unread("entry-limit", b"", detail);
        }
    }
}

/// Decompresses every member, one after another.
pub(crate) struct Members<R: BufRead> {
    state: Option<State<R>>,
    tail: Rc<Tail>,
}

enum State<R: BufRead> {
    Member(Box<GzDecoder<R>>),
    Between(R),
}

impl<R: BufRead> Members<R> {
    pub(crate) fn new(reader: R) -> (Self, Rc<Tail>) {
        let tail = Rc::new(Tail::default());
        let members = Self {
            state: Some(State::Member(Box::new(GzDecoder::new(reader)))),
            tail: Rc::clone(&tail),
        };
        (members, tail)
    }

    /// Looks at what follows a member: another one, padding, junk or the end.
    fn next_member(&self, mut reader: R) -> io::Result<Option<State<R>>> {
        loop {
            let ahead = reader.fill_buf()?;
            let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
            match ahead.get(zeros) {
                None if ahead.is_empty() => return Ok(None),
                None => reader.consume(zeros),
                Some(0x1f) if zeros == 0 && self.tail.extra_members.get() >= MEMBERS => {
                    self.tail.cut.set(true);
                    return Ok(None);
                }
                // A member starts right behind the one before; the second magic byte may not be buffered yet.
                Some(0x1f) if zeros == 0 && ahead.get(1).is_none_or(|byte| *byte == 0x8b) => {
                    self.tail
                        .extra_members
                        .set(self.tail.extra_members.get() + 1);
                    return Ok(Some(State::Member(Box::new(GzDecoder::new(reader)))));
                }
                Some(_) => {
                    self.tail.junk.set(true);
                    return Ok(None);
                }
            }
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state.take() {
                None => return Ok(0),
                Some(State::Member(mut member)) => {
                    let n = member.read(buffer)?;
                    self.state = Some(if n == 0 {
                        State::Between(member.into_inner())
                    } else {
                        State::Member(member)
                    });
                    if n > 0 {
                        return Ok(n);
                    }
                }
                Some(State::Between(reader)) => self.state = self.next_member(reader)?,
            }
        }
    }
}

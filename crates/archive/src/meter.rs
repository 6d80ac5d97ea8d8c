//! Counts bytes on both sides of a decompressor and stops at the limits.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use thiserror::Error;

use crate::limits::Limits;

/// A limit was hit; carried by the `io::Error` that ends the reading.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    #[error("more than the limit of unpacked bytes")]
    Unpacked,
    #[error("unpacks to far more than was packed (decompression bomb)")]
    Ratio,
}

impl Stop {
    /// The anomaly's kind.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Unpacked => "unpacked-limit",
            Self::Ratio => "ratio-limit",
        }
    }

    /// The limit behind an error of a [`Metered`] reader.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// Totals of one archive.
pub(crate) struct Meter<'a> {
    limits: &'a Limits,
    unpacked: Cell<u64>,
}

impl<'a> Meter<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            unpacked: Cell::new(0),
        }
    }

    /// Watches `reader`; `packed` says how many packed bytes have gone into it so far.
    pub(crate) fn watch<R>(
        &self,
        reader: R,
        packed: impl Fn() -> u64,
    ) -> Metered<'_, R, impl Fn() -> u64> {
        Metered {
            reader,
            packed,
            meter: self,
            unpacked: 0,
        }
    }
}

/// A reader that fails with [`Stop`] at the limits.
pub(crate) struct Metered<'a, R, P> {
    reader: R,
    packed: P,
    meter: &'a Meter<'a>,
    unpacked: u64,
}

impl<R: Read, P: Fn() -> u64> Read for Metered<'_, R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limits = self.meter.limits;
        let n = self.reader.read(buffer)?;
        self.unpacked += n as u64;
        let total = self.meter.unpacked.get() + n as u64;
        self.meter.unpacked.set(total);
        if total > limits.unpacked_bytes {
            return Err(io::Error::other(Stop::Unpacked));
        }
        let allowed = (self.packed)().max(1).saturating_mul(limits.ratio);
        if self.unpacked > limits.ratio_after && self.unpacked > allowed {
            return Err(io::Error::other(Stop::Ratio));
        }
        Ok(n)
    }
}

/// Counts what a decompressor takes.
pub(crate) struct Counted<'c, R> {
    inner: R,
    count: &'c Cell<u64>,
}

impl<'c, R> Counted<'c, R> {
    pub(crate) fn new(inner: R, count: &'c Cell<u64>) -> Self {
        Self { inner, count }
    }

    fn took(&self, n: usize) {
        self.count.set(self.count.get() + n as u64);
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.took(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.took(n);
        self.inner.consume(n);
    }
}

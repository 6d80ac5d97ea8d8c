//! The byte stream handed from layer to layer: it can be looked into without taking anything out.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::record::Record;
use crate::shared::Shared;

/// Bytes read at once.
const READ: usize = 16 << 10;

/// How long a client has to end its side.
const LINGER: Duration = Duration::from_millis(500);

/// What a layer may be built on.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A stream with what was read of it ahead of time.
pub(crate) struct Wire {
    io: Box<dyn Io>,
    /// Bytes read; those before `start` are consumed.
    buffer: Vec<u8>,
    start: usize,
}

impl Wire {
    pub(crate) fn new(io: impl Io + 'static) -> Self {
        Self {
            io: Box::new(io),
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// What is there and not consumed yet.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Waits for more bytes; 0 at the end of the stream.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        // Nothing is allocated again while a kept connection goes on.
        if self.buffer.capacity() - self.buffer.len() < READ / 2 {
            self.buffer.reserve(READ);
        }
        self.io.read_buf(&mut self.buffer).await
    }

    /// Ends our side and reads what the client still sends, for a moment: closing with bytes unread would reset the
    /// connection and take the last answer with it.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.shutdown().await?;
        let rest = async {
            loop {
                self.consume(self.ahead().len());
                if !matches!(self.fill().await, Ok(1..)) {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, rest).await;
        Ok(())
    }

    /// Takes the first `count` bytes of what is there.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.buffer.len().min(self.start + count);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead().is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, out);
        }
        let count = self.ahead().len().min(out.remaining());
        out.put_slice(&self.ahead()[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The connection itself: counts what goes over it, and reads its end when the simulation stops.
pub(crate) struct Socket {
    tcp: TcpStream,
    record: Arc<Record>,
    shared: Arc<Shared>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopped: bool,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream, record: Arc<Record>, shared: Arc<Shared>) -> Self {
        Self {
            tcp,
            record,
            stop: Box::pin(shared.stop.clone().cancelled_owned()),
            shared,
            stopped: false,
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> bool {
        self.stopped = self.stopped || self.stop.as_mut().poll(cx).is_ready();
        self.stopped
    }
}

/// Closing with no time to linger resets a connection.
impl Drop for Socket {
    fn drop(&mut self) {
        if self.record.is_reset() {
            // It is closed in the ordinary way if this fails.
            let _ = SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        match Pin::new(&mut self.tcp).poll_read(cx, out) {
            // What has arrived is read even when the simulation stops; waiting for more is what ends.
            Poll::Pending if self.poll_stopped(cx) => Poll::Ready(Ok(())),
            ready => {
                let count = (out.filled().len() - before) as u64;
                self.record.bytes_out.fetch_add(count, Ordering::Relaxed);
                let read = &out.filled()[before..];
                self.record.traffic(&self.shared, true, None, read);
                ready
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.tcp).poll_write(cx, bytes) {
            Poll::Pending if self.poll_stopped(cx) => {
                Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
            }
            Poll::Ready(Ok(count)) => {
                self.record
                    .bytes_in
                    .fetch_add(count as u64, Ordering::Relaxed);
                self.record
                    .traffic(&self.shared, false, None, &bytes[..count]);
                Poll::Ready(Ok(count))
            }
            other => other,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

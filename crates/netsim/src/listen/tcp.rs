use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use apa_model::{NetworkMode, Protocol, Transport};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::canonical;
use crate::NetsimError;
use crate::service::Talk;
use crate::shared::{Arrival, Bound, Shared};
use crate::wire::{Socket, Wire};

/// How long a client has to connect to a port that was opened for it.
const DATA: Duration = Duration::from_secs(30);
/// Connections taken at the end that were waiting.
const WAITING: usize = 1024;
/// How long a connection is left alone in the slow mode.
const SLOW: Duration = Duration::from_secs(2);

/// Accepts connections, each served by a task of its own.
pub(crate) fn listen(
    shared: Arc<Shared>,
    listener: std::net::TcpListener,
) -> Result<JoinHandle<()>, NetsimError> {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener))
        .map_err(|source| NetsimError::Socket {
            what: "TCP",
            source,
        })?;
    Ok(tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shared.closing.cancelled() => break,
            };
            take(&shared, accepted).await;
        }
        // The sample may be dead, but what it sent before is still in these sockets.
        for _ in 0..WAITING {
            match timeout(Duration::from_millis(1), listener.accept()).await {
                Ok(accepted) => take(&shared, accepted).await,
                Err(_) => break,
            }
        }
    }))
}

async fn take(shared: &Arc<Shared>, accepted: io::Result<(TcpStream, SocketAddr)>) {
    match accepted {
        Ok((stream, peer)) => serve(shared, stream, peer),
        Err(error) => {
            tracing::warn!(%error, "a simulated service could not accept a connection");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn serve(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let (source, destination) = (canonical(peer), canonical(local));
    let Ok(slot) = shared.open.clone().try_acquire_owned() else {
        shared.hit(Bound::OpenFlows, shared.phase());
        return reset(&stream);
    };
    let Some(record) = shared.open_flow(Transport::Tcp, source, destination) else {
        return reset(&stream);
    };
    let shared = shared.clone();
    shared.tasks.clone().spawn(async move {
        let _ = stream.set_nodelay(true);
        let process = shared.attribute(Transport::Tcp, source, destination).await;
        record.with(|flow| flow.process = process);
        match shared.config.mode {
            NetworkMode::DeadC2 => {
                record.end(shared.now_us());
                return reset(&stream);
            }
            NetworkMode::Slow => shared.wait(SLOW).await,
            _ => {}
        }
        let socket = Socket::new(stream, record.clone(), shared.clone());
        if let Some(tell) = shared.expecting(destination) {
            record.layer("ftp-data", Some(Protocol::Ftp));
            // Whoever waited may have left; then it ends here.
            let _ = tell.send(Arrival::new(Wire::new(socket), record, shared, slot));
            return;
        }
        let talk = Talk {
            shared,
            record,
            destination,
            secure: false,
            host: None,
            inner_port: None,
        };
        talk.hold(Wire::new(socket)).await;
        drop(slot);
    });
}

/// Waits for a connection to a new port of this address: says where, and gives it when it comes.
pub(crate) fn expect(
    shared: &Arc<Shared>,
    address: IpAddr,
) -> io::Result<(SocketAddr, oneshot::Receiver<Arrival>)> {
    let busy = || io::Error::from(io::ErrorKind::AddrInUse);
    if let Some(listener) = &shared.config.data_listener {
        let listener = listener(address)?;
        let at = canonical(listener.local_addr()?);
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let (tell, arrives) = oneshot::channel();
        if !shared.expect(at, tell) {
            return Err(busy());
        }
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Ok(Ok((stream, peer))) = timeout(DATA, listener.accept()).await {
                serve(&shared, stream, peer);
            }
        });
        return Ok((at, arrives));
    }
    // Every port is ours: any that nobody waits at will do.
    for attempt in 0..64_u64 {
        let (tell, arrives) = oneshot::channel();
        let number = 20_000 + (shared.now_us().wrapping_mul(attempt + 7) / 7) % 40_000;
        let at = SocketAddr::new(address, u16::try_from(number).unwrap_or(u16::MAX));
        if shared.expect(at, tell) {
            return Ok((at, arrives));
        }
    }
    Err(busy())
}

/// Closing it then resets the connection instead of ending it.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

//! Clients.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::server::Server;

const HTTP_CLIENTS: usize = 8;
const DNS_CLIENTS: usize = 16;
/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a load.
pub(super) struct Load {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) took: Duration,
}

/// Runs `one` again and again in some threads.
fn together(clients: usize, time: Duration, one: impl Fn(usize, u64) -> bool + Sync) -> Load {
    let start = Instant::now();
    let counts: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let one = &one;
                scope.spawn(move || {
                    let (mut done, mut failed) = (0, 0);
                    while start.elapsed() < time {
                        match one(client, done + failed) {
                            true => done += 1,
                            false => failed += 1,
                        }
                    }
                    (done, failed)
                })
            })
            .collect();
        // A client that panicked has done nothing.
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    Load {
        done: counts.iter().map(|count| count.0).sum(),
        failed: counts.iter().map(|count| count.1).sum(),
        took: start.elapsed(),
    }
}

pub(super) fn http(server: &Server, time: Duration) -> anyhow::Result<Load> {
    Ok(together(HTTP_CLIENTS, time, |_, _| {
        get(server.http).is_ok()
    }))
}

/// One request on a connection of its own.
pub(super) fn get(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /index.html HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1."), "no answer");
    Ok(())
}

/// Full handshakes by OpenSSL, one after another.
pub(super) fn tls(server: &Server, time: Duration) -> anyhow::Result<Load> {
    let start = Instant::now();
    let output = Command::new("openssl")
        .args(["s_time", "-new", "-connect", &server.https.to_string()])
        .args(["-time", &time.as_secs().to_string()])
        .output()
        .context("cannot run openssl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `1234 connections in 0.51s; 2419.61 connections/user sec, …`
    let done = text
        .lines()
        .find_map(|line| line.split_once(" connections in ")?.0.trim().parse().ok())
        .with_context(|| {
            format!(
                "openssl s_time said: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
    Ok(Load {
        done,
        failed: 0,
        took: start.elapsed(),
    })
}

pub(super) fn dns(server: &Server, time: Duration) -> anyhow::Result<Load> {
    let sockets = (0..DNS_CLIENTS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(server.dns)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            Ok(socket)
        })
        .collect::<std::io::Result<Vec<_>>>()?;
    Ok(together(DNS_CLIENTS, time, |client, index| {
        let query = query(client, index);
        let mut answer = [0; 512];
        sockets[client].send(&query).is_ok()
            && matches!(sockets[client].recv(&mut answer), Ok(12..))
            && answer[..2] == query[..2]
    }))
}

/// A question for the address of `cX-nY.test`.
fn query(client: usize, index: u64) -> Vec<u8> {
    let name = format!("c{client}-n{}", index % 1000);
    let mut query = (index as u16).to_be_bytes().to_vec();
    query.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.len() as u8]);
    query.extend_from_slice(name.as_bytes());
    query.extend_from_slice(b"\x04test\0\0\x01\0\x01");
    query
}

/// Connections that are kept, each after some bytes.
pub(super) fn hold(server: &Server, count: usize, bytes: &[u8]) -> anyhow::Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(server.http).context("cannot hold a connection")?;
        stream.write_all(bytes)?;
        held.push(stream);
    }
    Ok(held)
}

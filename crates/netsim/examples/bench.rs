//! Processor time of a request of each kind, client excluded: `cargo run --release -p apa-netsim --example bench`.
#![allow(clippy::print_stdout)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use apa_model::{BlobSink, Canary, CanaryKind, Digest, Phase, ProcessId};
use apa_netsim::decode::Matcher;
use apa_netsim::{Ca, NetsimConfig, Sockets, start};
use nix::sys::resource::{UsageWho, getrusage};
use rustls::pki_types::pem::PemObject;

struct Counted;

impl BlobSink for Counted {
    fn put(&self, reader: &mut dyn Read) -> io::Result<(Digest, u64)> {
        let count = io::copy(reader, &mut io::sink())?;
        Ok((String::new(), count))
    }
}

/// Processor time of the process less that of the calling thread, which is the client.
fn server_time() -> Duration {
    let spent = |who| {
        let usage = getrusage(who).expect("the calling process can always be asked about");
        [usage.user_time(), usage.system_time()]
            .map(|time| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000))
            .iter()
            .sum::<Duration>()
    };
    spent(UsageWho::RUSAGE_SELF).saturating_sub(spent(UsageWho::RUSAGE_THREAD))
}

fn measure(name: &str, count: u32, mut one: impl FnMut(u32) -> io::Result<()>) -> io::Result<()> {
    for index in 0..20 {
        one(index)?;
    }
    let (wall, before) = (Instant::now(), server_time());
    for index in 0..count {
        one(index)?;
    }
    let spent = (server_time() - before).as_secs_f64() * 1000.0 / f64::from(count);
    let rate = f64::from(count) / wall.elapsed().as_secs_f64();
    println!("{name:<44} {spent:8.4} ms CPU each, {rate:8.0}/s with one client");
    Ok(())
}

fn get(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /index.html HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nConnection: close\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

fn canaries() -> Vec<Canary> {
    (0..10_u32)
        .map(|index| Canary {
            id: format!("c{index}"),
            kind: CanaryKind::SshKey,
            planted_at: "/home/someone/x".to_owned(),
            secrets: vec![
                (0..1200_u32)
                    .map(|at| char::from(b'A' + (at * at + index * 7 + at / 13) as u8 % 58))
                    .collect(),
            ],
        })
        .collect()
}

/// Text, the worst cases of the decoders, and random bytes.
fn scans(matcher: &Matcher) {
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as u32
    };
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let words = [
        "the",
        "package",
        "function",
        "returns",
        "value",
        "import",
        "requests",
        "of",
        "and",
        "configuration",
    ];
    let size = 1 << 20;
    let mut prose = String::new();
    while prose.len() < size {
        prose.push_str(words[random() as usize % words.len()]);
        prose.push(if random() % 11 == 0 { '\n' } else { ' ' });
    }
    let base64: Vec<u8> = (0..size)
        .map(|_| alphabet[random() as usize % 64])
        .collect();
    let wrapped: Vec<u8> = base64
        .chunks(76)
        .flat_map(|line| [line, b"\n"].concat())
        .collect();
    let hex: Vec<u8> = (0..size)
        .map(|_| b"0123456789abcdef"[random() as usize % 16])
        .collect();
    let bytes: Vec<u8> = (0..size).map(|_| random() as u8).collect();
    let json = format!("{{\"a\":\"{}\"}}", prose.replace('\n', "\\n"));
    let cases: [(&str, &[u8]); 7] = [
        ("prose", prose.as_bytes()),
        ("json", json.as_bytes()),
        ("base64", &base64),
        ("base64, wrapped", &wrapped),
        ("hex", &hex),
        ("random bytes", &bytes),
        ("one letter", &vec![b'x'; size]),
    ];
    for (name, bytes) in cases {
        let started = Instant::now();
        let scan = matcher.search(bytes, "bench");
        println!(
            "scan 1 MiB of {name:<30} {:8.1} ms, gave up: {}",
            started.elapsed().as_secs_f64() * 1000.0,
            scan.gave_up
        );
    }
    let head = b"GET /index.html HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n";
    let started = Instant::now();
    for _ in 0..1000 {
        matcher.scan(head, "bench");
    }
    println!(
        "scan {} bytes of header lines {:26.1} µs",
        head.len(),
        started.elapsed().as_secs_f64() * 1000.0
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let tcp = TcpListener::bind("127.0.0.1:0")?;
    let udp = UdpSocket::bind("127.0.0.1:0")?;
    let (address, dns) = (tcp.local_addr()?, udp.local_addr()?);
    let ca = Ca::generate()?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(
        ca.pem().as_bytes(),
    )?)?;
    let asked = Arc::new(AtomicI32::new(0));
    let counter = asked.clone();
    let mut config = NetsimConfig::new(
        ca,
        dns,
        canaries(),
        Arc::new(Counted),
        Instant::now(),
        Arc::new(move |_, _, _| {
            Some(ProcessId(
                counter.fetch_add(1, Ordering::Relaxed) as u32 % 50,
            ))
        }),
        Arc::new(|| Phase::Import),
    );
    config.max_flows = 100_000;
    config.max_messages = 100_000;
    let reply = udp.try_clone()?;
    let sockets = Sockets {
        tcp: vec![tcp],
        udp: vec![udp],
        reply: Arc::new(move |_| reply.try_clone()),
    };
    let netsim = start(sockets, config)?;
    print_memory("idle")?;

    measure("HTTP request, new connection", 5_000, |_| get(address))?;
    let mut kept = TcpStream::connect(address)?;
    let mut buffer = vec![0; 4096];
    measure("HTTP request, kept connection", 10_000, |_| {
        kept.write_all(b"GET /a.txt HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1.0\r\n\r\n")?;
        kept.read(&mut buffer).map(drop)
    })?;
    let body = "x=1&y=some+text".repeat(300);
    measure("HTTP POST of 4.5 KB, kept connection", 3_000, |_| {
        let request = format!(
            "POST /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        kept.write_all(request.as_bytes())?;
        kept.read(&mut buffer).map(drop)
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    let client = Arc::new(client);
    for (name, distinct) in [
        ("TLS handshake + HTTP request, same name", 1),
        ("TLS handshake + HTTP request, new names", 100_000),
    ] {
        measure(name, 2_000, |index| {
            let host = format!("h{}-{distinct}.test", index % distinct);
            let name = host.try_into().map_err(io::Error::other)?;
            let mut session =
                rustls::ClientConnection::new(client.clone(), name).map_err(io::Error::other)?;
            let mut stream = TcpStream::connect(address)?;
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            tls.write_all(b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n")?;
            tls.read(&mut buffer).map(drop)
        })?;
    }
    let asker = UdpSocket::bind("127.0.0.1:0")?;
    let query = |index: u32| {
        let mut query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x08".to_vec();
        query.extend(format!("h{index:07}").bytes());
        query.extend(b"\x04shop\x04test\0\0\x01\0\x01");
        query
    };
    measure("DNS query, one socket, same name", 10_000, |_| {
        asker.send_to(&query(0), dns)?;
        asker.recv(&mut buffer).map(drop)
    })?;
    measure("DNS query, one socket, new names", 10_000, |index| {
        asker.send_to(&query(index), dns)?;
        asker.recv(&mut buffer).map(drop)
    })?;
    measure("DNS query, a new socket each", 5_000, |_| {
        let asker = UdpSocket::bind("127.0.0.1:0")?;
        asker.send_to(&query(1), dns)?;
        asker.recv(&mut buffer).map(drop)
    })?;
    let started = Instant::now();
    print_memory("with all flows recorded")?;
    let seen = runtime.block_on(netsim.finish());
    println!(
        "finish: {:.1} ms, {} flows, incomplete: {:?}",
        started.elapsed().as_secs_f64() * 1000.0,
        seen.flows.len(),
        seen.incomplete
    );
    print_memory("after the load")?;
    scans(&Matcher::new(&canaries()));
    Ok(())
}

fn print_memory(when: &str) -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    println!("{} {when}", line.unwrap_or_default());
    Ok(())
}

//! What a hostile client may send: bounded, recorded, and nobody else's trouble.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::{Simulation, simulate, simulate_port, simulate_port_with};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Ports at which different services are expected.
const PORTS: &[u16] = &[
    7, 21, 22, 23, 25, 53, 79, 80, 110, 143, 389, 443, 514, 853, 1080, 1883, 3306, 5432, 6379,
    6667, 9418, 27017,
];

async fn still_answers(sim: &Simulation) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

/// Memory of this process that is in use, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_of_every_protocol_followed_by_garbage_leave_every_service_standing() {
    let starts: &[&[u8]] = &[
        b"",
        b"EHLO x\r\nAUTH PLAIN\r\nMAIL FROM:<a>\r\nDATA\r\n",
        b"EHLO x\r\nSTARTTLS\r\n",
        b"BDAT 99999999999 LAST\r\n",
        b"USER a\r\nPASS b\r\nPASV\r\nPORT 1,2,3,4,5,6\r\nREST 99999999999999\r\nLIST\r\n",
        b"NICK a\r\nUSER a 0 * :b\r\nCAP REQ\r\nAUTHENTICATE PLAIN\r\n",
        b"a1 LOGIN {5}\r\n",
        b"a1 APPEND x {99999999999}\r\n",
        b"*1000000\r\n$99999999\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$3\r\nabc\r\n",
        b"\x05\x01\x00\x05\x01\x00\x03\xff",
        b"\x04\x01\0\x50\0\0\0\x01a\0",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\0\0\0\x10\0\x03\0\0user\0a\0\0",
        b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01\x60",
        b"\x10\xff\xff\xff\x7f\0\x04MQTT\x04\xff",
        b"\x10\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0",
        b"SSH-2.0-x\r\n",
        b"{\"id\":1,\"method\":\"login\",\"params\":{\"pass\":[]}}\n",
        b"\x13BitTorrent protocol",
        b"ffffgit-upload-pack ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff\xfb\x01\xff\xfa",
        b"\x00\xff\xab\xcd",
    ];
    let mut state = 11_u64;
    for port in PORTS {
        let sim = simulate_port(*port);
        for (index, start) in starts.iter().enumerate() {
            let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
            let mut bytes = start.to_vec();
            for _ in 0..index * 17 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                bytes.push((state >> 56) as u8);
            }
            // The other side may answer and close before all of it is sent.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        still_answers(&sim).await;
        let (result, _) = sim.finish().await;
        // A service that panicked would leave its flow without an end.
        let open: Vec<_> = result
            .flows
            .iter()
            .filter(|flow| flow.ended_us.is_none())
            .map(|flow| &flow.layers)
            .collect();
        assert!(open.is_empty(), "{port}: {open:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_lines_and_headers_are_cut_and_cost_no_memory() {
    let before = memory();
    for (port, start) in [
        (80, &b"GET / HTTP/1.1\r\nA: "[..]),
        (25, b"EHLO "),
        (6667, b"NICK "),
        (143, b"a1 LOGIN "),
        (21, b"USER "),
    ] {
        let sim = simulate_port_with(port, |config| config.max_flow_bytes = 1 << 20);
        let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
        stream.write_all(start).await.unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..128 {
            if stream.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = stream.shutdown().await;
        still_answers(&sim).await;
        let (result, _) = sim.finish().await;
        assert!(result.flows[0].truncated, "{port}");
        assert!(!result.incomplete.is_empty(), "{port}");
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 200, "{grown} MiB for five times 128 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_of_zeros_is_not_unpacked_to_its_end() {
    let sim = simulate();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..256 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let before = memory();
    let started = Instant::now();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    let head = format!(
        "POST /x HTTP/1.0\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    stream
        .write_all(&[head.as_bytes(), &bomb].concat())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    still_answers(&sim).await;
    let (result, _) = sim.finish().await;
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert!(memory().saturating_sub(before) < 200);
    assert_eq!(result.flows[0].messages[0].body_bytes, bomb.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_a_byte_and_stay_delay_nobody_at_any_service() {
    for port in PORTS {
        let sim = simulate_port(*port);
        let mut slow = Vec::new();
        for start in [
            &b"E"[..],
            b"EHLO x",
            b"USER a\r\n",
            b"*1\r\n",
            b"\x05",
            b"\x30",
            b"",
        ] {
            let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
            stream.write_all(start).await.unwrap();
            slow.push(stream);
        }
        still_answers(&sim).await;
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows.len(), 8, "{port}");
    }
}

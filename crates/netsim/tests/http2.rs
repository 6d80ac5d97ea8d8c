//! HTTP/2, streams of events, WebSocket.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use apa_model::Protocol;
use common::{SECRET, flow_with, simulate, stdout, summaries};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Probe H20.
#[tokio::test(flavor = "multi_thread")]
async fn curl_speaks_http2_without_tls_and_posts_a_body() {
    let sim = simulate();
    let url = format!("http://{}/up.json", sim.tcp);
    let body = format!("{{\"token\":\"{SECRET}\"}}{}", "x".repeat(200_000));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let data = format!("@{}", file.display());
    let Some(output) = sim
        .curl(&[
            "--http2-prior-knowledge",
            "--data-binary",
            &data,
            "-w",
            " %{http_code} %{http_version}",
            &url,
        ])
        .await
    else {
        return;
    };
    assert!(stdout(&output).ends_with(" 200 2"), "{}", stdout(&output));
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["tcp", "h2"]);
    assert_eq!(flow.protocol, Protocol::Http);
    assert_eq!(summaries(flow), [format!("POST {url}")]);
    assert_eq!(blobs.get(&flow.messages[0].body), body.as_bytes());
    assert_eq!(flow.canary_hits[0].layers, ["http.body"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_sends_many_requests_at_once_over_one_connection() {
    let sim = simulate();
    let script = format!(
        "const h=require('http2'),c=h.connect('https://127.0.0.1:{}');let n=0;\
for(let i=0;i<40;i++){{const r=c.request({{':path':'/n'+i+'.json'}});let t='';r.on('data',d=>t+=d);r.on('end',()=>{{JSON.parse(t);if(++n==40){{console.log(n);c.close()}}}})}}",
        sim.tcp.port()
    );
    let Some(output) = sim.client("node", &["-e", &script]).await else {
        return;
    };
    assert_eq!(stdout(&output), "40\n");
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows.len(), 1);
    assert_eq!(result.flows[0].messages.len(), 40);
}

/// Probe T4.
#[tokio::test(flavor = "multi_thread")]
async fn the_best_protocol_that_a_client_offers_is_agreed_on() {
    let sim = simulate();
    for (offered, agreed) in [
        ("h2,http/1.1", "h2"),
        ("http/1.1", "http/1.1"),
        ("spdy/3", ""),
    ] {
        let command = format!(
            "openssl s_client -connect {} -alpn {offered} </dev/null 2>/dev/null",
            sim.tcp
        );
        let Some(output) = sim.client("sh", &["-c", &command]).await else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match agreed {
            "" => assert!(text.contains("No ALPN negotiated"), "{text}"),
            agreed => assert!(text.contains(&format!("ALPN protocol: {agreed}")), "{text}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_taken_back_in_a_flood_end_their_connection_only() {
    let sim = simulate();
    let mut flood = TcpStream::connect(sim.tcp).await.unwrap();
    flood
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    // GET http://x/ in the static table, and its end right after it.
    let head = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
    let mut sent = 0;
    for stream in (1..40_000_u32).step_by(2) {
        let mut frames = vec![0, 0, 6, 1, 5];
        frames.extend(stream.to_be_bytes());
        frames.extend(head);
        frames.extend([0, 0, 4, 3, 0]);
        frames.extend(stream.to_be_bytes());
        frames.extend([0, 0, 0, 8]);
        if flood.write_all(&frames).await.is_err() {
            break;
        }
        sent += 1;
    }
    let url = format!("http://{}/still.json", sim.tcp);
    if let Some(output) = sim.curl(&["-m", "5", &url]).await {
        assert!(stdout(&output).contains("ok"));
    }
    let (result, _) = sim.finish().await;
    let flow = flow_with(&result, "h2");
    assert!(
        flow.messages.len() < sent.max(100),
        "{} of {sent}",
        flow.messages.len()
    );
    let last = summaries(flow).pop().unwrap();
    assert_eq!(last, "(broken HTTP/2)");
    assert!(flow.truncated && flow.ended_us.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_begins_and_stays_open() {
    let sim = simulate();
    let url = format!("http://{}/events", sim.tcp);
    let Some(output) = sim
        .curl(&[
            "-N",
            "-m",
            "1",
            "-i",
            "-H",
            "Accept: text/event-stream",
            &url,
        ])
        .await
    else {
        return;
    };
    assert_eq!(
        output.status.code(),
        Some(28),
        "it is the client that ends it"
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("Content-Type: text/event-stream") && text.ends_with("retry: 3000\n\n"),
        "{text}"
    );
}

/// Probe H23.
#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_answers_pings_and_farewells_and_keeps_every_message() {
    let sim = simulate();
    let mut tcp = TcpStream::connect(sim.tcp).await.unwrap();
    tcp.write_all(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: push.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .await
    .unwrap();
    // Each masked with zeros: `40`, a text in two pieces, a ping, a farewell.
    for frame in [
        &b"\x81\x82\0\0\0\x0040"[..],
        b"\x01\x82\0\0\0\0hi",
        b"\x89\x81\0\0\0\0p",
        b"\x80\x86\0\0\0\0 there",
        b"\x88\x82\0\0\0\0\x03\xe8",
    ] {
        tcp.write_all(frame).await.unwrap();
    }
    let mut all = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), tcp.read_to_end(&mut all))
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&all).into_owned();
    assert!(
        text.contains("0{\"sid\":") && text.contains("40{\"sid\":"),
        "{text}"
    );
    assert!(all.ends_with(b"\x8a\x01p\x88\x02\x03\xe8"), "{text}");
    let (result, _) = sim.finish().await;
    let said = summaries(&result.flows[0]);
    assert_eq!(said[1..], ["40", "hi there"]);
}

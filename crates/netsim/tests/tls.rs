//! TLS by real clients that trust this run's authority, and by one that does not.
#![allow(clippy::unwrap_used)]

mod common;

use apa_model::Protocol;
use common::{simulate, stdout, summaries};

#[tokio::test(flavor = "multi_thread")]
async fn curl_verifies_names_and_bare_addresses() {
    let sim = simulate();
    let port = sim.tcp.port();
    let named = format!("https://cdn.shop.test:{port}/a.json");
    let resolve = format!("cdn.shop.test:{port}:127.0.0.1");
    for arguments in [
        vec![
            "--resolve",
            &resolve,
            "-w",
            "%{http_code} %{ssl_verify_result} %{http_version}",
            "-o",
            "/dev/null",
            &named,
        ],
        vec![
            "-w",
            "%{http_code} %{ssl_verify_result} %{http_version}",
            "-o",
            "/dev/null",
            &format!("https://127.0.0.1:{port}/b"),
        ],
        vec![
            "--tls-max",
            "1.2",
            "-w",
            "%{http_code} %{ssl_verify_result} %{http_version}",
            "-o",
            "/dev/null",
            &format!("https://127.0.0.1:{port}/c"),
        ],
    ] {
        let Some(output) = sim.curl(&arguments).await else {
            return;
        };
        assert_eq!(stdout(&output), "200 0 2");
    }
    let (result, _) = sim.finish().await;
    assert_eq!(result.flows.len(), 3);
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["tcp", "tls", "h2"]);
    assert_eq!(flow.sni.as_ref().unwrap().as_bytes(), b"cdn.shop.test");
    assert_eq!(summaries(flow), [format!("GET {named}")]);
    assert_eq!((flow.protocol, &flow.tls_failure), (Protocol::Http, &None));
    assert_eq!(result.flows[1].sni, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn python_node_and_git_trust_the_authority() {
    let sim = simulate();
    let port = sim.tcp.port();
    let ca = sim.ca_file();
    let ca = ca.to_str().unwrap();
    // The strict flag refuses certificates without the key identifiers that RFC 5280 asks for.
    let python = format!(
        "import ssl,socket\nc=ssl.create_default_context(cafile='{ca}')\nc.verify_flags|=ssl.VERIFY_X509_STRICT\n\
for n in ('pkg.example','127.0.0.1'):\n s=c.wrap_socket(socket.create_connection(('127.0.0.1',{port})),server_hostname=n)\n \
s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n print(s.version(), s.recv(15).decode())"
    );
    if let Some(output) = sim.client("python3", &["-c", &python]).await {
        assert_eq!(
            stdout(&output),
            "TLSv1.3 HTTP/1.1 200 OK\nTLSv1.3 HTTP/1.1 200 OK\n"
        );
    }
    let node = format!(
        "fetch('https://localhost:{port}/x').then(r=>fetch('https://127.0.0.1:{port}/y')).then(r=>console.log(r.status))"
    );
    if let Some(output) = sim.client("node", &["-e", &node]).await {
        assert_eq!(stdout(&output), "200\n");
    }
    let url = format!("https://127.0.0.1:{port}/some/repo.git");
    if let Some(output) = sim.client("git", &["ls-remote", &url]).await {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("not found"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_distrusts_us_is_recorded_with_its_alert_and_server_name() {
    let sim = simulate();
    let port = sim.tcp.port();
    let resolve = format!("pinned.test:{port}:127.0.0.1");
    let url = format!("https://pinned.test:{port}/");
    let Some(output) = sim
        .client(
            "curl",
            &["-sS", "--noproxy", "", "--resolve", &resolve, &url],
        )
        .await
    else {
        return;
    };
    assert_eq!(output.status.code(), Some(60));
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["tcp", "tls"]);
    assert_eq!(flow.sni.as_ref().unwrap().as_bytes(), b"pinned.test");
    assert_eq!(
        flow.tls_failure.as_ref().unwrap().to_string(),
        "client sent alert UnknownCA"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxied_connection_is_opened_and_what_is_inside_served() {
    let sim = simulate();
    let proxy = format!("http://{}", sim.tcp);
    let Some(output) = sim
        .curl(&["-x", &proxy, "https://inner.test/secret.txt"])
        .await
    else {
        return;
    };
    assert_eq!(stdout(&output), "ok\n");
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.layers, ["tcp", "http", "tls", "h2"]);
    assert_eq!(
        summaries(flow),
        [
            "CONNECT inner.test:443",
            "GET https://inner.test/secret.txt"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_in_tunnels_end_in_the_sink() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let sim = simulate();
    let mut stream = tokio::net::TcpStream::connect(sim.tcp).await.unwrap();
    for _ in 0..4 {
        stream
            .write_all(b"CONNECT a.test:80 HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 19];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            rest.push(stream.read_u8().await.unwrap());
        }
    }
    stream
        .write_all(b"CONNECT a.test:80 HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let (result, _) = sim.finish().await;
    assert_eq!(
        result.flows[0].layers,
        ["tcp", "http", "http", "http", "http", "raw"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_broken_hellos_fail_with_a_reason() {
    use tokio::io::AsyncWriteExt;
    let sim = simulate();
    let mut stream = tokio::net::TcpStream::connect(sim.tcp).await.unwrap();
    stream
        .write_all(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")
        .await
        .unwrap();
    drop(stream);
    let (result, _) = sim.finish().await;
    assert!(result.flows[0].tls_failure.is_some());
}

/// Probe T2.
#[tokio::test(flavor = "multi_thread")]
async fn every_server_name_has_its_own_certificate_of_the_same_authority() {
    let sim = simulate();
    let mut issuers = Vec::new();
    for name in ["one.test", "two.test"] {
        let command = format!(
            "openssl s_client -connect {} -servername {name} </dev/null 2>/dev/null | openssl x509 -noout -issuer -ext subjectAltName",
            sim.tcp
        );
        let Some(output) = sim.client("sh", &["-c", &command]).await else {
            return;
        };
        let text = stdout(&output);
        assert!(text.contains(&format!("DNS:{name}")), "{text}");
        issuers.push(text.lines().next().unwrap().to_owned());
    }
    assert_eq!(issuers[0], issuers[1]);
}

/// Probes T5, T7.
#[tokio::test(flavor = "multi_thread")]
async fn versions_are_agreed_on_and_old_ones_refused_with_a_reason() {
    let sim = simulate();
    for (option, good) in [("-tls1_2", true), ("-tls1_3", true), ("-tls1", false)] {
        let command = format!(
            "openssl s_client -connect {} {option} -noservername -cipher DEFAULT@SECLEVEL=0 </dev/null 2>&1",
            sim.tcp
        );
        let Some(output) = sim.client("sh", &["-c", &command]).await else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.success(), good, "{text}");
        assert_eq!(text.contains("subject=CN = 127.0.0.1"), good, "{text}");
    }
    let (result, _) = sim.finish().await;
    let reasons: Vec<bool> = result
        .flows
        .iter()
        .map(|flow| flow.tls_failure.is_some())
        .collect();
    assert_eq!(reasons, [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secrets_of_every_connection_are_kept_as_the_client_has_them() {
    let sim = simulate();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("keys").display().to_string();
    let command = format!(
        "openssl s_client -connect {} -keylogfile {log} </dev/null >/dev/null 2>&1",
        sim.tcp
    );
    if sim.client("sh", &["-c", &command]).await.is_none() {
        return;
    }
    let (result, _) = sim.finish().await;
    let mut theirs: Vec<String> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let mut ours = result.tls_keys;
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 5);
}

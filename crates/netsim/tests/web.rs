//! The web by further real clients.
#![allow(clippy::unwrap_used)]

mod common;

use apa_model::Protocol;
use common::{simulate, simulate_port, stdout, summaries};

/// Probe H15.
#[tokio::test(flavor = "multi_thread")]
async fn node_puts_and_reads_the_answer() {
    let sim = simulate();
    let script = format!(
        "fetch('http://{}/pkg',{{method:'PUT',body:'x'}}).then(r=>console.log(r.ok))",
        sim.tcp
    );
    let Some(output) = sim.client("node", &["-e", &script]).await else {
        return;
    };
    assert_eq!(stdout(&output), "true\n");
    let (result, blobs) = sim.finish().await;
    assert_eq!(blobs.get(&result.flows[0].messages[0].body), b"x");
}

/// Probes H16, H17.
#[tokio::test(flavor = "multi_thread")]
async fn python_and_wget_read_what_they_ask_for() {
    let sim = simulate();
    let script = format!(
        "import urllib.request,json\nr=urllib.request.Request('http://{0}/api/x',b'{{}}',{{'content-type':'application/json'}})\nprint(type(json.load(urllib.request.urlopen(r))).__name__)\n\
print(urllib.request.urlopen('http://{0}/').status)",
        sim.tcp
    );
    if let Some(output) = sim.client("python3", &["-c", &script]).await {
        assert_eq!(stdout(&output), "dict\n200\n");
    }
    let requests = format!(
        "import requests; print(type(requests.post('http://{}/api/x', json={{}}).json()).__name__)",
        sim.tcp
    );
    let known = sim
        .client("/usr/bin/python3", &["-c", "import requests"])
        .await;
    if known.is_some_and(|output| output.status.success()) {
        let output = sim
            .client("/usr/bin/python3", &["-c", &requests])
            .await
            .unwrap();
        assert_eq!(stdout(&output), "dict\n");
    } else {
        eprintln!("SKIPPED: requests is not installed");
    }
    let url = format!("http://{}/a.txt", sim.tcp);
    if let Some(output) = sim
        .client("wget", &["-q", "-O", "-", "--no-proxy", &url])
        .await
    {
        assert_eq!(stdout(&output), "ok\n");
    }
}

/// Probes H18, H21, H22.
#[tokio::test(flavor = "multi_thread")]
async fn odd_targets_are_answered_and_recorded_as_they_are() {
    let sim = simulate();
    let proxy = format!("http://{}", sim.tcp);
    let Some(output) = sim.curl(&["-x", &proxy, "http://inner.test/a.txt"]).await else {
        return;
    };
    assert_eq!(stdout(&output), "ok\n");
    let base = format!("http://{}", sim.tcp);
    let utf8 = format!("{base}/%E2%82%AC/%C3%BC.txt");
    assert_eq!(stdout(&sim.curl(&[&utf8]).await.unwrap()), "ok\n");
    let escape = format!("{base}/../../etc/passwd");
    let text = stdout(&sim.curl(&["--path-as-is", &escape]).await.unwrap());
    assert!(!text.contains("root:"), "{text}");
    let (result, _) = sim.finish().await;
    let all: Vec<String> = result.flows.iter().flat_map(summaries).collect();
    assert_eq!(
        all,
        [
            "GET http://inner.test/a.txt".to_owned(),
            format!("GET {utf8}"),
            format!("GET {escape}")
        ]
    );
}

/// Probe T6.
#[tokio::test(flavor = "multi_thread")]
async fn web_is_recognised_with_and_without_tls_on_any_port() {
    for port in [80, 443, 25, 8443] {
        for scheme in ["http", "https"] {
            let sim = simulate_port(port);
            let url = format!("{scheme}://{}/a.txt", sim.tcp);
            let Some(output) = sim.curl(&[&url]).await else {
                return;
            };
            assert_eq!(stdout(&output), "ok\n", "{scheme} {port}");
            let (result, _) = sim.finish().await;
            assert_eq!(result.flows[0].protocol, Protocol::Http);
        }
    }
}

use std::net::SocketAddr;

use apa_model::{FlowMessage, Phase, Transport};

use super::*;

fn flow(id: u32, layers: &[&str], protocol: Protocol, summary: &str, answer: &str) -> Flow {
    Flow {
        id,
        started_us: u64::from(id) * 1_000_000,
        ended_us: None,
        phase: Phase::Install,
        process: None,
        owner: None,
        transport: Transport::Tcp,
        source: SocketAddr::from(([10, 0, 2, 15], 40_000)),
        destination: SocketAddr::from(([192, 0, 2, 1], 443)),
        resolved_name: Some("collect.test".into()),
        layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
        sni: None,
        tls_failure: None,
        protocol,
        messages: vec![FlowMessage {
            summary: summary.into(),
            headers: vec![("Content-Type".into(), "text/plain".into())],
            body: Some("aa".into()),
            body_bytes: 3,
            answer: answer.into(),
        }],
        bytes_out: 10,
        bytes_in: 20,
        sent_blob: None,
        canary_hits: Vec::new(),
        truncated: false,
    }
}

fn with<T>(use_it: impl Fn(&Network<'_>) -> T) -> T {
    let flows = [
        flow(
            1,
            &["udp", "dns"],
            Protocol::Dns,
            "A collect.test",
            "192.0.2.1",
        ),
        flow(
            2,
            &["tcp", "tls", "http"],
            Protocol::Http,
            "POST https://collect.test/x?a=1&b",
            "200 text/html 312 bytes (mine)",
        ),
        flow(
            3,
            &["tcp", "raw"],
            Protocol::Raw,
            "<script>\u{1b}[2J",
            "none",
        ),
    ];
    use_it(&Network {
        flows: &flows,
        started_at: "2026-11-24T10:00:00Z",
        subject: "npm:<b>",
        process: &|flow| (flow.id == 2).then(|| "node & co".to_owned()),
        body: &|digest| (digest == "aa").then(|| b"abc".to_vec()),
    })
}

#[test]
fn har_has_requests_with_their_bodies_and_what_answered() {
    let har: serde_json::Value = serde_json::from_str(&with(har)).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(
        (har["log"]["version"].as_str(), entries.len()),
        (Some("1.2"), 1)
    );
    let entry = &entries[0];
    assert_eq!(entry["startedDateTime"], "2026-11-24T10:00:02.000Z");
    assert_eq!(entry["request"]["url"], "https://collect.test/x?a=1&b");
    assert_eq!(entry["request"]["queryString"][0]["value"], "1");
    assert_eq!(entry["request"]["postData"]["text"], "abc");
    assert_eq!(
        (&entry["response"]["status"], &entry["response"]["bodySize"]),
        (&200.into(), &312.into())
    );
    assert_eq!(
        (&entry["_rule"], &entry["_process"]),
        (&"mine".into(), &"node & co".into())
    );
}

#[test]
fn the_text_has_a_line_per_request_and_no_control_characters() {
    let text = with(text);
    assert!(text.contains("2026-11-24 10:00:01  DNS connection, type: A, class: IN, requested name: collect.test\n"), "{text}");
    assert!(text.contains("  HTTPS connection, method: POST, URL: https://collect.test/x?a=1&b, rule: mine, POST data: aa\n"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_page_groups_by_process_and_escapes_everything() {
    let page = with(page);
    assert!(page.contains("node &amp; co") && page.contains("unknown process"));
    assert!(!page.contains("<script") && !page.contains("npm:<b>") && !page.contains('\u{1b}'));
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn lines_are_one_conversation_each() {
    let lines = with(json_lines);
    let ids: Vec<u64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(ids, [1, 2, 3]);
}

//! Name service by real clients, over every transport.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use apa_model::Protocol;
use apa_netsim::NameAnswer;
use common::{
    Simulation, flow_with, simulate, simulate_dns, simulate_dns_with, simulate_port, stdout,
    summaries,
};

async fn dig(sim: &Simulation, question: &[&str]) -> Option<String> {
    let port = sim.udp.port().to_string();
    let mut all = vec![
        "@127.0.0.1",
        "-p",
        &port,
        "+tries=1",
        "+time=3",
        "+norecurse",
    ];
    all.extend(question);
    let output = sim.client("dig", &all).await?;
    Some(stdout(&output))
}

/// Probes D1, D2, D3, D4, D5, D6, D9, D10, D11, D12.
#[tokio::test(flavor = "multi_thread")]
async fn dig_gets_a_valid_answer_to_every_type() {
    let sim = simulate_dns();
    let long = format!("{0}.{0}.shop.test", "a".repeat(63));
    for (question, expected) in [
        (vec!["shop.test", "A"], vec!["status: NOERROR", "IN\tA\t"]),
        (vec!["shop.test", "AAAA"], vec!["IN\tAAAA\t2606:"]),
        (
            vec!["shop.test", "MX"],
            vec!["10 mail.shop.test.", "mail.shop.test.\t\t300\tIN\tA\t"],
        ),
        (
            vec!["shop.test", "NS"],
            vec!["ns1.shop.test.", "ns2.shop.test.\t\t300\tIN\tA\t"],
        ),
        (vec!["shop.test", "SOA"], vec!["hostmaster.shop.test."]),
        (
            vec!["shop.test", "CNAME"],
            vec!["status: NOERROR", "ANSWER: 0"],
        ),
        (vec!["_dmarc.shop.test", "TXT"], vec!["v=DMARC1"]),
        (
            vec!["_imaps._tcp.shop.test", "SRV"],
            vec!["10 5 993 shop.test."],
        ),
        (vec!["shop.test", "CAA"], vec!["status: NOERROR"]),
        (vec!["shop.test", "TYPE65"], vec!["status: NOERROR"]),
        (vec!["shop.test", "NULL"], vec!["status: NOERROR"]),
        (vec!["shop.test", "NAPTR"], vec!["status: NOERROR"]),
        (vec!["shop.test", "DNSKEY"], vec!["status: NOERROR"]),
        (
            vec!["+notcp", "shop.test", "ANY"],
            vec!["status: NOERROR", "ANSWER: 1"],
        ),
        (
            vec!["+edns=0", "+bufsize=4096", "shop.test"],
            vec!["EDNS: version: 0", "udp: 1232"],
        ),
        (
            vec!["eViL.ExAmPlE"],
            vec![";eViL.ExAmPlE.", "eViL.ExAmPlE.\t\t300\tIN\tA"],
        ),
        (vec![&long, "A"], vec!["status: NOERROR", "ANSWER: 1"]),
        (vec!["CH", "TXT", "version.bind"], vec!["9.18."]),
    ] {
        let Some(text) = dig(&sim, &question).await else {
            return;
        };
        for part in expected {
            assert!(text.contains(part), "{question:?}: {part} not in {text}");
        }
    }
    let transfer = dig(&sim, &["shop.test", "AXFR"]).await.unwrap();
    assert!(transfer.contains("Transfer failed."), "{transfer}");
    let (result, _) = sim.finish().await;
    let all: Vec<String> = result.flows.iter().flat_map(summaries).collect();
    assert!(
        all.contains(&format!("A {long}")) && all.contains(&"A eViL.ExAmPlE".to_owned()),
        "{all:?}"
    );
}

/// Probes D7, D8, D16.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_differ_by_name_are_the_same_by_stream_and_are_traced_back() {
    let sim = simulate_dns();
    let Some(one) = dig(&sim, &["+short", "one.test"]).await else {
        return;
    };
    let two = dig(&sim, &["+short", "two.test"]).await.unwrap();
    assert_ne!(one, two);
    assert_eq!(
        dig(&sim, &["+short", "+tcp", "one.test"]).await.unwrap(),
        one
    );
    assert_eq!(
        dig(&sim, &["+short", "-x", one.trim()]).await.unwrap(),
        "one.test.\n"
    );
}

/// Probe D14.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_decides_what_exists_fails_and_stays_unanswered() {
    let sim = simulate_dns_with(|config| {
        config.name_policy = Some(Arc::new(|name| match name {
            b"gone.test" => NameAnswer::Absent,
            b"broken.test" => NameAnswer::Failure,
            b"silent.test" => NameAnswer::Silence,
            b"fixed.test" => NameAnswer::Address([192, 0, 2, 9].into()),
            _ => NameAnswer::Usual,
        }));
    });
    let Some(gone) = dig(&sim, &["gone.test"]).await else {
        return;
    };
    assert!(gone.contains("status: NXDOMAIN"));
    assert!(
        dig(&sim, &["broken.test"])
            .await
            .unwrap()
            .contains("status: SERVFAIL")
    );
    assert_eq!(
        dig(&sim, &["+short", "fixed.test"]).await.unwrap(),
        "192.0.2.9\n"
    );
    let port = sim.udp.port().to_string();
    let silent = sim
        .client(
            "dig",
            &[
                "@127.0.0.1",
                "-p",
                &port,
                "+tries=1",
                "+time=1",
                "silent.test",
            ],
        )
        .await
        .unwrap();
    assert_eq!(silent.status.code(), Some(9), "no server could be reached");
    let (result, _) = sim.finish().await;
    let answers: Vec<String> = result.flows[0]
        .messages
        .iter()
        .map(|m| m.answer.to_string())
        .collect();
    assert_eq!(answers, ["NXDOMAIN", "Server Failure", "192.0.2.9", "none"]);
}

/// Probe D15.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_answered_inside_tls_and_by_http_in_every_form() {
    let sim = simulate_port(853);
    let (port, ca) = (sim.tcp.port().to_string(), sim.ca_file());
    let ca = format!("+tls-ca={}", ca.display());
    let common = [
        "@127.0.0.1",
        "-p",
        &port,
        "+short",
        "+tries=1",
        &ca,
        "dot.test",
    ];
    let Some(output) = sim.client("dig", &[&["+tls"][..], &common].concat()).await else {
        return;
    };
    let dot = stdout(&output);
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(
        (flow.protocol, &flow.layers[..]),
        (Protocol::Dns, &["tcp", "tls", "dns"].map(str::to_owned)[..])
    );

    let sim = simulate();
    let (port, ca) = (sim.tcp.port().to_string(), sim.ca_file());
    let ca = format!("+tls-ca={}", ca.display());
    let common = [
        "@127.0.0.1",
        "-p",
        &port,
        "+short",
        "+tries=1",
        &ca,
        "dot.test",
    ];
    for how in ["+https", "+https-get"] {
        let output = sim
            .client("dig", &[&[how][..], &common].concat())
            .await
            .unwrap();
        assert_eq!(stdout(&output), dot, "{how}");
    }
    let json = format!("https://127.0.0.1:{port}/resolve?name=dot.test&type=A");
    let text = stdout(
        &sim.curl(&["-H", "accept: application/dns-json", &json])
            .await
            .unwrap(),
    );
    assert!(
        text.contains(&format!("\"data\":\"{}\"", dot.trim())),
        "{text}"
    );
    // Curl then connects to the address it was given, which nobody answers here: the question is what counts.
    let doh = format!("https://127.0.0.1:{port}/dns-query");
    sim.curl(&[
        "-m",
        "2",
        "--doh-insecure",
        "--doh-url",
        &doh,
        "http://by-curl.test/",
    ])
    .await
    .unwrap();
    let (result, _) = sim.finish().await;
    let all: Vec<String> = result.flows.iter().flat_map(summaries).collect();
    assert_eq!(
        all.iter().filter(|line| *line == "A dot.test").count(),
        3,
        "{all:?}"
    );
    assert!(all.contains(&"A by-curl.test".to_owned()), "{all:?}");
    assert_eq!(flow_with(&result, "h2").protocol, Protocol::Http);
}

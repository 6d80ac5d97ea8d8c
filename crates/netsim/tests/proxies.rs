//! Proxies of every kind, and what is inside.
#![allow(clippy::unwrap_used)]

mod common;

use apa_model::Protocol;
use common::{extracted, simulate, simulate_port, stdout, summaries};

/// Probe X2.
#[tokio::test(flavor = "multi_thread")]
async fn curl_goes_through_socks_of_every_version() {
    for (option, name, credentials) in [
        ("socks4", "10.9.8.7", ""),
        ("socks4a", "hidden.onion", "kim@"),
        ("socks5", "10.9.8.7", ""),
        ("socks5h", "hidden.onion", "kim:hunter2@"),
    ] {
        let sim = simulate();
        let proxy = format!("{option}://{credentials}{}", sim.tcp);
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{name}/a.txt");
            let Some(output) = sim.curl(&["-x", &proxy, &url]).await else {
                return;
            };
            assert_eq!(stdout(&output), "ok\n", "{option} {scheme}");
        }
        let (result, _) = sim.finish().await;
        let (plain, secure) = (&result.flows[0], &result.flows[1]);
        assert_eq!(plain.layers, ["tcp", "socks", "http"]);
        assert_eq!(secure.layers, ["tcp", "socks", "tls", "h2"]);
        assert_eq!(plain.protocol, Protocol::Http);
        assert_eq!(
            summaries(plain),
            [
                format!("CONNECT {name}:80"),
                format!("GET http://{name}/a.txt")
            ]
        );
        if option == "socks5h" {
            assert_eq!(extracted(plain, "password"), ["hunter2"]);
        }
    }
}

/// Probe X2.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_behind_a_proxy_greets_by_the_port_that_was_asked_for() {
    for (proxy, layer) in [("socks5h", "socks"), ("http", "http")] {
        let sim = simulate_port(9050);
        let proxy = format!("{proxy}://{}", sim.tcp);
        let Some(output) = sim
            .curl(&[
                "-p",
                "-x",
                &proxy,
                "smtp://relay.test:25",
                "-v",
                "-X",
                "HELP",
            ])
            .await
        else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("220 relay.test ESMTP"), "{text}");
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows[0].layers, ["tcp", layer, "smtp"]);
    }
}

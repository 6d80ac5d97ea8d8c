//! Chat by real clients, on any port.
#![allow(clippy::unwrap_used)]

mod common;

use apa_model::Protocol;
use common::{SECRET, extracted, flow_with, simulate, simulate_port, stdout, summaries};

/// Probes I1, I3.
#[tokio::test(flavor = "multi_thread")]
async fn ii_joins_a_channel_and_is_given_an_order() {
    let sim = simulate();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display().to_string();
    let chat = format!("{home}/127.0.0.1");
    // The client is driven through files: it makes one per channel.
    let script = format!(
        "ii -i {home} -s 127.0.0.1 -p {} -n bot42 & pid=$!\n\
for i in $(seq 50); do [ -p {chat}/in ] && break; sleep 0.1; done; sleep 0.5\n\
echo '/j #den' > {chat}/in\nfor i in $(seq 50); do [ -p '{chat}/#den/in' ] && break; sleep 0.1; done\n\
echo 'uid=0(root) {SECRET}' > '{chat}/#den/in'; sleep 0.3; echo '/q gone' > {chat}/in; sleep 0.3; kill $pid 2>/dev/null\n\
cat {chat}/out '{chat}/#den/out'",
        sim.tcp.port()
    );
    if sim.client("ii", &["-v"]).await.is_none() {
        return;
    }
    let output = sim.client("sh", &["-c", &script]).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("End of message of the day"), "{text}");
    assert!(text.contains("<ops> !exec id"), "{text}");
    let (result, _) = sim.finish().await;
    let flow = flow_with(&result, "irc");
    assert_eq!(flow.protocol, Protocol::Irc);
    assert_eq!(extracted(flow, "nick"), ["bot42"]);
    let said = summaries(flow);
    assert!(
        said.iter().any(|line| line.starts_with("JOIN #den")),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|line| line.starts_with("PRIVMSG #den :uid=0")),
        "{said:?}"
    );
    assert_eq!(extracted(flow, "to"), ["#den"]);
    assert_eq!(flow.canary_hits.len(), 1);
}

/// Probe I2.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_negotiates_and_logs_in_is_welcomed_and_its_credentials_kept() {
    let sim = simulate();
    let script = format!(
        "import socket\ns=socket.create_connection(('127.0.0.1',{})); f=s.makefile('rwb',0); s.settimeout(5)\n\
def say(t): f.write(t.encode()+b'\\r\\n')\ndef until(w):\n while True:\n  l=f.readline().decode().strip()\n  if w in l: return l\n\
say('CAP LS 302'); print(until('LS'))\nsay('NICK b'); say('USER b 0 * :B'); say('CAP REQ :sasl'); until('ACK')\n\
say('AUTHENTICATE PLAIN'); until('AUTHENTICATE +'); say('AUTHENTICATE AGtpbQBodW50ZXIy'); until(' 903 ')\n\
say('CAP END'); until(' 376 ')\nsay('PING :x'); print(until('PONG'))\nsay('JOIN #a'); until(' 366 '); say('NAMES #a'); until(' 366 ')\n\
say('WHO #a'); until(' 315 '); say('QUIT :bye'); print(until('ERROR')); print(f.read())",
        sim.tcp.port()
    );
    let Some(output) = sim.client("python3", &["-c", &script]).await else {
        return;
    };
    let text = stdout(&output);
    assert!(
        text.contains("LS :sasl=PLAIN")
            && text.contains("PONG 127.0.0.1 :x")
            && text.ends_with("b''\n"),
        "{text}"
    );
    let (result, _) = sim.finish().await;
    assert_eq!(extracted(&result.flows[0], "password"), ["hunter2"]);
}

/// Probes I3, I4.
#[tokio::test(flavor = "multi_thread")]
async fn chat_inside_tls_is_recognised_on_its_own_and_on_odd_ports() {
    for port in [6697, 443] {
        let sim = simulate_port(port);
        let command = format!(
            "(printf 'NICK t\\r\\nUSER t 0 * :T\\r\\n'; sleep 1; printf 'QUIT\\r\\n'; sleep 1) | openssl s_client -connect {} -quiet 2>/dev/null",
            sim.tcp
        );
        let Some(output) = sim.client("sh", &["-c", &command]).await else {
            return;
        };
        assert!(stdout(&output).contains(" 376 t "));
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows[0].layers, ["tcp", "tls", "irc"]);
    }
}

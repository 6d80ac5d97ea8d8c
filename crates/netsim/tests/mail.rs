//! Mail by real clients.
#![allow(clippy::unwrap_used)]

mod common;

use apa_model::Protocol;
use common::{SECRET, extracted, flow_with, simulate_port, stdout, summaries};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SEND: &[&str] = &[
    "--from",
    "bot@sender.test",
    "--to",
    "drop@inbox.test",
    "--header",
    "Subject: loot",
];

fn swaks<'a>(server: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["--server", server];
    all.extend(SEND);
    all.extend(more);
    all
}

/// Probe S1.
#[tokio::test(flavor = "multi_thread")]
async fn swaks_logs_in_and_delivers_with_every_mechanism() {
    let sim = simulate_port(587);
    let server = sim.tcp.to_string();
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let auth = ["--auth", mechanism, "-au", "kim", "-ap", "hunter2"];
        let Some(output) = sim.client("swaks", &swaks(&server, &auth)).await else {
            return;
        };
        let text = stdout(&output);
        assert!(
            text.contains("<-  235 ") && text.contains("queued as"),
            "{text}"
        );
    }
    let (result, blobs) = sim.finish().await;
    for (index, flow) in result.flows.iter().enumerate() {
        assert_eq!(
            (flow.protocol, &flow.layers[..]),
            (Protocol::Smtp, &["tcp".to_owned(), "smtp".to_owned()][..])
        );
        assert_eq!(extracted(flow, "user"), ["kim"]);
        let secret = if index == 2 { "cram-md5" } else { "password" };
        assert_eq!(extracted(flow, secret).len(), 1);
        assert_eq!(extracted(flow, "from"), ["bot@sender.test"]);
        assert_eq!(extracted(flow, "to"), ["drop@inbox.test"]);
        assert_eq!(extracted(flow, "subject"), ["loot"]);
        let mail = flow
            .messages
            .iter()
            .find(|m| m.summary.as_bytes() == b"DATA")
            .unwrap();
        assert!(String::from_utf8_lossy(&blobs.get(&mail.body)).contains("Subject: loot"));
    }
}

/// Probe S2.
#[tokio::test(flavor = "multi_thread")]
async fn swaks_upgrades_to_tls_and_speaks_tls_from_the_start() {
    for (port, how, layers) in [
        (25, "-tls", &["tcp", "smtp", "tls", "smtp"][..]),
        (465, "--tls-on-connect", &["tcp", "tls", "smtp"]),
    ] {
        let sim = simulate_port(port);
        let (server, ca) = (sim.tcp.to_string(), sim.ca_file());
        let trust = [how, "--tls-ca-path", ca.to_str().unwrap(), "--tls-verify"];
        let Some(output) = sim.client("swaks", &swaks(&server, &trust)).await else {
            return;
        };
        assert!(stdout(&output).contains("queued as"));
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows[0].layers, layers);
        assert_eq!(extracted(&result.flows[0], "from"), ["bot@sender.test"]);
    }
}

/// Probe S4.
#[tokio::test(flavor = "multi_thread")]
async fn attachments_are_kept_decoded_and_searched() {
    let sim = simulate_port(25);
    let (server, folder) = (sim.tcp.to_string(), tempfile::tempdir().unwrap());
    let file = folder.path().join("loot.bin");
    std::fs::write(&file, format!("\0\x01 token={SECRET}\n")).unwrap();
    let attach = format!("@{}", file.display());
    let Some(output) = sim
        .client("swaks", &swaks(&server, &["--attach", &attach]))
        .await
    else {
        return;
    };
    stdout(&output);
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    let part = flow
        .messages
        .iter()
        .find(|m| m.summary.as_bytes() == b"part application/octet-stream")
        .unwrap();
    assert_eq!(blobs.get(&part.body), std::fs::read(&file).unwrap());
    assert_eq!(extracted(flow, "filename"), ["loot.bin"]);
    assert_eq!(flow.canary_hits.len(), 1);
}

/// Probe S3.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_session_gets_all_its_answers_and_dots_are_unstuffed() {
    let sim = simulate_port(25);
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    stream
        .write_all(b"EHLO x\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nSubject: p\r\n\r\n..dot\r\n.\r\nQUIT\r\n")
        .await
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let codes: Vec<&str> = answers
        .lines()
        .filter(|l| l.as_bytes()[3] == b' ')
        .map(|l| &l[..3])
        .collect();
    assert_eq!(
        codes,
        ["220", "250", "250", "250", "354", "250", "221"],
        "{answers}"
    );
    let (result, blobs) = sim.finish().await;
    let flow = flow_with(&result, "smtp");
    let mail = flow
        .messages
        .iter()
        .find(|m| m.summary.as_bytes() == b"DATA")
        .unwrap();
    assert_eq!(blobs.get(&mail.body), b"Subject: p\r\n\r\n.dot\r\n");
    assert_eq!(summaries(flow).last().unwrap(), "QUIT");
}

/// Probe S5.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_eight_bits_and_tokens_are_taken_from_python() {
    let sim = simulate_port(587);
    let script = format!(
        "import smtplib\ns=smtplib.SMTP('127.0.0.1',{})\ns.ehlo()\n\
assert s.has_extn('chunking') and s.has_extn('smtputf8') and s.has_extn('8bitmime')\n\
print(s.docmd('AUTH','XOAUTH2 dXNlcj1raW0BYXV0aD1CZWFyZXIgdG9rAQE=')[0])\n\
s.mail('a@a.test',['BODY=BINARYMIME','SMTPUTF8']); s.rcpt('b@b.test')\n\
m='Subject: g\\r\\n\\r\\nf\\xfcnf'.encode()\n\
s.send(b'BDAT 5\\r\\n'+m[:5]); print(s.getreply()[0])\n\
s.send(b'BDAT %d LAST\\r\\n'%len(m[5:])+m[5:]); print(s.getreply()[0])\n\
s.sendmail('c@c.test',['d@d.test'],'Subject: second\\n\\nhi')\ns.quit()",
        sim.tcp.port()
    );
    let Some(output) = sim.client("python3", &["-c", &script]).await else {
        return;
    };
    assert_eq!(stdout(&output), "235\n250\n250\n");
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(extracted(flow, "token").len(), 1);
    assert_eq!(extracted(flow, "subject"), ["g", "second"]);
    let last = flow
        .messages
        .iter()
        .find(|m| m.summary.as_bytes().ends_with(b"LAST"))
        .unwrap();
    assert_eq!(blobs.get(&last.body), "Subject: g\r\n\r\nfünf".as_bytes());
}

/// Probe R2.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_named_for_mail_greets_on_any_port() {
    let sim = common::simulate_dns_with(|config| {
        config
            .own_names
            .push(("smtp.relay.test".to_owned(), [127, 0, 0, 1].into()));
        config.dns = "127.0.0.53:53".parse().unwrap();
    });
    let mut stream = TcpStream::connect(sim.tcp).await.unwrap();
    let mut greeting = [0; 23];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"220 smtp.relay.test ESM");
}

/// Probe P1.
#[tokio::test(flavor = "multi_thread")]
async fn python_empties_a_pop3_mailbox() {
    let sim = simulate_port(110);
    let script = format!(
        "import poplib\np=poplib.POP3('127.0.0.1',{})\nassert 'UIDL' in p.capa()\np.user('kim'); p.pass_('hunter2')\n\
print(p.stat()[0], p.list(1).split()[2]==str(p.stat()[1]).encode(), len(p.uidl()[1]))\n\
print(p.top(1,1)[1][-1], b''.join(p.retr(1)[1]).startswith(b'From:'))\np.dele(1); print(p.stat())\np.quit()",
        sim.tcp.port()
    );
    let Some(output) = sim.client("python3", &["-c", &script]).await else {
        return;
    };
    assert_eq!(
        stdout(&output),
        "1 True 1\nb'Your mailbox is ready.' True\n(0, 0)\n"
    );
    let (result, _) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(flow.protocol, Protocol::Pop3);
    assert_eq!(extracted(flow, "password"), ["hunter2"]);
}

/// Probes P2, P3, T9.
#[tokio::test(flavor = "multi_thread")]
async fn curl_fetches_by_pop3_and_imap_in_the_clear_and_in_tls() {
    for (scheme, port, more, path, protocol) in [
        ("pop3", 110, "-v", "1", Protocol::Pop3),
        ("pop3", 110, "--ssl-reqd", "1", Protocol::Pop3),
        ("pop3s", 995, "-v", "1", Protocol::Pop3),
        ("imap", 143, "-v", "INBOX;UID=1", Protocol::Imap),
        ("imap", 143, "--ssl-reqd", "INBOX;UID=1", Protocol::Imap),
        ("imaps", 993, "-v", "INBOX;UID=1", Protocol::Imap),
    ] {
        let sim = simulate_port(port);
        let url = format!("{scheme}://{}/{path}", sim.tcp);
        let Some(output) = sim.curl(&[more, "-u", "kim:hunter2", &url]).await else {
            return;
        };
        let text = stdout(&output);
        assert!(
            text.contains("Your mailbox is ready."),
            "{scheme} {more}: {text}"
        );
        let (result, _) = sim.finish().await;
        let flow = &result.flows[0];
        assert_eq!(flow.protocol, protocol);
        assert_eq!(
            flow.layers.contains(&"tls".to_owned()),
            more == "--ssl-reqd" || scheme.ends_with('s')
        );
        assert_eq!(extracted(flow, "user").last().unwrap(), "kim", "{scheme}");
        assert_eq!(extracted(flow, "password"), ["hunter2"]);
    }
}

/// Probe P3.
#[tokio::test(flavor = "multi_thread")]
async fn mail_is_listed_and_stored_by_imap() {
    let sim = simulate_port(143);
    let script = format!(
        "import imaplib\nm=imaplib.IMAP4('127.0.0.1',{})\nm.login('kim','p w\"')\nprint(m.list()[0], m.select()[1], m.search(None,'ALL')[1])\n\
d=m.fetch('1','(FLAGS BODY.PEEK[HEADER])')[1]; assert d[0][1].startswith(b'From: '), d\n\
print(m.append('Sent',None,None,b'Subject: kept {SECRET}\\r\\n\\r\\nx\\r\\n')[0])\nm.noop(); m.logout()",
        sim.tcp.port()
    );
    let Some(output) = sim.client("python3", &["-c", &script]).await else {
        return;
    };
    assert_eq!(stdout(&output), "OK [b'1'] [b'1']\nOK\n");
    let (result, blobs) = sim.finish().await;
    let flow = &result.flows[0];
    assert_eq!(extracted(flow, "password"), ["p w\""]);
    let stored = flow.messages.iter().find(|m| m.body.is_some()).unwrap();
    assert!(blobs.get(&stored.body).starts_with(b"Subject: kept"));
    assert_eq!(flow.canary_hits.len(), 1);
}

/// Probe T9.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_upgrades_each_mail_protocol() {
    for (port, protocol) in [(25, "smtp"), (110, "pop3"), (143, "imap")] {
        let sim = simulate_port(port);
        let ca = sim.ca_file();
        let command = format!(
            "(sleep 1; printf 'QUIT\\r\\na LOGOUT\\r\\n') | openssl s_client -connect {} -starttls {protocol} -CAfile {} -verify_return_error -quiet -verify_ip 127.0.0.1",
            sim.tcp,
            ca.display()
        );
        let Some(output) = sim.client("sh", &["-c", &command]).await else {
            return;
        };
        let text = stdout(&output).to_ascii_lowercase();
        assert!(
            text.contains("bye") || text.contains("logging out"),
            "{text}"
        );
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows[0].layers, ["tcp", protocol, "tls", protocol]);
    }
}

//! The probe cases that a simulator is held to, and the tests that hold it to them: a test says `/// Probe X1.`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

/// Number, client and probe, what is expected.
const CASES: &[(&str, &str, &str)] = &[
    ("H1", "curl: GET /", "200 html"),
    (
        "H2",
        "curl: GET .exe .txt .png .gif .jpg .ico .pdf",
        "200, right MIME and magic bytes",
    ),
    (
        "H3",
        "curl: GET .js .json .sh .py .zip .tgz .whl .gem .crate .jar",
        "valid file of that kind (parses/unpacks)",
    ),
    ("H4", "curl -I: HEAD", "200, length as GET"),
    ("H5", "curl -X: PUT PATCH DELETE", "200/201/204 per rule"),
    ("H6", "curl -X: OPTIONS with Origin", "204 + CORS"),
    ("H7", "curl: TRACE PROPFIND FOO", "200/207/405, logged"),
    (
        "H8",
        "curl -d: POST form",
        "200, body stored, SHA-256 in event",
    ),
    ("H9", "curl chunked: POST", "body stored"),
    (
        "H10",
        "curl -F: multipart file",
        "part stored as its own blob",
    ),
    ("H11", "curl Expect: 100-continue", "100 at once (<50 ms)"),
    ("H12", "curl x2: keep-alive", "second connect count 0"),
    ("H13", "nc: `host:` lower case; `Host:a`", "200"),
    ("H14", "node fetch: GET json", "200, `.json()` works"),
    ("H15", "node fetch: PUT", "200/201"),
    ("H16", "requests: POST json, `.json()`", "dict"),
    (
        "H17",
        "urllib, wget, PowerShell-like UA, Go http: GET",
        "200",
    ),
    ("H18", "curl -x: absolute-URI proxy", "200"),
    ("H19", "curl -x: CONNECT + TLS inside", "200 then inner 200"),
    ("H20", "curl --http2-prior-knowledge: h2c", "200"),
    ("H21", "curl: UTF-8 percent path", "200"),
    (
        "H22",
        "curl --path-as-is: `/../../etc/passwd`",
        "never a host file; logged",
    ),
    (
        "H23",
        "nc: WebSocket upgrade (RFC key)",
        "101 + correct accept",
    ),
    ("H24", "two clients: one idle, one GET", "<100 ms"),
    (
        "H25",
        "curl: custom by host / path / both / regex / body / n-th hit / script",
        "per rule",
    ),
    ("H26", "curl: gzip request body", "decoded copy stored"),
    (
        "H27",
        "curl: 1 GiB upload",
        "capped, marked truncated, flow lives",
    ),
    ("T1", "curl --cacert, SNI host", "200, verify result 0"),
    (
        "T2",
        "s_client, two server names",
        "two leaves, right SAN, same CA",
    ),
    (
        "T3",
        "curl --cacert, https by IP literal",
        "200, verify 0 (IP SAN)",
    ),
    ("T4", "s_client -alpn h2,http/1.1", "h2"),
    (
        "T5",
        "s_client -tls1_2, -tls1_3, -tls1",
        "yes, yes, alert + event",
    ),
    (
        "T6",
        "https on port 80; http on 443; https on an odd port",
        "200 each",
    ),
    (
        "T7",
        "s_client -noservername",
        "cert for the original IP / resolved name",
    ),
    (
        "T8",
        "client that pins or distrusts",
        "`tls_rejected` event with the alert name",
    ),
    (
        "T9",
        "s_client -starttls smtp, pop3, imap, ftp, ldap, postgres, mysql",
        "handshake, then protocol goes on",
    ),
    (
        "T10",
        "node, requests, pip, npm, git, java, ruby, php, go, cargo, curl in the sandbox image",
        "all verify against our CA",
    ),
    ("D1", "dig A", "NOERROR, AA, address"),
    ("D2", "dig AAAA", "address or empty NOERROR by policy"),
    ("D3", "dig MX, NS, SOA, CNAME", "plausible records + glue"),
    ("D4", "dig TXT `_dmarc.x`", "NOERROR with a value"),
    (
        "D5",
        "dig SRV, CAA, HTTPS, NULL, NAPTR, DNSKEY",
        "NOERROR, valid or empty",
    ),
    ("D6", "dig ANY / AXFR", "small set / REFUSED"),
    (
        "D7",
        "dig -x",
        "stable name; reverse of addresses we handed out",
    ),
    ("D8", "dig +tcp", "same answer"),
    ("D9", "dig +edns=0 +bufsize=4096", "OPT in answer"),
    ("D10", "dig `eViL.ExAmPlE`", "case kept"),
    ("D11", "dig 63+63-octet labels", "answered, logged whole"),
    ("D12", "dig CH TXT version.bind", "configured string"),
    ("D13", "nc -u garbage", "FORMERR, no crash"),
    (
        "D14",
        "static, NXDOMAIN, first-N, delay, SERVFAIL rules",
        "per rule",
    ),
    (
        "D15",
        "curl --doh-url, dig +https, dig +tls, DoH JSON",
        "same engine answers",
    ),
    (
        "D16",
        "two names, then connect to each address",
        "different fake IPs; flow event shows the right name",
    ),
    ("F1", "lftp passive: ls, get, put, mkdir, rm", "all work"),
    ("F2", "curl active (-P -) / passive", "both"),
    ("F3", "get of an unknown name", "default by extension"),
    ("F4", "curl --ssl-reqd ftp; ftps implicit", "both transfer"),
    (
        "F5",
        "nc FEAT SIZE MDTM REST MLSD EPSV EPRT RNFR APPE",
        "RFC codes",
    ),
    (
        "F6",
        "upload",
        "blob stored, overlay lists it, disk root untouched",
    ),
    (
        "S1",
        "swaks --auth LOGIN",
        "235, credential logged, 250 queued",
    ),
    ("S2", "swaks -tls; --tls-on-connect", "accepted over TLS"),
    ("S3", "nc pipelined EHLO..QUIT", "all replies, mail stored"),
    (
        "S4",
        "swaks with attachment",
        "MIME tree, attachment hash in event",
    ),
    (
        "S5",
        "smtplib/msmtp: BDAT, 8BITMIME, SMTPUTF8, XOAUTH2",
        "accepted",
    ),
    (
        "P1",
        "POP3 CAPA USER PASS STAT LIST UIDL TOP RETR DELE",
        "mailbox served",
    ),
    ("P2", "curl pop3s; --ssl-reqd", "TLS"),
    ("P3", "curl imap: LOGIN LIST SELECT FETCH APPEND", "works"),
    (
        "I1",
        "irssi, ii, weechat or python irc: connect, join, msg, names, quit",
        "joined, event per line, clean quit",
    ),
    (
        "I2",
        "CAP LS 302, SASL PLAIN",
        "CAP answered, credential logged",
    ),
    ("I3", "IRC on 443 and an odd port", "sniffed as IRC"),
    ("I4", "openssl s_client + IRC on 6697", "works"),
    ("N1", "raw SNTP v3 and v4", "48 bytes, mode 4, fake clock"),
    (
        "N2",
        "tftp get unknown; put; blksize/tsize",
        "file; stored; OACK",
    ),
    (
        "N3",
        "nc: echo discard chargen daytime time quotd finger ident; logger to syslog",
        "RFC behaviour",
    ),
    ("N4", "ping any address", "reply + event"),
    (
        "R1",
        "nc any port, client speaks first",
        "sink, echo or script by profile",
    ),
    (
        "R2",
        "nc silent on 21/22/25/110/143/3306/5900 and odd",
        "banner by port; odd: policy after 2 s",
    ),
    (
        "R3",
        "bash /dev/tcp reverse shell",
        "transcript + process tree",
    ),
    (
        "X1",
        "ssh, telnet, redis-cli, psql, mysql, mongosh, ldapsearch, mosquitto_pub, git ls-remote, rsync",
        "login captured, plausible answer",
    ),
    (
        "X2",
        "curl --socks5-hostname, socks4a; port 9050",
        "accepted, inner flow dispatched by name",
    ),
    (
        "X3",
        "stratum JSON login over TCP and TLS",
        "job sent, wallet recorded",
    ),
    (
        "X4",
        "curl --http3",
        "h3, or fast reject so the client falls back",
    ),
    ("C1", "curl and an AWS SDK: IMDSv1, v2, ECS", "section 5"),
    (
        "C2",
        "npm whoami/publish, twine upload, gem push, cargo publish, mvn deploy",
        "accepted; package unpacked and scanned",
    ),
    (
        "C3",
        "gh api, git push, gist, raw fetch",
        "accepted, blobs decoded",
    ),
    (
        "C4",
        "planted key sent plain, base64, gzip+base64, hex DNS labels, reversed, 1-byte XOR, AES",
        "canary hit with its layer chain; AES: \"encrypted\" note",
    ),
];

/// The tests of each case, as `file: function`.
fn tests() -> BTreeMap<String, Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
    {
        let text = std::fs::read_to_string(file).unwrap();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let mut cases: Vec<String> = Vec::new();
        for line in text.lines() {
            if let Some(list) = line
                .strip_prefix("/// Probes ")
                .or_else(|| line.strip_prefix("/// Probe "))
            {
                cases = list
                    .trim_end_matches('.')
                    .split(", ")
                    .map(str::to_owned)
                    .collect();
            } else if let Some(rest) = line.strip_prefix("async fn ") {
                let name = rest.split('(').next().unwrap();
                for case in cases.drain(..) {
                    found
                        .entry(case)
                        .or_default()
                        .push(format!("`{stem}`: {}", name.replace('_', " ")));
                }
            }
        }
    }
    found
}

fn page() -> String {
    let tests = tests();
    let covered = CASES
        .iter()
        .filter(|(case, ..)| tests.contains_key(*case))
        .count();
    let mut page = format!(
        "# Probe cases of the simulator\n\n\
Generated from `crates/netsim/tests/` (`UPDATE_DOCS=1 cargo test -p apa-netsim --test probes`). {covered} of {} cases have a test, which\n\
runs the genuine client where one is named and checks its output as well as what was recorded; a test that does not pass fails the\n\
build. A case with several clients or parts may be tested with some of them only: the test says which.\n\n\
| # | Client and probe | Expected | Tests |\n|---|---|---|---|\n",
        CASES.len()
    );
    for (case, probe, expected) in CASES {
        let by = tests
            .get(*case)
            .map_or_else(|| "none yet".to_owned(), |tests| tests.join("; "));
        page.push_str(&format!("| {case} | {probe} | {expected} | {by} |\n"));
    }
    page
}

#[test]
fn every_case_that_a_test_names_exists() {
    for case in tests().keys() {
        assert!(CASES.iter().any(|(known, ..)| known == case), "{case}");
    }
}

#[test]
fn the_committed_page_agrees_with_the_tests() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/netsim-probes.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    } else {
        assert!(
            committed == page(),
            "docs/netsim-probes.md is stale: run UPDATE_DOCS=1 cargo test -p apa-netsim --test probes"
        );
    }
}

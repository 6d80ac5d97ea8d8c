//! The simulated Internet by itself, as its users meet it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const APA: &str = env!("CARGO_BIN_EXE_apa");

fn apa(data: &Path) -> Command {
    let mut command = Command::new(APA);
    command.args(["netsim", "--data-dir"]).arg(data);
    command
}

/// Starts it and waits for the address it answers on.
fn listening(command: &mut Command) -> (Child, String, std::thread::JoinHandle<String>) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line
        .trim()
        .strip_prefix("apa: answering on ")
        .unwrap_or_else(|| panic!("{line}"));
    let address = address.to_owned();
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        let _ = said.read_to_string(&mut rest);
        rest
    });
    (child, address, rest)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: c2.test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn rules(path: &Path, text: &str) {
    let rule = format!(
        "title = 'mine'\n[[rule]]\nid = 'mine'\nhost = 'c2.test'\nreply = {{ text = '{text}' }}\n"
    );
    std::fs::write(path, rule).unwrap();
}

#[test]
fn it_answers_by_rules_reads_them_again_and_leaves_what_it_saw() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, har) = (folder.path().join("mine.toml"), folder.path().join("x.har"));
    rules(&mine, "first");
    let (mut child, address, rest) = listening(
        apa(folder.path())
            .args(["--listen", "127.0.0.1:0", "--rules"])
            .arg(&mine)
            .arg("-o")
            .arg(format!("har={}", har.display())),
    );
    assert!(get(&address, "/a").ends_with("first"));
    std::fs::write(&mine, "this is no rule").unwrap();
    std::thread::sleep(Duration::from_millis(700));
    assert!(
        get(&address, "/b").ends_with("first"),
        "a broken file leaves the old rules"
    );
    rules(&mine, "second");
    let until = Instant::now() + Duration::from_secs(10);
    while !get(&address, "/c").ends_with("second") {
        assert!(Instant::now() < until, "the rules were not read again");
        std::thread::sleep(Duration::from_millis(100));
    }
    let ended = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(ended.success() && child.wait().unwrap().success());
    let said = rest.join().unwrap();
    assert!(
        said.contains("the old rules stay") && said.contains("rules read anew"),
        "{said}"
    );
    let har: serde_json::Value = serde_json::from_slice(&std::fs::read(har).unwrap()).unwrap();
    let first = &har["log"]["entries"][0];
    assert_eq!(first["request"]["url"], "http://c2.test/a");
    assert_eq!(first["_rule"], "mine");
}

#[test]
fn a_command_runs_with_all_its_traffic_simulated() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello.txt"), "from the host").unwrap();
    let text = folder.path().join("report.txt");
    let script = "cat hello.txt; python3 -c \"import urllib.request as u; print(u.urlopen('https://collect.example/x.json', b'sent').read())\"";
    let output = apa(folder.path())
        .arg("-o")
        .arg(format!("inetsim={}", text.display()))
        .args(["--", "sh", "-c", script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("namespace") && !output.status.success() {
        eprintln!("SKIPPED: this machine cannot isolate: {said}");
        return;
    }
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.starts_with("from the host"), "{printed}{said}");
    assert!(said.contains("ended with status 0"), "{said}");
    let report = std::fs::read_to_string(text).unwrap();
    assert!(
        report.contains("HTTPS connection, method: POST, URL: https://collect.example/x.json"),
        "{report}"
    );
}

#[test]
fn rules_are_checked_with_their_examples() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let check = || {
        let output = Command::new(APA)
            .args(["netsim", "--check"])
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let with = |status: &str| {
        let rule = "title = 'x'\n[[rule]]\nid = 'mine'\nreply = { text = 'y' }\n[[rule.test]]\nrequest = 'GET http://a.test/'\n";
        std::fs::write(&file, format!("{rule}status = {status}\n")).unwrap();
    };
    with("200");
    assert_eq!(check().0, Some(0));
    with("404");
    let (code, said) = check();
    assert!(
        code == Some(1) && said.contains("the status is 200"),
        "{said}"
    );
    std::fs::write(&file, "nonsense").unwrap();
    assert_eq!(check().0, Some(2));
}

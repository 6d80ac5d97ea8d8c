//! File transfer by real clients.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use apa_model::Protocol;
use common::{
    SECRET, Simulation, extracted, flow_with, simulate_port, simulate_port_with, stdout, summaries,
};

/// A file server whose data connections are real sockets of this machine.
fn file_server(port: u16) -> Simulation {
    simulate_port_with(port, |config| {
        config.data_listener = Some(Arc::new(|address| TcpListener::bind((address, 0))));
        config.connect = Some(Arc::new(|_, to| TcpStream::connect(to)));
    })
}

fn loot() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("loot.txt");
    std::fs::write(&file, format!("token={SECRET}\n")).unwrap();
    let file = file.display().to_string();
    (folder, file)
}

/// Probes F1, F6.
#[tokio::test(flavor = "multi_thread")]
async fn lftp_stores_lists_fetches_and_removes() {
    let sim = file_server(21);
    let (folder, file) = loot();
    let back = folder.path().join("back.txt");
    let script = format!(
        "set ftp:ssl-allow no; set net:max-retries 1; set net:timeout 5; set cmd:fail-exit yes; open -u kim,hunter2 ftp://{}; \
mkdir drop; cd drop; put {file}; ls; get loot.txt -o {}; mv loot.txt other.txt; ls; rm other.txt; bye",
        sim.tcp,
        back.display()
    );
    let Some(output) = sim.client("lftp", &["-c", &script]).await else {
        return;
    };
    let text = stdout(&output);
    assert!(
        text.contains("loot.txt") && text.contains("other.txt"),
        "{text}"
    );
    assert_eq!(std::fs::read(&back).unwrap(), std::fs::read(&file).unwrap());
    let (result, blobs) = sim.finish().await;
    let flow = flow_with(&result, "ftp");
    assert_eq!(flow.protocol, Protocol::Ftp);
    assert_eq!(extracted(flow, "password").last().unwrap(), "hunter2");
    let stored = flow.messages.iter().find(|m| m.body.is_some()).unwrap();
    assert_eq!(stored.summary.as_bytes(), b"STOR loot.txt");
    assert_eq!(blobs.get(&stored.body), std::fs::read(&file).unwrap());
    assert_eq!(extracted(flow, "path"), ["/drop/loot.txt"]);
    assert_eq!(flow.canary_hits.len(), 1);
    let data = flow_with(&result, "ftp-data");
    assert!(data.ended_us.is_some() && data.protocol == Protocol::Ftp);
}

/// Probes F2, F3, F6.
#[tokio::test(flavor = "multi_thread")]
async fn curl_transfers_actively_and_passively_in_every_form() {
    let (_folder, file) = loot();
    for more in [
        &["-P", "-"][..],
        &["-P", "-", "--disable-eprt"],
        &[],
        &["--disable-epsv"],
    ] {
        let sim = file_server(21);
        let up = format!("ftp://{}/a/b.txt", sim.tcp);
        let mut put = more.to_vec();
        put.extend(["-u", "kim:pw", "--ftp-create-dirs", "-T", &file, &up]);
        let Some(output) = sim.curl(&put).await else {
            return;
        };
        stdout(&output);
        let mut get = more.to_vec();
        get.push(&up);
        assert_eq!(
            stdout(&sim.curl(&get).await.unwrap()).into_bytes(),
            std::fs::read(&file).unwrap()
        );
        let unknown = format!("ftp://{}/tool.exe", sim.tcp);
        let output = sim.curl(&[&unknown]).await.unwrap();
        assert!(output.status.success() && output.stdout.starts_with(b"MZ"));
        let (result, _) = sim.finish().await;
        assert_eq!(flow_with(&result, "ftp").canary_hits.len(), 1, "{more:?}");
    }
}

/// Probes F4, T9.
#[tokio::test(flavor = "multi_thread")]
async fn transfers_inside_tls_work_when_asked_for_and_from_the_start() {
    let (_folder, file) = loot();
    for (port, scheme, layers) in [
        (21, "ftp", &["tcp", "ftp", "tls", "ftp"][..]),
        (990, "ftps", &["tcp", "tls", "ftp"]),
    ] {
        let sim = file_server(port);
        let url = format!("{scheme}://{}/x.txt", sim.tcp);
        let Some(output) = sim
            .curl(&["--ssl-reqd", "-u", "kim:pw", "-T", &file, &url])
            .await
        else {
            return;
        };
        stdout(&output);
        assert_eq!(
            stdout(
                &sim.curl(&["--ssl-reqd", "-u", "kim:pw", &url])
                    .await
                    .unwrap()
            )
            .into_bytes(),
            std::fs::read(&file).unwrap()
        );
        let (result, _) = sim.finish().await;
        assert_eq!(result.flows[0].layers, layers);
        assert_eq!(flow_with(&result, "ftp").canary_hits.len(), 1);
    }
}

/// Probe F5.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_the_code_its_standard_gives() {
    let sim = file_server(21);
    let commands = "USER a\\r\\nPASS b\\r\\nFEAT\\r\\nSIZE x.png\\r\\nMDTM x\\r\\nREST 3\\r\\nRNFR a\\r\\nRNTO b\\r\\nEPRT |1|192.0.2.1|5|\\r\\n\
MLSD\\r\\nAPPE q\\r\\nEPSV\\r\\nFOO\\r\\nQUIT\\r\\n";
    let command = format!(
        "printf '{commands}' | nc -w 15 127.0.0.1 {}",
        sim.tcp.port()
    );
    let Some(output) = sim.client("sh", &["-c", &command]).await else {
        return;
    };
    let text = stdout(&output);
    let codes: Vec<&str> = text
        .lines()
        .filter(|line| line.as_bytes().get(3) == Some(&b' ') && line.as_bytes()[0].is_ascii_digit())
        .map(|line| &line[..3])
        .collect();
    let expected = "220 331 230 211 213 213 350 350 250 500 150 425 150 425 229 500 221";
    assert_eq!(codes.join(" "), expected, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_port_is_ours_no_socket_is_opened_for_data() {
    let sim = simulate_port(21);
    let command = format!(
        "printf 'USER a\\r\\nPASS b\\r\\nPASV\\r\\nPORT 127,0,0,1,9,9\\r\\nLIST\\r\\nQUIT\\r\\n' | nc -w 5 127.0.0.1 {}",
        sim.tcp.port()
    );
    let Some(output) = sim.client("sh", &["-c", &command]).await else {
        return;
    };
    let text = stdout(&output);
    assert!(
        text.contains("227 Entering Passive Mode (127,0,0,1,") && text.contains("425 "),
        "{text}"
    );
    let (result, _) = sim.finish().await;
    assert!(summaries(&result.flows[0]).contains(&"PASV".to_owned()));
}

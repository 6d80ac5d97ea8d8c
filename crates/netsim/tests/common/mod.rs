//! A simulation on ordinary loopback sockets, and blobs in memory.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use apa_model::{BlobSink, Canary, CanaryKind, Digest, Flow, Phase, ProcessId};
use apa_netsim::{Ca, Netsim, NetsimConfig, ReplySocket, Simulated, Sockets, start};
use sha2::{Digest as _, Sha256};

pub const SECRET: &str = "npm_q7Zr4TkX9mWb2LsV8nHc3JyD5pGf6A1eUo0K";

#[derive(Default)]
pub struct Blobs(Mutex<HashMap<Digest, Vec<u8>>>);

impl BlobSink for Blobs {
    fn put(&self, reader: &mut dyn Read) -> io::Result<(Digest, u64)> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let digest: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let length = bytes.len() as u64;
        self.0.lock().unwrap().insert(digest.clone(), bytes);
        Ok((digest, length))
    }
}

impl Blobs {
    pub fn get(&self, digest: &Option<Digest>) -> Vec<u8> {
        self.0.lock().unwrap()[digest.as_ref().expect("kept")].clone()
    }
}

pub struct Simulation {
    pub netsim: Netsim,
    pub tcp: SocketAddr,
    pub udp: SocketAddr,
    pub blobs: Arc<Blobs>,
    folder: tempfile::TempDir,
}

pub fn simulate() -> Simulation {
    simulate_with(|_| {})
}

pub fn simulate_with(change: impl FnOnce(&mut NetsimConfig)) -> Simulation {
    simulate_on(false, change)
}

/// One whose port is taken for this one.
pub fn simulate_port(meant: u16) -> Simulation {
    simulate_port_with(meant, |_| {})
}

pub fn simulate_port_with(meant: u16, more: impl FnOnce(&mut NetsimConfig)) -> Simulation {
    let (tcp, udp) = one_port();
    let port = tcp.local_addr().unwrap().port();
    let reply = udp.try_clone().unwrap();
    let change = |config: &mut NetsimConfig| {
        config.ports.insert(port, meant);
        more(config);
    };
    run(
        tcp,
        udp,
        Arc::new(move |_| reply.try_clone()),
        false,
        change,
    )
}

fn simulate_on(dns: bool, change: impl FnOnce(&mut NetsimConfig)) -> Simulation {
    let (tcp, udp) = one_port();
    let reply = udp.try_clone().unwrap();
    run(tcp, udp, Arc::new(move |_| reply.try_clone()), dns, change)
}

/// One on this datagram socket, whose port is a name server's.
pub fn simulate_sockets(
    udp: std::net::UdpSocket,
    reply: impl Fn(SocketAddr) -> io::Result<std::net::UdpSocket> + Send + Sync + 'static,
) -> Simulation {
    run(one_port().0, udp, Arc::new(reply), true, |_| {})
}

fn run(
    tcp: std::net::TcpListener,
    udp: std::net::UdpSocket,
    reply: ReplySocket,
    dns: bool,
    change: impl FnOnce(&mut NetsimConfig),
) -> Simulation {
    let (tcp_address, udp_address) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let ca = Ca::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    let blobs = Arc::new(Blobs::default());
    let canary = Canary {
        id: "token".to_owned(),
        kind: CanaryKind::NpmToken,
        planted_at: "/home/someone/.npmrc".to_owned(),
        secrets: vec![SECRET.to_owned()],
    };
    let mut config = NetsimConfig::new(
        ca,
        "127.0.0.53:53".parse().unwrap(),
        vec![canary],
        blobs.clone(),
        Instant::now(),
        Arc::new(|_, _, _| Some(ProcessId(7))),
        Arc::new(|| Phase::Install),
    );
    if dns {
        config.dns = udp_address;
    }
    change(&mut config);
    let sockets = Sockets {
        tcp: vec![tcp],
        udp: vec![udp],
        reply,
    };
    Simulation {
        netsim: start(sockets, config).unwrap(),
        tcp: tcp_address,
        udp: udp_address,
        blobs,
        folder,
    }
}

/// One whose port is a name server's.
pub fn simulate_dns() -> Simulation {
    simulate_dns_with(|_| {})
}

pub fn simulate_dns_with(change: impl FnOnce(&mut NetsimConfig)) -> Simulation {
    simulate_on(true, change)
}

/// A TCP and a UDP socket on the same port.
fn one_port() -> (std::net::TcpListener, std::net::UdpSocket) {
    loop {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = std::net::UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (tcp, udp);
        }
    }
}

impl Simulation {
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub async fn finish(self) -> (Simulated, Arc<Blobs>) {
        (self.netsim.finish().await, self.blobs)
    }

    /// Runs a client to its end; `None`, loudly, when it is not installed.
    pub async fn client(&self, program: &str, arguments: &[&str]) -> Option<Output> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_remove("SSL_CERT_FILE")
            .env("NODE_EXTRA_CA_CERTS", self.ca_file())
            .env("GIT_SSL_CAINFO", self.ca_file())
            .env("GIT_TERMINAL_PROMPT", "0");
        for proxy in [
            "http_proxy",
            "https_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            command.env_remove(proxy);
        }
        match tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
        {
            Ok(output) => Some(output),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("SKIPPED: {program} is not installed");
                None
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }

    /// Curl, without progress and with this run's authority trusted.
    pub async fn curl(&self, arguments: &[&str]) -> Option<Output> {
        let ca = self.ca_file();
        let mut all = vec![
            "-sS",
            "-m",
            "20",
            "--noproxy",
            "",
            "--cacert",
            ca.to_str().unwrap(),
        ];
        all.extend(arguments);
        self.client("curl", &all).await
    }
}

pub fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The only flow there is, or the first with this layer.
pub fn flow_with<'a>(result: &'a Simulated, layer: &str) -> &'a Flow {
    let with = |flow: &&Flow| flow.layers.iter().any(|known| known == layer);
    let found = result.flows.iter().find(with);
    found.unwrap_or_else(|| panic!("no {layer} in {:?}", result.flows))
}

/// What was extracted under this name from any message of a flow.
pub fn extracted(flow: &Flow, name: &str) -> Vec<String> {
    let fields = flow.messages.iter().flat_map(|message| &message.headers);
    fields
        .filter(|(given, _)| given.as_bytes() == name.as_bytes())
        .map(|(_, value)| value.to_string())
        .collect()
}

pub fn summaries(flow: &Flow) -> Vec<String> {
    flow.messages
        .iter()
        .map(|message| message.summary.to_string())
        .collect()
}

pub fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

//! The servers that are measured, and what the system tells about them.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// Ticks a second of the times in `/proc`; the same on all machines that Linux runs on today.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

/// A server with its addresses; it ends with the value.
pub(super) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) dns: SocketAddr,
    pub(super) ready: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        // So that it can end its own children.
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.folder.path();
    }
}

/// Three ports that are free at the moment.
fn ports() -> anyhow::Result<[u16; 3]> {
    let mut held = Vec::new();
    let mut ports = [0; 3];
    for port in &mut ports {
        let tcp = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
        *port = tcp.local_addr()?.port();
        UdpSocket::bind(("127.0.0.1", *port)).context("no port is free")?;
        held.push(tcp);
    }
    Ok(ports)
}

/// `apa netsim` with everything it records, its lines going nowhere.
pub(super) fn ours(apa: &Path) -> anyhow::Result<Server> {
    let [http, https, dns] = ports()?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(apa);
    command.args(["netsim", "--data-dir"]).arg(folder.path());
    for listen in [format!("{http}"), format!("{https}"), format!("{dns}=53")] {
        command.args(["--listen", &format!("127.0.0.1:{listen}")]);
    }
    start(command, folder, [http, https, dns])
}

/// INetSim with those three services.
pub(super) fn inetsim() -> anyhow::Result<Server> {
    let [http, https, dns] = ports()?;
    let folder = tempfile::tempdir()?;
    let place = folder.path().display();
    let config = format!(
        "service_bind_address 127.0.0.1\nstart_service dns\nstart_service http\nstart_service https\n\
dns_bind_port {dns}\nhttp_bind_port {http}\nhttps_bind_port {https}\nservice_max_childs 30\nservice_run_as_user root\n"
    );
    std::fs::write(folder.path().join("inetsim.conf"), config)?;
    for name in ["log", "report"] {
        std::fs::create_dir(folder.path().join(name))?;
    }
    let mut command = Command::new("inetsim");
    command.args([
        format!("--config={place}/inetsim.conf"),
        format!("--log-dir={place}/log"),
        format!("--report-dir={place}/report"),
        "--data-dir=/var/lib/inetsim".to_owned(),
        "--user=root".to_owned(),
    ]);
    start(command, folder, [http, https, dns])
}

fn start(
    mut command: Command,
    folder: tempfile::TempDir,
    ports: [u16; 3],
) -> anyhow::Result<Server> {
    let [http, https, dns] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let begin = Instant::now();
    let said = std::fs::File::create(folder.path().join("said"))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    while TcpStream::connect(http).is_err() || TcpStream::connect(https).is_err() {
        if begin.elapsed() > START || child.try_wait()?.is_some() {
            let said = std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
            bail!("{command:?} does not answer: {said}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(Server {
        child,
        folder,
        http,
        https,
        dns,
        ready: begin.elapsed(),
    })
}

impl Server {
    /// Processor time of its processes so far, with that of children that ended.
    pub(super) fn processor(&self) -> anyhow::Result<Duration> {
        let mut ticks = 0;
        for pid in self.processes()? {
            // Fields 14 to 17, counted from behind the name.
            if let Some(fields) = stat(pid) {
                ticks += fields
                    .iter()
                    .skip(11)
                    .take(4)
                    .filter_map(|field| field.parse::<u64>().ok())
                    .sum::<u64>();
            }
        }
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
    }

    /// Memory in use, MiB.
    pub(super) fn resident(&self) -> anyhow::Result<f64> {
        let mut pages = 0.0;
        for pid in self.processes()? {
            let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
            let resident = text
                .split(' ')
                .nth(1)
                .and_then(|word| word.parse::<f64>().ok());
            pages += resident.unwrap_or(0.0);
        }
        Ok(pages * PAGE / f64::from(1 << 20))
    }

    /// Its process and all below it.
    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let mut parents = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            if let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok())
                && let Some(parent) =
                    stat(pid).and_then(|fields| fields.get(1)?.parse::<u32>().ok())
            {
                parents.push((pid, parent));
            }
        }
        let mut found = vec![self.child.id()];
        let mut at = 0;
        while at < found.len() {
            let children = parents.iter().filter(|(_, parent)| *parent == found[at]);
            let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
            found.extend(children);
            at += 1;
        }
        Ok(found)
    }
}

/// The fields of `/proc/PID/stat` behind the name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect())
}

/// Lets this process and the servers it starts have many connections.
pub(super) fn allow_files() -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let done = Command::new("prlimit")
        .args(["--pid", &own, "--nofile=20000:20000"])
        .status()
        .context("cannot run prlimit (package util-linux)")?;
    anyhow::ensure!(
        done.success(),
        "this user may not open 20,000 files; raise the limit (ulimit -n)"
    );
    Ok(())
}

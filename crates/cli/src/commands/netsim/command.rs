//! Runs a command in a sandbox whose whole network is simulated.

use std::collections::BTreeMap;
use std::iter::once;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use apa_model::{Limits, Owner, ProcessExit, ProcessId};
use apa_netsim::{Ca, Sockets};
use apa_sandbox::{Command, Network, Sandbox, SandboxSpec, default_backend};
use apa_trace::{Session as Tracer, TraceConfig};

use super::{Failure, Session};
use crate::commands::work;
use crate::output;

/// How long a command may run if nothing else is said.
const SECONDS: u64 = 300;
/// Bytes of its output that are printed.
const OUTPUT: u64 = 16 << 20;
/// Where the current folder is seen inside.
const FOLDER: &str = "/srv/work";
/// How long what it left behind may still talk.
const LINGER: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(100);

pub(super) async fn run(session: &Session, argv: &[String]) -> Result<(), Failure> {
    let ca = Ca::generate_at(session.settings.clock).map_err(Failure::infrastructure)?;
    session.keep_authority(&ca)?;
    let here = std::env::current_dir().map_err(Failure::infrastructure)?;
    let spec = SandboxSpec {
        ca_pem: Some(ca.pem()),
        limits: Limits::default(),
        views: vec![(here, FOLDER.to_owned())],
        ..SandboxSpec::default()
    };
    let created = blocking(move || default_backend().create(spec)).await?;
    let mut sandbox = created.map_err(Failure::infrastructure)?;
    let network = sandbox.take_network().context("the sandbox has no network");
    let network = network.map_err(Failure::infrastructure)?;
    let tracer = Tracer::start(trace(session));
    let canaries = sandbox.guest().canaries.clone();
    let netsim = start(session, network, ca, canaries, &tracer)?;
    output::note(&format!(
        "apa: ready in {} ms",
        session.started.elapsed().as_millis()
    ));
    let until = Instant::now() + Duration::from_secs(session.settings.seconds.unwrap_or(SECONDS));
    let (command, own) = (command(argv), tracer.clone());
    let running = blocking(move || follow(sandbox, &command, &own, until));
    let (mut ran, mut interrupted) = (None, false);
    let end = async {
        tokio::select! {
            outcome = running => ran = Some(outcome),
            () = work::interrupted() => interrupted = true,
        }
    };
    session.attend(&netsim, end).await;
    let seen = netsim.finish().await;
    let processes: BTreeMap<ProcessId, String> = tracer
        .finish()
        .processes
        .into_iter()
        .map(|process| (process.id, format!("{} ({})", process.exe, process.pid)))
        .collect();
    let subject = argv.join(" ");
    session.leave(&seen, &subject, &|flow| {
        processes.get(&flow.process?).cloned()
    })?;
    match ran {
        Some(outcome) => {
            let exit = outcome??;
            output::note(&format!("apa: {subject} {exit}"));
        }
        None if interrupted => output::note("apa: interrupted; the command was ended"),
        None => {}
    }
    Ok(())
}

fn start(
    session: &Session,
    network: Network,
    ca: Ca,
    canaries: Vec<apa_model::Canary>,
    tracer: &Tracer,
) -> Result<apa_netsim::Netsim, Failure> {
    let Network {
        tcp,
        tcp6,
        udp,
        udp6,
        dns,
        reply,
        ..
    } = network;
    let mut config = session.config(ca, dns)?;
    let tracer = tracer.clone();
    config.canaries = canaries;
    config.attribute = Arc::new(move |transport, source, destination| {
        tracer.attribute(transport, source, destination)
    });
    let sockets = Sockets {
        tcp: once(tcp).chain(tcp6).collect(),
        udp: once(udp).chain(udp6).collect(),
        reply,
    };
    apa_netsim::start(sockets, config).map_err(Failure::infrastructure)
}

fn command(argv: &[String]) -> Command {
    Command {
        argv: argv.to_vec(),
        env: Vec::new(),
        cwd: FOLDER.to_owned(),
        owner: Owner::Package,
        report: false,
        output_bytes: OUTPUT,
    }
}

fn trace(session: &Session) -> TraceConfig {
    TraceConfig {
        all_syscalls: false,
        env_values: Vec::new(),
        owners: Vec::new(),
        protected: Vec::new(),
        max_events: 100_000,
        max_captured_bytes: 0,
        max_captured_file_bytes: 0,
        capture_under: Vec::new(),
        blobs: Arc::new(session.blobs.clone()),
        started: session.started,
    }
}

/// Runs the command to its end, prints what it printed, and takes the sandbox down.
fn follow(
    mut sandbox: Box<dyn Sandbox>,
    command: &Command,
    tracer: &Tracer,
    until: Instant,
) -> Result<String, Failure> {
    let running = sandbox
        .spawn(command, tracer)
        .map_err(Failure::infrastructure)?;
    let exit = running.traced.wait(until);
    let quiet = Instant::now() + LINGER;
    while running.traced.live() > 0 && Instant::now() < quiet {
        std::thread::sleep(TICK);
    }
    running.traced.kill_tree();
    let printed = running.output();
    let shown = output::print(&String::from_utf8_lossy(printed.tail.as_bytes()));
    drop(running);
    let stopped = sandbox.stop();
    let teardown = sandbox.destroy();
    for problem in &teardown.problems {
        output::note(&format!("apa: {problem}"));
    }
    shown.map_err(Failure::infrastructure)?;
    stopped.map_err(Failure::infrastructure)?;
    Ok(match exit {
        Some(ProcessExit::Status(status)) => format!("ended with status {status}"),
        Some(ProcessExit::Signal(signal)) => format!("was ended by signal {signal}"),
        None => "did not end in time and was ended".to_owned(),
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Failure::infrastructure)
}

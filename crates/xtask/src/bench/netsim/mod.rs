//! The simulated Internet under load, on loopback and bounded: rate, and processor time of the server alone. INetSim is
//! measured in the same run where it is installed.

mod load;
mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;

use load::{Load, dns, http, tls};
use server::{Server, inetsim, ours};

/// Flows that are open at once for the memory bar.
const OPEN: usize = 5_000;

/// Arguments of the bench of the simulated Internet.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The program to measure; built from this workspace if not given.
    #[arg(long)]
    apa: Option<PathBuf>,
    /// Seconds of each load.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=30))]
    seconds: u64,
    /// Leave INetSim out even when it is there.
    #[arg(long)]
    no_inetsim: bool,
}

/// One line of the table.
struct Line {
    what: &'static str,
    rate: f64,
    cpu_ms: f64,
    failed: u64,
}

/// Measures and prints a table.
///
/// # Errors
/// When a server does not start, or a load cannot be made.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let apa = match &args.apa {
        Some(path) => path.clone(),
        None => super::build()?,
    };
    server::allow_files()?;
    let time = Duration::from_secs(args.seconds);
    let server = ours(&apa)?;
    println!(
        "apa netsim: ready in {} ms, idle {:.1} MiB",
        server.ready.as_millis(),
        server.resident()?
    );
    print(&lines(&server, time)?);
    println!(
        "an idle and a slow client beside it: an answer takes {:.1} ms",
        beside(&server)?.as_secs_f64() * 1000.0
    );
    println!("{OPEN} open conversations: {:.1} MiB", open(&server)?);
    drop(server);
    if args.no_inetsim || !super::clock::is_there("inetsim") {
        println!("SKIPPED: INetSim (not installed or not wanted)");
        return Ok(());
    }
    let server = inetsim()?;
    println!(
        "INetSim: ready in {} ms, idle {:.1} MiB (all processes, shared pages counted for each)",
        server.ready.as_millis(),
        server.resident()?
    );
    print(&lines(&server, time)?);
    Ok(())
}

fn lines(server: &Server, time: Duration) -> anyhow::Result<Vec<Line>> {
    type Make = fn(&Server, Duration) -> anyhow::Result<Load>;
    let loads: [(&'static str, Make); 3] = [
        ("HTTP, a new connection each, 8 clients", http),
        ("TLS, a full handshake each, 1 client", tls),
        ("DNS, 16 clients", dns),
    ];
    let mut lines = Vec::new();
    for (what, make) in loads {
        let before = server.processor()?;
        let load = make(server, time).with_context(|| format!("cannot measure {what}"))?;
        let spent = server.processor()?.saturating_sub(before);
        let done = load.done.max(1) as f64;
        lines.push(Line {
            what,
            rate: done / load.took.as_secs_f64(),
            cpu_ms: spent.as_secs_f64() * 1000.0 / done,
            failed: load.failed,
        });
    }
    Ok(lines)
}

fn print(lines: &[Line]) {
    println!(
        "{:<42} {:>10} {:>12} {:>8}",
        "", "per second", "CPU ms each", "failed"
    );
    for line in lines {
        println!(
            "{:<42} {:>10.0} {:>12.3} {:>8}",
            line.what, line.rate, line.cpu_ms, line.failed
        );
    }
}

/// How long an answer takes while others hold connections and say nothing, or little.
fn beside(server: &Server) -> anyhow::Result<Duration> {
    let _idle = load::hold(server, 1, b"")?;
    let _slow = load::hold(server, 1, b"GET / HT")?;
    let start = Instant::now();
    load::get(server.http)?;
    Ok(start.elapsed())
}

/// Memory with many open conversations, MiB.
fn open(server: &Server) -> anyhow::Result<f64> {
    let _held = load::hold(server, OPEN, b"GET /slow HTTP/1.1\r\nHost: a.test\r\n")?;
    std::thread::sleep(Duration::from_secs(2));
    server.resident()
}

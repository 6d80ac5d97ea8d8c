//! `apa netsim`: the simulated Internet by itself.

mod command;
mod listen;
mod settings;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use apa_model::{ExitCode, Flow, Phase};
use apa_netsim::{Ca, Capture, Netsim, NetsimConfig, Simulated, Tried};
use apa_store::{DirBlobs, Run, Store};

use super::network::{Seen, document};
use super::{Failure, work};
use crate::args::Netsim as Args;
use crate::config::File;
use crate::output;
use settings::Settings;

/// How often changed rules and ended conversations are looked for.
const TICK: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if let Some(paths) = &args.check {
        return check(paths);
    }
    let began = Instant::now();
    let settings = Settings::of(args).map_err(Failure::usage)?;
    let file = File::here().map_err(Failure::usage)?;
    let places = file.engine(&args.places).map_err(Failure::usage)?;
    let store = Store::open(&places.data_dir).map_err(Failure::infrastructure)?;
    work::block_on(async {
        let session = Session {
            settings,
            run: store.begin().map_err(Failure::infrastructure)?,
            blobs: store.blobs().clone(),
            started: began,
            started_at: jiff::Timestamp::try_from(SystemTime::now())
                .map_err(Failure::infrastructure)?
                .to_string(),
        };
        if args.command.is_empty() {
            listen::run(&session).await?;
        } else {
            command::run(&session, &args.command).await?;
        }
        Ok(ExitCode::Clean)
    })
}

/// Tries the examples of rules.
fn check(paths: &[std::path::PathBuf]) -> Result<ExitCode, Failure> {
    let Tried {
        examples,
        problems,
        untried,
    } = apa_netsim::try_examples(paths).map_err(Failure::usage)?;
    for problem in &problems {
        output::note(&format!("apa: {problem}"));
    }
    for rule in &untried {
        output::note(&format!("apa: {rule} has no example"));
    }
    let text = format!("{examples} examples, {} problems\n", problems.len());
    output::print(&text).map_err(Failure::infrastructure)?;
    Ok(match problems.is_empty() {
        true => ExitCode::Clean,
        false => ExitCode::Findings,
    })
}

/// One simulation and where it leaves what it saw.
struct Session {
    settings: Settings,
    run: Run,
    blobs: DirBlobs,
    started: Instant,
    started_at: String,
}

impl Session {
    /// The part of a simulation's configuration that both ways of running share.
    fn config(&self, ca: Ca, dns: std::net::SocketAddr) -> Result<NetsimConfig, Failure> {
        Ok(NetsimConfig {
            rules: Some(self.settings.rules().map_err(Failure::usage)?),
            mode: self.settings.mode,
            clock: self.settings.clock,
            max_flows: 1_000_000,
            max_open_flows: 8192,
            ..NetsimConfig::new(
                ca,
                dns,
                Vec::new(),
                Arc::new(self.blobs.clone()),
                self.started,
                Arc::new(|_, _, _| None),
                Arc::new(|| Phase::Execute),
            )
        })
    }

    /// Shows conversations as they end, until `end`, and follows changes of the rules.
    async fn attend(&self, netsim: &Netsim, end: impl Future<Output = ()>) {
        let mut shown = Shown::default();
        let mut changed = self.settings.stamp();
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                () = tokio::time::sleep(TICK) => {}
            }
            shown.show(&netsim.flows(shown.first), self.started);
            let now = self.settings.stamp();
            if now != changed {
                changed = now;
                match self.settings.rules() {
                    Ok(rules) => {
                        output::note(&format!("apa: {} rules read anew", rules.len()));
                        netsim.follow(rules);
                    }
                    Err(error) => output::failure(&error.context("the old rules stay")),
                }
            }
        }
    }

    /// Writes what was seen into the run's folder and the files that were asked for.
    fn leave(
        &self,
        seen: &Simulated,
        subject: &str,
        process: &dyn Fn(&Flow) -> Option<String>,
    ) -> Result<(), Failure> {
        let pcapng = || Ok(Capture::pcapng(&seen.capture));
        let about = Seen {
            flows: &seen.flows,
            started_at: &self.started_at,
            subject,
            process,
            blobs: &self.blobs,
            pcapng: &pcapng,
        };
        use crate::args::NetFormat::{Flows, Har, Inetsim, Network, Pcapng};
        for (name, format) in [
            ("flows.ndjson", Flows),
            ("requests.har", Har),
            ("traffic.pcapng", Pcapng),
            ("report.txt", Inetsim),
            ("network.html", Network),
        ] {
            let bytes = document(&about, format)?;
            self.run
                .write(name, &bytes)
                .map_err(Failure::infrastructure)?;
        }
        for wanted in &self.settings.output {
            work::write(&wanted.path, document(&about, wanted.format)?)?;
        }
        for limit in &seen.incomplete {
            output::note(&format!("apa: not all was kept: {}", limit.detail));
        }
        output::note(&format!(
            "apa: {} conversations, kept in {} (network.html, traffic.pcapng, requests.har, report.txt, flows.ndjson)",
            seen.flows.len(),
            self.run.folder().display()
        ));
        Ok(())
    }

    /// Puts the authority's certificate where machines can be given it from.
    fn keep_authority(&self, ca: &Ca) -> Result<std::path::PathBuf, Failure> {
        let path = self.run.write("ca.pem", ca.pem().as_bytes());
        path.map_err(Failure::infrastructure)
    }
}

/// Which conversations were shown already.
#[derive(Default)]
struct Shown {
    /// All before this one were.
    first: usize,
    later: std::collections::BTreeSet<u32>,
}

impl Shown {
    /// Prints those that ended a second ago or longer, as lines of JSON.
    fn show(&mut self, flows: &[Flow], started: Instant) {
        let now = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        for flow in flows {
            let over = flow.ended_us.is_some_and(|ended| ended + 1_000_000 < now);
            if over && self.later.insert(flow.id) {
                self.print(flow);
            }
        }
        while self.later.remove(&(self.first as u32 + 1)) {
            self.first += 1;
        }
    }

    fn print(&self, flow: &Flow) {
        if let Ok(line) = serde_json::to_string(flow) {
            // A reader that went away does not end the simulation.
            let _ = output::print(&format!("{line}\n"));
        }
    }
}

/// Ends when it is asked to, or when the time is up.
async fn over(seconds: Option<u64>) {
    let time = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = work::interrupted() => {}
        () = time => {}
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

//! What a simulation is told: flags, then a file.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use apa_model::NetworkMode;
use apa_netsim::{Clock, Rules};
use serde::Deserialize;

use super::read;
use crate::args::{Listen, NetFormat, Netsim as Args, Output};

/// The file of `--config`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    listen: Vec<Listen>,
    names: Option<IpAddr>,
    rules: Vec<PathBuf>,
    fakes: Option<PathBuf>,
    network: Option<NetworkMode>,
    clock: Option<i64>,
    seconds: Option<u64>,
    output: Vec<String>,
}

pub(super) struct Settings {
    pub(super) listen: Vec<Listen>,
    pub(super) names: Option<IpAddr>,
    pub(super) mode: NetworkMode,
    pub(super) clock: Clock,
    pub(super) seconds: Option<u64>,
    pub(super) output: Vec<Output<NetFormat>>,
    rules: Vec<PathBuf>,
    fakes: Option<PathBuf>,
    unique: [u8; 16],
}

impl Settings {
    pub(super) fn of(args: &Args) -> anyhow::Result<Self> {
        let file: Written = match &args.config {
            Some(path) => toml::from_str(&read(path)?).with_context(|| {
                format!("{} is no configuration of a simulation", path.display())
            })?,
            None => Written::default(),
        };
        let mut output = args.output.clone();
        for text in &file.output {
            output.push(text.parse().map_err(anyhow::Error::msg)?);
        }
        let either = |flags: &[Listen], file: Vec<Listen>| match flags {
            [] => file,
            flags => flags.to_vec(),
        };
        Ok(Self {
            listen: either(&args.listen, file.listen),
            names: args.names.or(file.names),
            mode: args
                .network
                .map(Into::into)
                .or(file.network)
                .unwrap_or_default(),
            clock: Clock::ahead(args.clock.or(file.clock).unwrap_or(0)),
            seconds: args.seconds.or(file.seconds),
            output,
            rules: if args.rules.is_empty() {
                file.rules
            } else {
                args.rules.clone()
            },
            fakes: args.fakes.clone().or(file.fakes),
            unique: unique()?,
        })
    }

    /// The rules as they are written now.
    pub(super) fn rules(&self) -> anyhow::Result<Arc<Rules>> {
        let rules = Rules::with(&self.unique, &self.rules, self.fakes.as_deref(), self.mode)?;
        Ok(Arc::new(rules))
    }

    /// Changes when a file of rules does.
    pub(super) fn stamp(&self) -> Vec<(PathBuf, SystemTime)> {
        let mut stamps = Vec::new();
        for path in self.rules.iter().chain(&self.fakes) {
            let inside = std::fs::read_dir(path).into_iter().flatten().take(1000);
            let inside = inside.filter_map(|entry| Some(entry.ok()?.path()));
            for file in inside.chain([path.clone()]) {
                if let Ok(changed) = file.metadata().and_then(|found| found.modified()) {
                    stamps.push((file, changed));
                }
            }
        }
        stamps.sort();
        stamps
    }
}

/// Makes what is served different in every run.
fn unique() -> anyhow::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    let random = std::fs::File::open("/dev/urandom");
    random
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .context("the system gives no random numbers")?;
    Ok(bytes)
}

//! The record that the OpenSSF Package Analysis project loads into its tables, so that tables, queries and dashboards
//! made for it go on working. Strict: an unknown member would be a bad row there, so there is none.

use std::collections::{BTreeMap, BTreeSet};

use apa_model::report::{FlowRecord, PhaseRecord, PhaseStatus, ProcessRecord, Report};
use apa_model::{Ecosystem, Hostile, Owner, Phase, Protocol};
use base64::Engine as _;
use serde::Serialize;

/// Most bytes of output that are kept, the last ones.
const OUTPUT: usize = 4096;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    package: Package,
    /// Unix seconds.
    created_timestamp: i64,
    /// `install`, `import`, `execute`; one that did not take place is absent.
    analysis: BTreeMap<&'static str, Stage>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Package {
    ecosystem: &'static str,
    name: String,
    version: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Stage {
    status: &'static str,
    /// Base64.
    stdout: String,
    /// Base64.
    stderr: String,
    files: Vec<File>,
    sockets: Vec<Socket>,
    commands: Vec<Command>,
    #[serde(rename = "DNS")]
    dns: Vec<Dns>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    path: String,
    read: bool,
    write: bool,
    delete: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Socket {
    address: String,
    port: u16,
    hostnames: Vec<String>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "PascalCase")]
struct Command {
    command: Vec<String>,
    /// `NAME=value`, of the variables whose values are kept.
    environment: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dns {
    class: &'static str,
    queries: Vec<Query>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Query {
    hostname: String,
    types: Vec<String>,
}

pub(crate) fn render(report: &Report) -> String {
    let created: Option<jiff::Timestamp> = report.started_at.parse().ok();
    let record = Record {
        package: Package {
            ecosystem: ecosystem(report.package.ecosystem),
            name: text(&report.package.name).to_lowercase(),
            version: report
                .package
                .version
                .as_ref()
                .map(text)
                .unwrap_or_default(),
        },
        created_timestamp: created.map_or(0, jiff::Timestamp::as_second),
        analysis: ["install", "import", "execute"]
            .into_iter()
            .filter_map(|name| Some((name, stage(report, name)?)))
            .collect(),
    };
    crate::json::line(&record)
}

fn ecosystem(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Cargo => "crates.io",
        Ecosystem::Composer => "packagist",
        Ecosystem::Gem => "rubygems",
        Ecosystem::Apk => "wolfi",
        other => other.as_str(),
    }
}

/// The stage of the old record that one of our phases belongs to.
fn stage_of(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Fetch | Phase::Static => None,
        Phase::Install => Some("install"),
        Phase::Import | Phase::InterpreterStart => Some("import"),
        _ => Some("execute"),
    }
}

fn stage(report: &Report, name: &str) -> Option<Stage> {
    let in_stage = |phase: Phase| stage_of(phase) == Some(name);
    let phases: Vec<&PhaseRecord> = report
        .phases
        .iter()
        .filter(|phase| in_stage(phase.name) && phase.status != PhaseStatus::Skipped)
        .collect();
    if phases.is_empty() {
        return None;
    }
    let flows: Vec<&FlowRecord> = report
        .flows
        .iter()
        .filter(|one| in_stage(one.flow.phase))
        .collect();
    let processes = report
        .processes
        .iter()
        .filter(|one| in_stage(one.process.phase) && one.process.owner != Owner::Harness);
    Some(Stage {
        status: status(&phases),
        stdout: output(&phases, |status| status == "done"),
        stderr: output(&phases, |status| status != "done"),
        files: files(report, in_stage),
        sockets: sockets(&flows),
        commands: commands(processes),
        dns: dns(&flows),
    })
}

fn status(phases: &[&PhaseRecord]) -> &'static str {
    let any = |wanted: PhaseStatus| phases.iter().any(|phase| phase.status == wanted);
    if any(PhaseStatus::TimedOut) {
        "error_timeout"
    } else if any(PhaseStatus::Failed) || any(PhaseStatus::LimitHit) {
        "error_analysis"
    } else {
        "completed"
    }
}

/// The last output of the commands, modules and programs whose status is wanted.
fn output(phases: &[&PhaseRecord], wanted: impl Fn(&str) -> bool) -> String {
    let mut bytes = Vec::new();
    for entry in phases.iter().flat_map(|phase| &phase.entries) {
        if wanted(&entry.status) && !entry.detail.is_empty() {
            bytes.extend_from_slice(entry.detail.as_bytes());
            bytes.push(b'\n');
        }
    }
    let tail = &bytes[bytes.len().saturating_sub(OUTPUT)..];
    base64::engine::general_purpose::STANDARD.encode(tail)
}

fn files(report: &Report, in_stage: impl Fn(Phase) -> bool) -> Vec<File> {
    let mut files: BTreeMap<String, File> = BTreeMap::new();
    for record in report.files.iter().filter(|record| in_stage(record.phase)) {
        let path = text(&record.path);
        let file = files.entry(path.clone()).or_insert(File {
            path,
            read: false,
            write: false,
            delete: false,
        });
        for act in &record.acts {
            match act.as_str() {
                "read" | "stat" => file.read = true,
                "delete" => file.delete = true,
                _ => file.write = true,
            }
        }
    }
    files.into_values().collect()
}

fn sockets(flows: &[&FlowRecord]) -> Vec<Socket> {
    let mut sockets: BTreeMap<(String, u16), BTreeSet<String>> = BTreeMap::new();
    for record in flows
        .iter()
        .filter(|one| one.flow.protocol != Protocol::Dns)
    {
        let flow = &record.flow;
        let key = (flow.destination.ip().to_string(), flow.destination.port());
        let names = sockets.entry(key).or_default();
        names.extend(flow.resolved_name.iter().map(text));
    }
    sockets
        .into_iter()
        .map(|((address, port), names)| Socket {
            address,
            port,
            hostnames: names.into_iter().collect(),
        })
        .collect()
}

fn commands<'a>(processes: impl Iterator<Item = &'a ProcessRecord>) -> Vec<Command> {
    let commands: BTreeSet<Command> = processes
        .filter(|one| !one.process.argv.is_empty())
        .map(|one| Command {
            command: one.process.argv.iter().map(text).collect(),
            environment: one
                .process
                .env
                .iter()
                .map(|(name, value)| format!("{name}={}", text(value)))
                .collect(),
        })
        .collect();
    commands.into_iter().collect()
}

fn dns(flows: &[&FlowRecord]) -> Vec<Dns> {
    let mut queries: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let dns = flows
        .iter()
        .filter(|one| one.flow.protocol == Protocol::Dns);
    for message in dns.flat_map(|one| &one.flow.messages) {
        // `A collect.test`.
        let summary = text(&message.summary);
        if let Some((kind, name)) = summary.split_once(' ') {
            queries
                .entry(name.to_owned())
                .or_default()
                .insert(kind.to_owned());
        }
    }
    if queries.is_empty() {
        return Vec::new();
    }
    let queries = queries.into_iter().map(|(hostname, types)| Query {
        hostname,
        types: types.into_iter().collect(),
    });
    vec![Dns {
        class: "IN",
        queries: queries.collect(),
    }]
}

/// The tables take valid UTF-8 only.
fn text(text: &Hostile) -> String {
    text.lossy().into_owned()
}

use std::collections::BTreeSet;

use apa_model::report::{CanaryRecord, FileRecord, RuntimeCode};

use super::screen::{Paint, Screen, Span, dim, plain};
use crate::{
    text,
    view::{Destination, Network, View},
};

const DESTINATIONS: usize = 10;
const REQUESTS: usize = 4;
const FILES: usize = 15;
const DROPPED: usize = 10;
const CANARIES: usize = 12;
const CODE: usize = 6;

pub(super) fn network(screen: &mut Screen, view: &View) {
    let network = Network::new(&view.report.flows);
    if view.report.flows.is_empty() {
        return;
    }
    let places = match network.destinations.len() {
        0 => "package code spoke to nobody".to_owned(),
        many => format!(
            "{}, all answers simulated",
            text::count(many, "destination", "destinations")
        ),
    };
    let manager = match network.manager {
        0 => String::new(),
        many => format!(
            " ({} of the package manager not shown)",
            text::count(many, "flow", "flows")
        ),
    };
    screen.heading("Network", format!("{places}{manager}"));
    for place in network.destinations.iter().take(DESTINATIONS) {
        destination(screen, view, place);
    }
    screen.more(2, network.destinations.len().saturating_sub(DESTINATIONS));
}

fn destination(screen: &mut Screen, view: &View, place: &Destination) {
    let name = place.title(100);
    let layers: BTreeSet<String> = place
        .flows
        .iter()
        .take(200)
        .map(|record| record.flow.layers.join("/"))
        .collect();
    let layers: Vec<String> = layers.into_iter().take(3).collect();
    let speakers: BTreeSet<String> = place
        .flows
        .iter()
        .take(200)
        .filter_map(|record| Some(view.process(&record.artifact, record.flow.process?)))
        .collect();
    let speakers: Vec<String> = speakers.into_iter().take(3).collect();
    let by = if speakers.is_empty() {
        "process unknown".to_owned()
    } else {
        speakers.join(", ")
    };
    screen.line(
        2,
        &[
            Span::new(
                if place.hits > 0 {
                    "⚑ bait sent  "
                } else {
                    ""
                },
                Paint::Bad,
            ),
            Span::new(name, Paint::Bold),
            plain(format!("  {}  ", place.address)),
            dim(format!("{}  {by}", layers.join(" "))),
        ],
    );
    let mut requests = place.flows.iter().flat_map(|record| &record.flow.messages);
    for request in requests.by_ref().take(REQUESTS) {
        let body = match request.body_bytes {
            0 => String::new(),
            length => format!("  {} sent", text::bytes(length)),
        };
        screen.line(
            6,
            &[
                plain(text::shown(&request.summary, 200)),
                plain(body),
                dim(format!(" → {}", text::shown(&request.answer, 80))),
            ],
        );
    }
    screen.more(6, requests.count());
    let refused = place
        .flows
        .iter()
        .find_map(|record| record.flow.tls_failure.as_ref());
    if let Some(alert) = refused {
        screen.line(
            6,
            &[
                Span::new("TLS refused: ", Paint::Warn),
                plain(text::shown(alert, 120)),
            ],
        );
    }
    let mut hits = place
        .flows
        .iter()
        .flat_map(|record| &record.flow.canary_hits);
    for hit in hits.by_ref().take(3) {
        let layers: Vec<&str> = hit.layers.iter().take(12).map(String::as_str).collect();
        screen.line(
            6,
            &[
                Span::new(format!("⚑ {} ", hit.canary), Paint::Bad),
                plain(format!("in {}", layers.join(" → "))),
            ],
        );
    }
    screen.more(6, hits.count());
}

pub(super) fn files(screen: &mut Screen, view: &View) {
    let files = &view.report.files;
    if files.is_empty() {
        return;
    }
    screen.heading(
        "Files outside the package",
        text::number(files.len() as u64),
    );
    for file in files.iter().take(FILES) {
        self::file(screen, view, file);
    }
    screen.more(2, files.len().saturating_sub(FILES));
}

fn file(screen: &mut Screen, view: &View, file: &FileRecord) {
    let acts: Vec<&str> = file.acts.iter().take(6).map(String::as_str).collect();
    let failed = if file.succeeded == Some(false) {
        " (failed)"
    } else {
        ""
    };
    screen.line(
        2,
        &[
            plain(format!("{:<18} ", format!("{}{failed}", acts.join(", ")))),
            Span::new(text::shown(&file.path, 200), Paint::Bold),
            dim(format!(
                "  {} in {}",
                view.process(&file.artifact, file.process),
                file.phase
            )),
        ],
    );
}

pub(super) fn dropped(screen: &mut Screen, view: &View) {
    let dropped = &view.report.dropped;
    if dropped.is_empty() {
        return;
    }
    screen.heading("Files it wrote", text::number(dropped.len() as u64));
    // What was run or hidden again says more than what simply stayed.
    let mut order: Vec<_> = dropped.iter().collect();
    order.sort_by_key(|file| file.when == "remained");
    for file in order.into_iter().take(DROPPED) {
        let hash = file
            .sha256
            .as_deref()
            .map_or_else(|| "not kept".to_owned(), text::digest);
        let executable = if file.mode & 0o111 == 0 {
            ""
        } else {
            ", executable"
        };
        screen.line(
            2,
            &[
                plain(format!("{:>9}  {hash:<12}  ", text::bytes(file.size))),
                Span::new(text::shown(&file.path, 200), Paint::Bold),
                dim(format!("  {}{executable}, {}", file.when, file.phase)),
            ],
        );
    }
    screen.more(2, dropped.len().saturating_sub(DROPPED));
}

pub(super) fn canaries(screen: &mut Screen, view: &View) {
    let canaries = &view.report.canaries;
    if canaries.is_empty() {
        return;
    }
    let read = canaries.iter().filter(|canary| canary.read).count();
    let stolen = canaries.iter().filter(|canary| canary.exfiltrated).count();
    let note = format!(
        "{} planted, {} read, {} seen leaving",
        text::number(canaries.len() as u64),
        text::number(read as u64),
        text::number(stolen as u64)
    );
    screen.heading("Baits", note);
    let mut touched: Vec<&CanaryRecord> = canaries
        .iter()
        .filter(|canary| canary.read || canary.exfiltrated)
        .collect();
    touched.sort_by_key(|canary| !canary.exfiltrated);
    for canary in touched.iter().take(CANARIES) {
        let (fate, paint) = if canary.exfiltrated {
            ("sent out", Paint::Bad)
        } else {
            ("read", Paint::Warn)
        };
        screen.line(
            2,
            &[
                Span::new(format!("⚑ {fate:<9}"), paint),
                plain(format!("{:<18} ", text::words(&canary.kind))),
                Span::new(&canary.planted_at, Paint::Bold),
                dim(view
                    .label(&canary.artifact)
                    .map_or_else(String::new, |label| format!("  {label}"))),
            ],
        );
    }
    screen.more(2, touched.len().saturating_sub(CANARIES));
}

pub(super) fn anomalies(screen: &mut Screen, view: &View) {
    let anomalies = &view.report.anomalies;
    if anomalies.is_empty() {
        return;
    }
    screen.heading("Odd in the package", text::number(anomalies.len() as u64));
    for anomaly in anomalies.iter().take(8) {
        screen.line(
            2,
            &[
                plain(format!("{:<20} ", anomaly.kind)),
                Span::new(text::shown(&anomaly.path, 120), Paint::Bold),
                dim(format!("  {}", text::shown(&anomaly.detail, 200))),
            ],
        );
    }
    screen.more(2, anomalies.len().saturating_sub(8));
}

pub(super) fn runtime_code(screen: &mut Screen, view: &View) {
    let code = &view.report.runtime_code;
    if code.is_empty() {
        return;
    }
    let count = text::number(code.len() as u64);
    screen.heading(
        "Code made at run time",
        format!("{count}, as its own processes tell"),
    );
    // What names an address or a bait says most.
    let telling = |one: &&RuntimeCode| !one.urls.is_empty() || !one.canaries.is_empty();
    let (first, rest): (Vec<_>, Vec<_>) = code.iter().partition(telling);
    for one in first.iter().chain(&rest).take(CODE) {
        let place = text::shown(&one.entry, 60);
        let size = text::bytes(one.size);
        screen.line(
            2,
            &[
                plain(format!("{} {size} ", one.language)),
                Span::new(place, Paint::Bold),
                dim(format!("  {}", text::shown(&one.excerpt, 120))),
            ],
        );
        for url in one.urls.iter().take(3) {
            screen.line(4, &[plain(text::shown(url, 120))]);
        }
        if !one.canaries.is_empty() {
            screen.line(
                4,
                &[Span::new(
                    format!("holds bait {}", one.canaries.join(", ")),
                    Paint::Warn,
                )],
            );
        }
    }
    screen.more(2, code.len().saturating_sub(CODE));
}

pub(super) fn capabilities(screen: &mut Screen, view: &View) {
    let capabilities = &view.report.capabilities;
    screen.heading(
        "Capabilities",
        "what package code was seen doing; none is a threat by itself",
    );
    if capabilities.is_empty() {
        screen.line(2, &[plain("none")]);
        return;
    }
    let names: Vec<String> = capabilities
        .iter()
        .take(80)
        .map(|record| record.capability.to_string())
        .collect();
    screen.paragraph(2, &plain(names.join(" · ")), 8);
}

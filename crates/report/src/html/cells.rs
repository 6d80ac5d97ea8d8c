//! The small parts every section is made of, and the bounds of the page.

use std::collections::{HashMap, HashSet};

use maud::{Markup, html};

use apa_model::{Hostile, Owner, Severity, report::PhaseStatus};

use super::cut;
use crate::{text, view::View};

/// Bytes of HTML after which a list ends. A dozen lists, one of them twice as long, stay well below 5 MB.
pub(super) const LIST_BYTES: usize = 300_000;

/// Places in the page that evidence can point at. Their ids are numbers of ours, never text of a package.
#[derive(Default)]
pub(super) struct Anchors {
    flows: HashMap<(String, u32), String>,
    blobs: HashMap<String, String>,
    canaries: HashMap<String, String>,
    /// Findings that the page holds, by position.
    pub(super) findings: HashSet<usize>,
}

impl Anchors {
    pub(super) fn add_flow(&mut self, artifact: &str, flow: u32) -> String {
        let id = format!("flow-{}", self.flows.len() + 1);
        self.flows.insert((artifact.to_owned(), flow), id.clone());
        id
    }

    /// Bytes may be reached from several rows; the first one counts. `None` for a later one.
    pub(super) fn add_blob(&mut self, sha256: &str) -> Option<String> {
        if self.blobs.contains_key(sha256) {
            return None;
        }
        let id = format!("blob-{}", self.blobs.len() + 1);
        self.blobs.insert(sha256.to_owned(), id.clone());
        Some(id)
    }

    pub(super) fn add_canary(&mut self, canary: &str) -> Option<String> {
        if self.canaries.contains_key(canary) {
            return None;
        }
        let id = format!("bait-{}", self.canaries.len() + 1);
        self.canaries.insert(canary.to_owned(), id.clone());
        Some(id)
    }

    pub(super) fn flow(&self, artifact: &str, flow: u32) -> Option<&str> {
        self.flows
            .get(&(artifact.to_owned(), flow))
            .map(String::as_str)
    }

    pub(super) fn blob(&self, sha256: &str) -> Option<&str> {
        self.blobs.get(sha256).map(String::as_str)
    }

    pub(super) fn canary(&self, canary: &str) -> Option<&str> {
        self.canaries.get(canary).map(String::as_str)
    }
}

/// A list that ended at its bounds.
pub(super) struct Bounded {
    pub(super) html: Markup,
    pub(super) shown: usize,
}

/// Renders items until `max` of them or `max_bytes` of HTML are reached.
pub(super) fn bounded<T>(
    items: impl IntoIterator<Item = T>,
    max: usize,
    max_bytes: usize,
    mut render: impl FnMut(T) -> Markup,
) -> Bounded {
    let mut html = String::new();
    let mut shown = 0;
    for item in items {
        if shown >= max || html.len() >= max_bytes {
            break;
        }
        html.push_str(&render(item).into_string());
        shown += 1;
    }
    Bounded {
        html: maud::PreEscaped(html),
        shown,
    }
}

/// Says what a list leaves out, if it does.
pub(super) fn cut_note(shown: usize, total: usize, what: &str) -> Markup {
    html! {
        @if shown < total {
            p.cut {
                "Showing " (text::number(shown as u64)) " of " (text::number(total as u64)) " " (what)
                "; the JSON report has all of them."
            }
        }
    }
}

/// At most `max` bytes that a package chose.
pub(super) fn hostile(text: &Hostile, max: usize) -> Markup {
    html! { bdi { (text::shown(text, max)) } }
}

/// The same as code.
pub(super) fn code(text: &Hostile, max: usize) -> Markup {
    html! { bdi.c { (text::shown(text, max)) } }
}

/// A string of our own that may quote a package.
pub(super) fn ours(text: &str, max: usize) -> Markup {
    html! { bdi { (text::safe(&cut(text, max))) } }
}

/// A hash, shortened, whole on hover.
pub(super) fn hash(sha256: &str) -> Markup {
    html! { bdi.c title=(text::safe(&cut(sha256, 64))) { (text::digest(sha256)) } }
}

pub(super) fn owner(owner: &Owner) -> Markup {
    html! {
        @match owner {
            Owner::Package => span.badge.own { "package" },
            Owner::Dependency(name) => { span.badge.dep { "dependency" } " " (hostile(name, 60)) },
            Owner::Manager => span.badge { "manager" },
            Owner::Harness => span.badge { "harness" },
        }
    }
}

/// Which artifact's run it belongs to, where there are several.
pub(super) fn artifact(view: &View, artifact: &str) -> Markup {
    html! {
        @if let Some(label) = view.label(artifact) { " " span.badge { (ours(label, 60)) } }
    }
}

pub(super) fn severity(severity: Severity) -> Markup {
    let tone = match severity {
        Severity::Critical | Severity::High => "bad",
        Severity::Medium => "warn",
        Severity::Low | Severity::Info => "",
    };
    html! { span.badge.(tone) { (text::name(&severity)) } }
}

pub(super) fn status(status: PhaseStatus) -> Markup {
    let tone = match status {
        PhaseStatus::Completed => "good",
        PhaseStatus::Failed => "bad",
        PhaseStatus::TimedOut | PhaseStatus::LimitHit => "warn",
        PhaseStatus::Skipped => "",
    };
    html! { span.badge.(tone) { (text::words(&status)) } }
}

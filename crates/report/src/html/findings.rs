use maud::{Markup, html};

use apa_model::{Evidence, Finding};

use super::{
    Section,
    cells::{
        Anchors, LIST_BYTES, artifact, bounded, code, cut_note, hash, hostile, ours, severity,
    },
};
use crate::{text, view::View};

const FINDINGS: usize = 100;
const EVIDENCE: usize = 30;

pub(super) fn section(view: &View, anchors: &mut Anchors) -> Option<Section> {
    let findings = &view.report.findings;
    if findings.is_empty() {
        return None;
    }
    let list = bounded(
        findings.iter().enumerate(),
        FINDINGS,
        LIST_BYTES,
        |(at, each)| finding(view, anchors, at, each),
    );
    anchors.findings.extend(0..list.shown);
    Some(Section {
        id: "findings",
        title: "Findings",
        count: Some(findings.len()),
        body: html! {
            (list.html)
            (cut_note(list.shown, findings.len(), "findings"))
        },
    })
}

fn finding(view: &View, anchors: &Anchors, at: usize, finding: &Finding) -> Markup {
    html! {
        article.finding.(text::name(&finding.severity)) id={ "finding-" (at + 1) } {
            header {
                (severity(finding.severity))
                h3 { (ours(&finding.title, 300)) }
            }
            p.meta {
                (finding.phase) " · confidence " (text::name(&finding.confidence))
                " · rule " code { (ours(&finding.rule, 80)) }
                @for id in finding.attack.iter().take(8) { " · " (ours(id, 20)) }
                (artifact(view, &finding.artifact))
            }
            p { (hostile(&finding.explanation, 1_500)) }
            @if !finding.evidence.is_empty() {
                ul aria-label="Evidence" {
                    @for evidence in finding.evidence.iter().take(EVIDENCE) {
                        li { (self::evidence(anchors, evidence)) }
                    }
                }
                (cut_note(finding.evidence.len().min(EVIDENCE), finding.evidence.len(), "pieces of evidence"))
            }
        }
    }
}

fn evidence(anchors: &Anchors, evidence: &Evidence) -> Markup {
    html! {
        @match evidence {
            Evidence::Event { seq, detail, .. } => {
                span.soft { "event " (text::number(*seq)) ": " } (hostile(detail, 500))
            }
            Evidence::Flow { artifact, flow, detail } => {
                (link(anchors.flow(artifact, *flow), html! { "conversation " (flow) }))
                ": " (hostile(detail, 500))
            }
            Evidence::Blob { sha256, detail } => {
                (link(anchors.blob(sha256), html! { "bytes " (hash(sha256)) }))
                ": " (hostile(detail, 500))
            }
            Evidence::Canary { canary, detail } => {
                (link(anchors.canary(canary), html! { "bait " (ours(canary, 60)) }))
                ": " (hostile(detail, 500))
            }
            Evidence::File { path, line, detail } => {
                (code(path, 300))
                @if let Some(line) = line { ":" (line) }
                ": " (hostile(detail, 500))
            }
        }
    }
}

/// A link where the page has the place, else only the words.
fn link(place: Option<&str>, words: Markup) -> Markup {
    html! {
        @match place {
            Some(id) => a href={ "#" (id) } { (words) },
            None => (words),
        }
    }
}

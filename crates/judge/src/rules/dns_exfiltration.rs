use std::collections::{BTreeMap, BTreeSet};

use apa_model::{Confidence, Flow, Hostile, Owner, Phase, Protocol, Severity};

use super::canary_exfiltrated::zone;
use super::{Hit, Rule, RuleInfo};
use crate::view::{View, network};

pub(crate) struct DnsExfiltration;

static INFO: RuleInfo = RuleInfo {
    id: "dns-exfiltration",
    title: "Data leaves inside names asked of the name service",
    severity: Severity::Critical,
    confidence: Confidence::Proven,
    attack: &["T1048.003", "T1071.004"],
    explanation: "A planted secret was seen in queried names (proven), or several names below one zone have long labels that look \
                  like encoded data (likely; more of them are asked for while exported functions are called with arguments of \
                  ours).",
};

/// Shortest label taken for encoded data.
const LONG_LABEL: usize = 20;
/// Distinct names of that kind below one zone.
const MANY: usize = 3;
/// The same, while our own calls may be the cause.
const MANY_IN_EXECUTE: usize = 6;

impl Rule for DnsExfiltration {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut zones: BTreeMap<(Owner, Phase, String), Zone<'_>> = BTreeMap::new();
        for asked in view.flows() {
            if asked.flow.protocol != Protocol::Dns {
                continue;
            }
            for name in network::queried_names(asked.flow) {
                let key = (
                    asked.owner.clone(),
                    asked.flow.phase,
                    zone(&name).to_lowercase(),
                );
                let entry = zones.entry(key).or_default();
                let proven = asked.flow.canary_hits.iter().any(|hit| view.is_secret(hit));
                entry.proven |= proven;
                if proven || carries_data(&name) {
                    entry.names.insert(name);
                    entry.flows.push(asked.flow);
                }
            }
        }
        zones
            .into_iter()
            .filter_map(|((owner, phase, zone), asked)| {
                judge_zone(view, &owner, phase, &zone, &asked)
            })
            .collect()
    }
}

#[derive(Default)]
struct Zone<'a> {
    names: BTreeSet<String>,
    flows: Vec<&'a Flow>,
    proven: bool,
}

fn judge_zone(
    view: &View<'_>,
    owner: &Owner,
    phase: Phase,
    zone: &str,
    asked: &Zone<'_>,
) -> Option<Hit> {
    let many = if phase == Phase::Execute {
        MANY_IN_EXECUTE
    } else {
        MANY
    };
    if !asked.proven && asked.names.len() < many {
        return None;
    }
    let first = asked.flows.first()?;
    let when = view.when(phase, first.process);
    let names = asked.names.len();
    let clause = format!(
        "hides data in {names} {} below {} {when}",
        if names == 1 { "name" } else { "names" },
        Hostile::from(zone)
    );
    let mut hit = Hit::new(&INFO, owner, phase, clause);
    if !asked.proven {
        hit = hit.graded(Severity::High, Confidence::High);
    }
    for flow in asked.flows.iter().take(5) {
        hit = hit.flow(view, flow);
    }
    Some(hit)
}

/// Whether a label of the name, left of its zone, looks like encoded bytes.
fn carries_data(name: &str) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let below_zone = labels.len().saturating_sub(2);
    labels[..below_zone].iter().any(|label| is_encoded(label))
}

/// Long, of the alphabets encoders use, and with the variety of data: `aaaaaaaa…` and `some-long-service-name`
/// are none.
fn is_encoded(label: &str) -> bool {
    let bytes = label.as_bytes();
    let alphabet = bytes
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    let distinct: BTreeSet<&u8> = bytes.iter().collect();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let dashes = bytes.iter().filter(|b| **b == b'-').count();
    let capitals = bytes.iter().filter(|b| b.is_ascii_uppercase()).count();
    bytes.len() >= LONG_LABEL
        && alphabet
        && distinct.len() >= 8
        && dashes * 10 <= bytes.len()
        && (digits * 10 >= bytes.len() || capitals * 10 >= bytes.len() || bytes.len() >= 40)
}

#[cfg(test)]
mod tests {
    use apa_model::{Phase, Severity};

    use crate::testing::Scene;

    const LABELS: [&str; 3] = [
        "4d5a90000300000004000000ffff0000",
        "b8a1c2000000d00040f0000000000012",
        "0e1fba0e00b409cd21b8014ccd215468",
    ];

    #[test]
    fn hexadecimal_labels_below_one_zone_are_likely_exfiltration() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene
            .phase(Phase::Import)
            .package("/usr/bin/python3", &["python3"]);
        for label in LABELS {
            scene.at(python).dns(&format!("A {label}.x.collect.test"));
        }
        let finding = scene.finding("dns-exfiltration");
        assert_eq!(finding.severity, Severity::High);
        assert_eq!(
            finding.explanation.to_string(),
            "Hides data in 3 names below collect.test when it is imported."
        );
    }

    #[test]
    fn one_name_with_a_planted_secret_is_proof() {
        let mut scene = Scene::pypi("left-pad");
        scene.baits();
        let python = scene.package("/usr/bin/python3", &["python3"]);
        scene
            .at(python)
            .dns("TXT 736563726574.collect.test")
            .carrying("ssh-key-1", &["dns.label", "hex"]);
        assert_eq!(
            scene.finding("dns-exfiltration").severity,
            Severity::Critical
        );
    }

    #[test]
    fn ordinary_names_and_our_own_arguments_are_left_alone() {
        let mut scene = Scene::pypi("left-pad");
        let python = scene
            .phase(Phase::Execute)
            .package("/usr/bin/python3", &["python3"]);
        for name in [
            "A x",
            "AAAA my-very-long-internal-service-name-one.example",
            "A my-very-long-internal-service-name-two.example",
            "A aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
            "A d111111abcdef8x7y6z5.cdn.example",
        ] {
            scene.at(python).dns(name);
        }
        assert!(scene.findings("dns-exfiltration").is_empty());
    }
}

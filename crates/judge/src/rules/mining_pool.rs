use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::view::{PackageFlow, View, network};

pub(crate) struct MiningPool;

static INFO: RuleInfo = RuleInfo {
    id: "mining-pool",
    title: "Logs in at a mining pool",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1496"],
    explanation: "Package code spoke the protocol of cryptocurrency mining pools (Stratum and its kin): the names of its methods were seen in \
                  what was sent, over plain connections, WebSocket or HTTP.",
};

/// Names of methods that nothing else uses.
const METHODS: &[&str] = &[
    "mining.subscribe",
    "mining.authorize",
    "mining.extranonce",
    "eth_submitLogin",
    "eth_submitHashrate",
    "eth_getWork",
];

impl Rule for MiningPool {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        view.flows()
            .iter()
            .filter(|sent| network::is_plain(sent.flow))
            .filter(|sent| logs_in(sent))
            .map(|sent| {
                let flow = sent.flow;
                let when = view.when(flow.phase, flow.process);
                let clause = format!("logs in at the mining pool {} {when}", view.peer(flow));
                Hit::new(&INFO, &sent.owner, flow.phase, clause).flow(view, flow)
            })
            .collect()
    }
}

fn logs_in(sent: &PackageFlow<'_>) -> bool {
    sent.flow.messages.iter().any(|message| {
        let text: String = message.summary.lossy().split_whitespace().collect();
        let names = METHODS
            .iter()
            .any(|method| text.contains(&format!("\"method\":\"{method}")));
        // Miners of Monero call it just `login`, with a password and their own name.
        let login = text.contains("\"method\":\"login\"")
            && text.contains("\"login\":")
            && text.contains("\"pass\":");
        names || login
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::Scene;

    fn says(text: &str) -> Vec<apa_model::Finding> {
        let mut scene = Scene::npm("hash");
        let hook = scene.package("/usr/bin/node", &["node", "hook.js"]);
        scene.at(hook).raw("203.0.113.7:3333", 80);
        let flow = scene.observation_mut().flows.last_mut().unwrap();
        flow.messages.push(apa_model::FlowMessage {
            summary: text.into(),
            headers: Vec::new(),
            body: None,
            body_bytes: 80,
            answer: "".into(),
        });
        scene.findings("mining-pool")
    }

    #[test]
    fn a_login_at_a_pool_is_found_whatever_the_coin() {
        for text in [
            r#"{"id": 1, "method": "mining.subscribe", "params": []}"#,
            r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"44x","pass":"x"}}"#,
        ] {
            assert_eq!(says(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_login_elsewhere_is_left_alone() {
        assert!(says(r#"{"method":"login","params":{"user":"kim"}}"#).is_empty());
    }
}

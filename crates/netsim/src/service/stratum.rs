//! A mining pool: logs everybody in, hands out a job, is content with every share.

use std::io;

use apa_model::Protocol;
use serde_json::{Value, json};

use super::Guess;
use super::session::{Dialogue, Said, Session};

/// Methods by which miners are known; `login` is one with its password or agent only.
const METHODS: &[&str] = &["mining.", "eth_submitLogin", "eth_getWork", "keepalived"];

pub(crate) struct Stratum;

impl Dialogue for Stratum {
    fn name(&self) -> &'static str {
        "stratum"
    }

    fn speaks(&self) -> Protocol {
        Protocol::Stratum
    }

    fn recognises(&self, first: &[u8], _: u16) -> Guess {
        match (first.first(), first.iter().position(|b| *b == b'\n')) {
            (Some(b'{'), Some(end)) if is_login(&first[..end]) => Guess::Yes,
            (Some(b'{'), None) | (None, _) => Guess::Maybe,
            _ => Guess::No,
        }
    }

    async fn converse(&self, session: &mut Session<'_>) -> io::Result<()> {
        while let Some(line) = session.line().await {
            let request: Value = serde_json::from_slice(&line).unwrap_or_default();
            let answers = answer(&request);
            let shown = answers.first().map_or("", String::as_str);
            session
                .note(Said {
                    command: &line,
                    fields: fields(&request),
                    body: None,
                    answer: shown,
                })
                .await;
            session
                .say(
                    answers
                        .iter()
                        .map(|line| format!("{line}\n"))
                        .collect::<String>(),
                )
                .await?;
        }
        Ok(())
    }
}

fn is_login(line: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Value>(line) else {
        return false;
    };
    let method = request["method"].as_str().unwrap_or_default();
    let login = method == "login"
        && ["pass", "agent", "algo"]
            .iter()
            .any(|key| request["params"].get(key).is_some());
    login || METHODS.iter().any(|known| method.starts_with(known))
}

/// Wallet, password and program.
fn fields(request: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let params = &request["params"];
    let text = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let named = [
        ("wallet", text(&params["login"])),
        ("password", text(&params["pass"])),
        ("agent", text(&params["agent"])),
    ];
    let listed = match request["method"].as_str().unwrap_or_default() {
        "mining.authorize" | "eth_submitLogin" => [
            ("wallet", text(&params[0])),
            ("password", text(&params[1])),
            ("agent", None),
        ],
        "mining.subscribe" => [
            ("agent", text(&params[0])),
            ("wallet", None),
            ("password", None),
        ],
        _ => [("wallet", None), ("password", None), ("agent", None)],
    };
    named
        .into_iter()
        .chain(listed)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn answer(request: &Value) -> Vec<String> {
    let id = &request["id"];
    let result = |result: Value| {
        json!({"id": id, "jsonrpc": "2.0", "error": null, "result": result}).to_string()
    };
    match request["method"].as_str().unwrap_or_default() {
        "mining.subscribe" => vec![result(json!([[["mining.set_difficulty", "b4b6693b"], ["mining.notify", "ae6812eb"]], "08000002", 4]))],
        "mining.authorize" => vec![
            result(json!(true)),
            json!({"id": null, "method": "mining.set_difficulty", "params": [65536]}).to_string(),
            json!({"id": null, "method": "mining.notify", "params": ["bf", "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000", "01000000", "00", [], "20000000", "1c2ac4af", "6738d5a0", true]}).to_string(),
        ],
        "login" => vec![result(json!({"id": "3f2a9c10", "job": job(), "extensions": ["algo", "keepalive"], "status": "OK"}))],
        "keepalived" => vec![result(json!({"status": "KEEPALIVED"}))],
        "submit" => vec![result(json!({"status": "OK"}))],
        "eth_getWork" => vec![result(json!([hash(), hash(), "0x0000000112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba"]))],
        "" => Vec::new(),
        _ => vec![result(json!(true))],
    }
}

/// A job whose difficulty no miner meets by chance in a run.
fn job() -> Value {
    json!({"blob": format!("1010{}00000000{}01", "a1".repeat(37), "b2".repeat(32)), "job_id": "Lq5xVn2k", "target": "00000100", "height": 3_280_104,
           "seed_hash": "c3".repeat(32), "algo": "rx/0"})
}

fn hash() -> String {
    format!("0x{}", "d4".repeat(32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn miners_are_told_from_others_that_send_json() {
        let guess = |line: &str| Dialogue::recognises(&Stratum, line.as_bytes(), 3333);
        assert_eq!(
            guess("{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n"),
            Guess::Yes
        );
        assert_eq!(
            guess("{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"4x\",\"pass\":\"x\"}}\n"),
            Guess::Yes
        );
        assert_eq!(
            guess("{\"id\":1,\"method\":\"login\",\"params\":{\"user\":\"kim\"}}\n"),
            Guess::No
        );
        assert_eq!(guess("{\"id\":1"), Guess::Maybe);
    }

    #[test]
    fn both_dialects_get_a_job_and_give_their_wallet() {
        let login = json!({"id": 1, "method": "login", "params": {"login": "4wallet", "pass": "x", "agent": "XMRig/6"}});
        assert!(answer(&login)[0].contains("\"seed_hash\""));
        assert_eq!(fields(&login)[0], ("wallet", b"4wallet".to_vec()));
        let authorize =
            json!({"id": 2, "method": "mining.authorize", "params": ["bc1wallet.w1", "x"]});
        assert_eq!(answer(&authorize).len(), 3);
        assert_eq!(fields(&authorize)[0], ("wallet", b"bc1wallet.w1".to_vec()));
    }

    proptest! {
        #[test]
        fn no_line_panics(bytes: Vec<u8>, text in "\\{\"method\":\"[a-z.]{0,8}\",\"params\":.{0,20}\\}") {
            for line in [&bytes[..], text.as_bytes()] {
                is_login(line);
                let request: Value = serde_json::from_slice(line).unwrap_or_default();
                fields(&request);
                answer(&request);
            }
        }
    }
}

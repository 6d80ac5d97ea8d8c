//! The examples that rules carry: requests, and what they must get.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::pattern::Pattern;
use super::rule::Example;
use super::{Answer, Ask, EMBEDDED, FAKENET, File, INETSIM, Rules, RulesError, Source, read};
use crate::Clock;

/// What came of trying examples.
#[derive(Debug, Default)]
pub struct Tried {
    /// How many there are.
    pub examples: usize,
    /// What went wrong, in words, with the file, the rule and the request.
    pub problems: Vec<String>,
    /// Rules without an example.
    pub untried: Vec<String>,
}

/// Tries the examples of the rules in these files and folders; of those compiled in, where `paths` is empty.
///
/// # Errors
/// When a file cannot be read or is no rules.
pub fn try_examples(paths: &[PathBuf]) -> Result<Tried, RulesError> {
    let mut tried = Tried::default();
    let mut sources = Vec::new();
    for path in paths {
        sources.extend(read(path)?);
    }
    if paths.is_empty() {
        attempt_all(
            &EMBEDDED.iter().map(Source::embedded).collect::<Vec<_>>(),
            &mut tried,
        )?;
        attempt_all(&[Source::embedded(&INETSIM)], &mut tried)?;
        sources.push(Source::embedded(&FAKENET));
    }
    attempt_all(&sources, &mut tried)?;
    Ok(tried)
}

fn attempt_all(sources: &[Source], tried: &mut Tried) -> Result<(), RulesError> {
    Rules::compile(b"examples", sources)?;
    for source in sources {
        let file: File = toml::from_str(&source.text).map_err(|error| RulesError::Malformed {
            file: source.name.clone(),
            problem: error.to_string(),
        })?;
        for spec in &file.rule {
            if spec.test.is_empty() {
                tried.untried.push(format!("{}: {}", source.name, spec.id));
            }
            for example in &spec.test {
                tried.examples += 1;
                // Fresh, so that counts start anew.
                let rules = Rules::compile(b"examples", sources)?;
                if let Err(problem) = attempt(&rules, &spec.id, example) {
                    let request = &example.request;
                    let place = format!("{}: {}: {request}", source.name, spec.id);
                    tried.problems.push(format!("{place}: {problem}"));
                }
            }
        }
    }
    Ok(())
}

fn attempt(rules: &Rules, id: &str, example: &Example) -> Result<(), String> {
    let answer = asked(rules, example)?.ok_or("no rule takes it")?;
    if answer.rule != id {
        return Err(format!("rule {} takes it", answer.rule));
    }
    if answer.status != example.status {
        return Err(format!("the status is {}", answer.status));
    }
    let body = String::from_utf8_lossy(&answer.body);
    for wanted in example.contains.as_slice() {
        if !body.contains(wanted) {
            return Err(format!("`{wanted}` is not in {body}"));
        }
    }
    let kind = answer.content_type.as_deref().unwrap_or_default();
    if kind.contains("json") && !body.is_empty() {
        return check(&body, &example.json);
    }
    if example.json.is_empty() {
        Ok(())
    } else {
        Err("it is no JSON".to_owned())
    }
}

/// Asks as an example says.
pub(super) fn asked(rules: &Rules, example: &Example) -> Result<Option<Answer>, String> {
    let url = example.request.split_once(' ');
    let (method, url) = url.ok_or("write METHOD URL")?;
    let (scheme, rest) = url.split_once("://").ok_or("write METHOD http://…")?;
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers: Vec<_> = example
        .headers
        .iter()
        .chain([(&"host".to_owned(), &host.to_owned())])
        .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()))
        .collect();
    let target = if target.is_empty() { "/" } else { target };
    let mut ask = Ask::new(method, target, &headers, example.body.as_bytes()).named(host);
    ask.secure = scheme == "https";
    let usual = if ask.secure { 443 } else { 80 };
    ask.port = host
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(usual);
    Ok(rules.answer(&ask, Clock::default()))
}

fn check(body: &str, wanted: &BTreeMap<String, String>) -> Result<(), String> {
    let value: serde_json::Value =
        serde_json::from_str(body).map_err(|error| format!("{error} in {body}"))?;
    for (pointer, pattern) in wanted {
        let found = value
            .pointer(pointer)
            .ok_or_else(|| format!("there is no {pointer} in {body}"))?;
        let text = found
            .as_str()
            .map_or_else(|| found.to_string(), str::to_owned);
        if Pattern::parse(pattern)?.fits(&text).is_none() {
            return Err(format!("{pointer} is {text}"));
        }
    }
    Ok(())
}

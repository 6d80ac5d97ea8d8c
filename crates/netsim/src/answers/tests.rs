use std::collections::BTreeMap;

use super::examples::asked;
use super::rule::Example;
use super::*;

fn embedded() -> Rules {
    Rules::embedded(b"a run", NetworkMode::Realistic).unwrap()
}

fn compile(text: &str) -> Result<Rules, RulesError> {
    let source = Source {
        name: "mine.toml".into(),
        folder: None,
        text: text.into(),
    };
    Rules::compile(b"a run", &[source])
}

fn get(rules: &Rules, url: &str) -> Option<Answer> {
    let example = Example {
        request: format!("GET {url}"),
        headers: BTreeMap::new(),
        body: String::new(),
        status: 200,
        contains: Default::default(),
        json: BTreeMap::new(),
    };
    asked(rules, &example).unwrap()
}

#[test]
fn every_embedded_rule_answers_its_examples() {
    let tried = try_examples(&[]).unwrap();
    assert!(tried.problems.is_empty(), "{}", tried.problems.join("\n"));
    assert!(
        tried.untried.is_empty(),
        "without an example: {:?}",
        tried.untried
    );
    assert!(tried.examples >= 150, "{} examples", tried.examples);
}

#[test]
fn there_are_many_services_and_what_they_serve_differs_between_runs() {
    assert!(EMBEDDED.len() >= 12, "{} files", EMBEDDED.len());
    let (one, two) = (
        embedded(),
        Rules::embedded(b"another", NetworkMode::Realistic).unwrap(),
    );
    assert!(one.len() >= 40, "{} rules", one.len());
    for (a, b) in one.canaries().iter().zip(two.canaries()) {
        assert_eq!(a.id, b.id);
        assert_ne!(a.secrets, b.secrets, "{}", a.id);
        assert!(a.secrets.iter().all(|secret| secret.len() >= 16));
    }
}

#[test]
fn own_rules_come_first_and_count_their_hits() {
    let rules = compile(
        r#"
title = "mine"
[[rule]]
id = "third"
host = "c2.test"
path = "/{what}"
hit = "3"
[rule.reply]
json = '{"do":"${path.what}","n":${hit}}'
[[rule]]
id = "rest"
host = "c2.test"
[rule.reply]
status = 404
"#,
    )
    .unwrap();
    let told: Vec<_> = (0..4)
        .map(|_| get(&rules, "http://c2.test/run").unwrap())
        .map(|answer| (answer.status, String::from_utf8(answer.body).unwrap()))
        .collect();
    let none = (404, String::new());
    let third = (200, r#"{"do":"run","n":3}"#.to_owned());
    assert_eq!(told, [none.clone(), none.clone(), third, none]);
    assert!(get(&rules, "http://other.test/run").is_none());
}

#[test]
fn conditions_on_body_query_header_phase_and_expressions_hold_together() {
    let rules = compile(
        r#"
title = "mine"
[[rule]]
id = "all"
method = ["POST"]
path_regex = "^/v[0-9]+/x$"
body_regex = "(?i)secret"
query = { k = "a*" }
header = { x-one = "*" }
without_header = ["x-two"]
json = { "/cmd" = "go" }
phase = ["execute"]
[rule.reply]
reset = true
"#,
    )
    .unwrap();
    let ask = |query: &str, header: &str, body: &str| {
        let example = Example {
            request: format!("POST http://a.test/v1/x?{query}"),
            headers: BTreeMap::from([(header.to_owned(), "1".to_owned())]),
            body: body.to_owned(),
            status: 200,
            contains: Default::default(),
            json: BTreeMap::new(),
        };
        asked(&rules, &example).unwrap().is_some()
    };
    let body = r#"{"cmd":"go","t":"SECRET"}"#;
    assert!(ask("k=abc", "X-One", body));
    assert!(!ask("k=b", "X-One", body));
    assert!(!ask("k=abc", "X-Two", body));
    assert!(!ask("k=abc", "X-One", r#"{"cmd":"go"}"#));
}

#[test]
fn improper_rules_are_refused_with_their_place() {
    for (text, problem) in [
        (
            "[[rule]]\nid='a'\n[rule.reply]\njson='${nope}'",
            "`${nope}` is not known",
        ),
        (
            "[[rule]]\nid='a'\npath='/x'\n[rule.reply]\ntext='${path.y}'",
            "no `{y}`",
        ),
        (
            "[[rule]]\nid='a'\n[rule.reply]\ntext='${secret.y}'",
            "no secret called `y`",
        ),
        ("[[rule]]\nid='a'\nbody_regex='('\n[rule.reply]", "`(`"),
        (
            "[[rule]]\nid='a'\nhit='0'\n[rule.reply]",
            "neither a number",
        ),
        (
            "[[rule]]\nid='a'\n[rule.reply]\ntext='x'\njson='{}'",
            "one body",
        ),
        ("[[rule]]\nid='a'\nwhat=1\n[rule.reply]", "unknown field"),
        (
            "[[rule]]\nid='a'\n[rule.reply]\n[[rule]]\nid='a'\n[rule.reply]",
            "two rules",
        ),
    ] {
        let error = compile(&format!("title='x'\n{text}"))
            .err()
            .expect(text)
            .to_string();
        assert!(
            error.contains("mine.toml") && error.contains(problem),
            "{error}"
        );
    }
}

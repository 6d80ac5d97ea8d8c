//! Which crate may know which: data flows one way, and rules, storage and isolation do not know each other.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

/// All crates and what each may depend on. A crate that is not here fails the check: give it its arrows.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("archive", &["model"]),
    ("apk", &["model", "archive"]),
    ("lockfile", &["model"]),
    ("trace", &["model"]),
    ("sandbox", &["model", "trace"]),
    ("netsim", &["model"]),
    ("gateway", &["model", "archive", "apk"]),
    ("ecosystems", &["model", "archive", "apk", "gateway"]),
    ("images", &["model", "archive", "apk", "gateway"]),
    ("inspect", &["model", "archive"]),
    ("judge", &["model"]),
    ("report", &["model"]),
    ("store", &["model"]),
    (
        "engine",
        &[
            "model",
            "archive",
            "trace",
            "sandbox",
            "netsim",
            "gateway",
            "ecosystems",
            "inspect",
            "judge",
            "store",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "archive",
            "trace",
            "sandbox",
            "netsim",
            "gateway",
            "ecosystems",
            "lockfile",
            "inspect",
            "inspect",
            "lockfile",
            "judge",
            "report",
            "store",
            "engine",
        ],
    ),
    ("testkit", &["model", "archive", "gateway"]),
    ("xtask", &["model", "testkit"]),
];

/// May be used by the tests of any crate.
const FOR_TESTS: &str = "testkit";

const PREFIX: &str = "apa-";

pub(super) fn check(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut problems = Vec::new();
    for package in packages {
        let name = text(package, "name")?;
        let Some(allowed) = name
            .strip_prefix(PREFIX)
            .and_then(|short| arrows.get(short))
        else {
            problems.push(format!(
                "{name}: has no line in the table of allowed dependencies"
            ));
            continue;
        };
        let dependencies = package["dependencies"]
            .as_array()
            .context("a package lists no dependencies")?;
        for dependency in dependencies {
            let Some(on) = text(dependency, "name")?.strip_prefix(PREFIX) else {
                continue;
            };
            let for_tests = dependency["kind"] == "dev" && on == FOR_TESTS;
            if !for_tests && !allowed.contains(&on) {
                problems.push(format!("{name}: must not depend on {PREFIX}{on}"));
            }
        }
    }
    Ok(problems)
}

fn text<'a>(value: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    value[member]
        .as_str()
        .with_context(|| format!("cargo metadata has no {member}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(name: &str, on: &str, kind: Option<&str>) -> Vec<String> {
        let metadata =
            json!({"packages": [{"name": name, "dependencies": [{"name": on, "kind": kind}]}]});
        check(&metadata).unwrap()
    }

    #[test]
    fn an_arrow_of_the_table_is_fine_and_any_other_is_not() {
        assert!(problems("apa-sandbox", "apa-trace", None).is_empty());
        assert!(problems("apa-judge", "serde", None).is_empty());
        assert_eq!(problems("apa-trace", "apa-sandbox", None).len(), 1);
        assert_eq!(problems("apa-engine", "apa-report", None).len(), 1);
    }

    #[test]
    fn only_tests_may_use_the_testkit() {
        assert!(problems("apa-judge", "apa-testkit", Some("dev")).is_empty());
        assert_eq!(problems("apa-judge", "apa-testkit", None).len(), 1);
        assert_eq!(problems("apa-judge", "apa-sandbox", Some("dev")).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_line() {
        assert_eq!(problems("apa-new", "serde", None).len(), 1);
    }

    #[test]
    fn the_arrows_of_the_table_make_no_circle() {
        let mut done: Vec<&str> = Vec::new();
        while done.len() < ARROWS.len() {
            let next = ARROWS.iter().find(|(name, on)| {
                !done.contains(name) && on.iter().all(|each| done.contains(each))
            });
            done.push(next.expect("a circle").0);
        }
    }
}

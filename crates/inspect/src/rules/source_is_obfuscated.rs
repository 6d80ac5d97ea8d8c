use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use std::collections::BTreeSet;

use apa_model::Evidence;

use crate::package::{Package, is_test};

/// So many different names are no accident.
const LEAST: usize = 12;

pub(crate) struct SourceIsObfuscated;

static INFO: RuleInfo = RuleInfo {
    id: "source-is-obfuscated",
    title: "Source code is obfuscated",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    attack: &["T1027"],
    explanation: "A file that runs by itself has names as obfuscators make them (`_0x3fa2`), many of them. \
                  Minified code has short names, not such ones.",
};

impl Rule for SourceIsObfuscated {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (at, loaded) in package.flow.modules.iter().enumerate() {
            if is_test(&loaded.path) {
                continue;
            }
            let odd: BTreeSet<&str> = loaded
                .module
                .names
                .iter()
                .map(String::as_str)
                .filter(|name| is_machine_made(name))
                .collect();
            if odd.len() < LEAST || odd.len() * 4 < loaded.module.names.len().min(400) / 4 {
                continue;
            }
            let (path, line) = package.place(at as u32, 1);
            let names: Vec<&str> = odd.iter().take(3).copied().collect();
            let clause = format!(
                "is obfuscated ({} names such as {})",
                odd.len(),
                shown(&names.join(", "))
            );
            let evidence = Evidence::File {
                path: path.into(),
                line: Some(line),
                detail: "the file".into(),
            };
            hits.push(Hit::new(Severity::Medium, Confidence::Medium, clause).with([evidence]));
        }
        hits
    }
}

/// `_0x` and hexadecimal digits, or a long word of look-alike letters.
fn is_machine_made(name: &str) -> bool {
    let hex = name
        .strip_prefix("_0x")
        .or_else(|| name.strip_prefix("a0_0x"));
    let alike = name.len() >= 8
        && name
            .chars()
            .all(|c| matches!(c, 'l' | 'I' | '1' | 'O' | '0' | '_' | 'o'));
    alike
        || hex.is_some_and(|rest| {
            rest.len() >= 4 && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn an_obfuscators_names_are_found_and_short_ones_are_not() {
        let odd: String = (0..20)
            .map(|n| format!("var _0x{:04x}a = {n};\n", n + 4096))
            .collect();
        let finding = found(
            "source-is-obfuscated",
            &[("package.json", "{}"), ("index.js", &odd)],
        );
        assert_eq!(line(&finding).0, "index.js");
        let short: String = (0..26)
            .map(|n| format!("var {} = {n};", char::from(b'a' + n)))
            .collect();
        quiet(
            "source-is-obfuscated",
            &[("package.json", "{}"), ("index.js", &short)],
        );
    }
}

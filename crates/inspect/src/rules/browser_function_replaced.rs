use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::package::{Package, When};

pub(crate) struct BrowserFunctionReplaced;

static INFO: RuleInfo = RuleInfo {
    id: "browser-function-replaced",
    title: "Code replaces the browser's own functions",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1185", "T1657"],
    explanation: "Functions through which pages send requests or sign transactions are replaced at import by ones \
                  of this package, which also hold wallet addresses. Instrumentation replaces them as well, \
                  without addresses.",
};

impl Rule for BrowserFunctionReplaced {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        package
            .acts()
            .filter(|act| act.kind == ActKind::Hook && package.when(act) >= When::Import)
            .filter_map(|act| {
                let path = package.place(act.file, act.line).0;
                let file = package.files.iter().find(|file| file.path == path)?;
                let address = addresses(&String::from_utf8_lossy(&file.bytes))?;
                let clause = format!(
                    "replaces {} and holds wallet addresses ({})",
                    shown(&act.callee),
                    shown(&address)
                );
                Some(
                    Hit::new(Severity::High, Confidence::High, clause)
                        .with([package.evidence(act, "replaced here")]),
                )
            })
            .collect()
    }
}

/// A wallet's address in a text.
fn addresses(text: &str) -> Option<String> {
    text.split(['\'', '"', '`', ' ', ','])
        .find(|word| {
            let hex = word.strip_prefix("0x").is_some_and(|rest| {
                rest.len() == 40 && rest.bytes().all(|b| b.is_ascii_hexdigit())
            });
            let segwit = word.starts_with("bc1q") && word.len() >= 42 && word.len() <= 62;
            hex || segwit
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn an_address_swapper_is_found_and_instrumentation_is_not() {
        let finding = found(
            "browser-function-replaced",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "const old = window.fetch;\nconst mine = '0x00000000000000000000000000000000deadbeef';\n\
                          window.fetch = async (...a) => { const r = await old(...a); return r; };",
                ),
            ],
        );
        assert_eq!(line(&finding).0, "index.js");
        quiet(
            "browser-function-replaced",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "const old = window.fetch; window.fetch = (...a) => { count++; return old(...a); };",
                ),
            ],
        );
    }
}

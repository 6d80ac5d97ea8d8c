use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use apa_model::Evidence;

use crate::package::{Package, is_test};
use crate::text::SignKind;

pub(crate) struct CodeHiddenFromView;

static INFO: RuleInfo = RuleInfo {
    id: "code-hidden-from-view",
    title: "Code is hidden from whoever reads it",
    severity: Severity::High,
    confidence: Confidence::Medium,
    attack: &["T1027", "T1036"],
    explanation: "Data in characters that show nothing, characters that turn the order of what is shown, or code \
                  far to the right of a line that looks empty.",
};

impl Rule for CodeHiddenFromView {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let signs = package.signs.iter().filter(|sign| !is_test(&sign.path));
        signs
            .filter(|sign| crate::lang::recognise(&sign.path, b"").is_some())
            .filter(|sign| !sign.path.contains(".min."))
            .map(|sign| {
                let (severity, words) = match sign.kind {
                    SignKind::Invisible => (Severity::High, "holds data in invisible characters"),
                    SignKind::Bidirectional => (Severity::Medium, "turns the order of its code"),
                    SignKind::FarRight => (Severity::High, "puts code out of sight"),
                };
                let evidence = Evidence::File {
                    path: sign.path.as_str().into(),
                    line: Some(sign.line),
                    detail: shown(&sign.detail).into(),
                };
                Hit::new(severity, Confidence::Medium, words.to_owned()).with([evidence])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn hidden_code_is_found_and_wide_tables_are_not() {
        let hidden = format!("import os{}; exec(x)\n", " ".repeat(400));
        let finding = found("code-hidden-from-view", &[("a/__init__.py", &hidden)]);
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 1));
        let table = format!("A = [{}1, 2,\n    3]\n", " ".repeat(60));
        quiet("code-hidden-from-view", &[("a/__init__.py", &table)]);
    }
}

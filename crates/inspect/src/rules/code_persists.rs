use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, shown};
use crate::act::ActKind;
use crate::package::Package;

pub(crate) struct CodePersists;

static INFO: RuleInfo = RuleInfo {
    id: "code-persists",
    title: "Code arranges to be started again",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1547", "T1053.003", "T1546.004", "T1543.002"],
    explanation: "Start-up files of shells, services, timers, login items, interpreters or other people's \
                  repositories are written by code that runs by itself.",
};

impl Rule for CodePersists {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        package
            .acts()
            .filter(|act| package.when(act).by_itself())
            .filter(|act| {
                act.kind == ActKind::Persist
                    || matches!(act.kind, ActKind::Write) && starts_again(&act.text)
            })
            .map(|act| {
                let clause = format!(
                    "arranges to be started again ({}) {}",
                    shown(&act.text),
                    package.when(act).words()
                );
                Hit::new(Severity::High, Confidence::High, clause)
                    .with([package.evidence(act, "here")])
            })
            .collect()
    }
}

/// Files that something else runs later.
fn starts_again(path: &str) -> bool {
    const PLACES: &[&str] = &[
        ".bashrc",
        ".zshrc",
        ".profile",
        ".bash_profile",
        ".zprofile",
        "/etc/profile",
        "/etc/cron",
        "/etc/rc.local",
        "systemd/user",
        "/etc/systemd",
        "LaunchAgents",
        "LaunchDaemons",
        "Start Menu/Programs/Startup",
        "Start Menu\\Programs\\Startup",
        "Programs/Startup",
        ".config/autostart",
        ".git/hooks",
        ".github/workflows",
        "sitecustomize.py",
        "usercustomize.py",
        "/etc/ld.so.preload",
        "CurrentVersion\\Run",
        "site-packages/\u{1}.pth",
        "authorized_keys",
    ];
    PLACES.iter().any(|place| path.contains(place))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn writing_to_startup_files_is_found_and_printing_advice_is_not() {
        let finding = found(
            "code-persists",
            &[(
                "setup.py",
                "import os\nwith open(os.path.expanduser('~/.bashrc'), 'a') as f:\n    f.write('curl x')",
            )],
        );
        assert_eq!((finding.severity, line(&finding).1), (Severity::High, 3));
        found(
            "code-persists",
            &[(
                "package.json",
                r#"{"scripts":{"postinstall":"(crontab -l; echo '* * * * * /tmp/x') | crontab -"}}"#,
            )],
        );
        quiet(
            "code-persists",
            &[(
                "a/__init__.py",
                "import os\nprint('add this to ~/.bashrc')\nopen(os.path.expanduser('~/.config/tool.toml'), 'w').write('x')",
            )],
        );
    }
}

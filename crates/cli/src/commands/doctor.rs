use apa_model::{Ecosystem, ExitCode};
use apa_sandbox::doctor::{self, State};

use super::Failure;
use crate::args::Doctor;
use crate::config::File;
use crate::output;

pub(crate) fn run(args: &Doctor) -> Result<ExitCode, Failure> {
    let config = File::here()
        .and_then(|file| file.engine(&args.places))
        .map_err(Failure::usage)?;
    let checks = doctor::check();
    let registries: Vec<(Ecosystem, Result<String, String>)> = apa_ecosystems::adapters()
        .iter()
        .map(|adapter| {
            let registry = adapter.registry(&config.registries);
            (
                adapter.ecosystem(),
                registry.map_err(|error| error.to_string()),
            )
        })
        .collect();
    let text = if args.json {
        as_json(&checks, &registries)
    } else {
        as_text(&checks, &registries)
    };
    output::print(&text).map_err(Failure::infrastructure)?;
    let missing = checks.iter().any(|check| check.state == State::Missing);
    Ok(if missing {
        ExitCode::Refused
    } else {
        ExitCode::Clean
    })
}

fn as_text(checks: &[doctor::Check], registries: &[(Ecosystem, Result<String, String>)]) -> String {
    let mut text = String::new();
    for check in checks {
        text.push_str(&format!(
            "{:<9} {:<28} {}\n",
            label(check.state),
            check.name,
            check.why
        ));
        if let (State::Degraded | State::Missing, Some(fix)) = (check.state, &check.fix) {
            text.push_str(&format!("{:<9} {:<28} fix: {fix}\n", "", ""));
        }
    }
    for (ecosystem, registry) in registries {
        match registry {
            Ok(url) => text.push_str(&format!(
                "{:<9} {:<28} {url}\n",
                "registry",
                ecosystem.as_str()
            )),
            Err(error) => text.push_str(&format!(
                "{:<9} {:<28} {error}\n",
                "registry",
                ecosystem.as_str()
            )),
        }
    }
    text
}

fn as_json(checks: &[doctor::Check], registries: &[(Ecosystem, Result<String, String>)]) -> String {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| serde_json::json!({"name": check.name, "state": label(check.state), "why": check.why, "fix": check.fix}))
        .collect();
    let registries: Vec<_> = registries
        .iter()
        .map(|(ecosystem, registry)| {
            serde_json::json!({"ecosystem": ecosystem.as_str(), "url": registry.as_ref().ok(), "error": registry.as_ref().err()})
        })
        .collect();
    format!(
        "{:#}\n",
        serde_json::json!({"checks": checks, "registries": registries})
    )
}

fn label(state: State) -> &'static str {
    match state {
        State::Present => "present",
        State::Degraded => "degraded",
        State::Missing => "missing",
    }
}

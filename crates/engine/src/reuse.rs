//! Earlier analyses of the same files by this very program.

use std::path::Path;
use std::time::Duration;

use apa_model::report::Report;
use apa_model::{IncompleteCode, Profile};
use apa_sandbox::Image;
use sha2::Digest as _;

use crate::baseline::{hex, stamp};
use crate::prepare::Prepared;
use crate::{Analysis, Engine, EngineError, Request, assemble};

/// Names everything a result depends on that is known before anything runs.
pub(crate) fn key(
    prepared: &[Prepared],
    request: &Request,
    answers: Option<&Path>,
    image: &Image,
) -> String {
    let Some(first) = prepared.first() else {
        return String::new();
    };
    let mut hash = stamp(first.adapter, answers);
    // Whether the registry was asked anew makes no difference: the files are the same.
    let profile = Profile {
        offline: false,
        ..request.profile.clone()
    };
    let profile = serde_json::to_vec(&profile).unwrap_or_default();
    hash.update(&profile);
    hash.update(image.name());
    for one in prepared {
        hash.update(format!(
            "\n{} {:?}",
            one.artifact.sha256,
            (&one.identity.name, &one.identity.version)
        ));
    }
    hex(hash, 32)
}

impl Engine {
    /// What an earlier analysis found, judged by what `request` lets pass.
    pub(crate) fn earlier(&self, key: &str, request: &Request) -> Option<Analysis> {
        let longest = request.reuse?;
        let (mut report, run) = self.store().recall(key)?;
        if age(&report)? > longest || !is_lasting(&report) {
            return None;
        }
        report.exit_code = assemble::exit_code(&report.verdict, request.fail_on).into();
        Some(Analysis {
            report,
            run,
            reused: true,
            key: key.to_owned(),
        })
    }

    /// Lets later requests take this analysis over. Its report must be kept before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember(&self, analysis: &Analysis) -> Result<(), EngineError> {
        Ok(self.store().remember(&analysis.key, analysis.run.id())?)
    }
}

fn age(report: &Report) -> Option<Duration> {
    let started: jiff::Timestamp = report.started_at.parse().ok()?;
    Duration::try_from(jiff::Timestamp::now().duration_since(started)).ok()
}

/// Whether another run would come to the same: what failed around the package may work the next time.
fn is_lasting(report: &Report) -> bool {
    let passing = |code| {
        matches!(
            code,
            IncompleteCode::Registry | IncompleteCode::Sandbox | IncompleteCode::EventsLost
        )
    };
    !report
        .verdict
        .incomplete
        .iter()
        .any(|reason| passing(reason.code))
}

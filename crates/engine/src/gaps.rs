//! What a run cannot have shown, seen from what it did show.

use apa_model::report::PhaseRecord;
use apa_model::{Flow, Hostile, Incomplete, IncompleteCode, Owner, Phase, Protocol};

/// An install hook that fetched something was given a simulated answer. Where the package's first module cannot be
/// loaded afterwards, what it would have done with the real one was not seen.
pub(crate) fn missed_download(phases: &[PhaseRecord], flows: &[Flow]) -> Option<Incomplete> {
    let fetched = flows.iter().find(|flow| {
        flow.phase == Phase::Install
            && flow.protocol == Protocol::Http
            && flow.bytes_in > 0
            && flow.owner.as_ref().is_some_and(Owner::is_package_code)
    })?;
    let imports = phases.iter().filter(|phase| phase.name == Phase::Import);
    let first = imports.flat_map(|phase| &phase.entries).next()?;
    if first.status == "done" {
        return None;
    }
    let name = fetched.sni.as_ref().or(fetched.resolved_name.as_ref());
    let host = name.map_or_else(
        || fetched.destination.ip().to_string(),
        |name| name.shortened(100).to_string(),
    );
    let module = first.name.shortened(100);
    let detail = format!(
        "what an install hook fetched from {host} was simulated, and then {module} could not be loaded"
    );
    Some(Incomplete {
        code: IncompleteCode::InstallFailed,
        phase: Some(Phase::Install),
        detail: Hostile::from(detail),
    })
}

#[cfg(test)]
mod tests {
    use apa_model::Transport;
    use apa_model::report::{EntryRecord, PhaseStatus};

    use super::*;

    fn imported(status: &str) -> PhaseRecord {
        PhaseRecord {
            name: Phase::Import,
            artifact: String::new(),
            status: PhaseStatus::Completed,
            wall_ms: 1,
            limits_hit: Vec::new(),
            entries: vec![EntryRecord {
                name: "require native".into(),
                status: status.into(),
                detail: "".into(),
            }],
        }
    }

    fn download(phase: Phase, owner: Owner) -> Flow {
        Flow {
            id: 1,
            started_us: 0,
            ended_us: Some(1),
            phase,
            process: None,
            owner: Some(owner),
            transport: Transport::Tcp,
            source: "10.0.0.2:40000".parse().unwrap(),
            destination: "198.51.100.7:443".parse().unwrap(),
            resolved_name: Some("code.test".into()),
            layers: Vec::new(),
            sni: None,
            tls_failure: None,
            protocol: Protocol::Http,
            messages: Vec::new(),
            bytes_out: 100,
            bytes_in: 200,
            sent_blob: None,
            canary_hits: Vec::new(),
            truncated: false,
        }
    }

    #[test]
    fn a_module_that_needs_what_only_a_real_host_has_was_not_seen() {
        let hook = [download(Phase::Install, Owner::Package)];
        let gap = missed_download(&[imported("failed")], &hook).unwrap();
        assert_eq!(gap.code, IncompleteCode::InstallFailed);
        assert_eq!(
            gap.detail.to_string(),
            "what an install hook fetched from code.test was simulated, and then require native could not be loaded"
        );
    }

    #[test]
    fn a_module_that_loads_all_the_same_or_fetches_nothing_is_no_gap() {
        let hook = [download(Phase::Install, Owner::Package)];
        assert_eq!(missed_download(&[imported("done")], &hook), None);
        let others = [
            download(Phase::Install, Owner::Manager),
            download(Phase::Execute, Owner::Package),
        ];
        assert_eq!(missed_download(&[imported("failed")], &others), None);
        assert_eq!(missed_download(&[imported("failed")], &[]), None);
    }
}

//! What a sample did with the registry that the gateway plays, as conversations for the judge.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use apa_gateway::{ServedRequest, Witness};
use apa_model::{Flow, FlowMessage, Hostile, Phase, Protocol, Transport};
use apa_netsim::decode::Matcher;
use apa_trace::Session;

use crate::steps::PhaseClock;

/// Conversations added for one run.
const MAX_FLOWS: usize = 500;

/// Tells the gateway at `address` who speaks to it, once there is a tracer.
pub(crate) fn witness(
    address: SocketAddr,
    tracer: &Arc<OnceLock<Session>>,
    clock: &PhaseClock,
) -> Witness {
    let (tracer, clock) = (tracer.clone(), clock.clone());
    Arc::new(move |source| {
        let process = tracer
            .get()
            .and_then(|session| session.attribute(Transport::Tcp, source, address));
        (process, clock.now())
    })
}

/// Adds the requests that use an account, and those whose names carry a bait: installing is what all others are for.
pub(crate) fn add_flows(
    flows: &mut Vec<Flow>,
    served: &[ServedRequest],
    matcher: &Matcher,
    (address, started): (SocketAddr, Instant),
) {
    let last = flows.iter().map(|flow| flow.id).max().unwrap_or(0);
    let telling = served.iter().filter_map(|request| {
        let hits = matcher.scan(request.path.as_bytes(), "http.target");
        (request.account || !hits.is_empty()).then_some((request, hits))
    });
    for (id, (request, hits)) in (last + 1..).zip(telling.take(MAX_FLOWS)) {
        let at = request.at.saturating_duration_since(started);
        let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        flows.push(Flow {
            id,
            started_us: at,
            ended_us: Some(at),
            canary_hits: hits,
            ..flow(request, address)
        });
    }
}

fn flow(request: &ServedRequest, address: SocketAddr) -> Flow {
    let summary = [request.method.as_bytes(), b" ", request.path.as_bytes()].concat();
    Flow {
        id: 0,
        started_us: 0,
        ended_us: None,
        phase: request.phase.unwrap_or(Phase::Install),
        process: request.process,
        owner: None,
        transport: Transport::Tcp,
        source: request.source.unwrap_or(address),
        destination: address,
        resolved_name: Some("registry".into()),
        layers: ["tcp", "http", "registry"].map(str::to_owned).into(),
        sni: None,
        tls_failure: None,
        protocol: Protocol::Http,
        messages: vec![FlowMessage {
            summary: Hostile::new(summary),
            headers: Vec::new(),
            body: None,
            body_bytes: request.sent,
            answer: request.status.to_string().into(),
        }],
        bytes_out: request.path.len() as u64 + request.sent,
        bytes_in: request.bytes,
        sent_blob: None,
        canary_hits: Vec::new(),
        truncated: false,
    }
}

#[cfg(test)]
mod tests {
    use apa_model::{Canary, CanaryKind};

    use super::*;

    fn request(method: &str, path: &str, account: bool) -> ServedRequest {
        ServedRequest {
            at: Instant::now(),
            method: method.into(),
            path: path.into(),
            status: 401,
            bytes: 0,
            refused: None,
            outside: false,
            sent: 7,
            account,
            source: None,
            process: None,
            phase: Some(Phase::Import),
            failed: None,
        }
    }

    #[test]
    fn only_the_use_of_an_account_and_baits_in_names_are_told() {
        let matcher = Matcher::new(&[Canary {
            id: "token".into(),
            kind: CanaryKind::EnvironmentToken,
            planted_at: "env:TOKEN".into(),
            secrets: vec!["s3cr3tq9w8e7r6t5z4".into()],
        }]);
        let served = [
            request("GET", "/npm/left-pad", false),
            request("PUT", "/npm/left-pad", true),
            request("GET", "/npm/s3cr3tq9w8e7r6t5z4", false),
        ];
        let mut flows = Vec::new();
        let here = SocketAddr::from(([127, 0, 0, 1], 4873));
        add_flows(&mut flows, &served, &matcher, (here, Instant::now()));
        let told: Vec<_> = flows
            .iter()
            .map(|flow| {
                (
                    flow.id,
                    flow.messages[0].summary.to_string(),
                    flow.canary_hits.len(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (1, "PUT /npm/left-pad".into(), 0),
                (2, "GET /npm/s3cr3tq9w8e7r6t5z4".into(), 1)
            ]
        );
        assert_eq!(flows[0].phase, Phase::Import);
    }
}

//! What a sample did with the registry that the gateway plays, as conversations for the judge.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use apa_gateway::{AccountAnswer, Accounts, ServedRequest, Witness};
use apa_model::{BlobSink, Flow, FlowMessage, Hostile, Phase, Protocol, Transport};
use apa_netsim::decode::Matcher;
use apa_netsim::{Ask, Clock, PUBLISH_LAYER, Rules, published};
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

/// Plays the registry's accounts: what would change a registry gets the answer that a worm hopes for.
pub(crate) fn accounts(rules: &Arc<Rules>) -> Accounts {
    let rules = rules.clone();
    Arc::new(move |asked| {
        let answer = rules.answer(
            &ask(asked.method, asked.path, asked.headers, asked.body),
            Clock::default(),
        )?;
        Some(AccountAnswer {
            status: answer.status,
            kind: answer.content_type.unwrap_or_default(),
            body: answer.body,
        })
    })
}

fn ask<'a>(
    method: &'a str,
    path: &'a str,
    headers: &'a [(Vec<u8>, Vec<u8>)],
    body: &'a [u8],
) -> Ask<'a> {
    Ask::new(method, path, headers, body).named("registry")
}

/// Where what was sent is searched and kept.
pub(crate) struct Desk<'a> {
    pub(crate) matcher: &'a Matcher,
    pub(crate) blobs: &'a dyn BlobSink,
    /// The gateway.
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
}

/// Adds the requests that use an account, and those whose names carry a bait: installing is what all others are for.
pub(crate) fn add_flows(flows: &mut Vec<Flow>, served: &[ServedRequest], desk: &Desk<'_>) {
    let last = flows.iter().map(|flow| flow.id).max().unwrap_or(0);
    let telling = served.iter().filter_map(|request| {
        let mut hits = desk.matcher.scan(request.path.as_bytes(), "http.target");
        // A client may ask whose token it is that it was given; to change a registry with it is another thing.
        if request.account && request.method != "GET" {
            let lines = request
                .headers
                .iter()
                .flat_map(|(name, value)| [name.as_slice(), b": ", value, b"\0"]);
            let lines: Vec<u8> = lines.flatten().copied().collect();
            hits.extend(desk.matcher.scan(&lines, "http.headers"));
            hits.extend(desk.matcher.scan(&request.body, "http.body"));
        }
        (request.account || !hits.is_empty()).then_some((request, hits))
    });
    for (id, (request, hits)) in (last + 1..).zip(telling.take(MAX_FLOWS)) {
        let at = request.at.saturating_duration_since(desk.started);
        let at = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        let mut flow = Flow {
            id,
            started_us: at,
            ended_us: Some(at),
            canary_hits: hits,
            ..flow(request, desk.address)
        };
        keep(request, desk, &mut flow);
        flows.push(flow);
    }
}

/// Keeps what was sent, and the package that was published with it.
fn keep(request: &ServedRequest, desk: &Desk<'_>, flow: &mut Flow) {
    let mut put = |bytes: &[u8]| {
        let kept = desk.blobs.put(&mut Cursor::new(bytes));
        let failed = kept.as_ref().err();
        if let Some(error) = failed {
            tracing::warn!(%error, "what was sent to the registry could not be kept");
            flow.truncated = true;
        }
        kept.ok().map(|(digest, _)| digest)
    };
    if request.body.is_empty() {
        return;
    }
    let body = put(&request.body);
    let path = request.path.lossy();
    let found = published(&ask(
        &request.method,
        &path,
        &request.headers,
        &request.body,
    ));
    let archive = found.as_ref().map(|found| put(&found.archive));
    if let Some(message) = flow.messages.first_mut() {
        message.body = body;
    }
    if let (Some(found), Some(archive)) = (found, archive) {
        flow.layers.push(PUBLISH_LAYER.to_owned());
        flow.messages.push(found.message(archive));
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
            headers: request
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        Hostile::from(name.as_slice()),
                        Hostile::from(value.as_slice()),
                    )
                })
                .collect(),
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
            headers: Vec::new(),
            body: Vec::new(),
            source: None,
            process: None,
            phase: Some(Phase::Import),
            failed: None,
        }
    }

    struct Nowhere;

    impl BlobSink for Nowhere {
        fn put(&self, reader: &mut dyn std::io::Read) -> std::io::Result<(String, u64)> {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            Ok((
                String::from_utf8_lossy(&bytes).into_owned(),
                bytes.len() as u64,
            ))
        }
    }

    fn desk(matcher: &Matcher) -> Desk<'_> {
        Desk {
            matcher,
            blobs: &Nowhere,
            address: SocketAddr::from(([127, 0, 0, 1], 4873)),
            started: Instant::now(),
        }
    }

    #[test]
    fn a_published_package_is_kept_and_the_token_it_was_published_with_is_told() {
        let matcher = Matcher::new(&[Canary {
            id: "token".into(),
            kind: CanaryKind::NpmToken,
            planted_at: "/home/kim/.npmrc".into(),
            secrets: vec!["npm_s3cr3tq9w8e7r6t5z4".into()],
        }]);
        let bearer = (
            b"authorization".to_vec(),
            b"Bearer npm_s3cr3tq9w8e7r6t5z4".to_vec(),
        );
        let served = [ServedRequest {
            headers: vec![bearer],
            body: br#"{"name":"kit","versions":{"1.0.1":{}},"_attachments":{"kit.tgz":{"data":"UEFDSw=="}}}"#.to_vec(),
            ..request("PUT", "/npm/kit", true)
        }];
        let mut flows = Vec::new();
        add_flows(&mut flows, &served, &desk(&matcher));
        let flow = &flows[0];
        assert_eq!(flow.canary_hits[0].layers, ["http.headers"]);
        assert_eq!(
            flow.messages[1].summary.to_string(),
            "PUBLISH kit@1.0.1 kit.tgz"
        );
        assert_eq!(flow.messages[1].body.as_deref(), Some("PACK"));
        assert!(flow.layers.iter().any(|layer| layer == PUBLISH_LAYER));
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
        add_flows(&mut flows, &served, &desk(&matcher));
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

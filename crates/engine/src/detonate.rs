//! One detonation: a sandbox, its simulated network and its tracer brought up, a plan carried out, everything
//! observed gathered, everything taken down.

use std::collections::BTreeSet;
use std::iter::once;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use apa_archive::Archive;
use apa_ecosystems::{Adapter, GuestView, Identity, PlanInput, ProvisionInput};
use apa_gateway::{Gateway, ServePolicy, ServedRequest};
use apa_judge::Observation;
use apa_model::report::{Dropped, PhaseRecord, RuntimeCode, SandboxInfo, SyscallCount};
use apa_model::{
    Anomaly, Artifact, CanaryHit, Ecosystem, Event, EventKind, ExpectedHook, Flow, Incomplete,
    IncompleteCode, Phase, Plan, Process, ProcessId, Profile,
};
use apa_netsim::decode::Matcher;
use apa_netsim::{Ca, NetsimConfig, Rules, Sockets};
use apa_sandbox::{Backend, Guest, Image, Network, Sandbox, SandboxFacts, SandboxSpec, Teardown};
use apa_store::DirBlobs;
use apa_trace::{Session, Trace, TraceConfig};

use crate::EngineError;
use crate::blame;
use crate::code::Code;
use crate::dropped::{self, Keeper};
use crate::gaps;
use crate::progress::{Observer, Progress};
use crate::registry;
use crate::steps::{PhaseClock, Runner};

/// Arguments searched for baits.
const MAX_SCANNED_ARGS: usize = 20_000;
/// Names outside the dependency closure that a run may ask a registry for.
const NAME_BUDGET: usize = 200;

/// What to detonate.
pub(crate) struct Subject<'a> {
    pub(crate) adapter: &'static dyn Adapter,
    pub(crate) artifact: &'a Artifact,
    pub(crate) path: &'a Path,
    pub(crate) archive: &'a Archive,
    pub(crate) identity: &'a Identity,
    pub(crate) anomalies: Vec<Anomaly>,
    /// It came from the registry, whose metadata counts.
    pub(crate) published: bool,
}

/// What one detonation left: what is judged, and how it was run.
pub(crate) struct Detonation {
    pub(crate) observation: Observation,
    pub(crate) syscalls: Vec<SyscallCount>,
    pub(crate) lost: u64,
    pub(crate) counted_only: u64,
    pub(crate) sandbox: SandboxInfo,
    pub(crate) code: Vec<RuntimeCode>,
    /// The recorded traffic, in the pcapng format.
    pub(crate) traffic: Vec<u8>,
}

/// The means of a detonation, shared by all.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) blobs: DirBlobs,
    pub(crate) image: Image,
    /// Folder of further keys that packages may be signed with.
    pub(crate) keys: Option<PathBuf>,
    pub(crate) observer: Observer,
    /// Where the clients' answers are kept.
    pub(crate) answers: Option<PathBuf>,
}

/// What the blocking part brings back.
struct Ran {
    phases: Vec<PhaseRecord>,
    incomplete: Vec<Incomplete>,
    dropped: Vec<Dropped>,
    facts: SandboxFacts,
    teardown: Teardown,
    trace: Trace,
    code: Code,
}

impl Means {
    /// Runs one artifact from start to end.
    pub(crate) async fn detonate(
        &self,
        subject: &Subject<'_>,
        profile: &Profile,
    ) -> Result<Detonation, EngineError> {
        let started = Instant::now();
        let ca = Ca::generate()?;
        let wanted = ProvisionInput {
            archive: subject.archive,
            identity: subject.identity,
            published: subject.published,
            root: self.image.root(),
            keys: self.keys.as_deref(),
        };
        let provision = subject.adapter.provide(&self.gateway, wanted);
        let (provision, sandbox) =
            tokio::join!(provision, self.create(subject.adapter, profile, &ca));
        let (provision, mut sandbox) = (provision?, sandbox?);
        let guest = sandbox.guest().clone();
        let network = sandbox.take_network().ok_or(EngineError::Internal {
            doing: "preparing the sandbox",
            detail: "it has no network".into(),
        })?;
        let Network {
            tcp,
            tcp6,
            udp,
            udp6,
            gateway,
            dns,
            reply,
        } = network;
        let clock = PhaseClock::new();
        let gateway_address = gateway
            .local_addr()
            .map_err(|error| EngineError::Internal {
                doing: "preparing the gateway",
                detail: error.to_string(),
            })?;
        // The session is told by the plan what to keep, and the plan by the gateway where it is.
        let tracer: Arc<OnceLock<Session>> = Arc::default();
        let rules = Arc::new(Rules::embedded(ca.pem().as_bytes(), profile.network)?);
        let policy = ServePolicy {
            witness: Some(registry::witness(gateway_address, &tracer, &clock)),
            accounts: Some(registry::accounts(&rules)),
            ..self.policy(subject)
        };
        let serving = self.gateway.serve(gateway, policy)?;
        let plan = subject.adapter.plan(&PlanInput {
            artifact: subject.artifact,
            artifact_path: subject.path,
            archive: subject.archive,
            identity: subject.identity,
            provision: &provision,
            guest: GuestView {
                home: guest.home.clone(),
                project_dir: guest.project_dir.clone(),
                user: guest.user.clone(),
                root: self.image.root().to_owned(),
            },
            gateway_url: &serving.base_url(),
            limits: &profile.limits,
        });
        let session = Session::start(self.trace_config(profile, &guest, &plan, started));
        let _ = tracer.set(session.clone());
        let netsim = apa_netsim::start(
            Sockets {
                tcp: once(tcp).chain(tcp6).collect(),
                udp: once(udp).chain(udp6).collect(),
                reply,
            },
            NetsimConfig {
                rules: Some(rules),
                mode: profile.network,
                ..self.netsim_config(ca, dns, &guest, started, &session, &clock)
            },
        )?;
        let mut ran = self
            .run(
                sandbox,
                session,
                clock,
                plan.clone(),
                subject.artifact.sha256.clone(),
                profile,
            )
            .await?;
        let simulated = netsim.finish().await;
        let served = serving.finish().await;

        let mut incomplete = ran.incomplete.clone();
        incomplete.extend(provision.incomplete);
        incomplete.extend(simulated.incomplete);
        incomplete.extend(ran.trace.incomplete.iter().cloned());
        incomplete.extend(ran.teardown.problems.iter().map(|problem| Incomplete {
            code: IncompleteCode::Sandbox,
            phase: None,
            detail: problem.as_str().into(),
        }));
        incomplete.extend(registry_trouble(&served));
        if !subject.archive.complete {
            incomplete.push(Incomplete {
                code: IncompleteCode::ArchiveUnread,
                phase: Some(Phase::Static),
                detail: "part of the archive could not be read; see the anomalies".into(),
            });
        }
        incomplete.extend(missing_hooks(&plan, &ran.trace));
        let matcher = Matcher::new(&guest.canaries);
        let mut flows = simulated.flows;
        let desk = registry::Desk {
            matcher: &matcher,
            blobs: &self.blobs,
            address: gateway_address,
            started,
        };
        registry::add_flows(&mut flows, &served, &desk);
        let mut flows = with_owners(flows, &ran.trace.processes);
        blame::to_dependencies(&mut ran.trace.events, &mut flows);
        incomplete.extend(gaps::missed_download(&ran.phases, &flows));
        let dropped = dropped::gather(
            ran.dropped.clone(),
            &ran.trace,
            &subject.artifact.sha256,
            subject.archive,
            &plan,
        );
        let machine_code = dropped::machine_code(&dropped, &self.blobs);
        let others = provision.dependencies.iter();
        let others: Vec<_> = others.map(|it| it.path.clone()).collect();
        let shipped = dropped::shipped(&machine_code, subject.archive, &others);
        let argv_hits = scan_arguments(&matcher, &ran.trace.events);
        let sha256 = subject.artifact.sha256.clone();
        let syscalls = ran
            .trace
            .syscalls
            .iter()
            .map(|(phase, process, call, count)| SyscallCount {
                artifact: sha256.clone(),
                phase: *phase,
                process: *process,
                call: call.clone(),
                count: *count,
            })
            .collect();
        Ok(Detonation {
            traffic: simulated.capture.pcapng(),
            syscalls,
            lost: ran.trace.lost,
            counted_only: ran.trace.counted_only.values().sum(),
            sandbox: sandbox_info(profile, &ran, &incomplete),
            code: ran
                .code
                .records(&subject.artifact.sha256, &self.blobs, &matcher),
            observation: Observation {
                artifact: subject.artifact.clone(),
                package_name: subject.identity.name.clone().unwrap_or_default(),
                phases: ran.phases,
                events: ran.trace.events,
                processes: ran.trace.processes,
                flows,
                machine_code,
                shipped,
                dropped,
                canaries: [guest.canaries.as_slice(), &simulated.served].concat(),
                argv_hits,
                anomalies: [&subject.anomalies[..], &provision.anomalies].concat(),
                incomplete,
                home: guest.home.clone(),
                project_dir: guest.project_dir.clone(),
                package_dirs: plan.package_dirs.clone(),
                user: guest.user.clone(),
                hostname: guest.hostname.clone(),
            },
        })
    }

    async fn create(
        &self,
        adapter: &'static dyn Adapter,
        profile: &Profile,
        ca: &Ca,
    ) -> Result<Box<dyn Sandbox>, EngineError> {
        let backend = self.backend.clone();
        let answers = self.answers.clone();
        let spec = SandboxSpec {
            persona: profile.persona,
            limits: profile.limits.clone(),
            ca_pem: Some(ca.pem()),
            image: self.image.clone(),
            system_writable: adapter.changes_system(),
            ..SandboxSpec::default()
        };
        let create = move || {
            backend.create(SandboxSpec {
                views: adapter.views(answers.as_deref()),
                ..spec
            })
        };
        Ok(blocking("preparing the sandbox", create).await??)
    }

    fn policy(&self, subject: &Subject<'_>) -> ServePolicy {
        let roots = subject.adapter.roots(subject.archive, subject.identity);
        let (ecosystem, name_budget) = match subject.adapter.ecosystem() {
            // No registry serves programs; what one asks a registry for is seen and refused.
            Ecosystem::Generic => (Ecosystem::Npm, 0),
            ecosystem => (ecosystem, NAME_BUDGET),
        };
        ServePolicy {
            name_budget,
            ..ServePolicy::new(ecosystem, roots)
        }
    }

    fn trace_config(
        &self,
        profile: &Profile,
        guest: &Guest,
        plan: &Plan,
        started: Instant,
    ) -> TraceConfig {
        TraceConfig {
            all_syscalls: profile.all_syscalls,
            env_values: plan.env_values.clone(),
            owners: plan.owners.clone(),
            protected: guest.protected.clone(),
            max_events: profile.limits.events,
            max_captured_bytes: dropped::MAX_BYTES,
            max_captured_file_bytes: dropped::MAX_FILE_BYTES,
            capture_under: vec![
                guest.home.clone(),
                "/tmp".into(),
                "/var/tmp".into(),
                "/dev/shm".into(),
                "/run".into(),
                "/opt".into(),
            ],
            blobs: Arc::new(self.blobs.clone()),
            started,
        }
    }

    fn netsim_config(
        &self,
        ca: Ca,
        dns: std::net::SocketAddr,
        guest: &Guest,
        started: Instant,
        session: &Session,
        clock: &PhaseClock,
    ) -> NetsimConfig {
        let (session, clock) = (session.clone(), clock.clone());
        NetsimConfig {
            own_names: vec![(guest.hostname.clone(), std::net::Ipv4Addr::LOCALHOST.into())],
            ..NetsimConfig::new(
                ca,
                dns,
                guest.canaries.clone(),
                Arc::new(self.blobs.clone()),
                started,
                Arc::new(move |transport, source, destination| {
                    session.attribute(transport, source, destination)
                }),
                Arc::new(move || clock.now()),
            )
        }
    }

    async fn run(
        &self,
        mut sandbox: Box<dyn Sandbox>,
        session: Session,
        clock: PhaseClock,
        plan: Plan,
        artifact: String,
        profile: &Profile,
    ) -> Result<Ran, EngineError> {
        let (limits, probes) = (profile.limits.clone(), !profile.no_probes);
        let (observer, blobs) = (self.observer.clone(), self.blobs.clone());
        let ran = blocking("running the package", move || {
            let mut runner = Runner {
                sandbox: sandbox.as_mut(),
                session: &session,
                clock: &clock,
                limits: &limits,
                artifact: &artifact,
                observer: &observer,
                deadline: Instant::now() + Duration::from_millis(limits.total_ms),
                incomplete: Vec::new(),
                lists: BTreeSet::new(),
                probes,
                code: Code::default(),
            };
            let phases = runner.run(&plan);
            let mut incomplete = std::mem::take(&mut runner.incomplete);
            let lists = std::mem::take(&mut runner.lists);
            let code = std::mem::take(&mut runner.code);
            incomplete.extend(code.incomplete());
            let stopped = sandbox.stop();
            let mut trace = session.finish();
            trace.captured.retain(|file| !lists.contains(&file.path));
            let mut keeper = Keeper::new(&trace, &blobs);
            let walked = sandbox.written(&mut |file, reader| keeper.visit(file, reader));
            incomplete.extend(keeper.incomplete);
            let dropped = keeper.kept;
            let facts = sandbox.info();
            let teardown = sandbox.destroy();
            let phases = phases?;
            stopped?;
            walked?;
            Ok::<_, EngineError>(Ran {
                phases,
                incomplete,
                dropped,
                facts,
                teardown,
                trace,
                code,
            })
        })
        .await?;
        (self.observer)(Progress::Judging);
        ran
    }
}

/// Runs what blocks on a thread of its own; a panic there becomes an error here.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| EngineError::Internal {
            doing,
            detail: error.to_string(),
        })
}

/// Requests that the registry could not answer: the run may have seen less than a user's machine would.
fn registry_trouble(served: &[ServedRequest]) -> Vec<Incomplete> {
    let troubles: BTreeSet<Incomplete> = served
        .iter()
        .filter_map(|request| {
            let reason = request.failed.as_ref()?;
            Some(Incomplete {
                code: IncompleteCode::Registry,
                phase: Some(Phase::Install),
                detail: format!("{} {}: {reason}", request.method, request.path).into(),
            })
        })
        .collect();
    troubles.into_iter().collect()
}

/// Hooks of the manifest of which the trace shows no process.
fn missing_hooks(plan: &Plan, trace: &Trace) -> Vec<Incomplete> {
    let seen = |hook: &ExpectedHook| {
        let fitting = |process: &&Process| apa_trace::matches(&hook.when, process);
        let mut fitting = trace.processes.iter().filter(fitting);
        match &hook.when.opens {
            None => fitting.next().is_some(),
            Some(file) => {
                let fitting: BTreeSet<ProcessId> = fitting.map(|process| process.id).collect();
                trace
                    .events
                    .iter()
                    .any(|event| fitting.contains(&event.process) && opens(event, file))
            }
        }
    };
    plan.hooks
        .iter()
        .filter(|hook| !seen(hook))
        .map(|hook| Incomplete {
            code: IncompleteCode::HookNotRun,
            phase: Some(Phase::Install),
            detail: format!(
                "the manifest promises {}, and no process of it was seen",
                hook.name
            )
            .into(),
        })
        .collect()
}

fn opens(event: &Event, file: &str) -> bool {
    let EventKind::Open { path, .. } = &event.kind else {
        return false;
    };
    !event.outcome.failed() && apa_trace::matches_path(file, path)
}

/// Flows with the owner of the process that made them.
fn with_owners(mut flows: Vec<Flow>, processes: &[Process]) -> Vec<Flow> {
    for flow in &mut flows {
        let process = flow
            .process
            .and_then(|id| processes.iter().find(|process| process.id == id));
        flow.owner = process.map(|process| process.owner.clone());
    }
    flows
}

/// Baits in arguments of programs started by package code.
fn scan_arguments(matcher: &Matcher, events: &[Event]) -> Vec<(ProcessId, CanaryHit)> {
    let mut scanned = 0;
    let mut hits = Vec::new();
    for event in events.iter().filter(|event| event.owner.is_package_code()) {
        let EventKind::Exec { argv, .. } = &event.kind else {
            continue;
        };
        for arg in argv.iter().filter(|arg| arg.len() >= 16) {
            scanned += 1;
            if scanned > MAX_SCANNED_ARGS {
                return hits;
            }
            hits.extend(
                matcher
                    .scan(arg.as_bytes(), "argv")
                    .into_iter()
                    .map(|hit| (event.process, hit)),
            );
        }
    }
    hits
}

fn sandbox_info(profile: &Profile, ran: &Ran, incomplete: &[Incomplete]) -> SandboxInfo {
    let facts = &ran.facts;
    SandboxInfo {
        isolation: facts.isolation.clone(),
        image: facts.image.clone(),
        persona: profile.persona,
        limits: profile.limits.clone(),
        enforced: facts.enforced.clone(),
        tracer: if profile.all_syscalls {
            "hybrid, every call (user notification + ptrace)".into()
        } else {
            "hybrid (user notification + ptrace)".into()
        },
        ready_ms: vec![facts.ready_ms],
        teardown_ms: vec![ran.teardown.wall_ms],
        not_observed: facts.not_observed.clone(),
        incomplete: incomplete.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    /// The simulator's scripts ask for what the rule looks for; neither crate knows the other.
    #[test]
    fn the_rule_about_downloaded_code_knows_the_simulators_marker() {
        assert_eq!(apa_judge::STAGE_TWO_PATH, apa_netsim::STAGE_TWO_MARKER);
    }
}

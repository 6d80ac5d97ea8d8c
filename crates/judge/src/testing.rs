//! A small language for building observations in tests. Names and addresses are reserved ones.

use std::net::SocketAddr;

use apa_model::report::Dropped;
use apa_model::{
    Access, Artifact, ArtifactKind, Canary, CanaryHit, CanaryKind, Event, EventKind, Finding, Flow,
    FlowMessage, Hostile, Outcome, Owner, Phase, Process, ProcessId, Protocol, Transport,
};

use crate::{Baseline, Judgement, Observation, judge};

/// Home of the persona, unless [`Scene::live_in`] says otherwise.
pub(crate) const HOME: &str = "/home/kim";

/// An observation in the making. Every act takes a millisecond.
pub(crate) struct Scene {
    observation: Observation,
    phase: Phase,
    now: u64,
}

impl Scene {
    pub(crate) fn npm(name: &str) -> Self {
        Self::new(name, ArtifactKind::NpmTarball, "node_modules")
    }

    pub(crate) fn pypi(name: &str) -> Self {
        Self::new(
            name,
            ArtifactKind::Wheel,
            "venv/lib/python3.13/site-packages",
        )
    }

    fn new(name: &str, kind: ArtifactKind, folder: &str) -> Self {
        let mut scene = Self {
            observation: Observation {
                artifact: Artifact {
                    sha256: "a".repeat(64),
                    size: 1000,
                    filename: "artifact".into(),
                    kind,
                },
                package_name: name.into(),
                phases: Vec::new(),
                events: Vec::new(),
                processes: Vec::new(),
                flows: Vec::new(),
                dropped: Vec::new(),
                machine_code: Default::default(),
                shipped: Default::default(),
                canaries: Vec::new(),
                argv_hits: Vec::new(),
                anomalies: Vec::new(),
                incomplete: Vec::new(),
                home: String::new(),
                project_dir: String::new(),
                package_dirs: vec![format!("{folder}/{name}")],
                user: "kim".into(),
                hostname: "kims-laptop".into(),
            },
            phase: Phase::Install,
            now: 0,
        };
        scene.live_in(HOME);
        scene
    }

    /// Moves the persona; call it before anything else.
    pub(crate) fn live_in(&mut self, home: &str) -> &mut Self {
        let observation = &mut self.observation;
        let old = std::mem::replace(&mut observation.project_dir, format!("{home}/app"));
        observation.home = home.into();
        let new = observation.project_dir.clone();
        for dir in &mut observation.package_dirs {
            let relative = dir
                .strip_prefix(&old)
                .unwrap_or(dir)
                .trim_start_matches('/');
            *dir = format!("{new}/{relative}");
        }
        self
    }

    pub(crate) fn phase(&mut self, phase: Phase) -> &mut Self {
        self.phase = phase;
        self
    }

    /// Plants the usual baits.
    pub(crate) fn baits(&mut self) -> &mut Self {
        let home = self.observation.home.clone();
        for (id, kind, at) in [
            (
                "ssh-key-1",
                CanaryKind::SshKey,
                format!("{home}/.ssh/id_rsa"),
            ),
            (
                "npm-token-1",
                CanaryKind::NpmToken,
                format!("{home}/.npmrc"),
            ),
            (
                "aws-env-1",
                CanaryKind::AwsEnvironment,
                "env:AWS_SECRET_ACCESS_KEY".into(),
            ),
            (
                "token-env-1",
                CanaryKind::EnvironmentToken,
                "env:GITHUB_TOKEN".into(),
            ),
        ] {
            self.observation.canaries.push(Canary {
                id: id.into(),
                kind,
                planted_at: at,
                secrets: vec![format!("secret-of-{id}")],
            });
        }
        self
    }

    pub(crate) fn manager(&mut self, exe: &str, argv: &[&str]) -> ProcessId {
        self.start(None, Owner::Manager, exe, argv)
    }

    /// A first process of package code.
    pub(crate) fn package(&mut self, exe: &str, argv: &[&str]) -> ProcessId {
        self.start(None, Owner::Package, exe, argv)
    }

    pub(crate) fn dependency(&mut self, name: &str, exe: &str, argv: &[&str]) -> ProcessId {
        self.start(None, Owner::Dependency(name.into()), exe, argv)
    }

    /// A child that belongs to package code.
    pub(crate) fn child(&mut self, parent: ProcessId, exe: &str, argv: &[&str]) -> ProcessId {
        let owner = self.owner(parent);
        let owner = if owner.is_package_code() {
            owner
        } else {
            Owner::Package
        };
        self.start(Some(parent), owner, exe, argv)
    }

    /// A forked child that has not run a program yet.
    pub(crate) fn fork(&mut self, parent: ProcessId) -> ProcessId {
        let id = self.add_process(Some(parent), self.owner(parent), "/usr/bin/sh", &["sh"]);
        self.record(parent, EventKind::Fork { child: id }, Outcome::OK);
        id
    }

    /// Gives a process variables whose values are kept.
    pub(crate) fn variables(&mut self, process: ProcessId, variables: &[(&str, &str)]) {
        let kept = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()));
        self.process_mut(process).env.extend(kept);
    }

    /// Makes it part of an install hook.
    pub(crate) fn hook(&mut self, process: ProcessId, name: &str) -> &mut Self {
        self.process_mut(process).hook = Some(name.into());
        self
    }

    pub(crate) fn at(&mut self, process: ProcessId) -> Actor<'_> {
        Actor {
            scene: self,
            process,
            outcome: Outcome::OK,
        }
    }

    pub(crate) fn argv_hit(&mut self, process: ProcessId, canary: &str) -> &mut Self {
        self.observation
            .argv_hits
            .push((process, hit(canary, &["base64"])));
        self
    }

    pub(crate) fn dropped(&mut self, process: ProcessId, path: &str, when: &str) -> &mut Self {
        let dropped = Dropped {
            artifact: self.observation.artifact.sha256.clone(),
            path: path.into(),
            sha256: Some("d".repeat(64)),
            size: 10,
            when: when.into(),
            mode: 0o755,
            process: Some(process),
            owner: Some(self.owner(process)),
            phase: self.phase,
        };
        self.observation.dropped.push(dropped);
        self
    }

    pub(crate) fn observation(&self) -> Observation {
        self.observation.clone()
    }

    pub(crate) fn observation_mut(&mut self) -> &mut Observation {
        &mut self.observation
    }

    pub(crate) fn judge(&self) -> Judgement {
        judge(&self.observation, &Baseline::default())
    }

    /// Findings of one rule.
    pub(crate) fn findings(&self, rule: &str) -> Vec<Finding> {
        let mut findings = self.judge().findings;
        findings.retain(|finding| finding.rule == rule);
        findings
    }

    /// The only finding of one rule.
    pub(crate) fn finding(&self, rule: &str) -> Finding {
        let mut findings = self.findings(rule);
        assert_eq!(findings.len(), 1, "{rule}: {findings:#?}");
        findings.remove(0)
    }

    fn owner(&self, id: ProcessId) -> Owner {
        self.observation.processes[id.0 as usize - 1].owner.clone()
    }

    fn process_mut(&mut self, id: ProcessId) -> &mut Process {
        &mut self.observation.processes[id.0 as usize - 1]
    }

    fn start(
        &mut self,
        parent: Option<ProcessId>,
        owner: Owner,
        exe: &str,
        argv: &[&str],
    ) -> ProcessId {
        let id = self.add_process(parent, owner, exe, argv);
        self.at(id).exec(exe, argv);
        id
    }

    fn add_process(
        &mut self,
        parent: Option<ProcessId>,
        owner: Owner,
        exe: &str,
        argv: &[&str],
    ) -> ProcessId {
        let id = ProcessId(self.observation.processes.len() as u32 + 1);
        let hook = parent.and_then(|parent| self.process_mut(parent).hook.clone());
        self.observation.processes.push(Process {
            id,
            parent,
            pid: 100 + id.0 as i32,
            exe: exe.into(),
            argv: words(argv),
            cwd: self.observation.project_dir.as_str().into(),
            env_names: Vec::new(),
            env: Default::default(),
            phase: self.phase,
            owner,
            toolchain: false,
            hook,
            started_us: self.now,
            ended_us: None,
            exit: None,
        });
        id
    }

    fn record(&mut self, process: ProcessId, kind: EventKind, outcome: Outcome) {
        self.now += 1000;
        let event = Event {
            seq: self.observation.events.len() as u64 + 1,
            at_us: self.now,
            phase: self.phase,
            process,
            owner: self.owner(process),
            kind,
            outcome,
        };
        self.observation.events.push(event);
    }
}

/// Acts of one process.
pub(crate) struct Actor<'s> {
    scene: &'s mut Scene,
    process: ProcessId,
    outcome: Outcome,
}

impl Actor<'_> {
    /// Lets all further acts of this chain fail.
    pub(crate) fn failing(mut self, errno: i32) -> Self {
        self.outcome.errno = Some(errno);
        self
    }

    pub(crate) fn does(self, kind: EventKind) -> Self {
        self.scene.record(self.process, kind, self.outcome);
        self
    }

    /// A program that could not be started.
    pub(crate) fn tries(self, exe: &str, argv: &[&str]) -> Self {
        self.failing(2).does(EventKind::Exec {
            exe: exe.into(),
            argv: words(argv),
            cwd: "/".into(),
            sha256: None,
        })
    }

    pub(crate) fn exec(self, exe: &str, argv: &[&str]) -> Self {
        let cwd = self.scene.observation.project_dir.as_str().into();
        let process = self.scene.process_mut(self.process);
        process.exe = exe.into();
        process.argv = words(argv);
        self.does(EventKind::Exec {
            exe: exe.into(),
            argv: words(argv),
            cwd,
            sha256: None,
        })
    }

    pub(crate) fn read(self, path: &str) -> Self {
        self.open(path, Access::Read)
    }

    pub(crate) fn write(self, path: &str) -> Self {
        self.open(path, Access::Write)
    }

    fn open(self, path: &str, access: Access) -> Self {
        self.does(EventKind::Open {
            path: path.into(),
            access,
            create: access.writes(),
            truncate: access.writes(),
        })
    }

    pub(crate) fn stat(self, path: &str) -> Self {
        self.does(EventKind::Stat { path: path.into() })
    }

    pub(crate) fn rename(self, from: &str, to: &str) -> Self {
        self.does(EventKind::Rename {
            from: from.into(),
            to: to.into(),
        })
    }

    pub(crate) fn link(self, target: &str, path: &str) -> Self {
        self.does(EventKind::Link {
            target: target.into(),
            path: path.into(),
            symbolic: false,
        })
    }

    pub(crate) fn unlink(self, path: &str) -> Self {
        self.does(EventKind::Unlink {
            path: path.into(),
            directory: false,
        })
    }

    pub(crate) fn chmod(self, path: &str, mode: u32) -> Self {
        self.does(EventKind::Chmod {
            path: path.into(),
            mode,
        })
    }

    pub(crate) fn connect(self, address: &str) -> Self {
        self.does(EventKind::Connect {
            address: address.into(),
        })
    }

    pub(crate) fn dup(self, from: i32, to: i32, target: &str) -> Self {
        self.does(EventKind::Dup {
            from,
            to,
            target: target.into(),
        })
    }

    pub(crate) fn privileged(self, call: &str) -> Self {
        self.does(EventKind::Privileged {
            call: call.into(),
            detail: Hostile::default(),
        })
    }

    pub(crate) fn refused(self, call: &str) -> Self {
        self.does(EventKind::Refused { call: call.into() })
    }

    pub(crate) fn kill(self, pid: i32, signal: i32) -> Self {
        self.does(EventKind::Kill { pid, signal })
    }

    /// One query of the name service: `A collect.test`.
    pub(crate) fn dns(self, query: &str) -> Self {
        self.flow(Protocol::Dns, "192.0.2.53:53", &["udp", "dns"], query, 0)
    }

    /// One HTTPS request: `POST https://collect.test/x`.
    pub(crate) fn http(self, request: &str, body_bytes: u64) -> Self {
        let layers = &["tcp", "tls", "http"];
        let address = "198.51.100.7:443";
        let mut actor = self.flow(Protocol::Http, address, layers, request, body_bytes);
        let host = request
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default();
        actor.last_flow().resolved_name = Some(host.into());
        actor
    }

    /// Plain bytes to an address.
    pub(crate) fn raw(self, address: &str, bytes: u64) -> Self {
        self.flow(Protocol::Raw, address, &["tcp"], "", bytes)
    }

    /// Puts a bait into the last conversation.
    pub(crate) fn carrying(mut self, canary: &str, layers: &[&str]) -> Self {
        let hit = hit(canary, layers);
        self.last_flow().canary_hits.push(hit);
        self
    }

    fn last_flow(&mut self) -> &mut Flow {
        self.scene.observation.flows.last_mut().unwrap()
    }

    fn flow(
        self,
        protocol: Protocol,
        address: &str,
        layers: &[&str],
        summary: &str,
        bytes: u64,
    ) -> Self {
        let scene = &mut *self.scene;
        scene.now += 1000;
        let destination: SocketAddr = address.parse().unwrap();
        let flow = Flow {
            id: scene.observation.flows.len() as u32 + 1,
            started_us: scene.now,
            ended_us: Some(scene.now + 500),
            phase: scene.phase,
            process: Some(self.process),
            owner: None,
            transport: if protocol == Protocol::Dns {
                Transport::Udp
            } else {
                Transport::Tcp
            },
            source: "10.0.0.2:51000".parse().unwrap(),
            destination,
            resolved_name: None,
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            sni: None,
            tls_failure: None,
            protocol,
            messages: vec![FlowMessage {
                summary: summary.into(),
                headers: Vec::new(),
                body: None,
                body_bytes: bytes,
                answer: "200 text/plain 2 bytes".into(),
            }],
            bytes_out: bytes + 100,
            bytes_in: 100,
            sent_blob: None,
            canary_hits: Vec::new(),
            truncated: false,
        };
        scene.observation.flows.push(flow);
        self
    }
}

fn hit(canary: &str, layers: &[&str]) -> CanaryHit {
    CanaryHit {
        canary: canary.into(),
        layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
        excerpt: "…".into(),
    }
}

fn words(argv: &[&str]) -> Vec<Hostile> {
    argv.iter().map(|word| Hostile::from(*word)).collect()
}

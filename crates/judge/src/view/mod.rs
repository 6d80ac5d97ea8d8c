//! Indexes over one observation, made once and asked by every rule.

pub(crate) mod network;
mod origin;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use apa_model::{
    CanaryHit, CanaryKind, Event, EventKind, Flow, Hostile, Outcome, Owner, Phase, Process,
    ProcessId, Protocol,
};

use origin::Origins;
pub(crate) use origin::{Execution, Writer, absolute};
use tree::Tree;

use crate::baseline::Baseline;
use crate::fact;
use crate::normalise::Normaliser;
use crate::observation::Observation;
use crate::paths::{self, Credential};
use crate::programs;

/// What rules look at: acts of package code that an empty package does not show as well.
pub(crate) struct View<'a> {
    pub(crate) observation: &'a Observation,
    pub(crate) normal: &'a Normaliser,
    tree: Tree<'a>,
    acts: Vec<&'a Event>,
    by_process: BTreeMap<ProcessId, Vec<&'a Event>>,
    by_tree: BTreeMap<ProcessId, Vec<&'a Event>>,
    flows: Vec<PackageFlow<'a>>,
    origins: Origins<'a>,
}

/// A conversation that package code held, or that nobody could be named for.
#[derive(Clone, Debug)]
pub(crate) struct PackageFlow<'a> {
    pub(crate) flow: &'a Flow,
    pub(crate) owner: Owner,
    /// First package process above the one that spoke.
    pub(crate) tree: Option<ProcessId>,
}

/// Package code opened a secret.
pub(crate) struct SecretRead<'a> {
    pub(crate) event: &'a Event,
    pub(crate) path: String,
    pub(crate) kind: Option<Credential>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        observation: &'a Observation,
        baseline: &Baseline,
        normal: &'a Normaliser,
    ) -> Self {
        let tree = Tree::new(&observation.processes);
        let acts: Vec<&Event> = observation
            .events
            .iter()
            .filter(|event| event.owner.is_package_code())
            .filter(|event| {
                fact::of_event(event, normal).is_none_or(|fact| !baseline.explains(&fact))
            })
            .collect();
        let mut by_process: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut by_tree: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for act in &acts {
            by_process.entry(act.process).or_default().push(*act);
            by_tree
                .entry(tree.root(act.process))
                .or_default()
                .push(*act);
        }
        let flows = package_flows(observation, &tree);
        let origins = Origins::trace(observation, &tree);
        Self {
            observation,
            normal,
            tree,
            acts,
            by_process,
            by_tree,
            flows,
            origins,
        }
    }

    /// All acts, in order.
    pub(crate) fn acts(&self) -> &[&'a Event] {
        &self.acts
    }

    /// Acts per tree of package processes, in order.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (ProcessId, &[&'a Event])> {
        self.by_tree.iter().map(|(root, acts)| (*root, &acts[..]))
    }

    /// Acts of one process, in order.
    pub(crate) fn acts_of(&self, process: ProcessId) -> &[&'a Event] {
        self.by_process.get(&process).map_or(&[], Vec::as_slice)
    }

    /// Conversations of package code.
    pub(crate) fn flows(&self) -> &[PackageFlow<'a>] {
        &self.flows
    }

    /// Conversations of one tree.
    pub(crate) fn flows_of_tree(&self, tree: ProcessId) -> impl Iterator<Item = &PackageFlow<'a>> {
        self.flows
            .iter()
            .filter(move |flow| flow.tree == Some(tree))
    }

    /// Conversations of a tree that carried something out and were not over at `at_us`, name service aside.
    pub(crate) fn sends_after(
        &self,
        tree: ProcessId,
        at_us: u64,
    ) -> impl Iterator<Item = &PackageFlow<'a>> {
        self.flows_of_tree(tree).filter(move |sent| {
            sent.flow.protocol != Protocol::Dns
                && network::sends(sent.flow)
                && sent.flow.ended_us.is_none_or(|ended| ended >= at_us)
        })
    }

    pub(crate) fn process(&self, id: ProcessId) -> Option<&'a Process> {
        self.tree.process(id)
    }

    /// Children in the order they were started.
    pub(crate) fn children(&self, id: ProcessId) -> &[ProcessId] {
        self.tree.children(id)
    }

    /// First package process at or above `id`.
    pub(crate) fn tree_of(&self, id: ProcessId) -> ProcessId {
        self.tree.root(id)
    }

    /// The process and its ancestors, nearest first.
    pub(crate) fn lineage(&self, id: ProcessId) -> impl Iterator<Item = &'a Process> + '_ {
        self.tree.lineage(id)
    }

    /// Programs that package code started, with where their bytes came from.
    pub(crate) fn executions(&self) -> &[Execution<'a>] {
        &self.origins.executions
    }

    /// Whether some renames of folders were not followed.
    pub(crate) fn renames_cut(&self) -> bool {
        self.origins.renames_cut
    }

    /// Whether files below belong to the package, its project, or the place it is built in.
    pub(crate) fn is_own(&self, path: &str) -> bool {
        self.is_package_file(path)
            || paths::under(path, &self.observation.project_dir).is_some()
            || paths::is_build_area(path)
    }

    /// Whether the file came with the package.
    pub(crate) fn is_package_file(&self, path: &str) -> bool {
        self.observation.package_dirs.iter().any(|dir| {
            paths::under(path, dir).is_some() || path.strip_prefix(dir.as_str()) == Some(".py")
        })
    }

    /// Whether a tool that belongs to the system reads its own settings: npm its `.npmrc`.
    fn is_genuine_reader(&self, event: &Event, path: &str) -> bool {
        let Some(process) = self.process(event.process) else {
            return false;
        };
        let exe = process.exe.lossy();
        if !exe.starts_with("/usr/") && !exe.starts_with("/bin/") {
            return false;
        }
        let program = programs::base_name(&exe);
        let script = process.argv.get(1).map(Hostile::lossy).unwrap_or_default();
        let npm = script.starts_with("/usr/") && script.contains("/npm");
        match programs::base_name(path) {
            ".npmrc" => npm && program == "node",
            ".pypirc" => script.ends_with("/twine"),
            ".git-credentials" | "credentials" => program.starts_with("git"),
            _ => path.contains("/.ssh/") && matches!(program, "ssh" | "scp" | "sftp"),
        }
    }

    /// Secrets that package code opened for reading, baits and usual places.
    pub(crate) fn secret_reads(&self) -> impl Iterator<Item = SecretRead<'a>> + '_ {
        self.acts.iter().filter_map(|event| {
            let EventKind::Open { path, access, .. } = &event.kind else {
                return None;
            };
            if !reads(*access) || event.outcome.failed() {
                return None;
            }
            let path = path.lossy();
            let kind = paths::credential(&path, &self.observation.home);
            let bait = self.canary_at(&path).is_some();
            if (kind.is_none() && !bait) || self.is_genuine_reader(event, &path) {
                return None;
            }
            Some(SecretRead {
                event,
                path: path.into_owned(),
                kind,
            })
        })
    }

    /// Paths that package code wrote, moved something to, or linked; failed tries included.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (&'a Event, &'a Hostile)> + '_ {
        self.acts
            .iter()
            .filter_map(|event| Some((*event, written_path(&event.kind)?)))
    }

    fn canary_at(&self, path: &str) -> Option<&'a apa_model::Canary> {
        self.observation
            .canaries
            .iter()
            .find(|canary| canary.planted_at == path)
    }

    pub(crate) fn canary(&self, id: &str) -> Option<&'a apa_model::Canary> {
        self.observation
            .canaries
            .iter()
            .find(|canary| canary.id == id)
    }

    /// What a bait is called in a sentence: `the contents of ~/.ssh/id_rsa`.
    pub(crate) fn bait_words(&self, id: &str) -> String {
        let Some(canary) = self.canary(id) else {
            return format!("the bait {id}");
        };
        match canary.planted_at.strip_prefix("env:") {
            Some(name) => format!("the environment variable {name}"),
            None => format!("the contents of {}", self.short(&canary.planted_at)),
        }
    }

    /// Whether seeing the bait leave proves theft: a package manager may use its own token.
    pub(crate) fn is_theft(&self, owner: &Owner, hit: &CanaryHit) -> bool {
        owner.is_package_code()
            || !self.canary(&hit.canary).is_some_and(|canary| {
                matches!(canary.kind, CanaryKind::NpmToken | CanaryKind::PypiToken)
            })
    }

    /// Ids of the baits that were seen leaving.
    pub(crate) fn stolen(&self) -> BTreeSet<&'a str> {
        let observation = self.observation;
        let mut stolen: BTreeSet<&str> = BTreeSet::new();
        for flow in &observation.flows {
            let owner = self.owner_of(flow);
            let hits = flow.canary_hits.iter();
            stolen.extend(
                hits.filter(|hit| self.is_theft(&owner, hit))
                    .map(|hit| hit.canary.as_str()),
            );
        }
        for (process, hit) in &observation.argv_hits {
            if self.carrier(*process).is_some() {
                stolen.insert(&hit.canary);
            }
        }
        stolen
    }

    /// Whose conversation it is; the package's when nobody is named: it is what is being run.
    pub(crate) fn owner_of(&self, flow: &Flow) -> Owner {
        owner_of(flow, &self.tree)
    }

    /// The package process that carries a process's arguments to other machines: itself, a child, or a sibling
    /// in its pipeline.
    pub(crate) fn carrier(&self, id: ProcessId) -> Option<&'a Process> {
        let process = self.process(id)?;
        let siblings = process.parent.map(|parent| self.children(parent));
        let others = self.children(id).iter().chain(siblings.unwrap_or_default());
        std::iter::once(&id)
            .chain(others)
            .filter_map(|id| self.process(*id))
            .find(|process| {
                process.owner.is_package_code()
                    && programs::is_network_program(&process.exe.lossy())
            })
    }

    /// A path as people write it, hostile characters escaped.
    pub(crate) fn short(&self, path: &str) -> String {
        let text = match paths::under(path, &self.observation.home) {
            Some("") => "~".to_owned(),
            Some(rest) => format!("~/{rest}"),
            None => path.to_owned(),
        };
        Hostile::from(text).shortened(160).to_string()
    }

    /// The peer of a conversation: `collect.test:443`, hostile characters escaped.
    pub(crate) fn peer(&self, flow: &Flow) -> String {
        Hostile::from(network::peer(flow, self.normal)).to_string()
    }

    /// When, in words that end a sentence: `in its postinstall hook`.
    pub(crate) fn when(&self, phase: Phase, process: Option<ProcessId>) -> String {
        let occasion = process.and_then(|id| self.hook(id));
        match (phase, occasion) {
            (Phase::Install, Some(hook)) => format!("in its {hook}"),
            (Phase::Linger, _) => "after its command has ended".into(),
            (Phase::InterpreterStart, _) => "whenever an interpreter starts".into(),
            (Phase::Import, _) => "when it is imported".into(),
            (Phase::Execute, _) => "when it is used".into(),
            (Phase::Install | Phase::Fetch | Phase::Static, _) => "while it is installed".into(),
        }
    }

    /// The install hook a process belongs to.
    fn hook(&self, id: ProcessId) -> Option<String> {
        self.lineage(id).find_map(|process| {
            if let Some(event) = process.env.get("npm_lifecycle_event") {
                return Some(format!("{} hook", event.shortened(40)));
            }
            let setup = process
                .argv
                .iter()
                .any(|argument| argument.lossy().contains("setup.py"));
            setup.then(|| "setup.py".to_owned())
        })
    }
}

fn owner_of(flow: &Flow, tree: &Tree<'_>) -> Owner {
    let process = flow.process.and_then(|id| tree.process(id));
    flow.owner
        .clone()
        .or_else(|| process.map(|process| process.owner.clone()))
        .unwrap_or(Owner::Package)
}

fn package_flows<'a>(observation: &'a Observation, tree: &Tree<'a>) -> Vec<PackageFlow<'a>> {
    observation
        .flows
        .iter()
        .filter_map(|flow| {
            let owner = owner_of(flow, tree);
            owner.is_package_code().then(|| PackageFlow {
                flow,
                owner,
                tree: flow.process.map(|id| tree.root(id)),
            })
        })
        .collect()
}

pub(crate) fn reads(access: apa_model::Access) -> bool {
    matches!(
        access,
        apa_model::Access::Read | apa_model::Access::ReadWrite
    )
}

/// The path an act leaves changed bytes at.
pub(crate) fn written_path(kind: &EventKind) -> Option<&Hostile> {
    match kind {
        EventKind::Open {
            path,
            access,
            create,
            truncate,
        } => (access.writes() || *create || *truncate).then_some(path),
        EventKind::Rename { to, .. } => Some(to),
        EventKind::Link { path, .. }
        | EventKind::Truncate { path, .. }
        | EventKind::Mknod { path, .. } => Some(path),
        _ => None,
    }
}

/// Whether an act may have had its effect.
pub(crate) fn may_have_worked(outcome: Outcome) -> bool {
    !outcome.failed()
}

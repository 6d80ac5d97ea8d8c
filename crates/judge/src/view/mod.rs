//! Indexes over one observation, made once and asked by every rule.

pub(crate) mod network;
mod origin;
mod tree;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use apa_model::{
    CanaryHit, CanaryKind, Event, EventKind, Flow, Hostile, Outcome, Owner, Phase, Process,
    ProcessId, Protocol,
};

use origin::Origins;
pub(crate) use origin::{Execution, Writer, absolute};
use tree::Tree;

use crate::normalise::Normaliser;
use crate::observation::Observation;
use crate::paths::{self, Credential};
use crate::programs;

/// Reads kept per bait.
const MAX_BAIT_READS: usize = 3;

/// Further names of secrets that are remembered.
const MAX_NAMES: usize = 1_000;

/// What rules look at: acts of package code that an empty package does not show as well.
pub(crate) struct View<'a> {
    pub(crate) observation: &'a Observation,
    pub(crate) normal: &'a Normaliser,
    tree: Tree<'a>,
    acts: Vec<&'a Event>,
    by_process: BTreeMap<ProcessId, Vec<&'a Event>>,
    by_tree: BTreeMap<ProcessId, Vec<&'a Event>>,
    flows: Vec<PackageFlow<'a>>,
    flows_by_tree: BTreeMap<ProcessId, Vec<usize>>,
    flows_by_process: BTreeMap<ProcessId, Vec<usize>>,
    by_path: PathActs<'a>,
    carriers: BTreeMap<ProcessId, &'a Process>,
    programs: Vec<&'a Event>,
    secrets: Vec<SecretRead<'a>>,
    bait_reads: BTreeMap<String, Vec<&'a Event>>,
    last_send: BTreeMap<ProcessId, u64>,
    last_roomy_send: BTreeMap<ProcessId, u64>,
    origins: Origins<'a>,
}

/// Acts that change what a path stands for, by path, in order.
#[derive(Default)]
struct PathActs<'a> {
    deletions: BTreeMap<&'a [u8], Vec<&'a Event>>,
    made_executable: BTreeMap<&'a [u8], &'a Event>,
}

impl<'a> PathActs<'a> {
    fn of(acts: &[&'a Event]) -> Self {
        let mut found = Self::default();
        for act in acts.iter().copied().filter(|act| !act.outcome.failed()) {
            match &act.kind {
                EventKind::Unlink { path, .. } => {
                    found
                        .deletions
                        .entry(path.as_bytes())
                        .or_default()
                        .push(act);
                }
                EventKind::Chmod { path, mode } if mode & 0o111 != 0 => {
                    found.made_executable.entry(path.as_bytes()).or_insert(act);
                }
                _ => {}
            }
        }
        found
    }
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
    /// `acts`: what package code did beyond the baseline, in order.
    pub(crate) fn new(
        observation: &'a Observation,
        acts: Vec<&'a Event>,
        normal: &'a Normaliser,
    ) -> Self {
        let tree = Tree::new(&observation.processes);
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
        let mut flows_by_tree: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut flows_by_process: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (at, sent) in flows.iter().enumerate() {
            if let (Some(tree), Some(process)) = (sent.tree, sent.flow.process) {
                flows_by_tree.entry(tree).or_default().push(at);
                flows_by_process.entry(process).or_default().push(at);
            }
        }
        let origins = Origins::trace(observation, &tree);
        let by_path = PathActs::of(&acts);
        let programs = programs_of(&acts);
        let mut view = Self {
            observation,
            normal,
            tree,
            acts,
            by_process,
            by_tree,
            flows,
            flows_by_tree,
            flows_by_process,
            by_path,
            carriers: carriers(observation),
            programs,
            secrets: Vec::new(),
            bait_reads: BTreeMap::new(),
            last_send: BTreeMap::new(),
            last_roomy_send: BTreeMap::new(),
            origins,
        };
        view.secrets = view.find_secret_reads();
        for read in &view.secrets {
            let reads = view.bait_reads.entry(read.path.clone()).or_default();
            if reads.len() < MAX_BAIT_READS {
                reads.push(read.event);
            }
        }
        for sent in view.flows.iter().filter(|sent| is_send(sent.flow)) {
            if let Some(tree) = sent.tree {
                let ended = sent.flow.ended_us.unwrap_or(u64::MAX);
                let last = view.last_send.entry(tree).or_default();
                *last = ended.max(*last);
                if network::has_room(sent.flow) {
                    let last = view.last_roomy_send.entry(tree).or_default();
                    *last = ended.max(*last);
                }
            }
        }
        view
    }

    /// All acts, in order.
    pub(crate) fn acts(&self) -> &[&'a Event] {
        &self.acts
    }

    /// Programs started, or tried once where the search along `PATH` tried several places.
    pub(crate) fn programs(&self) -> &[&'a Event] {
        &self.programs
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
        let at = self.flows_by_tree.get(&tree).map_or(&[][..], Vec::as_slice);
        at.iter().map(|at| &self.flows[*at])
    }

    /// Conversations of one process.
    pub(crate) fn flows_of(&self, process: ProcessId) -> impl Iterator<Item = &PackageFlow<'a>> {
        let at = self
            .flows_by_process
            .get(&process)
            .map_or(&[][..], Vec::as_slice);
        at.iter().map(|at| &self.flows[*at])
    }

    /// The first act after number `seq` that removed a file.
    pub(crate) fn deletion(&self, path: &str, seq: u64) -> Option<&'a Event> {
        let deletions = self.by_path.deletions.get(path.as_bytes())?;
        deletions.iter().copied().find(|act| act.seq > seq)
    }

    /// The first act that made a file executable.
    pub(crate) fn made_executable(&self, path: &str) -> Option<&'a Event> {
        self.by_path.made_executable.get(path.as_bytes()).copied()
    }

    /// Conversations of a tree that carried something out and were not over at `at_us`, name service aside.
    pub(crate) fn sends_after(
        &self,
        tree: ProcessId,
        at_us: u64,
    ) -> impl Iterator<Item = &PackageFlow<'a>> {
        self.flows_of_tree(tree).filter(move |sent| {
            is_send(sent.flow) && sent.flow.ended_us.is_none_or(|ended| ended >= at_us)
        })
    }

    /// What a tree may have sent a secret in that it had read. A client that we call looks up its credentials and
    /// then asks its service something, so in that case a request without room for a secret does not count.
    pub(crate) fn sends_after_read(
        &self,
        tree: ProcessId,
        read: &Event,
    ) -> impl Iterator<Item = &PackageFlow<'a>> {
        let called = read.phase == Phase::Execute;
        self.sends_after(tree, read.at_us)
            .filter(move |sent| !called || network::has_room(sent.flow))
    }

    /// Whether [`View::sends_after_read`] has any.
    pub(crate) fn has_sends_after_read(&self, tree: ProcessId, read: &Event) -> bool {
        let last = if read.phase == Phase::Execute {
            &self.last_roomy_send
        } else {
            &self.last_send
        };
        last.get(&tree).is_some_and(|last| *last >= read.at_us)
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

    /// Programs, libraries and scripts that package code wrote and then opened for reading, first time each: a loader or
    /// an interpreter that runs a file inside its own process does just that.
    pub(crate) fn loads(&self) -> &[Execution<'a>] {
        &self.origins.loads
    }

    /// Writes of package code where the manager had unpacked a file.
    pub(crate) fn overwrites(&self) -> &[(&'a Event, String)] {
        &self.origins.overwrites
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
        let kept_by_system = |path: &str| {
            ["/usr/", "/bin/", "/opt/"]
                .iter()
                .any(|root| path.starts_with(root))
        };
        if !kept_by_system(&exe) {
            return false;
        }
        if self.hands_out(process) {
            return false;
        }
        let program = programs::base_name(&exe);
        let script = process.argv.get(1).map(Hostile::lossy).unwrap_or_default();
        let npm = kept_by_system(&script) && script.contains("/npm");
        match programs::base_name(path) {
            ".npmrc" => npm && program == "node",
            ".pypirc" => script.ends_with("/twine"),
            ".git-credentials" | "credentials" => program.starts_with("git"),
            "hosts.yml" => program == "gh",
            _ if path.contains("/.gnupg/") => program.starts_with("gpg"),
            _ => path.contains("/.ssh/") && matches!(program, "ssh" | "scp" | "sftp"),
        }
    }

    /// Whether a tool reads a secret only to print it for whoever started it: `git credential fill`.
    fn hands_out(&self, process: &Process) -> bool {
        self.lineage(process.id).take(4).any(|process| {
            let has = |word: &str| {
                let mut arguments = process.argv.iter().skip(1);
                arguments.any(|argument| argument.as_bytes() == word.as_bytes())
            };
            match programs::base_name(&process.exe.lossy()) {
                "git" => has("credential") && has("fill"),
                "gh" => has("auth") && has("token"),
                "gpg" | "gpg2" => has("--export-secret-keys") || has("--export-secret-subkeys"),
                _ => false,
            }
        })
    }

    /// Secrets that package code opened for reading, baits and usual places, in order.
    pub(crate) fn secret_reads(&self) -> &[SecretRead<'a>] {
        &self.secrets
    }

    /// The first times package code opened the place of a bait.
    pub(crate) fn bait_reads(&self, id: &str) -> &[&'a Event] {
        let place = self.canary(id).map_or("", |canary| &canary.planted_at);
        self.bait_reads.get(place).map_or(&[], Vec::as_slice)
    }

    fn find_secret_reads(&self) -> Vec<SecretRead<'a>> {
        // What a secret is also called, after links, renames and copies, with its first name.
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut copied: BTreeMap<ProcessId, String> = BTreeMap::new();
        let mut found = Vec::new();
        for event in self.acts.iter().copied() {
            if event.outcome.failed() {
                continue;
            }
            match &event.kind {
                EventKind::Open { path, access, .. } => {
                    let path = path.lossy();
                    let path = names
                        .get(path.as_ref())
                        .map_or(path.as_ref(), String::as_str);
                    let read = reads(*access).then(|| self.secret_read(event, path));
                    if let Some(read) = read.flatten() {
                        if self.copies_files(event.process) {
                            copied.insert(event.process, read.path.clone());
                        }
                        found.push(read);
                    } else if let Some(secret) = copied.get(&event.process)
                        && access.writes()
                        && names.len() < MAX_NAMES
                    {
                        names.insert(path.to_owned(), secret.clone());
                    }
                }
                EventKind::Link {
                    target: from, path, ..
                }
                | EventKind::Rename { from, to: path } => {
                    let from = from.lossy();
                    let first = names.get(from.as_ref()).cloned();
                    let first = first.or_else(|| self.is_secret_path(&from).then(|| from.into()));
                    if let Some(first) = first.filter(|_| names.len() < MAX_NAMES) {
                        names.insert(path.lossy().into_owned(), first);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn is_secret_path(&self, path: &str) -> bool {
        paths::credential(path, &self.observation.home).is_some() || self.canary_at(path).is_some()
    }

    fn secret_read(&self, event: &'a Event, path: &str) -> Option<SecretRead<'a>> {
        if !self.is_secret_path(path) || self.is_genuine_reader(event, path) {
            return None;
        }
        Some(SecretRead {
            event,
            path: path.to_owned(),
            kind: paths::credential(path, &self.observation.home),
        })
    }

    /// Programs whose output file is what they read.
    fn copies_files(&self, id: ProcessId) -> bool {
        self.process(id).is_some_and(|process| {
            matches!(
                programs::base_name(&process.exe.lossy()),
                "cp" | "dd" | "install"
            )
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

    /// Where a bait was planted, as people write it.
    pub(crate) fn bait_place(&self, id: &str) -> String {
        self.short(self.canary(id).map_or("", |canary| &canary.planted_at))
    }

    /// What a bait is called in a sentence: `the contents of ~/.ssh/id_rsa`.
    pub(crate) fn bait_words(&self, id: &str) -> String {
        let Some(canary) = self.canary(id) else {
            return format!("the bait {id}");
        };
        match canary.planted_at.split_once(':') {
            Some(("env", name)) => format!("the environment variable {name}"),
            Some(("served", place)) => format!("the credential that {place} handed out"),
            _ => format!("the contents of {}", self.short(&canary.planted_at)),
        }
    }

    /// Whether seeing the bait leave proves theft: a package manager may use its own token, and a signed request
    /// names the access key that it is signed with.
    pub(crate) fn is_theft(&self, owner: &Owner, hit: &CanaryHit) -> bool {
        if !self.is_secret(hit) || self.names_signer(hit) {
            return false;
        }
        owner.is_package_code()
            || !self.canary(&hit.canary).is_some_and(|canary| {
                matches!(canary.kind, CanaryKind::NpmToken | CanaryKind::PypiToken)
            })
    }

    /// Whether the bait is an access key's name, without its secret, where a signature tells it.
    fn names_signer(&self, hit: &CanaryHit) -> bool {
        let place = self
            .canary(&hit.canary)
            .map_or("", |canary| &canary.planted_at);
        place == "env:AWS_ACCESS_KEY_ID"
            && hit
                .layers
                .iter()
                .all(|layer| matches!(layer.as_str(), "http.headers" | "http.target"))
            && hit.excerpt.lossy().contains("Credential=AKIA")
    }

    /// Whether it is a secret: the machine's name is none.
    pub(crate) fn is_secret(&self, hit: &CanaryHit) -> bool {
        self.canary(&hit.canary)
            .is_none_or(|canary| canary.kind != CanaryKind::HostName)
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
            if self.is_secret(hit) && self.carrier(*process).is_some() {
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
        if is_carrier(process) {
            return Some(process);
        }
        let sibling = || self.carriers.get(&process.parent?).copied();
        self.carriers.get(&id).copied().or_else(sibling)
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
            (Phase::Uninstall, Some(hook)) => format!("in its {hook}"),
            (Phase::Uninstall, None) => "while it is removed".into(),
            (Phase::Linger, _) => "after its command has ended".into(),
            (Phase::InterpreterStart, _) => "whenever an interpreter starts".into(),
            (Phase::GemCommand, Some(hook)) => format!("in its {hook}, at the next gem command"),
            (Phase::GemCommand, None) => "at the next gem command".into(),
            (Phase::Import, Some(hook)) => format!("in its {hook}, when it is imported"),
            (Phase::Execute, Some(hook)) => format!("in its {hook}, when it is used"),
            (Phase::Import, None) => "when it is imported".into(),
            (Phase::Execute, None) => "when it is used".into(),
            (Phase::Install | Phase::Fetch | Phase::Static, _) => "while it is installed".into(),
        }
    }

    /// The install hook a process belongs to.
    fn hook(&self, id: ProcessId) -> Option<String> {
        let hook = self.process(id)?.hook.as_ref()?.shortened(40).to_string();
        // `setup.py` says what it is; `postinstall` is a word.
        let is_file = hook.contains('.');
        Some(if is_file {
            hook
        } else {
            format!("{hook} hook")
        })
    }
}

fn is_send(flow: &Flow) -> bool {
    flow.protocol != Protocol::Dns && network::sends(flow)
}

/// What was executed; of tries that failed the first per process and name, unless one worked later.
fn programs_of<'a>(acts: &[&'a Event]) -> Vec<&'a Event> {
    let mut known: BTreeMap<(ProcessId, String), usize> = BTreeMap::new();
    let mut programs: Vec<&Event> = Vec::new();
    for act in acts.iter().copied() {
        let EventKind::Exec { exe, .. } = &act.kind else {
            continue;
        };
        let name = programs::base_name(&exe.lossy()).to_owned();
        match known.entry((act.process, name)) {
            Entry::Vacant(place) => {
                place.insert(programs.len());
                programs.push(act);
            }
            Entry::Occupied(place) if !act.outcome.failed() => {
                let earlier = programs[*place.get()];
                if earlier.outcome.failed() {
                    programs[*place.get()] = act;
                } else {
                    programs.push(act);
                }
            }
            Entry::Occupied(_) => {}
        }
    }
    programs
}

fn is_carrier(process: &Process) -> bool {
    process.owner.is_package_code() && programs::is_network_program(&process.exe.lossy())
}

/// The first child of each process that carries data to other machines.
fn carriers(observation: &Observation) -> BTreeMap<ProcessId, &Process> {
    let mut found = BTreeMap::new();
    for process in observation
        .processes
        .iter()
        .filter(|process| is_carrier(process))
    {
        if let Some(parent) = process.parent {
            found.entry(parent).or_insert(process);
        }
    }
    found
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

use apa_model::report::{CanaryRecord, CapabilityRecord, Dropped, FileRecord, PhaseRecord};
use std::collections::BTreeSet;

use apa_model::{
    Anomaly, Artifact, Canary, CanaryHit, Digest, Event, Fact, Finding, Flow, Incomplete, Process,
    ProcessId,
};
use serde::{Deserialize, Serialize};

use crate::baseline::{Baseline, Subtraction};
use crate::normalise::Normaliser;
use crate::view::View;
use crate::{capability, fact, records, rules};

/// Everything that was seen while one artifact was detonated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// What was run.
    pub artifact: Artifact,
    /// Name as the ecosystem writes it.
    pub package_name: String,
    /// What took place.
    pub phases: Vec<PhaseRecord>,
    /// In the order of their numbers.
    pub events: Vec<Event>,
    /// The process tree.
    pub processes: Vec<Process>,
    /// Conversations with the simulator; never those with the gateway.
    pub flows: Vec<Flow>,
    /// Files that package code wrote.
    pub dropped: Vec<Dropped>,
    /// Hashes of those among them that are machine code, whatever they are called.
    #[serde(default)]
    pub machine_code: BTreeSet<Digest>,
    /// Hashes of those among these that are, byte for byte, files of the artifact or of a dependency's.
    #[serde(default)]
    pub shipped: BTreeSet<Digest>,
    /// Baits of this run.
    pub canaries: Vec<Canary>,
    /// Baits seen in the arguments of a process.
    pub argv_hits: Vec<(ProcessId, CanaryHit)>,
    /// Found without running anything.
    pub anomalies: Vec<Anomaly>,
    /// Why something was not seen.
    pub incomplete: Vec<Incomplete>,
    /// Home folder of the sample's user, absolute.
    pub home: String,
    /// Folder of the project the package is installed in, absolute.
    pub project_dir: String,
    /// Folders the package's own files are in, absolute.
    pub package_dirs: Vec<String>,
    /// The sample's user.
    pub user: String,
    /// Host name inside the sandbox.
    pub hostname: String,
}

/// What one artifact's observation amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Normalised statements of all owners, sorted; the baseline's are included.
    pub facts: Vec<Fact>,
    /// What package code was seen doing beyond the baseline, sorted.
    pub capabilities: Vec<CapabilityRecord>,
    /// What the rules found, worst first.
    pub findings: Vec<Finding>,
    /// Baits and their fate.
    pub canaries: Vec<CanaryRecord>,
    /// Files that package code touched outside its own folders, most telling first.
    pub files: Vec<FileRecord>,
}

impl Judgement {
    /// What reading alone tells: nothing but findings.
    pub fn of_findings(findings: Vec<Finding>) -> Self {
        let mut judgement = Self {
            facts: Vec::new(),
            capabilities: Vec::new(),
            findings: Vec::new(),
            canaries: Vec::new(),
            files: Vec::new(),
        };
        judgement.add(findings);
        judgement
    }

    /// Adds what reading the artifact found to what running it showed, worst first.
    pub fn add(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
        rules::sort(&mut self.findings);
    }
}

/// Judges one artifact's run. Deterministic; the order of equal events does not matter.
pub fn judge(observation: &Observation, baseline: &Baseline) -> Judgement {
    let normal = Normaliser::new(observation);
    let subtraction = Subtraction::new(baseline);
    let (mut facts, acts) = fact::collect(observation, &normal, &subtraction);
    let view = View::new(observation, acts, &normal);
    let capabilities = capability::derive(&view, &facts, &subtraction);
    let mut findings: Vec<Finding> = rules::all()
        .iter()
        .flat_map(|rule| rule.check(&view))
        .collect();
    rules::sort(&mut findings);
    let (files, files_cut) = records::files(&view);
    facts.extend(fact::limits(files_cut, view.renames_cut()));
    facts.sort();
    Judgement {
        facts,
        capabilities,
        findings,
        canaries: records::canaries(&view),
        files,
    }
}

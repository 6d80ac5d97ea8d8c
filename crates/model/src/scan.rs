//! What `apa scan --format json` prints: one lock file, SBOM or folder, package by package.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::SCHEMA_VERSION;
use crate::{Hostile, Severity, VerdictLabel};

/// Everything a scan came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// When it started, RFC 3339 in UTC.
    pub started_at: String,
    /// How long it took, milliseconds.
    pub wall_ms: u64,
    /// What the process ends with: the worst of all packages.
    pub exit_code: u8,
    /// Every package was looked at and seen whole, and every list was read whole.
    pub complete: bool,
    /// The lists that were read.
    pub sources: Vec<ScanSource>,
    /// How many packages there are of each status, by name.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// Each package of the lists once, in the order of first mention.
    pub packages: Vec<ScannedPackage>,
}

impl Scan {
    /// One that has not begun.
    pub fn new(started_at: String) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            started_at,
            wall_ms: 0,
            exit_code: 0,
            complete: true,
            sources: Vec::new(),
            counts: std::collections::BTreeMap::new(),
            packages: Vec::new(),
        }
    }
}

/// A list that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanSource {
    /// Its path as given, or below the folder that was given.
    pub path: Hostile,
    /// What it is: `package-lock.json`, `CycloneDX JSON`, …; `None` when it could not be read.
    pub kind: Option<String>,
    /// How many entries it has.
    pub entries: u64,
    /// What of it could not be read or followed, in words.
    pub gaps: Vec<Hostile>,
}

/// What became of a package.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScanStatus {
    /// It was analysed now.
    Analysed,
    /// An earlier analysis of the same files by this program was taken over.
    Known,
    /// It is the project's own, or analysed as part of another package: nothing is missed.
    Covered,
    /// It was listed in the same way before the change that is looked at.
    Unchanged,
    /// It cannot be analysed; the reason says why.
    NotAnalysable,
    /// Its analysis came to nothing; the reason says why.
    Failed,
    /// The scan was interrupted before its turn, or while it ran.
    Interrupted,
}

impl ScanStatus {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Analysed => "analysed",
            Self::Known => "known",
            Self::Covered => "covered",
            Self::Unchanged => "unchanged",
            Self::NotAnalysable => "not_analysable",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A package of the lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScannedPackage {
    /// `npm:left-pad@1.3.0`, or as the list names what is no package of a registry.
    pub name: Hostile,
    /// Its purl, where it has one.
    pub purl: Option<String>,
    /// Where it is listed; at most 20 places.
    pub from: Vec<ScanOrigin>,
    /// In how many places it is listed.
    pub places: u64,
    /// The project itself asks for it; `None`: the lists do not say.
    pub direct: Option<bool>,
    /// Only needed to develop or test the project.
    pub dev: bool,
    /// The project works without it.
    pub optional: bool,
    /// What became of it.
    pub status: ScanStatus,
    /// Why it was not analysed, or what is wrong with its analysis.
    pub reason: Option<Hostile>,
    /// What the process would end with for it alone.
    pub exit_code: u8,
    /// The judgement.
    pub verdict: Option<VerdictLabel>,
    /// 0 to 100.
    pub score: Option<u8>,
    /// The judgement in a sentence.
    pub summary: Option<String>,
    /// Id of the analysis: `apa report ID` shows it.
    pub analysis: Option<String>,
    /// Whether the analysed file is one that the list allows by its hashes; `None`: the lists have none.
    pub locked_file: Option<bool>,
    /// What rules found, worst first; at most 20.
    pub findings: Vec<ScanFinding>,
    /// How long it took, milliseconds.
    pub wall_ms: u64,
}

/// Where a package is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanOrigin {
    /// [`ScanSource::path`].
    pub file: Hostile,
    /// A key, a line, an id in it.
    pub at: Hostile,
}

/// A finding in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanFinding {
    /// Rule id.
    pub rule: String,
    /// One line for a person.
    pub title: String,
    /// How bad.
    pub severity: Severity,
}

/// JSON Schema of [`Scan`].
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Scan).to_value()
}

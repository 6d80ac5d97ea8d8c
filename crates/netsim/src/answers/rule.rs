//! One rule: which requests it takes, and what it answers.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use apa_model::Phase;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::ask::Ask;
use super::pattern::{Captures, Pattern};
use super::reply::{Reply, ReplySpec};

/// Bytes of a body that an expression is tried on.
const SEARCHED: usize = 1 << 20;
/// Memory of one compiled expression, bytes.
const COMPILED: usize = 1 << 20;

/// As it stands in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSpec {
    /// Unique among all files.
    pub(crate) id: String,
    #[serde(default)]
    host: Several,
    #[serde(default)]
    method: Several,
    #[serde(default)]
    path: Several,
    path_regex: Option<String>,
    #[serde(default)]
    port: Vec<u16>,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    header: BTreeMap<String, String>,
    /// Header lines that must not be there.
    #[serde(default)]
    without_header: Vec<String>,
    #[serde(default)]
    form: BTreeMap<String, String>,
    #[serde(default)]
    json: BTreeMap<String, String>,
    body_regex: Option<String>,
    hit: Option<String>,
    #[serde(default)]
    phase: Vec<Phase>,
    #[serde(default)]
    https: Option<bool>,
    pub(crate) reply: ReplySpec,
    /// Examples, run by the tests.
    #[serde(default)]
    pub(crate) test: Vec<Example>,
}

/// A request and what it must get.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    /// `POST https://host/path?query`.
    pub(crate) request: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: String,
    #[serde(default = "ok")]
    pub(crate) status: u16,
    /// Each stands in the answer's body.
    #[serde(default)]
    pub(crate) contains: Several,
    /// JSON pointers and what the body has there, `*` in it standing for anything.
    #[serde(default)]
    pub(crate) json: BTreeMap<String, String>,
}

fn ok() -> u16 {
    200
}

/// One text or a list of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum Several {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Several {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    fn patterns(&self) -> Result<Vec<Pattern>, String> {
        self.as_slice()
            .iter()
            .map(|text| Pattern::parse(text))
            .collect()
    }
}

/// Which of a rule's requests are meant: all, the n-th, or from the n-th on.
#[derive(Clone, Copy, Debug)]
enum Turn {
    All,
    Only(u64),
    From(u64),
}

/// Ready to be tried.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    hosts: Vec<Pattern>,
    methods: Vec<String>,
    paths: Vec<Pattern>,
    path_regex: Option<Expression>,
    ports: Vec<u16>,
    query: Vec<(String, Pattern)>,
    headers: Vec<(String, Pattern)>,
    without_headers: Vec<String>,
    form: Vec<(String, Pattern)>,
    json: Vec<(String, Pattern)>,
    body_regex: Option<Expression>,
    turn: Turn,
    phases: Vec<Phase>,
    https: Option<bool>,
    pub(crate) reply: Reply,
    /// Requests that fitted so far, whatever their turn.
    hits: AtomicU64,
}

impl Rule {
    /// # Errors
    /// In words, without the rule's id.
    pub(crate) fn compile(spec: &RuleSpec) -> Result<Self, String> {
        let rule = Self {
            id: spec.id.clone(),
            hosts: spec.host.patterns()?,
            methods: spec.method.as_slice().to_vec(),
            paths: spec.path.patterns()?,
            path_regex: spec
                .path_regex
                .as_deref()
                .map(Expression::new)
                .transpose()?,
            ports: spec.port.clone(),
            query: named(&spec.query)?,
            headers: named(&spec.header)?,
            without_headers: spec.without_header.clone(),
            form: named(&spec.form)?,
            json: named(&spec.json)?,
            body_regex: spec
                .body_regex
                .as_deref()
                .map(Expression::new)
                .transpose()?,
            turn: turn(spec.hit.as_deref())?,
            phases: spec.phase.clone(),
            https: spec.https,
            reply: Reply::compile(&spec.reply)?,
            hits: AtomicU64::new(0),
        };
        let captures: Vec<&str> = rule.paths.iter().flat_map(Pattern::names).collect();
        for (kind, name) in rule.reply.needs() {
            if kind == "path" && !captures.contains(&name) {
                return Err(format!(
                    "`${{path.{name}}}` has no `{{{name}}}` in the path"
                ));
            }
        }
        Ok(rule)
    }

    /// Whether the request is the rule's: what the names in its path stand for, and how many have come.
    pub(crate) fn takes(&self, ask: &Ask<'_>) -> Option<(Captures, u64)> {
        let captures = self.fits(ask)?;
        let hit = self.hits.fetch_add(1, Ordering::Relaxed) + 1;
        let meant = match self.turn {
            Turn::All => true,
            Turn::Only(turn) => hit == turn,
            Turn::From(turn) => hit >= turn,
        };
        meant.then_some((captures, hit))
    }

    fn fits(&self, ask: &Ask<'_>) -> Option<Captures> {
        let cheap = (self.methods.is_empty() || self.methods.iter().any(|m| m == ask.method))
            && (self.ports.is_empty() || self.ports.contains(&ask.port))
            && (self.phases.is_empty() || self.phases.contains(&ask.phase))
            && self.https.is_none_or(|https| https == ask.secure)
            && (self.hosts.is_empty() || self.fits_host(ask));
        if !cheap {
            return None;
        }
        let captures = match &self.paths[..] {
            [] => Captures::new(),
            paths => paths.iter().find_map(|path| path.fits(ask.path))?,
        };
        let fits = |value: Option<Vec<u8>>, pattern: &Pattern| {
            value.is_some_and(|value| pattern.fits(&String::from_utf8_lossy(&value)).is_some())
        };
        let rest = self
            .without_headers
            .iter()
            .all(|name| ask.header(name).is_none())
            && self
                .headers
                .iter()
                .all(|(name, p)| fits(ask.header(name).map(<[u8]>::to_vec), p))
            && self
                .query
                .iter()
                .all(|(name, p)| fits(ask.query_value(name), p))
            && self
                .form
                .iter()
                .all(|(name, p)| fits(ask.form_value(name), p))
            && self
                .json
                .iter()
                .all(|(at, p)| fits(ask.json_text(at).map(String::into_bytes), p))
            && self
                .path_regex
                .as_ref()
                .is_none_or(|e| e.is_match(ask.path.as_bytes()))
            && self
                .body_regex
                .as_ref()
                .is_none_or(|e| e.is_match(ask.body));
        rest.then_some(captures)
    }

    fn fits_host(&self, ask: &Ask<'_>) -> bool {
        let mut hosts = ask.hosts.iter();
        hosts.any(|host| {
            self.hosts
                .iter()
                .any(|pattern| pattern.fits(host).is_some())
        })
    }
}

fn named(fields: &BTreeMap<String, String>) -> Result<Vec<(String, Pattern)>, String> {
    fields
        .iter()
        .map(|(name, pattern)| Ok((name.clone(), Pattern::parse(pattern)?)))
        .collect()
}

/// `3`, `2..`.
fn turn(text: Option<&str>) -> Result<Turn, String> {
    let Some(text) = text else {
        return Ok(Turn::All);
    };
    let (digits, make): (&str, fn(u64) -> Turn) = match text.strip_suffix("..") {
        Some(digits) => (digits, Turn::From),
        None => (text, Turn::Only),
    };
    match digits.parse() {
        Ok(turn) if turn > 0 => Ok(make(turn)),
        _ => Err(format!(
            "`hit = \"{text}\"` is neither a number (\"3\") nor a start (\"2..\")"
        )),
    }
}

/// Compiled when it is first needed: most are never.
#[derive(Debug)]
struct Expression {
    text: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    fn new(text: &str) -> Result<Self, String> {
        regex_syntax::parse(text).map_err(|error| format!("`{text}`: {error}"))?;
        Ok(Self {
            text: text.to_owned(),
            compiled: OnceLock::new(),
        })
    }

    fn is_match(&self, bytes: &[u8]) -> bool {
        let compiled = self.compiled.get_or_init(|| {
            RegexBuilder::new(&self.text)
                .size_limit(COMPILED)
                .build()
                .inspect_err(
                    |error| tracing::warn!(%error, "an expression of a rule is never true"),
                )
                .ok()
        });
        let bytes = &bytes[..bytes.len().min(SEARCHED)];
        compiled
            .as_ref()
            .is_some_and(|compiled| compiled.is_match(bytes))
    }
}

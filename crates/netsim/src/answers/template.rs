//! Texts with `${…}` in them, checked when they are read.

use time::{Duration, OffsetDateTime};

use super::ask::Ask;
use super::escape::Escape;
use super::seed::{Alphabet, Seed, counted};
use crate::clock::iso;

/// A text with places to fill.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Value),
}

/// What may stand in `${…}`; the table in `docs/netsim.md` is for people.
#[derive(Clone, Debug)]
enum Value {
    Method,
    Host,
    Path,
    Target,
    Scheme,
    Source,
    Marker,
    Hit,
    Capture(String),
    Query(String),
    Header(String),
    Form(String),
    Json(String),
    /// As JSON, with its quotes.
    Verbatim(String),
    GitReport,
    Body,
    BodyBytes,
    BodySha256,
    Persona(String),
    Secret(String),
    Now(Form, i64),
    Stable(Alphabet, usize),
    Random(Alphabet, usize),
    Uuid,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Iso,
    Unix,
    UnixMs,
    Http,
}

/// What a template is filled from, besides the request.
pub(crate) struct Filling<'a> {
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) captures: &'a [(String, String)],
    pub(crate) seed: &'a Seed,
    pub(crate) persona: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) secret: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) clock: crate::Clock,
    /// Which answer of its rule this is, from 1.
    pub(crate) hit: u64,
    /// Id of the rule.
    pub(crate) rule: &'a str,
}

impl Template {
    /// Reads a text; an unknown `${…}` is an error.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once("${") {
            let (inner, after) = after.split_once('}').ok_or("a `${` has no `}`")?;
            parts.push(Part::Text(plain.to_owned()));
            parts.push(Part::Value(value(inner)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The filled text; values are escaped for where they stand.
    pub(crate) fn fill(&self, from: &Filling<'_>, escape: Escape) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(value @ Value::Verbatim(_)) => {
                    Escape::None.write(&value.fill(from, at), &mut out);
                }
                Part::Value(value) => escape.write(&value.fill(from, at), &mut out),
            }
        }
        out
    }

    /// The names of captures, secrets and the persona's values in it.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(Value::Capture(name)) => Some(("path", name.as_str())),
            Part::Value(Value::Secret(name)) => Some(("secret", name.as_str())),
            Part::Value(Value::Persona(name)) => Some(("persona", name.as_str())),
            _ => None,
        })
    }
}

fn value(text: &str) -> Result<Value, String> {
    let (kind, name) = text.split_once('.').unwrap_or((text, ""));
    let named = |make: fn(String) -> Value| {
        if name.is_empty() {
            Err(format!("`${{{text}}}` lacks a name"))
        } else {
            Ok(make(name.to_owned()))
        }
    };
    match (kind, name) {
        ("method", "") => Ok(Value::Method),
        ("host", "") => Ok(Value::Host),
        ("path", "") => Ok(Value::Path),
        ("target", "") => Ok(Value::Target),
        ("scheme", "") => Ok(Value::Scheme),
        ("source", "") => Ok(Value::Source),
        ("marker", "") => Ok(Value::Marker),
        ("hit", "") => Ok(Value::Hit),
        ("uuid", "") => Ok(Value::Uuid),
        ("body", "") => Ok(Value::Body),
        ("body", "bytes") => Ok(Value::BodyBytes),
        ("body", "sha256") => Ok(Value::BodySha256),
        ("path", _) => named(Value::Capture),
        ("query", _) => named(Value::Query),
        ("header", _) => named(Value::Header),
        ("form", _) => named(Value::Form),
        ("json", _) => named(Value::Json),
        ("value", _) => named(Value::Verbatim),
        ("git", "report") => Ok(Value::GitReport),
        ("persona", _) => named(Value::Persona),
        ("secret", _) => named(Value::Secret),
        ("stable", _) => counted(name).map(|(alphabet, length)| Value::Stable(alphabet, length)),
        ("random", _) => counted(name).map(|(alphabet, length)| Value::Random(alphabet, length)),
        ("now", _) => moment(name),
        _ => Err(format!("`${{{text}}}` is not known")),
    }
}

/// `iso`, `unix+3600`, `http-60`.
fn moment(text: &str) -> Result<Value, String> {
    let at = text.find(['+', '-']).unwrap_or(text.len());
    let form = match &text[..at] {
        "iso" => Form::Iso,
        "unix" => Form::Unix,
        "unix_ms" => Form::UnixMs,
        "http" => Form::Http,
        other => {
            return Err(format!(
                "`now.{other}` is not known; there are iso, unix, unix_ms, http"
            ));
        }
    };
    let seconds = match &text[at..] {
        "" => 0,
        seconds => seconds
            .parse::<i32>()
            .map_err(|_| format!("`{seconds}` is no number of seconds"))?,
    };
    Ok(Value::Now(form, i64::from(seconds)))
}

impl Value {
    fn fill(&self, from: &Filling<'_>, at: usize) -> Vec<u8> {
        let ask = from.ask;
        match self {
            Self::Method => ask.method.as_bytes().to_vec(),
            Self::Host => ask.host().as_bytes().to_vec(),
            Self::Path => ask.path.as_bytes().to_vec(),
            Self::Target => ask.target().into_bytes(),
            Self::Scheme => ask.scheme().as_bytes().to_vec(),
            Self::Source => ask
                .source
                .map(|ip| ip.to_string())
                .unwrap_or_default()
                .into_bytes(),
            Self::Marker => ask.marker().into_bytes(),
            Self::Hit => from.hit.to_string().into_bytes(),
            Self::Capture(name) => from
                .captures
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone().into_bytes())
                .unwrap_or_default(),
            Self::Query(name) => ask.query_value(name).unwrap_or_default(),
            Self::Header(name) => ask.header(name).unwrap_or_default().to_vec(),
            Self::Form(name) => ask.form_value(name).unwrap_or_default(),
            Self::Json(pointer) => ask.json_text(pointer).unwrap_or_default().into_bytes(),
            Self::Verbatim(pointer) => ask
                .json(pointer)
                .map_or("null".to_owned(), ToString::to_string)
                .into_bytes(),
            Self::GitReport => super::git::report(ask.body),
            Self::Body => ask.body.to_vec(),
            Self::BodyBytes => ask.body.len().to_string().into_bytes(),
            Self::BodySha256 => ask.body_sha256().into_bytes(),
            Self::Persona(name) => (from.persona)(name).unwrap_or_default().into_bytes(),
            Self::Secret(name) => (from.secret)(name).unwrap_or_default().into_bytes(),
            Self::Now(form, seconds) => written(*form, from.clock, *seconds).into_bytes(),
            Self::Stable(alphabet, length) => from
                .seed
                .text(&format!("{} {}", from.rule, ask.path), *alphabet, *length)
                .into_bytes(),
            Self::Random(alphabet, length) => from
                .seed
                .text(
                    &format!("{} {} {at}", from.rule, from.hit),
                    *alphabet,
                    *length,
                )
                .into_bytes(),
            Self::Uuid => from
                .seed
                .uuid(&format!("{} {} {at}", from.rule, from.hit))
                .into_bytes(),
        }
    }
}

fn written(form: Form, clock: crate::Clock, seconds: i64) -> String {
    let at: OffsetDateTime = clock.now() + Duration::seconds(seconds);
    match form {
        Form::Iso => iso(at),
        Form::Unix => at.unix_timestamp().to_string(),
        Form::UnixMs => (at.unix_timestamp_nanos() / 1_000_000).to_string(),
        Form::Http => clock.later(seconds).http_date(),
    }
}

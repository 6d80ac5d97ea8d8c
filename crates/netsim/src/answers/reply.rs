//! What a rule answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::escape::Escape;
use super::stub::{self, Stub};
use super::template::{Filling, Template};

/// Longest file that is served, bytes.
const FILE: u64 = 64 << 20;
/// Longest wait before an answer.
const LONGEST_DELAY: u64 = 60_000;

/// As it stands in a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplySpec {
    status: Option<u16>,
    /// `Content-Type`; else what suits the kind of body.
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<String>,
    text: Option<String>,
    html: Option<String>,
    xml: Option<String>,
    base64: Option<String>,
    /// A file of this machine, relative to the rule's.
    file: Option<PathBuf>,
    /// A harmless second stage of this kind.
    stub: Option<String>,
    redirect: Option<String>,
    #[serde(default)]
    delay_ms: u64,
    /// The connection is reset instead.
    #[serde(default)]
    reset: bool,
    /// Nothing is answered, and the connection stays.
    #[serde(default)]
    silent: bool,
    /// The request goes on to the next rule; only its hits are counted.
    #[serde(default)]
    pass: bool,
}

/// Ready to be filled.
#[derive(Debug)]
pub(crate) struct Reply {
    status: u16,
    content_type: Option<String>,
    headers: Vec<(String, Template)>,
    body: Body,
    delay: Duration,
    pub(crate) act: Act,
}

/// What happens instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Answer,
    Reset,
    Silent,
    Pass,
}

#[derive(Debug)]
enum Body {
    None,
    Text(Template, Escape),
    Bytes(Vec<u8>),
    File(PathBuf),
    Stub(Stub),
}

/// An answer, before a protocol writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header lines besides those that every answer has.
    pub headers: Vec<(String, String)>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// Content.
    pub body: Vec<u8>,
    /// To wait before it.
    pub delay: Duration,
    /// Id of the rule that gave it.
    pub rule: String,
    /// Names of the secrets in it.
    pub(crate) secrets: Vec<String>,
    pub(crate) act: Act,
}

impl Reply {
    pub(crate) fn compile(spec: &ReplySpec) -> Result<Self, String> {
        let (body, usual) = body(spec)?;
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            let proper = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
            if name.is_empty() || !name.bytes().all(proper) {
                return Err(format!("`{name}` is no name of a header line"));
            }
            headers.push((name.clone(), Template::parse(value)?));
        }
        if let Some(target) = &spec.redirect {
            headers.push(("Location".to_owned(), Template::parse(target)?));
        }
        let status = match (spec.status, &body, &spec.redirect) {
            (Some(status), ..) => status,
            (None, _, Some(_)) => 302,
            (None, Body::None, None) => 204,
            (None, ..) => 200,
        };
        if !(200..=599).contains(&status) {
            return Err(format!("{status} is no status of an answer"));
        }
        if spec.delay_ms > LONGEST_DELAY {
            return Err(format!("a delay is at most {LONGEST_DELAY} ms"));
        }
        Ok(Self {
            status,
            content_type: spec.content_type.clone().or(usual.map(str::to_owned)),
            headers,
            body,
            delay: Duration::from_millis(spec.delay_ms),
            act: match (spec.reset, spec.silent, spec.pass) {
                (true, ..) => Act::Reset,
                (_, true, _) => Act::Silent,
                (.., true) => Act::Pass,
                _ => Act::Answer,
            },
        })
    }

    /// What the templates need: kind (`path`, `secret`, `persona`) and name.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let body = match &self.body {
            Body::Text(template, _) => Some(template),
            _ => None,
        };
        let headers = self.headers.iter().map(|(_, template)| template);
        headers.chain(body).flat_map(Template::needs)
    }

    /// The answer to one request. A file that cannot be read is an answer without content, and a warning.
    pub(crate) fn fill(&self, from: &Filling<'_>, folder: Option<&Path>) -> Answer {
        let line = |template: &Template| {
            String::from_utf8_lossy(&template.fill(from, Escape::Line)).into_owned()
        };
        let mut content_type = self.content_type.clone();
        let body = match &self.body {
            Body::None => Vec::new(),
            Body::Text(template, escape) => template.fill(from, *escape),
            Body::Bytes(bytes) => bytes.clone(),
            Body::File(path) => read(path, folder),
            Body::Stub(stub) => {
                let made = stub.make(from.ask);
                content_type = content_type.or(Some(made.kind.to_owned()));
                made.bytes
            }
        };
        let secrets = self.needs().filter(|(kind, _)| *kind == "secret");
        Answer {
            status: self.status,
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), line(value)))
                .collect(),
            content_type,
            body,
            delay: self.delay,
            rule: from.rule.to_owned(),
            secrets: secrets.map(|(_, name)| name.to_owned()).collect(),
            act: self.act,
        }
    }
}

fn body(spec: &ReplySpec) -> Result<(Body, Option<&'static str>), String> {
    let texts = [
        (&spec.json, Escape::Json, "application/json"),
        (&spec.text, Escape::None, "text/plain; charset=utf-8"),
        (&spec.html, Escape::Xml, "text/html; charset=utf-8"),
        (&spec.xml, Escape::Xml, "application/xml"),
    ];
    let mut found = Vec::new();
    for (text, escape, kind) in texts {
        if let Some(text) = text {
            found.push((Body::Text(Template::parse(text)?, escape), Some(kind)));
        }
    }
    if let Some(text) = &spec.base64 {
        let compact: String = text.split_whitespace().collect();
        let bytes = STANDARD
            .decode(compact)
            .map_err(|error| format!("base64: {error}"))?;
        found.push((Body::Bytes(bytes), Some("application/octet-stream")));
    }
    if let Some(path) = &spec.file {
        let name = path.to_string_lossy();
        let kind = stub::kind_of(&name).unwrap_or("application/octet-stream");
        found.push((Body::File(path.clone()), Some(kind)));
    }
    if let Some(name) = &spec.stub {
        let stub = Stub::of(name).ok_or_else(|| {
            format!(
                "there is no stub `{name}`; there are {}",
                stub::NAMES.join(", ")
            )
        })?;
        found.push((Body::Stub(stub), None));
    }
    if found.len() > 1 {
        return Err("a reply has one body: json, text, html, xml, base64, file or stub".to_owned());
    }
    Ok(found.pop().unwrap_or((Body::None, None)))
}

fn read(path: &Path, folder: Option<&Path>) -> Vec<u8> {
    let path = folder.map_or_else(|| path.to_owned(), |folder| folder.join(path));
    let read = std::fs::metadata(&path).and_then(|found| {
        if found.len() > FILE {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        std::fs::read(&path)
    });
    read.inspect_err(
        |error| tracing::warn!(%error, path = %path.display(), "a file of a rule cannot be served"),
    )
    .unwrap_or_default()
}

//! The answer to a request that no rule takes: what a server would send for such a path to such a client.

use std::time::Duration;

use super::ask::Ask;
use super::reply::{Act, Answer};
use super::stub::{Made, Stub, kind_of};

const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Welcome</title></head>\n\
<body><h1>It works</h1></body>\n</html>\n";
const JSON: &str = "{\"ok\":true,\"status\":\"success\",\"data\":{}}\n";

/// The type of a stream of events, and its beginning.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
const EVENTS: &str = ": connected\n\nretry: 3000\n\n";

/// The smallest file of a kind, by extension.
const FILES: &[(&str, &[u8])] = &[
    ("html", PAGE.as_bytes()),
    ("htm", PAGE.as_bytes()),
    ("json", JSON.as_bytes()),
    ("txt", b"ok\n"),
    ("css", b"\n"),
    ("xml", b"<?xml version=\"1.0\"?>\n<root/>\n"),
    ("svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>\n"),
    ("gif", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"),
    ("png", b"\x89PNG\x0d\x0a\x1a\x0a\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\x0bIDATx\xdac\xf8\x0f\x04\0\x09\xfb\x03\xfdh\xfa\x1c\xcc\0\0\0\0IEND\xaeB`\x82"),
    ("pdf", b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"),
    ("gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"),
    ("wasm", b"\0asm\x01\0\0\0"),
];

/// Words in the last part of a path that is likely to be piped into a shell.
const SCRIPTS: [&str; 9] = [
    "install",
    "setup",
    "bootstrap",
    "script",
    "payload",
    "stage",
    "run",
    "get",
    "init",
];
/// Words in that of a program.
const PROGRAMS: [&str; 9] = [
    "linux", "amd64", "x86_64", "x86-64", "x64", "xmrig", "miner", "agent", "beacon",
];

/// The answer to a request that no rule takes.
pub(crate) fn fitting(ask: &Ask<'_>) -> Answer {
    match ask.method {
        "GET" | "HEAD" => get(ask),
        "OPTIONS" => Answer {
            headers: [
                ("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Allow-Methods", "*"),
                ("Access-Control-Allow-Headers", "*"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            ..Answer::new(204, None, [])
        },
        "TRACE" => Answer::error(405),
        _ if ask.path.ends_with("/git-upload-pack") || ask.path.ends_with("/git-receive-pack") => {
            Answer::error(404)
        }
        "PUT" => Answer::new(201, Some("application/json"), JSON),
        _ => Answer::new(200, Some("application/json"), JSON),
    }
}

fn get(ask: &Ask<'_>) -> Answer {
    let path = ask.path.to_ascii_lowercase();
    let agent = lower(ask.header("user-agent"));
    if path.ends_with("/info/refs") || agent.starts_with("git/") {
        return Answer::error(404);
    }
    let file = path.rsplit('/').next().unwrap_or_default();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    if file.ends_with(".tar.gz") {
        return stub(Stub::TarGz, ask);
    }
    if extension == "php" {
        return Answer::new(200, Some("text/html; charset=utf-8"), PAGE);
    }
    if let Some((_, bytes)) = FILES.iter().find(|(known, _)| *known == extension) {
        return Answer::new(200, kind_of(file), *bytes);
    }
    if let Some(kind) = Stub::of(extension).filter(|_| !extension.is_empty()) {
        return stub(kind, ask);
    }
    let accept = lower(ask.header("accept"));
    if accept.starts_with(EVENT_STREAM) {
        return Answer::new(200, Some(EVENT_STREAM), EVENTS);
    }
    if accept.contains("text/html") {
        return Answer::new(200, Some("text/html; charset=utf-8"), PAGE);
    }
    let fetcher = agent.starts_with("curl/") || agent.starts_with("wget/");
    if fetcher && PROGRAMS.iter().any(|word| file.contains(word)) {
        return stub(Stub::Elf, ask);
    }
    if fetcher && names_a_script(file, ask.host()) {
        return stub(Stub::Shell, ask);
    }
    if accept.contains("json") || file.len() + 1 < path.len() || !file.is_empty() {
        return Answer::new(200, Some("application/json"), JSON);
    }
    Answer::new(200, Some("text/html; charset=utf-8"), PAGE)
}

/// A file of the kind that a path names, as other services than HTTP give it; stubs report to `host`.
pub(crate) fn sample_file(path: &str, host: &str) -> Vec<u8> {
    let target = format!("/{}", path.trim_start_matches('/').replace('?', "%3F"));
    let known = target
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension);
    let known = known.to_ascii_lowercase();
    if Stub::of(&known).is_none() && !FILES.iter().any(|(extension, _)| *extension == known) {
        return b"ok\n".to_vec();
    }
    get(&Ask::new("GET", &target, &[], b"").named(host)).body
}

fn stub(kind: Stub, ask: &Ask<'_>) -> Answer {
    let Made { kind, bytes } = kind.make(ask);
    Answer::new(200, Some(kind), bytes)
}

/// Whether what curl or wget asks for is likely to be piped into a shell.
fn names_a_script(file: &str, host: &str) -> bool {
    let by_host = ["get.", "install.", "sh.", "setup."]
        .iter()
        .any(|start| host.starts_with(start));
    file.is_empty() && by_host || SCRIPTS.iter().any(|word| file.contains(word)) || file == "sh"
}

fn lower(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).to_ascii_lowercase()
}

impl Answer {
    pub(crate) fn new(status: u16, kind: Option<&str>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: kind.map(str::to_owned),
            body: body.into(),
            delay: Duration::ZERO,
            rule: String::new(),
            secrets: Vec::new(),
            act: Act::Answer,
        }
    }

    /// For a request that cannot be served.
    pub(crate) fn error(status: u16) -> Self {
        let words = reason(status);
        let page = format!(
            "<html><head><title>{status} {words}</title></head><body><h1>{status} {words}</h1></body></html>\n"
        );
        Self::new(status, Some("text/html"), page)
    }
}

/// The words that go with a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Not Implemented",
    }
}

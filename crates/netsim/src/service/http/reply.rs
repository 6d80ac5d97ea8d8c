//! Plausible answers: what a server would send for such a path to such a client.

use time::OffsetDateTime;

use super::super::Talk;
use super::head::Head;

/// The path that a stub script fetches again: a request for it proves that downloaded code was run.
pub const STAGE_TWO_MARKER: &str = "/.well-known/pki-validation/ready.txt";

const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Welcome</title></head>\n\
<body><h1>It works</h1></body>\n</html>\n";
/// The type of a stream of events, and its beginning.
const EVENT_STREAM: &str = "text/event-stream";
const EVENTS: &str = ": connected\n\nretry: 3000\n\n";
const JSON: &str = "{\"ok\":true,\"status\":\"success\",\"data\":{}}\n";

/// The smallest file of a kind, by extension: type and bytes.
const FILES: &[(&str, &str, &[u8])] = &[
    ("html", "text/html; charset=utf-8", PAGE.as_bytes()),
    ("htm", "text/html; charset=utf-8", PAGE.as_bytes()),
    ("php", "text/html; charset=utf-8", PAGE.as_bytes()),
    ("json", "application/json", JSON.as_bytes()),
    ("txt", "text/plain; charset=utf-8", b"ok\n"),
    ("css", "text/css", b"\n"),
    ("xml", "application/xml", b"<?xml version=\"1.0\"?>\n<root/>\n"),
    ("svg", "image/svg+xml", b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>\n"),
    ("gif", "image/gif", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"),
    ("png", "image/png", b"\x89PNG\x0d\x0a\x1a\x0a\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\x0bIDATx\xdac\xf8\x0f\x04\0\x09\xfb\x03\xfdh\xfa\x1c\xcc\0\0\0\0IEND\xaeB`\x82"),
    ("zip", "application/zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("gz", "application/gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"),
    ("tgz", "application/gzip", EMPTY_TGZ),
    ("wasm", "application/wasm", b"\0asm\x01\0\0\0"),
    ("exe", "application/octet-stream", DOS),
    ("dll", "application/octet-stream", DOS),
    ("bin", "application/octet-stream", b"\0"),
];

/// 1,024 zero bytes, the end of a tape archive, packed.
const EMPTY_TGZ: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\xffc`\x18\x05\xa3`\x14\x8cT\0\0.\xaf\xb5\xef\0\x04\0\0";

/// A DOS program that ends at once, with status 0.
const DOS: &[u8] = b"MZ\x25\0\x01\0\0\0\x02\0\0\0\xff\xff\0\0\0\x01\0\0\0\0\0\0\x1c\0\0\0\0\0\0\0\xb8\0\x4c\xcd\x21";

/// An answer before it is written.
pub(super) struct Reply {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
    /// The value that agrees to a WebSocket.
    accept: Option<String>,
}

impl Reply {
    pub(super) fn new(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            kind,
            body: body.into(),
            accept: None,
        }
    }

    /// For a request that asks for a WebSocket, whose key `accept` was made of.
    pub(super) fn switching(accept: &str) -> Self {
        Self {
            accept: Some(accept.to_owned()),
            ..Self::new(101, "", [])
        }
    }

    /// For a tunnel.
    pub(super) fn connected() -> Self {
        Self::new(200, "", [])
    }

    /// For a request that cannot be served.
    pub(super) fn error(status: u16) -> Self {
        let words = reason(status);
        Self::new(
            status,
            "text/html",
            format!(
                "<html><head><title>{status} {words}</title></head><body><h1>{status} {words}</h1></body></html>\n"
            ),
        )
    }

    /// For a valid request.
    pub(super) fn to(head: &Head, talk: &Talk) -> Self {
        match &head.method[..] {
            b"GET" | b"HEAD" => get(head, talk),
            b"OPTIONS" => Self::new(204, "", []),
            b"TRACE" => Self::error(405),
            b"PUT" => Self::new(201, "application/json", JSON),
            _ if head.path().ends_with(b"/git-upload-pack")
                || head.path().ends_with(b"/git-receive-pack") =>
            {
                Self::error(404)
            }
            _ => Self::new(200, "application/json", JSON),
        }
    }

    /// Whether more may follow the body: the connection ends it.
    pub(super) fn goes_on(&self) -> bool {
        self.kind == EVENT_STREAM
    }

    /// `200 text/html 312 bytes`.
    pub(super) fn in_words(&self) -> String {
        let kind = self.kind.split(';').next().unwrap_or_default();
        match self.body.len() {
            0 => format!("{} {}", self.status, reason(self.status)),
            length => format!("{} {kind} {length} bytes", self.status),
        }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self, without_body: bool, close: bool) -> Vec<u8> {
        let mut out = format!(
            "HTTP/1.1 {} {}\r\nServer: nginx\r\nDate: {}\r\n",
            self.status,
            reason(self.status),
            date(OffsetDateTime::now_utc())
        );
        if let Some(accept) = &self.accept {
            out.push_str(&format!(
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            ));
            return out.into_bytes();
        }
        if self.status == 204 {
            out.push_str("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: *\r\nAccess-Control-Allow-Headers: *\r\n");
        } else if self.goes_on() {
            out.push_str(&format!(
                "Content-Type: {}\r\nCache-Control: no-cache\r\n",
                self.kind
            ));
        } else if !self.kind.is_empty() {
            out.push_str(&format!(
                "Content-Type: {}\r\nContent-Length: {}\r\n",
                self.kind,
                self.body.len()
            ));
        }
        out.push_str(if close || self.goes_on() {
            "Connection: close\r\n\r\n"
        } else {
            "\r\n"
        });
        let mut out = out.into_bytes();
        if !without_body {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

fn get(head: &Head, talk: &Talk) -> Reply {
    let path = String::from_utf8_lossy(head.path()).to_ascii_lowercase();
    let agent = lower(head.header("user-agent"));
    if path.ends_with("/info/refs") || agent.starts_with("git/") {
        return Reply::error(404);
    }
    let file = path.rsplit('/').next().unwrap_or_default();
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let marker = marker_url(head, talk);
    match extension {
        "sh" | "bash" => return Reply::new(200, "text/x-shellscript", shell(&marker)),
        "py" => return Reply::new(200, "text/x-python", python(&marker)),
        "js" | "cjs" | "mjs" => {
            return Reply::new(200, "text/javascript; charset=utf-8", javascript(&marker));
        }
        "ps1" | "psm1" => return Reply::new(200, "text/plain", powershell(&marker)),
        _ => {}
    }
    if let Some((_, kind, bytes)) = FILES.iter().find(|(known, ..)| *known == extension) {
        return Reply::new(200, kind, *bytes);
    }
    let accept = lower(head.header("accept"));
    if accept.starts_with(EVENT_STREAM) {
        return Reply::new(200, EVENT_STREAM, EVENTS);
    }
    if accept.contains("text/html") {
        return Reply::new(200, "text/html; charset=utf-8", PAGE);
    }
    let fetcher = agent.starts_with("curl/") || agent.starts_with("wget/");
    if fetcher && names_a_script(file, &lower(Some(&head.host(talk)))) {
        return Reply::new(200, "text/x-shellscript", shell(&marker));
    }
    if accept.contains("json") || file.len() + 1 < path.len() || !file.is_empty() {
        return Reply::new(200, "application/json", JSON);
    }
    Reply::new(200, "text/html; charset=utf-8", PAGE)
}

/// A file of the kind that a path names, as other services than this one give it; a script fetches its marker from `host`.
pub(in crate::service) fn sample_file(path: &str, host: &str) -> Vec<u8> {
    let path = path.to_ascii_lowercase();
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let marker = format!("http://{host}{STAGE_TWO_MARKER}");
    match extension {
        "sh" | "bash" => shell(&marker).into_bytes(),
        "py" => python(&marker).into_bytes(),
        "js" | "cjs" | "mjs" => javascript(&marker).into_bytes(),
        "ps1" | "psm1" => powershell(&marker).into_bytes(),
        _ => FILES
            .iter()
            .find(|(known, ..)| *known == extension)
            .map_or_else(|| b"ok\n".to_vec(), |(.., bytes)| bytes.to_vec()),
    }
}

/// Whether what curl or wget asks for is likely to be piped into a shell.
fn names_a_script(file: &str, host: &str) -> bool {
    let by_host = ["get.", "install.", "sh.", "setup."]
        .iter()
        .any(|start| host.starts_with(start));
    let words = [
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
    file.is_empty() && by_host || words.iter().any(|word| file.contains(word)) || file == "sh"
}

/// Where a stub reports that it ran: the server it came from.
fn marker_url(head: &Head, talk: &Talk) -> String {
    let host = head.host(talk);
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b".:-_[]".contains(b);
    // Nothing but a host name may get from the request into a script.
    let host = if host.iter().all(plain) && !host.is_empty() {
        String::from_utf8_lossy(&host).into_owned()
    } else {
        talk.destination.to_string()
    };
    format!(
        "{}://{host}{STAGE_TWO_MARKER}",
        if talk.secure { "https" } else { "http" }
    )
}

fn shell(marker: &str) -> String {
    format!(
        "#!/bin/sh\nif command -v curl >/dev/null 2>&1; then\n  curl -fsS -m 5 -o /dev/null '{marker}' 2>/dev/null\n\
elif command -v wget >/dev/null 2>&1; then\n  wget -q -T 5 -O /dev/null '{marker}' 2>/dev/null\nfi\nexit 0\n"
    )
}

fn python(marker: &str) -> String {
    format!(
        "import urllib.request\n\ntry:\n    urllib.request.urlopen('{marker}', timeout=5).read()\nexcept Exception:\n    pass\n"
    )
}

/// Runs in whatever way it is evaluated: as a script, a module, by `eval` or `new Function`, in a browser.
fn javascript(marker: &str) -> String {
    let scheme = marker.split("://").next().unwrap_or_default();
    format!(
        "try {{\n  typeof fetch === 'function' ? fetch('{marker}').catch(() => {{}}) : require('{scheme}').get('{marker}').on('error', () => {{}});\n}} catch (error) {{}}\n"
    )
}

fn powershell(marker: &str) -> String {
    format!(
        "try {{ Invoke-WebRequest -UseBasicParsing -TimeoutSec 5 '{marker}' | Out-Null }} catch {{ }}\n"
    )
}

fn lower(value: Option<&[u8]>) -> String {
    String::from_utf8_lossy(value.unwrap_or_default()).to_ascii_lowercase()
}

fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        _ => "Not Implemented",
    }
}

/// `Tue, 24 Nov 2026 10:18:02 GMT`.
fn date(now: OffsetDateTime) -> String {
    let day = &now.weekday().to_string()[..3];
    let month = &now.month().to_string()[..3];
    let (hour, minute, second) = now.to_hms();
    format!(
        "{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT",
        now.day(),
        now.year()
    )
}

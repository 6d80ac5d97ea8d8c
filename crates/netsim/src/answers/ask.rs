//! A request as rules see it.

use std::cell::OnceCell;
use std::net::IpAddr;

use apa_model::Phase;
use percent_encoding::percent_decode;
use sha2::{Digest as _, Sha256};

use super::stub::STAGE_TWO_MARKER;

/// Longest body that is read as JSON.
const JSON: usize = 4 << 20;

/// A request, whole.
pub struct Ask<'a> {
    /// As sent.
    pub method: &'a str,
    /// Inside TLS.
    pub secure: bool,
    /// What the other side is called, best first: `Host` line, TLS server name, resolved name, address. Lower case,
    /// without port.
    pub hosts: Vec<String>,
    /// Port the sample meant.
    pub port: u16,
    /// Before the `?`, still encoded.
    pub path: &'a str,
    /// After it.
    pub query: &'a str,
    /// Names and values.
    pub headers: &'a [(Vec<u8>, Vec<u8>)],
    /// As far as it is kept.
    pub body: &'a [u8],
    /// What is going on.
    pub phase: Phase,
    /// Who asks.
    pub source: Option<IpAddr>,
    json: OnceCell<Option<serde_json::Value>>,
}

impl<'a> Ask<'a> {
    /// A request by method, target (path and query), header lines and body; the rest is to be set.
    pub fn new(
        method: &'a str,
        target: &'a str,
        headers: &'a [(Vec<u8>, Vec<u8>)],
        body: &'a [u8],
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method,
            secure: false,
            hosts: Vec::new(),
            port: 80,
            path,
            query: query.split('#').next().unwrap_or_default(),
            headers,
            body,
            phase: Phase::Execute,
            source: None,
            json: OnceCell::new(),
        }
    }

    /// Names the other side, unless it is named so already.
    pub fn named(mut self, host: impl AsRef<str>) -> Self {
        let host = bare_host(host.as_ref());
        if !host.is_empty() && !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
        self
    }

    pub(crate) fn host(&self) -> &str {
        self.hosts.first().map_or("", String::as_str)
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub(crate) fn target(&self) -> String {
        match self.query {
            "" => self.path.to_owned(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// The value of a header line.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }

    pub(crate) fn query_value(&self, name: &str) -> Option<Vec<u8>> {
        pair(self.query.as_bytes(), name)
    }

    /// A field of a form, also of one in parts.
    pub(crate) fn form_value(&self, name: &str) -> Option<Vec<u8>> {
        let kind = String::from_utf8_lossy(self.header("content-type").unwrap_or_default());
        match kind.split_once("boundary=") {
            Some((_, boundary)) => {
                let boundary = boundary.split(';').next().unwrap_or_default();
                super::form::field(self.body, boundary.trim_matches('"').as_bytes(), name)
            }
            None => pair(self.body, name),
        }
    }

    /// The value at a JSON pointer of the body.
    pub(crate) fn json(&self, pointer: &str) -> Option<&serde_json::Value> {
        let parsed = self.json.get_or_init(|| {
            let body = self.body.get(..).filter(|body| body.len() <= JSON)?;
            serde_json::from_slice(body).ok()
        });
        parsed.as_ref()?.pointer(pointer)
    }

    /// The same as text: strings as they are, other values as JSON.
    pub(crate) fn json_text(&self, pointer: &str) -> Option<String> {
        self.json(pointer).map(|value| match value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    pub(crate) fn body_sha256(&self) -> String {
        let digest = Sha256::digest(self.body);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The host as it may stand in a script: nothing but a name or an address gets there from a request.
    pub(crate) fn plain_host(&self) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        let host = self.hosts.iter().find(|host| {
            host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.bytes().all(plain))
        });
        match host.map(|host| (host, host.parse())) {
            Some((_, Ok(IpAddr::V6(v6)))) => format!("[{v6}]"),
            Some((host, _)) => host.clone(),
            None => "localhost".to_owned(),
        }
    }

    /// The address that the sample meant, where it is known.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.hosts.iter().rev().find_map(|host| host.parse().ok())
    }

    /// Where a stub reports that it ran: the server it came from.
    pub(crate) fn marker(&self) -> String {
        let host = self.plain_host();
        let usual = if self.secure { 443 } else { 80 };
        let port = match self.port {
            port if port == usual => String::new(),
            port => format!(":{port}"),
        };
        format!("{}://{host}{port}{STAGE_TWO_MARKER}", self.scheme())
    }
}

/// `name` of `a=1&name=2`, decoded.
fn pair(text: &[u8], name: &str) -> Option<Vec<u8>> {
    text.split(|b| *b == b'&').find_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (key, value) = (&pair[..at], pair.get(at + 1..).unwrap_or_default());
        (percent_decode(key).eq(name.bytes())).then(|| {
            let value: Vec<u8> = value
                .iter()
                .map(|b| if *b == b'+' { b' ' } else { *b })
                .collect();
            percent_decode(&value).collect()
        })
    })
}

/// Lower case, without port and brackets.
pub(crate) fn bare_host(host: &str) -> String {
    let host = host.trim();
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => match host.rsplit_once(':') {
            Some((name, port))
                if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) =>
            {
                name
            }
            _ => host,
        },
    };
    bare.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_wherever_requests_carry_them() {
        let headers = [(
            b"Content-Type".to_vec(),
            b"application/x-www-form-urlencoded".to_vec(),
        )];
        let ask = Ask::new("POST", "/a?x=1%202&y", &headers, b"chat_id=-10&text=a+b")
            .named("API.test:443");
        assert_eq!(ask.query_value("x").unwrap(), b"1 2");
        assert_eq!(ask.query_value("y").unwrap(), b"");
        assert_eq!(ask.form_value("text").unwrap(), b"a b");
        assert_eq!((ask.host(), ask.path), ("api.test", "/a"));
        let ask = Ask::new("POST", "/", &[], br#"{"a":{"b":["c",2]}}"#);
        assert_eq!(ask.json_text("/a/b/0").unwrap(), "c");
        assert_eq!(ask.json_text("/a/b/1").unwrap(), "2");
    }

    #[test]
    fn a_marker_takes_nothing_but_a_name_from_the_request() {
        let marker = |host: &str| {
            Ask::new("GET", "/", &[], b"")
                .named(host)
                .named("192.0.2.7")
                .marker()
        };
        assert_eq!(marker("a.test"), format!("http://a.test{STAGE_TWO_MARKER}"));
        assert_eq!(
            marker("a'; rm"),
            format!("http://192.0.2.7{STAGE_TWO_MARKER}")
        );
        assert_eq!(
            marker("[2001:db8::1]:80"),
            format!("http://[2001:db8::1]{STAGE_TWO_MARKER}")
        );
    }
}

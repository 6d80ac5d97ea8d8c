//! The request line and header lines.

use apa_model::Hostile;

use super::super::{Guess, Talk};
use super::body::Framing;
use crate::wire::Wire;

/// Header lines per request.
const LINES: usize = 128;
/// Bytes of a request's head.
const BYTES: usize = 64 << 10;

/// Methods that are taken for HTTP even before the end of the line.
const METHODS: [&[u8]; 9] = [
    b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"CONNECT", b"TRACE",
];

/// A request without its body. Header lines as they were sent.
pub(super) struct Head {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    /// HTTP/1.1 rather than 1.0.
    one_one: bool,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What came of reading a head.
pub(super) enum Parsed {
    Head(Head),
    /// The client has nothing more to say.
    End,
    /// No valid request; to be answered with this status. The bytes are still in the wire.
    Bad(u16),
}

/// Reads the next head from the wire.
pub(super) async fn read(wire: &mut Wire) -> Parsed {
    loop {
        match parse(wire.ahead()) {
            Ok(Some((head, length))) => {
                wire.consume(length);
                return Parsed::Head(head);
            }
            Ok(None) if wire.ahead().len() > BYTES => return Parsed::Bad(431),
            Ok(None) => {}
            Err(status) => return Parsed::Bad(status),
        }
        if !matches!(wire.fill().await, Ok(1..)) {
            let blank = wire.ahead().iter().all(u8::is_ascii_whitespace);
            return if blank { Parsed::End } else { Parsed::Bad(400) };
        }
    }
}

/// A head at the start of `bytes` with its length; `None` while it is incomplete, or the status of an answer to it.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, u16> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= BYTES => {
            let head = Head {
                method: request.method.unwrap_or_default().as_bytes().to_vec(),
                target: request.path.unwrap_or_default().as_bytes().to_vec(),
                one_one: request.version == Some(1),
                headers: request
                    .headers
                    .iter()
                    .map(|line| (line.name.as_bytes().to_vec(), line.value.to_vec()))
                    .collect(),
            };
            Ok(Some((head, length)))
        }
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => Err(431),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(400),
    }
}

/// Whether a stream starts with a request: a known method, or any token and a line that ends in a version.
pub(super) fn recognise(first: &[u8]) -> Guess {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let length = first.iter().take(33).take_while(|b| token(b)).count();
    if length > 32 || (length == 0 && !first.is_empty()) {
        return Guess::No;
    }
    let known = METHODS.contains(&&first[..length]);
    match (first.get(length), first.iter().position(|b| *b == b'\n')) {
        (None, _) => Guess::Maybe,
        (Some(b' '), None) if known => Guess::Yes,
        (Some(b' '), None) => Guess::Maybe,
        (Some(b' '), Some(end)) => {
            let line = first[..end].trim_ascii_end();
            let version = line.len().checked_sub(8).map(|at| &line[at..]);
            let is_http = version.is_some_and(|v| v.starts_with(b"HTTP/1."));
            if is_http || known {
                Guess::Yes
            } else {
                Guess::No
            }
        }
        _ => Guess::No,
    }
}

impl Head {
    /// A head as HTTP/2 gives it; what it calls `:authority` stands first among the header lines.
    pub(super) fn of_parts(parts: &http::request::Parts) -> Self {
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str().as_bytes().to_vec());
        let lines = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()));
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        Self {
            method: parts.method.as_str().as_bytes().to_vec(),
            target: target.as_bytes().to_vec(),
            one_one: true,
            headers: authority
                .map(|name| (b":authority".to_vec(), name))
                .into_iter()
                .chain(lines)
                .collect(),
        }
    }

    /// The value of a header line, by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether a header line has this word in its comma-separated value.
    fn has_word(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()))
            .flat_map(|(_, value)| value.split(|b| *b == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether the client wants to send another request.
    pub(super) fn keeps_alive(&self) -> bool {
        if self.one_one {
            !self.has_word("connection", "close")
        } else {
            self.has_word("connection", "keep-alive")
        }
    }

    /// Whether the client waits for permission to send the body.
    pub(super) fn expects_continue(&self) -> bool {
        self.one_one && self.has_word("expect", "100-continue")
    }

    /// How long the body is, or the status of an answer to a head that does not say it properly.
    pub(super) fn framing(&self) -> Result<Framing, u16> {
        if let Some(coding) = self.header("transfer-encoding") {
            let last = coding.rsplit(|b| *b == b',').next().unwrap_or_default();
            let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            return if chunked {
                Ok(Framing::Chunked)
            } else {
                Err(501)
            };
        }
        match self.header("content-length") {
            None => Ok(Framing::None),
            Some(digits) if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) => Err(400),
            Some(digits) => match std::str::from_utf8(digits).map(str::parse::<u64>) {
                Ok(Ok(0)) => Ok(Framing::None),
                Ok(Ok(length)) => Ok(Framing::Length(length)),
                _ => Err(413),
            },
        }
    }

    /// The path of the target without its query.
    pub(super) fn path(&self) -> &[u8] {
        let mut parts = self.origin_form().split(|b| matches!(b, b'?' | b'#'));
        parts.next().unwrap_or_default()
    }

    /// Path and query of the target, whatever form it has.
    pub(super) fn origin_form(&self) -> &[u8] {
        match self.after_scheme() {
            Some(rest) => {
                let end = rest.iter().position(|b| matches!(b, b'/' | b'?'));
                &rest[end.unwrap_or(rest.len())..]
            }
            None => &self.target,
        }
    }

    /// The host of a CONNECT target, without the port and brackets.
    pub(super) fn target_host(&self) -> String {
        let target = String::from_utf8_lossy(&self.target);
        let host = target.rsplit_once(':').map_or(&*target, |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    }

    /// The port of a CONNECT target.
    pub(super) fn target_port(&self) -> Option<u16> {
        let target = String::from_utf8_lossy(&self.target);
        target
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
    }

    /// The query of the target.
    pub(super) fn query(&self) -> &[u8] {
        let at = self.target.iter().position(|b| *b == b'?');
        at.map_or(b"", |at| &self.target[at + 1..])
    }

    fn after_scheme(&self) -> Option<&[u8]> {
        let at = self.target.windows(3).position(|w| w == b"://")?;
        (at <= 8).then(|| &self.target[at + 3..])
    }

    /// The request in a line, with a whole address.
    pub(super) fn summary(&self, talk: &Talk) -> Hostile {
        let mut line = self.method.clone();
        line.push(b' ');
        if !self.method.eq_ignore_ascii_case(b"CONNECT") && self.after_scheme().is_none() {
            line.extend_from_slice(if talk.secure { b"https://" } else { b"http://" });
            line.extend_from_slice(&self.host(talk));
        }
        line.extend_from_slice(&self.target);
        Hostile::new(line)
    }

    /// The host the client named, or the one an outer layer named, or the address it meant.
    pub(super) fn host(&self, talk: &Talk) -> Vec<u8> {
        match (
            self.header("host").or_else(|| self.header(":authority")),
            &talk.host,
        ) {
            (Some(host), _) if !host.is_empty() => host.to_vec(),
            (_, Some(host)) => host.clone().into_bytes(),
            _ => talk.destination.to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Head {
        parse(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn header_names_keep_their_case_and_need_no_blank() {
        let head = head("GET /x HTTP/1.1\r\nHOST:a.test\r\nx-Odd:  v \r\n\r\n");
        assert_eq!(head.header("host"), Some(&b"a.test"[..]));
        assert_eq!(head.headers[0].0, b"HOST");
        assert!(head.keeps_alive());
    }

    #[test]
    fn paths_are_found_in_every_form_of_target() {
        assert_eq!(
            head("GET /a/b?c=/d HTTP/1.0\r\n\r\n").origin_form(),
            b"/a/b?c=/d"
        );
        assert_eq!(
            head("GET http://h.test/p?q HTTP/1.1\r\n\r\n").origin_form(),
            b"/p?q"
        );
        assert_eq!(
            head("GET http://h.test HTTP/1.1\r\n\r\n").origin_form(),
            b""
        );
        assert_eq!(
            head("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n").target_host(),
            "2001:db8::1"
        );
    }

    #[test]
    fn limits_and_faults_have_their_own_status() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(LINES + 1));
        assert_eq!(parse(many.as_bytes()).err(), Some(431));
        assert_eq!(
            parse(b"GET / HTTP/1.1\r\nbad line\r\n\r\n").err(),
            Some(400)
        );
        let framing = |line: &str| head(&format!("POST / HTTP/1.1\r\n{line}\r\n\r\n")).framing();
        assert_eq!(framing("Content-Length: +5"), Err(400));
        assert_eq!(framing("Content-Length: 99999999999999999999"), Err(413));
        assert_eq!(
            framing("Transfer-Encoding: gzip, Chunked"),
            Ok(Framing::Chunked)
        );
        assert_eq!(framing("Transfer-Encoding: identity"), Err(501));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "(GET|POST) [ -~\r\n]{0,200}\r\n\r\n") {
            for bytes in [&bytes[..], text.as_bytes()] {
                recognise(bytes);
                if let Ok(Some((head, _))) = parse(bytes) {
                    let _ = (head.framing(), head.origin_form(), head.target_host(), head.keeps_alive());
                }
            }
        }
    }
}

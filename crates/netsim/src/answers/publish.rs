//! Packages in requests that publish them.

use apa_model::{Digest, FlowMessage, Hostile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ask::Ask;
use super::form;

/// The layer of a flow in which a package was published.
pub const PUBLISH_LAYER: &str = "registry-publish";

/// A package that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// As the request says; empty if it does not.
    pub name: String,
    /// As the request says; empty if it does not.
    pub version: String,
    /// Name of the archive.
    pub file: String,
    /// The archive.
    pub archive: Vec<u8>,
}

impl Published {
    /// The message that a flow records of it: `PUBLISH NAME@VERSION FILE`, with the archive as its body.
    pub fn message(&self, archive: Option<Digest>) -> FlowMessage {
        FlowMessage {
            summary: Hostile::from(self.in_words()),
            headers: Vec::new(),
            body: archive,
            body_bytes: self.archive.len() as u64,
            answer: "kept".into(),
        }
    }

    /// `PUBLISH kit@1.0.1 kit-1.0.1.tgz`, without blanks where something is unknown.
    fn in_words(&self) -> String {
        let known = |text: &str| match text.split_whitespace().collect::<String>() {
            text if text.is_empty() => "unknown".to_owned(),
            text => text,
        };
        format!(
            "PUBLISH {}@{} {}",
            known(&self.name),
            known(&self.version),
            known(&self.file)
        )
    }
}

/// The package that a request publishes, recognised by the request's shape.
pub fn published(ask: &Ask<'_>) -> Option<Published> {
    match ask.method {
        "PUT" => npm(ask).or_else(|| cargo(ask)).or_else(|| maven(ask)),
        "POST" => python(ask).or_else(|| gem(ask)),
        _ => None,
    }
}

/// A packument with attachments.
fn npm(ask: &Ask<'_>) -> Option<Published> {
    let (file, attachment) = ask.json("/_attachments")?.as_object()?.iter().next()?;
    let data = attachment.get("data")?.as_str()?;
    let versions = ask
        .json("/versions")
        .and_then(|versions| versions.as_object());
    Some(Published {
        name: ask
            .json_text("/name")
            .or_else(|| ask.json_text("/_id"))
            .unwrap_or_default(),
        version: versions
            .and_then(|versions| versions.keys().next().cloned())
            .unwrap_or_default(),
        file: file.clone(),
        archive: STANDARD.decode(data).ok()?,
    })
}

/// A length, metadata, a length, a crate.
fn cargo(ask: &Ask<'_>) -> Option<Published> {
    if !ask.path.ends_with("/crates/new") {
        return None;
    }
    let (length, rest) = ask.body.split_first_chunk()?;
    let (metadata, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let (length, rest) = rest.split_first_chunk()?;
    let archive = rest.get(..u32::from_le_bytes(*length) as usize)?;
    let metadata: serde_json::Value = serde_json::from_slice(metadata).ok()?;
    let text = |name: &str| {
        metadata
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let (name, version) = (text("name"), text("vers"));
    Some(Published {
        file: format!("{name}-{version}.crate"),
        name,
        version,
        archive: archive.to_vec(),
    })
}

/// `…/GROUP/NAME/VERSION/FILE.jar`.
fn maven(ask: &Ask<'_>) -> Option<Published> {
    let mut parts = ask.path.rsplit('/');
    let (file, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    let deploys = [".jar", ".war", ".aar"]
        .iter()
        .any(|end| file.ends_with(end))
        && file.starts_with(&format!("{name}-{version}"));
    deploys.then(|| Published {
        name: name.to_owned(),
        version: version.to_owned(),
        file: file.to_owned(),
        archive: ask.body.to_vec(),
    })
}

/// A form with `:action=file_upload`.
fn python(ask: &Ask<'_>) -> Option<Published> {
    if ask.form_value(":action")? != b"file_upload" {
        return None;
    }
    let kind = String::from_utf8_lossy(ask.header("content-type")?);
    let boundary = kind.split_once("boundary=")?.1;
    let parts = form::parts(ask.body, boundary.trim_matches('"').as_bytes());
    let content = parts.iter().find(|part| part.name == "content")?;
    let text = |name: &str| {
        let value = ask.form_value(name).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    };
    Some(Published {
        name: text("name"),
        version: text("version"),
        file: content.file.clone().unwrap_or_default(),
        archive: content.bytes.to_vec(),
    })
}

/// A gem is a tape archive, and its own body.
fn gem(ask: &Ask<'_>) -> Option<Published> {
    let is_tar = ask.body.get(257..262) == Some(b"ustar");
    (is_tar && ask.path.ends_with("/api/v1/gems")).then(|| Published {
        name: String::new(),
        version: String::new(),
        file: "package.gem".to_owned(),
        archive: ask.body.to_vec(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(
        method: &str,
        target: &str,
        kind: &str,
        body: &[u8],
    ) -> Option<(String, String, String, Vec<u8>)> {
        let headers = [(b"Content-Type".to_vec(), kind.as_bytes().to_vec())];
        let found = published(&Ask::new(method, target, &headers, body))?;
        Some((found.name, found.version, found.file, found.archive))
    }

    #[test]
    fn every_registrys_publication_is_taken_apart() {
        let expected = |name: &str, version: &str, file: &str| {
            Some((
                name.to_owned(),
                version.to_owned(),
                file.to_owned(),
                b"PACK".to_vec(),
            ))
        };
        let npm = br#"{"_id":"kit","name":"kit","versions":{"1.0.1":{}},"_attachments":{"kit-1.0.1.tgz":{"data":"UEFDSw=="}}}"#;
        assert_eq!(
            told("PUT", "/kit", "application/json", npm),
            expected("kit", "1.0.1", "kit-1.0.1.tgz")
        );
        let pypi = b"--b\r\nContent-Disposition: form-data; name=\":action\"\r\n\r\nfile_upload\r\n--b\r\n\
Content-Disposition: form-data; name=\"name\"\r\n\r\nkit\r\n--b\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n1.0\r\n--b\r\n\
Content-Disposition: form-data; name=\"content\"; filename=\"kit-1.0.tar.gz\"\r\n\r\nPACK\r\n--b--\r\n";
        assert_eq!(
            told("POST", "/legacy/", "multipart/form-data; boundary=b", pypi),
            expected("kit", "1.0", "kit-1.0.tar.gz")
        );
        let metadata = br#"{"name":"kit","vers":"1.0.0"}"#;
        let crates = [
            &(metadata.len() as u32).to_le_bytes()[..],
            metadata,
            &4_u32.to_le_bytes(),
            b"PACK",
        ]
        .concat();
        assert_eq!(
            told("PUT", "/api/v1/crates/new", "", &crates),
            expected("kit", "1.0.0", "kit-1.0.0.crate")
        );
        assert_eq!(
            told("PUT", "/m2/test/kit/1.0/kit-1.0.jar", "", b"PACK"),
            expected("kit", "1.0", "kit-1.0.jar")
        );
        assert_eq!(told("PUT", "/bucket/photo.jpg", "", b"PACK"), None);
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>) {
            for (method, target) in [("PUT", "/api/v1/crates/new"), ("PUT", "/x"), ("POST", "/api/v1/gems")] {
                told(method, target, "multipart/form-data; boundary=b", &body);
            }
        }
    }
}

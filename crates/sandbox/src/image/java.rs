//! What a JVM and Maven need outside `/usr`: their configuration as distributions ship it, and a store of trusted
//! certificates in Java's own format. The host's Maven settings are not shown: they name mirrors and passwords.

use std::path::Path;

use base64::Engine as _;
use sha1::{Digest as _, Sha1};

use super::{Content, Node, Who};

/// Where Debian's Java looks for trusted certificates.
const TRUSTED: &str = "/etc/ssl/certs/java/cacerts";
const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// Tag of an entry that holds a certificate.
const CERTIFICATE: u32 = 2;
/// What every such store is sealed with, and the words that Java mixes in.
const PASSWORD: &str = "changeit";
const SALT: &str = "Mighty Aphrodite";

/// Makes Java work in the image `host`, if the host has one. `etc` is the host's `/etc`.
pub(super) fn nodes(etc: &Path, ca_pem: Option<&str>) -> Vec<Node> {
    let Ok(entries) = std::fs::read_dir(etc) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("java-") && etc.join(name).is_dir())
        .collect();
    names.sort();
    let mut nodes: Vec<Node> = names
        .into_iter()
        .map(|name| Node::Bind {
            path: format!("/etc/{name}"),
            source: etc.join(name),
        })
        .collect();
    if etc.join("maven").is_dir() {
        nodes.extend(maven(etc));
    }
    nodes.extend(ca_pem.and_then(trusted));
    nodes
}

fn maven(etc: &Path) -> [Node; 4] {
    let file = |name: &str, content| Node::File {
        path: format!("/etc/maven/{name}"),
        mode: 0o644,
        owner: Who::Root,
        content,
    };
    [
        Node::Dir {
            path: "/etc/maven".into(),
            mode: 0o755,
            owner: Who::Root,
        },
        file(
            "m2.conf",
            Content::Copy(etc.join("maven/m2.conf"), String::new()),
        ),
        file("settings.xml", Content::Text("<settings/>\n".into())),
        Node::Bind {
            path: "/etc/maven/logging".into(),
            source: etc.join("maven/logging"),
        },
    ]
}

/// The simulator's authority alone: nobody else answers.
fn trusted(pem: &str) -> Option<Node> {
    Some(Node::File {
        path: TRUSTED.into(),
        mode: 0o644,
        owner: Who::Root,
        content: Content::Bytes(key_store(&der(pem)?)),
    })
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let body = pem.split("-----BEGIN CERTIFICATE-----").nth(1)?;
    let body: String = body
        .split("-----END")
        .next()?
        .split_ascii_whitespace()
        .collect();
    base64::engine::general_purpose::STANDARD.decode(body).ok()
}

/// A `JKS` store of one certificate.
fn key_store(certificate: &[u8]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u16).to_be_bytes());
        out.extend(text.as_bytes());
    }
    let mut out = Vec::new();
    for number in [MAGIC, VERSION, 1, CERTIFICATE] {
        out.extend(number.to_be_bytes());
    }
    text(&mut out, "local_root_ca");
    // When it was added; a time that says nothing.
    out.extend(1_600_000_000_000_u64.to_be_bytes());
    text(&mut out, "X.509");
    out.extend((certificate.len() as u32).to_be_bytes());
    out.extend(certificate);
    let mut seal = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        seal.update(unit.to_be_bytes());
    }
    seal.update(SALT);
    seal.update(&out);
    out.extend(seal.finalize());
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn java_reads_the_store() {
        let Some(pem) = std::fs::read_to_string(crate::image::CA_BUNDLE).ok() else {
            eprintln!("SKIPPED: there is no certificate at hand");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cacerts");
        std::fs::write(&path, key_store(&der(&pem).unwrap())).unwrap();
        let output = Command::new("keytool")
            .args(["-list", "-storepass", PASSWORD, "-keystore"])
            .arg(&path)
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: there is no keytool");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("local_root_ca"), "{text}");
    }

    #[test]
    fn the_hosts_maven_settings_are_not_shown() {
        let etc = tempfile::tempdir().unwrap();
        for file in [
            "maven/settings.xml",
            "maven/m2.conf",
            "maven/logging/x",
            "java-17-openjdk/x",
            "javanese/x",
        ] {
            let path = etc.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let text = format!("{:?}", nodes(etc.path(), None));
        assert!(text.contains("/etc/java-17-openjdk") && text.contains("m2.conf"));
        assert!(!text.contains("javanese"));
        let shown = etc.path().join("maven/settings.xml");
        assert!(!text.contains(&format!("{}", shown.display())), "{text}");
    }
}

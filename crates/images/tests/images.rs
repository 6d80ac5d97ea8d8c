//! Images from every source: layers on top of each other, digests that must fit, links that lead nowhere.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use apa_apk::Package;
use apa_images::{ImageRef, Images};
use apa_testkit::ApkPackage;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// Packs files: a path that ends in `/` is a folder, a text that starts with `->` a link.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        if let Some(target) = text.strip_prefix("->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, path, target).unwrap();
            continue;
        }
        if path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Blobs by digest, the digest of an index that leads to the image for this machine, and the manifest's.
fn image() -> (HashMap<String, Vec<u8>>, String, String) {
    let layers = [
        layer(&[
            ("usr/", ""),
            ("usr/bin/", ""),
            ("usr/bin/sh", "shell"),
            ("bin", "->usr/bin"),
            ("etc/gone", "x"),
            ("etc/kept", "old"),
            ("opt/app/a", "a"),
            ("opt/app/b", "b"),
        ]),
        layer(&[
            ("etc/.wh.gone", ""),
            ("etc/kept", "new"),
            ("opt/app/.wh..wh..opq", ""),
            ("opt/app/c", "c"),
            ("bin/tool", "tool"),
            ("escape", "->../../../../../../tmp"),
            ("escape/x", "x"),
        ]),
    ];
    let mut blobs: HashMap<_, _> = layers.iter().map(|it| (digest(it), it.clone())).collect();
    let described: Vec<String> = layers
        .iter()
        .map(|it| {
            let digest = digest(it);
            format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{digest}","size":{}}}"#, it.len())
        })
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"layers":[{}]}}"#,
        described.join(",")
    );
    let ours = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        _ => "arm64",
    };
    let other = digest(b"other");
    let manifest_digest = digest(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[
            {{"digest":"{other}","platform":{{"os":"windows","architecture":"{ours}"}}}},
            {{"digest":"{manifest_digest}","platform":{{"os":"linux","architecture":"{ours}"}}}}]}}"#
    );
    let index_digest = digest(index.as_bytes());
    blobs.insert(manifest_digest.clone(), manifest.into_bytes());
    blobs.insert(index_digest.clone(), index.into_bytes());
    (blobs, index_digest, manifest_digest)
}

fn check(root: &Path) {
    let text = |path: &str| fs::read_to_string(root.join(path)).ok();
    assert_eq!(text("usr/bin/sh").as_deref(), Some("shell"));
    assert_eq!(text("usr/bin/tool").as_deref(), Some("tool"));
    assert_eq!(text("etc/kept").as_deref(), Some("new"));
    assert_eq!(text("etc/gone"), None);
    assert_eq!(
        (text("opt/app/a"), text("opt/app/c")),
        (None, Some("c".into()))
    );
    // The link leads to the root's own tmp.
    assert_eq!(text("tmp/x").as_deref(), Some("x"));
}

fn write_layout(folder: &Path, blobs: &HashMap<String, Vec<u8>>, index: &str) {
    let place = folder.join("blobs/sha256");
    fs::create_dir_all(&place).unwrap();
    for (digest, bytes) in blobs {
        fs::write(place.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
    }
    fs::write(folder.join("index.json"), &blobs[index]).unwrap();
    fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
}

#[test]
fn a_layout_is_unpacked_layer_by_layer_and_kept_by_digest() {
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let images = Images::new(cache.path());
    let (blobs, index, manifest) = image();
    write_layout(folder.path(), &blobs, &index);
    let kept = images.from_layout(folder.path()).unwrap();
    assert_eq!(kept.digest, manifest);
    check(&kept.root);
    assert_eq!(images.from_layout(folder.path()).unwrap(), kept);
    assert_eq!(images.list(), [kept.clone()]);

    let packed = folder.path().join("image.tar");
    let mut tar = tar::Builder::new(fs::File::create(&packed).unwrap());
    tar.append_dir_all("blobs", folder.path().join("blobs"))
        .unwrap();
    tar.append_path_with_name(folder.path().join("index.json"), "index.json")
        .unwrap();
    tar.into_inner().unwrap();
    check(&images.from_layout(&packed).unwrap().root);

    assert_eq!(images.remove(&kept.digest[7..20]).unwrap(), 1);
    assert!(images.list().is_empty());
}

#[test]
fn a_layer_of_another_digest_is_refused_and_nothing_is_kept() {
    let (cache, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let images = Images::new(cache.path());
    let (mut blobs, index, manifest) = image();
    let victim = blobs
        .keys()
        .find(|key| **key != index && **key != manifest)
        .unwrap()
        .clone();
    blobs.get_mut(&victim).unwrap()[20] ^= 1;
    write_layout(folder.path(), &blobs, &index);
    let error = images.from_layout(folder.path()).unwrap_err().to_string();
    assert!(error.contains("another digest"), "{error}");
    assert!(images.list().is_empty());
    let left = fs::read_dir(cache.path().join("images"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
}

struct Registry {
    blobs: HashMap<String, Vec<u8>>,
    index: String,
}

/// A registry that wants a token first.
async fn serve(registry: Registry) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::new(registry));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn answer(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/token" {
        let query = request.uri().query().unwrap_or_default();
        assert!(
            query.contains("scope=repository%3Abase%2Froot%3Apull"),
            "{query}"
        );
        return r#"{"token":"let-me-in"}"#.into_response();
    }
    let token = request.headers().get(header::AUTHORIZATION);
    if token != Some(&HeaderValue::from_static("Bearer let-me-in")) {
        let host = request.headers()[header::HOST].to_str().unwrap();
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="s""#);
        let headers = [(header::WWW_AUTHENTICATE, challenge)];
        return (StatusCode::UNAUTHORIZED, headers).into_response();
    }
    let wanted = path.rsplit('/').next().unwrap();
    let digest = if wanted == "1.0" {
        &registry.index
    } else {
        wanted
    };
    match registry.blobs.get(digest) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn an_image_is_pulled_with_a_token_and_every_part_checked() {
    let cache = tempfile::tempdir().unwrap();
    let images = Images::new(cache.path());
    let (blobs, index, manifest) = image();
    let address = serve(Registry {
        blobs: blobs.clone(),
        index: index.clone(),
    })
    .await;
    let reference = |text: String| match text.parse().unwrap() {
        ImageRef::Pulled(reference) => reference,
        other => panic!("{other}"),
    };
    let kept = images
        .pull(&reference(format!("oci:{address}/base/root:1.0")))
        .await
        .unwrap();
    assert_eq!(kept.digest, manifest);
    check(&kept.root);
    let unknown = images
        .pull(&reference(format!("oci:{address}/base/root:2.0")))
        .await;
    assert!(unknown.unwrap_err().to_string().contains("404"));

    let mut changed = blobs;
    let victim = changed
        .keys()
        .find(|key| **key != index && **key != manifest)
        .unwrap()
        .clone();
    changed.get_mut(&victim).unwrap().push(0);
    let address = serve(Registry {
        blobs: changed,
        index,
    })
    .await;
    let bad = images
        .pull(&reference(format!("oci:{address}/base/root:1.0")))
        .await;
    assert!(bad.unwrap_err().to_string().contains("digest"));
}

#[test]
fn packages_of_a_system_become_a_root_that_says_what_is_in_it() {
    let cache = tempfile::tempdir().unwrap();
    let images = Images::new(cache.path());
    let package = |built: ApkPackage| {
        let limits = apa_archive::Limits::default();
        let archive = apa_archive::read_bytes(&built.build(), "x.apk", &limits).unwrap();
        Package::read(&archive).unwrap()
    };
    let packages = [
        package(
            ApkPackage::new("layout", "1-r0")
                .file("etc/os-release", "ID=test\n")
                .link("lib", "usr/lib"),
        ),
        package(
            ApkPackage::new("box", "1.2-r0")
                .line("provides = cmd:sh=1.2-r0 /bin/sh")
                .script("post-install", "#!/bin/sh\ntouch /tmp/must-not-run\n")
                .program("bin/box", "x"),
        ),
    ];
    let keys = [("k.rsa.pub".to_owned(), "key".to_owned())];
    let kept = images.from_packages(&packages, &keys).unwrap();
    let text = fs::read_to_string(kept.root.join("usr/lib/apk/db/installed")).unwrap();
    let installed = apa_apk::Index::parse(&text);
    assert_eq!(installed.candidates("cmd:sh").count(), 1);
    assert!(
        kept.root.join("etc/apk/keys/k.rsa.pub").exists() && kept.root.join("bin/box").exists()
    );
    assert_ne!(
        images.from_packages(&packages[..1], &keys).unwrap().digest,
        kept.digest
    );
}

#[test]
fn a_folder_is_used_where_it_is_and_its_digest_changes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(ImageRef::of_folder(folder.path()).is_err());
    assert!(ImageRef::of_folder(Path::new("/")).is_err());
    fs::create_dir(folder.path().join("bin")).unwrap();
    let before = ImageRef::of_folder(folder.path()).unwrap();
    fs::write(folder.path().join("bin/x"), "x").unwrap();
    assert_ne!(
        ImageRef::of_folder(folder.path()).unwrap().digest,
        before.digest
    );
}

/// One small package, downloaded by the genuine client.
#[test]
fn debian_packages_are_unpacked_without_running_them() {
    if !Path::new("/usr/bin/apt-get").exists() {
        eprintln!("SKIPPED: apt-get is not installed");
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let images = Images::new(cache.path());
    match images.debian(&["busybox-static"], &cache.path().join("downloads")) {
        Ok(kept) => {
            assert!(kept.root.join("bin").is_symlink());
            assert!(kept.root.join("bin/busybox").is_file());
            assert!(!kept.root.join("DEBIAN").exists());
        }
        Err(error) => eprintln!("SKIPPED: no Debian packages here: {error}"),
    }
}

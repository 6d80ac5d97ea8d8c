//! What a sandbox gets, asked byte by byte.

use std::net::TcpListener;

use apa_gateway::fixture::Fault;
use apa_gateway::{ServePolicy, ServedRequest, Serving};
use apa_model::Ecosystem;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Setup;

pub(crate) fn serve(setup: &Setup, ecosystem: Ecosystem, root: &str, budget: usize) -> Serving {
    let policy = ServePolicy {
        name_budget: budget,
        ..ServePolicy::new(ecosystem, vec![root.to_owned()])
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    setup.gateway(false).serve(listener, policy).unwrap()
}

/// Sends one request as it stands; status and body of the answer.
async fn ask(serving: &Serving, head: &str, body: &str) -> (u16, Vec<u8>) {
    let address = serving.base_url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "{head}\r\nHost: {address}\r\nAuthorization: Bearer secret\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let status = std::str::from_utf8(&answer[9..12])
        .unwrap()
        .parse()
        .unwrap();
    (status, answer[end + 4..].to_vec())
}

pub(crate) async fn get(serving: &Serving, path: &str) -> (u16, Vec<u8>) {
    ask(serving, &format!("GET {path} HTTP/1.1"), "").await
}

fn refused(requests: &[ServedRequest]) -> Vec<String> {
    requests
        .iter()
        .filter(|request| request.refused.is_some())
        .map(|request| request.path.to_string())
        .collect()
}

#[tokio::test]
async fn npm_names_become_known_as_metadata_is_served() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 0);
    for path in ["/npm/leaf", "/npm/@scope%2Fdep", "/npm/stranger"] {
        assert_eq!(get(&serving, path).await.0, 404, "{path}");
    }
    let (status, body) = get(&serving, "/npm/root").await;
    assert_eq!(status, 200);
    let packument: Value = serde_json::from_slice(&body).unwrap();
    let tarball = packument["versions"]["1.0.0"]["dist"]["tarball"]
        .as_str()
        .unwrap();
    let path = tarball.strip_prefix(&serving.base_url()).unwrap();
    assert_eq!(path, "/npm/root/-/root-1.0.0.tgz");
    let (status, bytes) = get(&serving, path).await;
    assert_eq!((status, &bytes[..2]), (200, &[0x1f, 0x8b][..]));
    // An alias names its package, and the scoped dependency leads on.
    for path in [
        "/npm/leaf",
        "/npm/@scope%2fdep",
        "/npm/@scope/dep/-/dep-1.0.0.tgz",
    ] {
        assert_eq!(get(&serving, path).await.0, 200, "{path}");
    }
    assert_eq!(get(&serving, "/npm/stranger").await.0, 404);
    let requests = serving.finish().await;
    assert_eq!(
        refused(&requests),
        [
            "/npm/leaf",
            "/npm/@scope%2Fdep",
            "/npm/stranger",
            "/npm/stranger"
        ]
    );
    assert!(
        requests
            .iter()
            .all(|request| !request.outside && request.failed.is_none())
    );
    assert!(
        requests
            .iter()
            .any(|r| r.status == 200 && r.bytes == bytes.len() as u64)
    );
    assert!(
        !setup
            .registry
            .requests()
            .iter()
            .any(|request| request.contains("stranger"))
    );
}

#[tokio::test]
async fn python_names_become_known_from_metadata_files_wheels_and_sdists() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Pypi, "root-py", 0);
    assert_eq!(get(&serving, "/pypi/simple/dep-py/").await.0, 404);
    let (_, page) = get(&serving, "/pypi/simple/root-py/").await;
    let page: Value = serde_json::from_slice(&page).unwrap();
    let path = page["files"][0]["url"].as_str().unwrap();
    let path = path.strip_prefix(&serving.base_url()).unwrap();
    let (status, metadata) = get(&serving, &format!("{path}.metadata")).await;
    assert_eq!(status, 200);
    assert!(String::from_utf8_lossy(&metadata).contains("Requires-Dist: dep_py>=1"));
    assert_eq!(get(&serving, "/pypi/simple/dep-py/").await.0, 200);
    assert_eq!(get(&serving, "/pypi/simple/stranger/").await.0, 404);
    assert_eq!(
        get(&serving, "/pypi/files/00/root_py-1.0-py3-none-any.whl")
            .await
            .0,
        404
    );

    let serving = serve(&setup, Ecosystem::Pypi, "built", 0);
    let (_, page) = get(&serving, "/pypi/simple/built/").await;
    let page: Value = serde_json::from_slice(&page).unwrap();
    let path = page["files"][0]["url"].as_str().unwrap();
    let path = path.strip_prefix(&serving.base_url()).unwrap();
    assert_eq!(get(&serving, path).await.0, 200);
    // Its own dependency, and what builds it: allowed, though there is no such project.
    assert_eq!(get(&serving, "/pypi/simple/dep-py/").await.0, 200);
    assert_eq!(get(&serving, "/pypi/simple/builder/").await.0, 404);
    assert_eq!(get(&serving, "/pypi/simple/setuptools/").await.0, 404);
    assert_eq!(refused(&serving.finish().await), [""; 0]);
}

#[tokio::test]
async fn a_page_is_html_for_those_who_ask_for_it() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Pypi, "root-py", 0);
    let (_, page) = ask(
        &serving,
        "GET /pypi/simple/root-py/ HTTP/1.1\r\nAccept: text/html",
        "",
    )
    .await;
    let page = String::from_utf8(page).unwrap();
    assert!(
        page.contains(&format!("<a href=\"{}/pypi/files/", serving.base_url())),
        "{page}"
    );
    assert!(page.contains("data-requires-python=\"&gt;=3.8\""));
}

#[tokio::test]
async fn names_outside_the_closure_are_marked_and_end_with_the_budget() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 2);
    assert_eq!(get(&serving, "/npm/stranger").await.0, 200);
    assert_eq!(get(&serving, "/npm/secret-in-a-name").await.0, 404);
    assert_eq!(get(&serving, "/npm/more-secrets").await.0, 404);
    assert_eq!(get(&serving, "/npm/root").await.0, 200);
    let requests = serving.finish().await;
    let outside: Vec<_> = requests.iter().map(|request| request.outside).collect();
    assert_eq!(outside, [true, true, false, false]);
    assert_eq!(refused(&requests), ["/npm/more-secrets"]);
    assert!(
        !setup
            .registry
            .requests()
            .iter()
            .any(|request| request.contains("more-secrets"))
    );
}

#[tokio::test]
async fn odd_paths_are_refused_and_go_no_further() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 10);
    let odd = [
        "/npm/../../etc/passwd",
        "/npm/%2e%2e%2fetc",
        "/npm/root?token=secret",
        "/npm/root/-/../../x",
        "/npm/root/-/leaf-1.0.0.tgz",
        "/npm/root/-/root-9.9.9.tgz",
        "/npm/root%0d%0aX: y",
        "/pypi/simple/root-py/",
        "/npm/-/v1/search?text=x",
        "/",
    ];
    for path in odd {
        let path = path.replace(' ', "%20");
        assert_eq!(get(&serving, &path).await.0, 404, "{path}");
    }
    assert_eq!(refused(&serving.finish().await).len(), odd.len());
    let asked = setup.registry.requests();
    assert!(
        asked.iter().all(|request| request == "GET /npm/root"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn writes_get_a_plausible_answer_and_are_recorded() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 10);
    let audit = "POST /npm/-/npm/v1/security/advisories/bulk HTTP/1.1";
    assert_eq!(
        ask(&serving, audit, "{\"root\":[\"1.0.0\"]}").await,
        (200, b"{}".to_vec())
    );
    assert_eq!(get(&serving, "/npm/-/whoami").await.0, 401);
    for write in [
        "PUT /npm/root",
        "POST /npm/-/npm/v1/tokens",
        "DELETE /npm/root/-rev/1",
    ] {
        let (status, body) = ask(&serving, &format!("{write} HTTP/1.1"), "secret").await;
        assert_eq!(status, 401, "{write}");
        assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"].is_string());
    }
    let requests = serving.finish().await;
    let methods: Vec<_> = requests
        .iter()
        .map(|request| request.method.as_str())
        .collect();
    assert_eq!(methods, ["POST", "GET", "PUT", "POST", "DELETE"]);
    assert_eq!(refused(&requests).len(), 4);
    assert_eq!(setup.registry.requests(), [""; 0]);
}

#[tokio::test]
async fn head_and_etag_save_the_body() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 0);
    let (status, body) = ask(&serving, "HEAD /npm/root HTTP/1.1", "").await;
    assert_eq!((status, body.len()), (200, 0));
    let client = reqwest::Client::builder().no_proxy();
    // No TLS is spoken here, but the client wants a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client.build().unwrap();
    let url = format!("{}/npm/root", serving.base_url());
    let first = client.get(&url).send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    assert!(
        first.headers()["content-length"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    let again = client
        .get(&url)
        .header("if-none-match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status().as_u16(), 304);
}

#[tokio::test]
async fn what_the_registry_cannot_give_is_an_answer_the_client_does_not_repeat() {
    let setup = Setup::new().await;
    setup
        .registry
        .fault("/npm/root/-/root-1.0.0.tgz", Fault::OtherBytes);
    setup
        .registry
        .fault("/npm/@scope/dep", Fault::Status(500, 9));
    let serving = serve(&setup, Ecosystem::Npm, "root", 0);
    get(&serving, "/npm/root").await;
    assert_eq!(get(&serving, "/npm/root/-/root-1.0.0.tgz").await.0, 424);
    let (status, body) = get(&serving, "/npm/@scope%2fdep").await;
    assert_eq!(
        (status, &*body),
        (424, &b"{\"error\":\"Not available\"}"[..])
    );
    let requests = serving.finish().await;
    let failed: Vec<_> = requests
        .iter()
        .map(|request| request.failed.is_some())
        .collect();
    assert_eq!(failed, [false, true, true]);
    assert!(
        requests[1]
            .failed
            .as_ref()
            .unwrap()
            .contains("does not have the digest")
    );
}

#[tokio::test]
async fn files_end_with_their_budget_and_metadata_goes_on() {
    let setup = Setup::new().await;
    let policy = ServePolicy {
        file_bytes: 1,
        ..ServePolicy::new(Ecosystem::Npm, vec!["root".to_owned()])
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let serving = setup.gateway(false).serve(listener, policy).unwrap();
    let tarball = "/npm/root/-/root-1.0.0.tgz";
    assert_eq!(get(&serving, tarball).await.0, 200);
    assert_eq!(get(&serving, tarball).await.0, 404);
    assert_eq!(get(&serving, "/npm/root").await.0, 200);
    assert_eq!(refused(&serving.finish().await), [tarball]);
}

#[tokio::test]
async fn the_list_of_requests_is_bounded_and_says_so() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 0);
    let address = serving.base_url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let mut requests = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_049);
    requests.push_str("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    tokio::join!(
        async { writer.write_all(requests.as_bytes()).await.unwrap() },
        async { reader.read_to_end(&mut answer).await.unwrap() }
    );
    let requests = serving.finish().await;
    assert_eq!(requests.len(), 10_001);
    assert_eq!(
        requests.last().unwrap().refused.as_deref(),
        Some("50 more requests are not listed")
    );
}

#[tokio::test]
async fn finishing_does_not_wait_for_a_client_that_says_nothing() {
    let setup = Setup::new().await;
    let serving = serve(&setup, Ecosystem::Npm, "root", 0);
    let address = serving.base_url().replace("http://", "");
    let mut idle = TcpStream::connect(&address).await.unwrap();
    idle.write_all(b"GET /npm/ro").await.unwrap();
    let finished = tokio::time::timeout(std::time::Duration::from_secs(4), serving.finish()).await;
    assert!(finished.is_ok());
    assert!(TcpStream::connect(&address).await.is_err());
}

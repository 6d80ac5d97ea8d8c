//! A registry for tests: serves package files on 127.0.0.1 as a genuine npm registry, PyPI simple index,
//! gem server or Composer repository would, with all metadata computed from the files, and misbehaves on demand.
//!
//! ```no_run
//! # async fn demo() {
//! use apa_gateway::fixture::{Fault, FixturePackage, FixtureServer};
//!
//! let server = FixtureServer::start([
//!     FixturePackage::npm(&serde_json::json!({"name": "demo", "version": "1.0.0"}), &[("index.js", "")]),
//!     FixturePackage::wheel("demo", "1.0", &["Requires-Dist: other"], &[("demo/__init__.py", "")]),
//! ])
//! .await;
//! server.fault("/npm/demo/-/demo-1.0.0.tgz", Fault::OtherBytes);
//! let upstream = server.upstream();
//! # }
//! ```

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apa_model::Ecosystem;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::gateway::Upstream;
use crate::integrity::sha256;
use crate::sync::lock;

mod apk;
mod composer;
mod crates;
mod gem;
mod index;
mod marshal;
mod maven;
mod package;

pub use package::FixturePackage;

/// What a [`Fault::Huge`] answer claims to be long, bytes.
const HUGE: u64 = 8 << 30;

/// How long `stop` waits for answers under way.
const STOP: Duration = Duration::from_secs(1);

/// How the server misbehaves at one path.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The last byte of the body is another one.
    OtherBytes,
    /// Half of the body, then the connection is closed.
    Truncated,
    /// Answers after this time.
    Slow(Duration),
    /// This status so many times, then as usual.
    Status(u16, u32),
    /// Not found.
    Missing,
    /// Sends the client to this address.
    Redirect(String),
    /// Claims to be 8 GiB long and sends zeros.
    Huge,
    /// A body that is neither JSON nor an archive.
    Nonsense,
}

/// A registry on 127.0.0.1. Dropping it ends it.
pub struct FixtureServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

struct Shared {
    base: String,
    packages: Mutex<Vec<FixturePackage>>,
    faults: Mutex<HashMap<String, Fault>>,
    requests: Mutex<Vec<String>>,
    html_only: Mutex<bool>,
}

impl FixtureServer {
    /// Serves `packages`. The last version of a name is `latest`, unless it has a tag of its own.
    ///
    /// # Panics
    /// When no port is free: a test cannot go on then.
    pub async fn start(packages: impl IntoIterator<Item = FixturePackage>) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port on the loopback device");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            base: format!("http://{address}"),
            packages: Mutex::new(packages.into_iter().collect()),
            faults: Mutex::default(),
            requests: Mutex::default(),
            html_only: Mutex::default(),
        });
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let server = axum::serve(listener, router).with_graceful_shutdown(async {
                // Dropping the sender means the same as sending.
                let _ = stopped.await;
            });
            // Serving a loopback socket does not fail before it is stopped.
            let _ = server.await;
        });
        Self {
            address,
            shared,
            stop: Some(stop),
            server,
        }
    }

    /// Adds a package, or a version.
    pub fn add(&self, package: FixturePackage) {
        lock(&self.shared.packages).push(package);
    }

    /// The registries, for a gateway's configuration.
    pub fn upstream(&self) -> Upstream {
        [
            (Ecosystem::Npm, self.url("/npm/")),
            (Ecosystem::Pypi, self.url("/simple/")),
            (Ecosystem::Gem, self.url("/gem/")),
            (Ecosystem::Cargo, self.url("/crates/")),
            (Ecosystem::Maven, self.url("/maven/")),
            (Ecosystem::Composer, self.url("/composer/")),
            (Ecosystem::Apk, self.url("/apk/")),
        ]
        .into()
    }

    /// Address of a path.
    ///
    /// # Panics
    /// When `path` is no absolute path.
    pub fn url(&self, path: &str) -> Url {
        let url = format!("http://{}{path}", self.address);
        Url::parse(&url).expect("an absolute path was given")
    }

    /// Misbehaves at `path` (decoded) from now on: `/npm/NAME`, `/npm/NAME/-/NAME-VERSION.tgz`, `/simple/NAME/`,
    /// `/files/FILENAME`, `/files/FILENAME.metadata`, `/gem/info/NAME`, `/gem/gems/FILENAME`,
    /// `/crates/config.json`, `/crates/na/me/NAME`, `/crates/dl/NAME/VERSION`,
    /// `/maven/GROUP/ARTIFACT/VERSION/FILENAME`,
    /// `/composer/p2/NAME.json`, `/composer/dist/FILENAME`,
    /// `/apk/ARCH/APKINDEX.tar.gz`, `/apk/ARCH/FILENAME`.
    pub fn fault(&self, path: &str, fault: Fault) {
        lock(&self.shared.faults).insert(path.to_owned(), fault);
    }

    /// Project pages are given as HTML only from now on, as older indexes do.
    pub fn html_only(&self) {
        *lock(&self.shared.html_only) = true;
    }

    /// Requests so far: `GET /npm/demo` (decoded).
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// Ends it: connections are closed, and refused afterwards.
    pub async fn stop(mut self) {
        self.stop.take();
        // A fault that never ends is ended with the server.
        let _ = tokio::time::timeout(STOP, &mut self.server).await;
    }
}

impl Drop for FixtureServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = percent_decode_str(request.uri().path())
        .decode_utf8_lossy()
        .into_owned();
    lock(&shared.requests).push(format!("{} {path}", request.method()));
    let fault = shared.take_fault(&path);
    let usual = shared.usual(&path, request.headers());
    let mut response = match fault {
        None => usual.into_response(request.headers()),
        Some(fault) => misbehave(fault, usual, request.headers()).await,
    };
    let published = maven::published(&lock(&shared.packages), &path);
    if let Some(date) = published.and_then(|date| HeaderValue::from_str(&date).ok()) {
        response.headers_mut().insert(LAST_MODIFIED, date);
    }
    response
}

/// A body and its type, or nothing.
struct Usual(Option<(&'static str, Bytes)>);

impl Usual {
    fn into_response(self, asked: &HeaderMap) -> Response {
        let Some((kind, body)) = self.0 else {
            return status(StatusCode::NOT_FOUND);
        };
        let tag = format!("\"{}\"", sha256(&body));
        let known = asked
            .get(IF_NONE_MATCH)
            .is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let mut response = if known {
            status(StatusCode::NOT_MODIFIED)
        } else {
            Response::new(Body::from(body))
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(ETAG, tag);
        }
        response
    }

    fn body(self) -> Bytes {
        self.0.map(|(_, body)| body).unwrap_or_default()
    }
}

impl Shared {
    fn take_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let fault = faults.get_mut(path)?;
        if let Fault::Status(_, times) = fault {
            *times = times.checked_sub(1)?;
        }
        Some(fault.clone())
    }

    fn usual(&self, path: &str, headers: &HeaderMap) -> Usual {
        let packages = lock(&self.packages);
        if let Some(name) = path.strip_prefix("/npm/") {
            let (name, file) = name.split_once("/-/").unwrap_or((name, ""));
            return Usual(index::npm(&packages, &self.base, name, file));
        }
        if let Some(name) = path.strip_prefix("/simple/") {
            let json = !*lock(&self.html_only)
                && headers.get(ACCEPT).is_some_and(|accept| {
                    accept.to_str().is_ok_and(|accept| accept.contains("+json"))
                });
            return Usual(index::simple(&packages, name.trim_end_matches('/'), json));
        }
        if let Some(path) = path.strip_prefix("/crates/") {
            return Usual(crates::answer(&packages, &self.base, path));
        }
        if let Some(path) = path.strip_prefix("/maven/") {
            return Usual(maven::answer(&packages, path));
        }
        if let Some(path) = path.strip_prefix("/composer/") {
            return Usual(composer::answer(&packages, &self.base, path));
        }
        if let Some(path) = path.strip_prefix("/gem/") {
            return Usual(gem::answer(&packages, path));
        }
        if let Some(path) = path.strip_prefix("/apk/") {
            return Usual(apk::answer(&packages, path));
        }
        if let Some(file) = path.strip_prefix("/files/") {
            return Usual(index::file(&packages, file));
        }
        Usual(None)
    }
}

async fn misbehave(fault: Fault, usual: Usual, asked: &HeaderMap) -> Response {
    match fault {
        Fault::OtherBytes => {
            let mut body = usual.body().to_vec();
            if let Some(last) = body.last_mut() {
                *last ^= 1;
            }
            Response::new(Body::from(body))
        }
        Fault::Truncated => {
            let body = usual.body();
            let half = body.slice(..body.len() / 2);
            cut_off(body.len() as u64, half)
        }
        Fault::Slow(time) => {
            tokio::time::sleep(time).await;
            usual.into_response(asked)
        }
        Fault::Status(code, _) => {
            status(StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT))
        }
        Fault::Missing => status(StatusCode::NOT_FOUND),
        Fault::Redirect(to) => {
            let mut response = status(StatusCode::FOUND);
            if let Ok(to) = HeaderValue::from_str(&to) {
                response.headers_mut().insert(LOCATION, to);
            }
            response
        }
        Fault::Huge => {
            let zeros =
                stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 64 << 10])));
            let mut response = Response::new(Body::from_stream(zeros));
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(HUGE));
            response
        }
        Fault::Nonsense => Response::new(Body::from("<nonsense>")),
    }
}

/// A body that ends before the length it states.
fn cut_off(length: u64, part: Bytes) -> Response {
    let parts = [Ok(part), Err(std::io::Error::other("cut off on purpose"))];
    let mut response = Response::new(Body::from_stream(stream::iter(parts)));
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

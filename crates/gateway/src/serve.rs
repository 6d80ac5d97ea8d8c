//! Serves one sandbox.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apa_model::{Ecosystem, Hostile, PackageRef};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::sync::lock;

mod answer;
mod listener;
mod response;
mod route;

use answer::Answerer;
use listener::Bounded;
use response::Answer;
use route::Route;

/// Most requests listed.
const LOG: usize = 10_000;
/// Longest path listed, bytes.
const PATH: usize = 2048;
/// Most bytes of a request's body that are read (and thrown away).
const BODY: usize = 1 << 20;
/// How long `finish` waits for answers under way.
const FINISH: Duration = Duration::from_secs(2);

/// What a sandbox may ask for.
#[derive(Clone, Debug)]
pub struct ServePolicy {
    /// Whose protocol is spoken.
    pub ecosystem: Ecosystem,
    /// What is analysed, and what its manifest depends on.
    pub roots: Vec<String>,
    /// How many names outside the dependency closure may be asked for.
    pub name_budget: usize,
    /// Further names to allow (a build's requirements).
    pub extra: Vec<String>,
    /// Most bytes of files that are served in all.
    pub file_bytes: u64,
}

impl ServePolicy {
    /// The closure of `roots` and 200 names outside it; 8 GiB of files.
    pub fn new(ecosystem: Ecosystem, roots: Vec<String>) -> Self {
        Self {
            ecosystem,
            roots,
            name_budget: 200,
            extra: Vec::new(),
            file_bytes: 8 << 30,
        }
    }
}

/// A request of the sandbox and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedRequest {
    /// When it was answered.
    pub at: Instant,
    /// `GET`, `HEAD`, …
    pub method: String,
    /// Path with query, as sent; cut at 2048 bytes.
    pub path: Hostile,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Why it was refused, if it was.
    pub refused: Option<String>,
    /// The package is outside the dependency closure; it was allowed by the budget.
    pub outside: bool,
    /// Why a request that is allowed could not be answered (registry unreachable, wrong digest, not in the
    /// cache): the install is not what it would be elsewhere.
    pub failed: Option<String>,
}

/// A gateway at work for one sandbox. Dropping it ends the service.
pub struct Serving {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

struct Shared {
    answerer: Answerer,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    requests: Vec<ServedRequest>,
    unlisted: u64,
}

impl Gateway {
    /// Serves a sandbox on `listener` until [`Serving::finish`]. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn serve(
        self: &Arc<Self>,
        listener: std::net::TcpListener,
        policy: ServePolicy,
    ) -> Result<Serving, GatewayError> {
        let address = listener.local_addr().map_err(GatewayError::Listen)?;
        let listener = Bounded::new(listener).map_err(GatewayError::Listen)?;
        let shared = Arc::new(Shared {
            answerer: Answerer::new(Arc::clone(self), policy, base(address)),
            log: Mutex::default(),
        });
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel();
        let server = axum::serve(listener, router).with_graceful_shutdown(async {
            // Dropping the sender means the same as sending.
            let _ = stopped.await;
        });
        Ok(Serving {
            address,
            shared,
            stop,
            server: tokio::spawn(server.into_future()),
        })
    }
}

impl ServePolicy {
    /// All names that are allowed from the start.
    fn names(&self) -> impl Iterator<Item = String> {
        let builders: &[&str] = match self.ecosystem {
            Ecosystem::Npm => &[],
            Ecosystem::Pypi => &["setuptools", "wheel"],
        };
        self.normal(&self.roots)
            .chain(self.normal(&self.extra))
            .chain(builders.iter().map(|name| (*name).to_owned()))
    }

    /// Names as the closure has them; what is none is left out.
    fn normal(&self, names: &[String]) -> impl Iterator<Item = String> {
        names
            .iter()
            .filter_map(|name| PackageRef::new(self.ecosystem, name, None).ok())
            .map(|package| package.name)
    }
}

impl Serving {
    /// `http://127.0.0.1:PORT`. An npm client's registry is `/npm/` below it, pip's index `/pypi/simple/`.
    pub fn base_url(&self) -> String {
        base(self.address)
    }

    /// Ends the service and tells what was asked for, in order. Answers under way get a moment to end.
    pub async fn finish(self) -> Vec<ServedRequest> {
        drop(self.stop);
        let abort = self.server.abort_handle();
        if tokio::time::timeout(FINISH, self.server).await.is_err() {
            abort.abort();
        }
        let log = std::mem::take(&mut *lock(&self.shared.log));
        let mut requests = log.requests;
        if log.unlisted > 0 {
            requests.push(ServedRequest {
                at: Instant::now(),
                method: String::new(),
                path: Hostile::default(),
                status: 0,
                bytes: 0,
                refused: Some(format!("{} more requests are not listed", log.unlisted)),
                outside: false,
                failed: None,
            });
        }
        requests
    }
}

fn base(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let route = Route::of(&parts.method, path);
    if route.is_write() {
        // So that the connection can go on; what is too long ends it.
        let _ = axum::body::to_bytes(body, BODY).await;
    }
    let answer = shared.answerer.answer(&route, &parts.headers).await;
    let head = parts.method == axum::http::Method::HEAD;
    shared.record(parts.method.as_str(), path, &answer, head);
    let mut response = answer.response;
    if head {
        *response.body_mut() = Body::empty();
    }
    response
}

impl Shared {
    fn record(&self, method: &str, path: &str, answer: &Answer, head: bool) {
        let mut log = lock(&self.log);
        if log.requests.len() >= LOG {
            log.unlisted += 1;
            return;
        }
        log.requests.push(ServedRequest {
            at: Instant::now(),
            method: method.chars().take(32).collect(),
            path: Hostile::from(path).shortened(PATH),
            status: answer.response.status().as_u16(),
            bytes: if head { 0 } else { answer.length },
            refused: answer.refused.clone(),
            outside: answer.outside,
            failed: answer.failed.clone(),
        });
    }
}

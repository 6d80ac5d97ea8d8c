//! Serves one sandbox.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use apa_model::{Ecosystem, Hostile, PackageRef, Phase, ProcessId};
use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::serve::IncomingStream;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::sync::lock;

mod answer;
mod desk;
mod listener;
mod route;

pub(crate) use crate::closure::Allowed;
pub(crate) use answer::{Answer, JSON};
pub(crate) use desk::Desk;

use crate::protocol::{Asked, Protocol, protocol};
use listener::Bounded;
use route::Route;

/// Most requests listed.
const LOG: usize = 10_000;
/// Longest path listed, bytes.
const PATH: usize = 2048;
/// Most bytes of a request's body that are read.
const BODY: usize = 32 << 20;
/// Most bytes of requests that use an account that are kept, bodies and header lines of all together.
const KEPT: usize = 64 << 20;
/// How long `finish` waits for answers under way.
const FINISH: Duration = Duration::from_secs(2);

/// Says who is behind a connection from this address, and what is going on at the moment.
pub type Witness = Arc<dyn Fn(SocketAddr) -> (Option<ProcessId>, Phase) + Send + Sync>;

/// A request that uses an account of the registry, or would change it.
pub struct AccountRequest<'a> {
    /// `GET`, `PUT`, …
    pub method: &'a str,
    /// Path with query.
    pub path: &'a str,
    /// Header lines.
    pub headers: &'a [(Vec<u8>, Vec<u8>)],
    /// As far as it was read.
    pub body: &'a [u8],
}

/// What such a request is to get.
pub struct AccountAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub kind: String,
    /// Content.
    pub body: Vec<u8>,
}

/// Plays a registry's accounts; `None` where it does not know the request, which is then refused.
pub type Accounts = Arc<dyn Fn(&AccountRequest<'_>) -> Option<AccountAnswer> + Send + Sync>;

/// What a sandbox may ask for.
#[derive(Clone)]
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
    /// Asked about requests that would use or change an account.
    pub witness: Option<Witness>,
    /// Answers requests that would use or change an account. No registry ever sees one.
    pub accounts: Option<Accounts>,
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
            witness: None,
            accounts: None,
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
    /// Bytes of the request's body, as far as they were read.
    pub sent: u64,
    /// It would change a registry, or asks whose account is used.
    pub account: bool,
    /// Header lines, of requests that use an account only.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, of requests that use an account only, while all of them together are within 64 MiB.
    pub body: Vec<u8>,
    /// Where it came from, inside the sandbox.
    pub source: Option<SocketAddr>,
    /// Who asked, where the witness knows; only of requests that use an account.
    pub process: Option<ProcessId>,
    /// What was going on then.
    pub phase: Option<Phase>,
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
    witness: Option<Witness>,
    accounts: Option<Accounts>,
    ecosystem: Ecosystem,
    protocol: Box<dyn Protocol>,
    desk: Desk,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    requests: Vec<ServedRequest>,
    unlisted: u64,
    /// Bytes kept of requests that use an account.
    kept: usize,
}

impl Gateway {
    /// Serves a sandbox on `listener` until [`Serving::finish`]. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be used, or the ecosystem's protocol is not spoken here.
    pub fn serve(
        self: &Arc<Self>,
        listener: std::net::TcpListener,
        policy: ServePolicy,
    ) -> Result<Serving, GatewayError> {
        let address = listener.local_addr().map_err(GatewayError::Listen)?;
        let listener = Bounded::new(listener).map_err(GatewayError::Listen)?;
        let protocol =
            protocol(policy.ecosystem).ok_or(GatewayError::NoProtocol(policy.ecosystem))?;
        let gateway = Arc::clone(self);
        let shared = Arc::new(Shared {
            desk: Desk::new(gateway, &policy, protocol.builders(), base(address)),
            protocol,
            ecosystem: policy.ecosystem,
            witness: policy.witness,
            accounts: policy.accounts,
            log: Mutex::default(),
        });
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Peer>();
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
    fn names(&self, builders: &[&str]) -> impl Iterator<Item = String> {
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
                sent: 0,
                account: false,
                headers: Vec::new(),
                body: Vec::new(),
                source: None,
                process: None,
                phase: None,
                failed: None,
            });
        }
        requests
    }
}

fn base(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// What is noted of a request before it is answered.
struct Noted<'a> {
    method: &'a Method,
    path: &'a str,
    peer: SocketAddr,
    sent: u64,
    account: bool,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: &'a [u8],
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let route = Route::of(&parts.method, path);
    let use_ = shared.use_of(&parts.method, &route);
    let mut sent = 0;
    let mut content = Bytes::new();
    if parts.method != Method::GET && parts.method != Method::HEAD {
        // So that the connection can go on; what is too long ends it.
        let body = axum::body::to_bytes(body, BODY).await;
        sent = body.as_ref().map_or(BODY, Bytes::len) as u64;
        content = body.unwrap_or_default();
    }
    let headers = lines(&parts.headers);
    let played = shared.play(&route, use_, &parts.method, path, &headers, &content);
    let account = played.is_some() || use_ != Use::Read;
    let answer = match played {
        Some(answer) => answer,
        None => shared.answer(&route, use_, &parts.headers).await,
    };
    let head = parts.method == Method::HEAD;
    let asked = Noted {
        method: &parts.method,
        path,
        peer,
        sent,
        account,
        headers,
        body: &content,
    };
    shared.record(&asked, &answer);
    let mut response = answer.response;
    if head {
        *response.body_mut() = Body::empty();
    }
    response
}

/// All header lines of a request.
fn lines(headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers
        .iter()
        .map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Read,
    /// It asks whose account is used.
    Account,
    /// It would change a registry.
    Write,
}

impl Shared {
    /// What the one who plays accounts answers. Reading packages needs no account.
    fn play(
        &self,
        route: &Result<Route, &'static str>,
        use_: Use,
        method: &Method,
        path: &str,
        headers: &[(Vec<u8>, Vec<u8>)],
        body: &[u8],
    ) -> Option<Answer> {
        let accounts = self.accounts.as_ref()?;
        if use_ == Use::Read && route.is_ok() {
            return None;
        }
        let played = accounts(&AccountRequest {
            method: method.as_str(),
            path,
            headers,
            body,
        })?;
        Some(Answer::played(played))
    }

    fn use_of(&self, method: &Method, route: &Result<Route, &'static str>) -> Use {
        let reads = method == Method::GET || method == Method::HEAD;
        match route {
            Ok(route) if reads && self.protocol.is_about_account(&route.path) => Use::Account,
            Ok(route) if self.protocol.is_question(method, &route.path) => Use::Read,
            _ if reads => Use::Read,
            _ => Use::Write,
        }
    }

    async fn answer(
        &self,
        route: &Result<Route, &'static str>,
        use_: Use,
        headers: &HeaderMap,
    ) -> Answer {
        let route = match route {
            Ok(route) => route,
            Err(_) if use_ == Use::Write => {
                return Answer::unauthorised("would change a registry");
            }
            Err(why) => return Answer::refused(why),
        };
        if route.ecosystem != self.ecosystem {
            return Answer::refused("another ecosystem's registry");
        }
        if use_ == Use::Write {
            return Answer::unauthorised("would change a registry");
        }
        self.desk.seed(&*self.protocol).await;
        let asked = Asked {
            path: &route.path,
            headers,
        };
        self.protocol.answer(&self.desk, &asked).await
    }

    fn record(&self, asked: &Noted<'_>, answer: &Answer) {
        // Before the lock, because it looks around.
        let witness = self.witness.as_ref().filter(|_| asked.account);
        let (process, phase) = match witness.map(|witness| witness(asked.peer)) {
            Some((process, phase)) => (process, Some(phase)),
            None => (None, None),
        };
        let mut log = lock(&self.log);
        let headers = asked
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len());
        let size = asked.body.len() + headers.sum::<usize>();
        let keep = asked.account && log.kept + size <= KEPT;
        log.kept += if keep { size } else { 0 };
        if log.requests.len() >= LOG {
            log.unlisted += 1;
            return;
        }
        log.requests.push(ServedRequest {
            at: Instant::now(),
            method: asked.method.as_str().chars().take(32).collect(),
            path: Hostile::from(asked.path).shortened(PATH),
            status: answer.response.status().as_u16(),
            bytes: match *asked.method {
                Method::HEAD => 0,
                _ => answer.length,
            },
            refused: answer.refused.clone(),
            outside: answer.outside,
            sent: asked.sent,
            account: asked.account,
            headers: if keep {
                asked.headers.clone()
            } else {
                Vec::new()
            },
            body: if keep {
                asked.body.to_vec()
            } else {
                Vec::new()
            },
            source: Some(asked.peer),
            process,
            phase,
            failed: answer.failed.clone(),
        });
    }
}

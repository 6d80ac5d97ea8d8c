//! The only code that talks to registries. Requests are made from checked parts with our own headers.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{Response, StatusCode, Url};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::error::GatewayError;
use crate::integrity::{Integrity, Verifier};

mod client;

use client::Clients;

/// Largest metadata answer, bytes.
const METADATA_BYTES: u64 = 128 << 20;
/// Largest file, bytes.
const ARTIFACT_BYTES: u64 = 1 << 30;
/// Requests under way at once.
const PARALLEL: usize = 24;
/// Attempts when the registry does not answer or fails.
const TRIES: u32 = 2;

pub(crate) struct Upstream {
    clients: OnceLock<Clients>,
    timeout: Duration,
    permits: Semaphore,
}

/// Answer to a metadata request.
pub(crate) enum Answer {
    Found(Found),
    NotModified,
    NotFound,
}

/// A document and what makes the next request for it conditional.
pub(crate) struct Found {
    pub(crate) body: Bytes,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    /// It is HTML.
    pub(crate) html: bool,
}

/// What makes a metadata request conditional.
#[derive(Default)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// A client for files that are checked by digest.
pub(crate) fn file_client(timeout: Duration) -> Result<reqwest::Client, GatewayError> {
    Ok(Clients::new(timeout)?.files)
}

impl Upstream {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            clients: OnceLock::new(),
            timeout,
            permits: Semaphore::new(PARALLEL),
        }
    }

    /// Fetches metadata.
    pub(crate) async fn metadata(
        &self,
        url: &Url,
        accept: &'static str,
        validators: &Validators,
    ) -> Result<Answer, GatewayError> {
        let client = &self.clients()?.metadata;
        let _permit = self.permits.acquire().await;
        let mut attempt = 1;
        loop {
            let mut request = client.get(url.clone()).header(ACCEPT, accept);
            if let Some(etag) = &validators.etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            if let Some(date) = &validators.last_modified {
                request = request.header(IF_MODIFIED_SINCE, date);
            }
            let outcome = match request.send().await {
                Ok(response) => metadata_answer(url, response).await,
                Err(error) => Err(unreachable(url, &error)),
            };
            match outcome {
                Err(error) if attempt < TRIES && may_pass(&error) => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// Downloads a file into `to` and checks it. Returns its SHA-256. After an error `to` is to be
    /// thrown away.
    pub(crate) async fn artifact(
        &self,
        url: &Url,
        expect: &Integrity,
        to: &Path,
    ) -> Result<String, GatewayError> {
        // Without a stated digest only the registry itself is believed.
        let clients = self.clients()?;
        let client = match expect {
            Integrity::Unstated => &clients.files_within_site,
            _ => &clients.files,
        };
        let _permit = self.permits.acquire().await;
        let mut attempt = 1;
        loop {
            let outcome = match client.get(url.clone()).send().await {
                Ok(response) => download(url, response, expect, to).await,
                Err(error) => Err(unreachable(url, &error)),
            };
            match outcome {
                Err(error) if attempt < TRIES && may_pass(&error) => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// Made when first needed: reading the root certificates takes longer than a warm run has time for.
    fn clients(&self) -> Result<&Clients, GatewayError> {
        if let Some(clients) = self.clients.get() {
            return Ok(clients);
        }
        let made = Clients::new(self.timeout)?;
        Ok(self.clients.get_or_init(|| made))
    }
}

async fn metadata_answer(url: &Url, response: Response) -> Result<Answer, GatewayError> {
    match response.status() {
        StatusCode::NOT_MODIFIED => Ok(Answer::NotModified),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Answer::NotFound),
        StatusCode::OK => {
            let text = |name| header(response.headers(), name);
            let (etag, last_modified) = (text(ETAG.as_str()), text(LAST_MODIFIED.as_str()));
            let html = text(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("html"));
            Ok(Answer::Found(Found {
                body: body(url, response).await?,
                etag,
                last_modified,
                html,
            }))
        }
        status => Err(bad_status(url, status)),
    }
}

async fn body(url: &Url, mut response: Response) -> Result<Bytes, GatewayError> {
    if response
        .content_length()
        .is_some_and(|length| length > METADATA_BYTES)
    {
        return Err(too_large(url, METADATA_BYTES));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = chunk(url, &mut response).await? {
        if (body.len() + chunk.len()) as u64 > METADATA_BYTES {
            return Err(too_large(url, METADATA_BYTES));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

async fn download(
    url: &Url,
    mut response: Response,
    expect: &Integrity,
    to: &Path,
) -> Result<String, GatewayError> {
    if response.status() != StatusCode::OK {
        return Err(bad_status(url, response.status()));
    }
    if response
        .content_length()
        .is_some_and(|length| length > ARTIFACT_BYTES)
    {
        return Err(too_large(url, ARTIFACT_BYTES));
    }
    let failed = |source| GatewayError::Cache {
        path: to.to_owned(),
        source,
    };
    let mut file = File::create(to).await.map_err(failed)?;
    let mut verifier = Verifier::new(expect);
    let mut size = 0;
    while let Some(chunk) = chunk(url, &mut response).await? {
        size += chunk.len() as u64;
        if size > ARTIFACT_BYTES {
            return Err(too_large(url, ARTIFACT_BYTES));
        }
        verifier.update(&chunk);
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    verifier
        .finish(expect)
        .map_err(|got| GatewayError::Integrity {
            what: file_name(url).into(),
            expected: expect.to_string(),
            got: got.to_string(),
        })
}

async fn chunk(url: &Url, response: &mut Response) -> Result<Option<Bytes>, GatewayError> {
    response
        .chunk()
        .await
        .map_err(|error| unreachable(url, &error))
}

/// Whether trying again may help.
fn may_pass(error: &GatewayError) -> bool {
    match error {
        GatewayError::Unreachable { .. } => true,
        GatewayError::Status { status, .. } => *status >= 500,
        _ => false,
    }
}

pub(crate) fn unreachable(url: &Url, error: &reqwest::Error) -> GatewayError {
    GatewayError::Unreachable {
        registry: registry(url),
        reason: reason(error),
    }
}

/// The innermost cause: the outer ones repeat the address and say nothing.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn bad_status(url: &Url, status: StatusCode) -> GatewayError {
    GatewayError::Status {
        registry: registry(url),
        status: status.as_u16(),
        what: file_name(url).into(),
    }
}

fn too_large(url: &Url, limit: u64) -> GatewayError {
    GatewayError::TooLarge {
        what: file_name(url).into(),
        limit,
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Host and port, for a person who has to find out which setting is meant. Never credentials.
pub(crate) fn registry(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "?".to_owned(),
    }
}

/// The last part of the path.
pub(crate) fn file_name(url: &Url) -> String {
    url.path()
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned()
}

//! Answers as they are sent, each with what the log says about it.

use std::path::Path;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::closure::Allowed;
use crate::error::GatewayError;
use crate::integrity::sha256;

pub(crate) const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";
/// The registry could not answer. Clients repeat requests after a 5xx for minutes; the gateway already has.
const FAILED: StatusCode = StatusCode::FAILED_DEPENDENCY;
/// Files up to this size are sent from memory, bytes.
const SMALL: u64 = 512 << 10;
/// Part of a larger file that is read at once, bytes.
const CHUNK: usize = 256 << 10;

/// An answer and what the log says about it.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) length: u64,
    pub(crate) refused: Option<String>,
    pub(crate) outside: bool,
    pub(crate) failed: Option<String>,
}

impl Answer {
    pub(crate) fn of(status: StatusCode, kind: &'static str, body: Bytes) -> Self {
        let length = body.len() as u64;
        Self::with_body(status, kind, length, Body::from(body))
    }

    fn with_body(status: StatusCode, kind: &'static str, length: u64, body: Body) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Self {
            response,
            length,
            refused: None,
            outside: false,
            failed: None,
        }
    }

    /// What is said in a registry's place.
    pub(super) fn played(played: super::AccountAnswer) -> Self {
        let status = StatusCode::from_u16(played.status).unwrap_or(StatusCode::OK);
        let mut answer = Self::of(status, JSON, played.body.into());
        if let Ok(kind) = HeaderValue::from_str(&played.kind) {
            answer.response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        answer
    }

    /// Metadata, or "not modified" if the client has it.
    pub(crate) fn document(kind: &'static str, body: Bytes, asked: &HeaderMap) -> Self {
        let tag = format!("\"{}\"", &sha256(&body)[..32]);
        let known = asked
            .get(IF_NONE_MATCH)
            .is_some_and(|known| known.as_bytes() == tag.as_bytes());
        let mut answer = if known {
            Self::of(StatusCode::NOT_MODIFIED, kind, Bytes::new())
        } else {
            Self::of(StatusCode::OK, kind, body)
        };
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            answer.response.headers_mut().insert(ETAG, tag);
        }
        answer
    }

    pub(crate) async fn file(path: &Path) -> Self {
        let opened = async {
            let file = File::open(path).await?;
            let length = file.metadata().await?.len();
            if length <= SMALL {
                let bytes = tokio::fs::read(path).await?;
                return Ok(Self::of(StatusCode::OK, BYTES, bytes.into()));
            }
            let body = Body::from_stream(ReaderStream::with_capacity(file, CHUNK));
            Ok(Self::with_body(StatusCode::OK, BYTES, length, body))
        };
        opened.await.unwrap_or_else(|source| {
            Self::failed(&GatewayError::Cache {
                path: path.to_owned(),
                source,
            })
        })
    }

    pub(crate) fn refused(why: &str) -> Self {
        Self {
            refused: Some(why.to_owned()),
            ..Self::of(
                StatusCode::NOT_FOUND,
                JSON,
                Bytes::from_static(b"{\"error\":\"Not found\"}"),
            )
        }
    }

    pub(crate) fn outside() -> Self {
        Self::refused("outside the dependency closure, and the budget of names is used up")
    }

    pub(crate) fn unauthorised(why: &str) -> Self {
        Self {
            refused: Some(why.to_owned()),
            ..Self::of(
                StatusCode::UNAUTHORIZED,
                JSON,
                Bytes::from_static(b"{\"error\":\"You must be logged in to do this.\"}"),
            )
        }
    }

    pub(crate) fn failed(error: &GatewayError) -> Self {
        // The sandbox learns nothing about the registry; the log does.
        match error {
            GatewayError::NotFound { .. }
            | GatewayError::Status {
                status: 404 | 410, ..
            } => Self::of(
                StatusCode::NOT_FOUND,
                JSON,
                Bytes::from_static(b"{\"error\":\"Not found\"}"),
            ),
            error => Self {
                failed: Some(error.to_string()),
                ..Self::of(
                    FAILED,
                    JSON,
                    Bytes::from_static(b"{\"error\":\"Not available\"}"),
                )
            },
        }
    }

    pub(crate) fn marked(self, allowed: Allowed) -> Self {
        Self {
            outside: allowed == Allowed::Outside,
            ..self
        }
    }
}

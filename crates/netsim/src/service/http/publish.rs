//! A package that a request publishes is kept as what it is.

use super::super::Talk;
use super::head::Head;
use super::reply::ask;
use crate::answers::{PUBLISH_LAYER, published};
use crate::record::Held;

/// Records the package in the request's body, if it publishes one.
pub(super) async fn note(talk: &Talk, head: &Head, body: &Held) {
    let method = String::from_utf8_lossy(&head.method);
    let target = String::from_utf8_lossy(head.origin_form());
    let found = published(&ask(head, talk, &method, &target, body.as_slice()));
    let Some(found) = found else {
        return;
    };
    let archive = Held::of(&talk.shared, &found.archive);
    let digest = talk.record.keep(&talk.shared, &archive).await;
    talk.record.message(&talk.shared, found.message(digest));
    talk.record.layer(PUBLISH_LAYER, None);
    talk.record.search(&talk.shared, archive, "http.body").await;
}

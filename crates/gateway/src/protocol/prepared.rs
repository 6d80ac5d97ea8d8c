//! Parsed metadata in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::sync::lock;

/// Most metadata kept in memory, bytes of its source; past it all is forgotten.
const BYTES: usize = 256 << 20;

/// Documents by key, each with the bytes it was made from.
pub(super) struct Prepared<T>(Mutex<Inner<T>>);

struct Inner<T> {
    by_key: HashMap<String, (Bytes, Arc<T>)>,
    bytes: usize,
}

impl<T> Default for Prepared<T> {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            by_key: HashMap::new(),
            bytes: 0,
        }))
    }
}

impl<T> Prepared<T> {
    /// The document made from `body`, if it is still there.
    pub(super) fn get(&self, key: &str, body: &Bytes) -> Option<Arc<T>> {
        let inner = lock(&self.0);
        let (made_from, ready) = inner.by_key.get(key)?;
        (made_from == body).then(|| Arc::clone(ready))
    }

    pub(super) fn put(&self, key: String, body: Bytes, ready: &Arc<T>) {
        let mut inner = lock(&self.0);
        if inner.bytes + body.len() > BYTES {
            inner.by_key.clear();
            inner.bytes = 0;
        }
        inner.bytes += body.len();
        if let Some((old, _)) = inner.by_key.insert(key, (body, Arc::clone(ready))) {
            inner.bytes -= old.len();
        }
    }
}

//! One way to lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a thread that panicked left behind is still consistent: every change under these locks is one
/// insertion.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

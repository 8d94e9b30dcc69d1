//! Writes that are seen through.
//!
//! A store commits a write even when whoever asked for it has gone away or given up waiting. What a commit does to the
//! caches must then happen all the same. So a write runs together with its after-effects in a task of its own; the request
//! waits for it as long as it can.

use std::time::Duration;

use storage::{Deadline, StoreError};

/// How much longer than its request a write may take.
const LONGER: Duration = Duration::from_mins(1);

/// Runs a write with its after-effects, with a deadline of its own, and waits for it until `deadline`.
pub(super) async fn see_through<T, E, F>(deadline: Deadline, write: impl FnOnce(Deadline) -> F) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let store = "the graph store";
    let task = tokio::spawn(write(Deadline::after(deadline.remaining() + LONGER)));
    match tokio::time::timeout_at(deadline.instant().into(), task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(StoreError::unavailable(store, error).into()),
        Err(_) => Err(StoreError::Timeout { store }.into()),
    }
}

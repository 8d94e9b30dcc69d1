//! What goes on behind requests on PostgreSQL: counts are folded, and what was kept for a time is dropped. Any number of
//! processes do it side by side.

use std::sync::Arc;
use std::time::Duration;

use storage::{Deadline, StoreError};
use storage_postgres::PostgresGraph;
use tokio_util::sync::CancellationToken;

const BETWEEN_FOLDS: Duration = Duration::from_secs(1);
const FOLDED_AT_ONCE: usize = 10_000;

/// One pass of folding in so many drops what is old.
const FOLDS_PER_PRUNE: u64 = 60;
const PRUNED_AT_ONCE: usize = 10_000;
const WITHIN: Duration = Duration::from_secs(30);

/// Until `shutdown`.
pub(crate) async fn run(graph: Arc<PostgresGraph>, shutdown: CancellationToken) {
    let mut passes = 0_u64;
    while shutdown
        .run_until_cancelled(tokio::time::sleep(BETWEEN_FOLDS))
        .await
        .is_some()
    {
        passes += 1;
        if let Err(error) = pass(&graph, passes.is_multiple_of(FOLDS_PER_PRUNE)).await {
            tracing::debug!(%error, "counts wait to be folded");
        }
    }
}

async fn pass(graph: &PostgresGraph, prunes: bool) -> Result<(), StoreError> {
    let deadline = Deadline::after(WITHIN);
    while graph.fold_counts(FOLDED_AT_ONCE, deadline).await? == FOLDED_AT_ONCE as u64 {}
    if prunes {
        // As many as come in, and no more at once than a server takes in its stride.
        while graph.prune_changes(PRUNED_AT_ONCE, deadline).await? == PRUNED_AT_ONCE as u64 {}
        while graph.prune(PRUNED_AT_ONCE, deadline).await? >= PRUNED_AT_ONCE as u64 {}
    }
    Ok(())
}

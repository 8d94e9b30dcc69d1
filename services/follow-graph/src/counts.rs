//! Tells the graph store how many tweets an author has.

use std::time::Duration;

use storage::{Deadline, StoreError};
use tokio_util::sync::CancellationToken;

use crate::service::Ports;

const BATCH: usize = 4_096;
const WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(1);
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Between two batches, so that a busy author's count is written once for many tweets. Counts may be 5 s old.
const GATHER: Duration = Duration::from_millis(500);

/// Takes over counts until `shutdown`.
pub(crate) async fn run(ports: &Ports, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let pause = match batch(ports, shutdown).await {
            Ok(()) => GATHER,
            Err(error) => {
                tracing::warn!(%error, "tweet counts wait for a store");
                PAUSE
            }
        };
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

async fn batch(ports: &Ports, shutdown: &CancellationToken) -> Result<(), StoreError> {
    loop {
        let changed = ports.counts.changed(BATCH, WAIT);
        let Some(counts) = shutdown.run_until_cancelled(changed).await else {
            return Ok(());
        };
        let counts = counts?;
        if counts.is_empty() {
            return Ok(());
        }
        while let Err(error) = ports
            .store
            .set_tweet_counts(counts.clone(), Deadline::after(WRITE_WITHIN))
            .await
        {
            // What was told may not be told again: it is tried until it is in, or the process ends.
            tracing::warn!(%error, "tweet counts wait for the graph store");
            if shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
        ports.counts.taken(&counts, Deadline::after(WRITE_WITHIN)).await?;
        if counts.len() < BATCH {
            return Ok(());
        }
    }
}

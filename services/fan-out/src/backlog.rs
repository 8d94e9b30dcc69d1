//! How much lies before fan-out, and what it has set aside: looked at now and then, for whoever watches.

use std::time::Duration;

use storage::StoreError;
use tokio_util::sync::CancellationToken;

use crate::service::FanOut;

/// What is looked at here may be this old.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// Looks until `shutdown`. While the log is away nothing is delivered: what is known to wait grows older.
pub(crate) async fn watch(fan_out: &FanOut, shutdown: &CancellationToken) {
    loop {
        if let Err(error) = look(fan_out).await {
            tracing::debug!(%error, "the backlog is not known");
            fan_out.metrics.backlog_waits(BETWEEN_LOOKS);
        }
        let pause = tokio::time::sleep(BETWEEN_LOOKS);
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

async fn look(fan_out: &FanOut) -> Result<(), StoreError> {
    let log = &fan_out.ports.log;
    let backlog = log.backlog().await?;
    let aside = log.settled().await?.aside.len();
    let now_ms = fan_out.clock.unix_ms();
    let oldest_ms = backlog.oldest_ms.map_or(0, |since| now_ms.saturating_sub(since));
    fan_out.metrics.backlog(backlog.events, oldest_ms, aside);
    Ok(())
}

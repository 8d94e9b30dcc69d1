//! A rebuild of timelines, while its client is told how far it is.

use std::pin::pin;
use std::time::Duration;

use timeline_read::RebuildCounts;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::protocol::Answer;
use super::server::refusal;
use super::wire::{Wire, WireError};
use crate::operations::Timelines;

const BETWEEN_REPORTS: Duration = Duration::from_millis(500);

/// Rebuilds, until it is done, the client has gone away or the system ends. Builds that are under way then are finished.
pub(super) async fn rebuild(
    timelines: &Timelines,
    user: Option<String>,
    wire: &mut Wire,
    shutdown: &CancellationToken,
) -> Result<(), WireError> {
    let total = match timelines.stored(user.as_deref()).await {
        Ok(total) => total,
        Err(error) => return wire.send(&refusal(&error)).await,
    };
    let (tell, told) = watch::channel(RebuildCounts::default());
    let mut work = pin!(timelines.rebuild(user.as_deref(), |counts| _ = tell.send_replace(counts)));
    let mut reports = tokio::time::interval(BETWEEN_REPORTS);
    loop {
        tokio::select! {
            done = &mut work => {
                let answer = done.map_or_else(|error| refusal(&error), |counts| Answer::Rebuilt {
                    rebuilt: counts.rebuilt,
                    gone: counts.gone,
                    failed: counts.failed,
                });
                return wire.send(&answer).await;
            }
            _ = reports.tick() => {
                let done = told.borrow().total();
                wire.send(&Answer::Rebuilding { done, total }).await?;
            }
            () = shutdown.cancelled() => {
                let sentence = "the system is shutting down, and forgets its home timelines".to_owned();
                let exit_code = runtime::exit::TEMPORARY;
                return wire.send(&Answer::Refused { sentence, exit_code }).await;
            }
        }
    }
}

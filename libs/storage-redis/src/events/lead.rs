//! Which process sweeps. Two at a time do no harm: the lock only spares the work.

use std::time::Duration;

use fred::error::Error;

use super::scripts;
use super::streams::{Streams, run};

const LOCK: &str = "events-sweeper";

impl Streams {
    /// Takes or keeps the lead for `lease`; answers whether it is ours.
    pub(super) async fn lead(&self, lease: Duration) -> Result<bool, Error> {
        let lease_ms = lease.as_millis().max(1).to_string();
        run(self.client()?, scripts::HOLD, &[LOCK], &[self.consumer(), &lease_ms]).await
    }

    /// Lets go of the lead, so that others need not wait for its end.
    pub(super) async fn stop_leading(&self) -> Result<bool, Error> {
        run(self.client()?, scripts::LET_GO, &[LOCK], &[self.consumer()]).await
    }
}

//! What is kept for a time only.

use storage::{Deadline, StoreError, TOMBSTONES_KEPT};

use super::PostgresTweets;
use crate::ask::execute;
use crate::sql;

/// An array, so that the planner does not take `limit` for a share of the table. A key that is taken anew meanwhile stays.
pub(crate) const PRUNE_KEYS: &str = "DELETE FROM idempotency_keys WHERE expires_at_ms <= $1 AND ctid = ANY (ARRAY(
        SELECT ctid FROM idempotency_keys WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2
    ))";

pub(crate) const PRUNE_TOMBSTONES: &str = "DELETE FROM tweets WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM tweets WHERE deleted_at_ms <= $1 ORDER BY deleted_at_ms LIMIT $2
    )) AND deleted_at_ms <= $1";

/// What a pass of pruning came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Idempotency keys that had ended.
    pub keys: u64,
    /// Tombstones that were old enough.
    pub tombstones: u64,
}

impl PostgresTweets {
    /// Drops idempotency keys that have ended, and tombstones that have been kept for as long as a timeline may hold their
    /// tweet and its author may ask for the deletion again, at most `limit` of each.
    /// Any number of processes may do it.
    pub async fn prune(&self, limit: usize, deadline: Deadline) -> Result<Pruned, StoreError> {
        let client = self.pool.client(deadline).await?;
        let (now_ms, limit) = (self.clock.unix_ms(), sql::limit(limit));
        let before_ms = sql::column(now_ms.saturating_sub(sql::millis(TOMBSTONES_KEPT)));
        Ok(Pruned {
            keys: execute(&client, deadline, PRUNE_KEYS, &[&sql::column(now_ms), &limit]).await?,
            tombstones: execute(&client, deadline, PRUNE_TOMBSTONES, &[&before_ms, &limit]).await?,
        })
    }
}

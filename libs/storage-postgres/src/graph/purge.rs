//! What is kept for a time only: edges of deleted accounts, tombstones, keys.

use deadpool_postgres::Transaction;
use model::UserId;
use storage::{Deadline, StoreError};

use super::PostgresGraph;
use crate::ask;
use crate::sql;

/// Work that is older than this cannot be under way any more.
const TOMBSTONES_KEPT_MS: u64 = 30 * 24 * 3_600_000;

pub(crate) const NEXT: &str = "SELECT id FROM users WHERE deleted_at_ms IS NOT NULL AND NOT purged
    ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED";

pub(crate) const EDGES: &str = "SELECT * FROM (
        (SELECT follower, followee FROM follows WHERE follower = $1 AND present LIMIT $2)
        UNION (SELECT follower, followee FROM followers WHERE followee = $1 LIMIT $2)
    ) AS edges LIMIT $2";

/// Those whose counts change, in one order, so that no two processes wait for each other in a circle.
const LOCK: &str = "SELECT id FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

/// Tombstones keep the edges' versions: nobody but the account that went made a change.
pub(crate) const REMOVE: &str = "WITH gone AS (
        SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS gone (follower, followee)
    ), removed AS (
        UPDATE follows SET present = false, removed_at_ms = $3 FROM gone
        WHERE follows.follower = gone.follower AND follows.followee = gone.followee AND present
        RETURNING follows.follower, follows.followee
    ), unmirrored AS (
        DELETE FROM followers USING gone
        WHERE followers.followee = gone.followee AND followers.follower = gone.follower
    ), counted AS (
        INSERT INTO follower_count_deltas (user_id, delta) SELECT followee, -count(*) FROM removed GROUP BY followee
    )
    UPDATE users SET following_count = following_count - lost.edges
    FROM (SELECT follower, count(*) AS edges FROM removed GROUP BY follower) AS lost
    WHERE users.id = lost.follower";

const PURGED: &str = "UPDATE users SET purged = true WHERE id = $1";

pub(crate) const PRUNE_TOMBSTONES: &str = "DELETE FROM follows WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM follows WHERE NOT present AND removed_at_ms < $1 ORDER BY removed_at_ms LIMIT $2
    )) AND NOT present";

pub(crate) const PRUNE_KEYS: &str =
    "DELETE FROM account_idempotency_keys WHERE expires_at_ms <= $1 AND ctid = ANY (ARRAY(
        SELECT ctid FROM account_idempotency_keys WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2
    ))";

/// Removes follow edges of deleted accounts, at most `limit`; answers who is on the other side.
pub(super) async fn purge(
    transaction: &Transaction<'_>,
    limit: usize,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Vec<UserId>, StoreError> {
    let mut touched = Vec::new();
    let mut removed = 0;
    while removed < limit {
        let Some(row) = ask::query_opt(transaction, deadline, NEXT, &[]).await? else {
            break;
        };
        let deleted: i64 = row.get(0);
        let rows = ask::query(transaction, deadline, EDGES, &[&deleted, &sql::limit(limit - removed)]).await?;
        if rows.is_empty() {
            ask::execute(transaction, deadline, PURGED, &[&deleted]).await?;
            continue;
        }
        let followers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let followees: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
        ask::execute(transaction, deadline, LOCK, &[&followers]).await?;
        ask::execute(
            transaction,
            deadline,
            REMOVE,
            &[&followers, &followees, &sql::column(now_ms)],
        )
        .await?;
        removed += rows.len();
        let others = followers.iter().chain(&followees).filter(|id| **id != deleted);
        touched.extend(others.map(|id| sql::user(*id)));
    }
    touched.sort_unstable();
    touched.dedup();
    Ok(touched)
}

impl PostgresGraph {
    /// Drops tombstones of follows that are older than thirty days and idempotency keys that have ended, at most `limit` of
    /// each; answers how many.
    pub async fn prune(&self, limit: usize, deadline: Deadline) -> Result<u64, StoreError> {
        let now_ms = self.clock.unix_ms();
        let before_ms = sql::column(now_ms.saturating_sub(TOMBSTONES_KEPT_MS));
        let limit = sql::limit(limit);
        let client = self.pool.client(deadline).await?;
        let tombstones = ask::execute(&client, deadline, PRUNE_TOMBSTONES, &[&before_ms, &limit]).await?;
        let keys = ask::execute(&client, deadline, PRUNE_KEYS, &[&sql::column(now_ms), &limit]).await?;
        Ok(tombstones + keys)
    }
}

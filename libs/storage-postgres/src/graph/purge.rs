//! What is kept for a time only: edges of deleted accounts, tombstones, keys.

use deadpool_postgres::{Client, Transaction};
use model::UserId;
use storage::{Deadline, StoreError, TOMBSTONES_KEPT};
use tokio_postgres::Row;

use super::{PostgresGraph, sessions};
use crate::ask;
use crate::sql;

/// The next account after `$1`, which no other process is at.
pub(crate) const NEXT: &str = "SELECT id FROM users WHERE deleted_at_ms IS NOT NULL AND NOT purged AND id > $1
    ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED";

/// Some of its edges, and whether everybody who may have seen it alive has ended by now: as of one moment.
pub(crate) const EDGES: &str = "SELECT coalesce(purge_seen <= pg_snapshot_xmin(pg_current_snapshot()), false),
        edges.follower, edges.followee
    FROM users LEFT JOIN LATERAL (
        (SELECT follower, followee FROM follows WHERE follower = id AND present LIMIT $2)
        UNION (SELECT follower, followee FROM followers WHERE followee = id LIMIT $2)
        LIMIT $2
    ) AS edges ON true
    WHERE id = $1";

/// Those whose counts change, and the edges, in one order, so that nobody waits for another in a circle.
pub(crate) const LOCK_FOLLOWERS: &str =
    "SELECT id FROM users WHERE id = ANY($1) AND deleted_at_ms IS NULL ORDER BY id FOR NO KEY UPDATE";
pub(crate) const LOCK_EDGES: &str = "SELECT 1 FROM follows
    JOIN unnest($1::bigint[], $2::bigint[]) AS gone (follower, followee) USING (follower, followee)
    ORDER BY follower, followee FOR UPDATE OF follows";

/// Tombstones keep the edges' versions: nobody but the account that went made a change.
pub(crate) const REMOVE: &str = "WITH removed AS (
        UPDATE follows SET present = false, removed_at_ms = $3
        FROM unnest($1::bigint[], $2::bigint[]) AS gone (follower, followee)
        WHERE follows.follower = gone.follower AND follows.followee = gone.followee AND present
        RETURNING follows.follower, follows.followee
    ), unmirrored AS (
        DELETE FROM followers USING removed
        WHERE followers.followee = removed.followee AND followers.follower = removed.follower
    ), counted AS (
        INSERT INTO follower_count_deltas (user_id, delta) SELECT followee, -count(*) FROM removed GROUP BY followee
    )
    UPDATE users SET following_count = following_count - lost.edges
    FROM (SELECT follower, count(*) AS edges FROM removed GROUP BY follower) AS lost
    WHERE users.id = lost.follower AND deleted_at_ms IS NULL";

pub(crate) const PURGED: &str = "UPDATE users SET purged = true WHERE id = $1";

/// Whoever saw it alive and has not ended began before this transaction. A number from another server, before a restore, is
/// replaced.
pub(crate) const LOOK_AGAIN: &str = "UPDATE users SET purge_seen = pg_current_xact_id()
    WHERE id = $1 AND (purge_seen IS NULL OR purge_seen > pg_current_xact_id())";

/// Those that are made again meanwhile, and removed again, stay.
macro_rules! prune_tombstones {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE NOT present AND removed_at_ms < $1 AND ctid = ANY (ARRAY(SELECT ctid FROM ",
            $table,
            " WHERE NOT present AND removed_at_ms < $1 ORDER BY removed_at_ms LIMIT $2))"
        )
    };
}

pub(crate) const PRUNE_TOMBSTONES: [&str; 3] = [
    prune_tombstones!("follows"),
    prune_tombstones!("mutes"),
    prune_tombstones!("blocks"),
];

pub(crate) const PRUNE_KEYS: &str =
    "DELETE FROM account_idempotency_keys WHERE expires_at_ms <= $1 AND ctid = ANY (ARRAY(
        SELECT ctid FROM account_idempotency_keys WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2
    ))";

/// Removes follow edges of deleted accounts, at most `limit`; answers who is on the other side.
///
/// Who makes an edge does not lock the account that it leads to. So an account without edges is looked at again, once all
/// transactions that may have seen it alive have ended.
pub(super) async fn purge(
    client: &mut Client,
    limit: usize,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Vec<UserId>, StoreError> {
    let mut touched = Vec::new();
    let (mut left, mut after) = (limit, 0);
    while left > 0 {
        let transaction = ask::within(deadline, client.transaction()).await?;
        let Some(row) = ask::query_opt(&transaction, deadline, NEXT, &[&after]).await? else {
            break;
        };
        let deleted: i64 = row.get(0);
        let found = ask::query(&transaction, deadline, EDGES, &[&deleted, &sql::limit(left)]).await?;
        let edges: Vec<(i64, i64)> = found.iter().filter_map(edge).collect();
        if edges.is_empty() {
            let settled = found.first().is_some_and(|row| row.get(0));
            let statement = if settled { PURGED } else { LOOK_AGAIN };
            let written = ask::execute(&transaction, deadline, statement, &[&deleted]).await?;
            // Looked at once more at once, and then, as long as others are under way, by a later call.
            after = if settled || written > 0 { after } else { deleted };
        } else {
            remove(&transaction, &edges, now_ms, deadline).await?;
        }
        ask::within(deadline, transaction.commit()).await?;
        left -= edges.len();
        let others = edges
            .iter()
            .map(|(follower, followee)| if *follower == deleted { *followee } else { *follower });
        touched.extend(others.map(sql::user));
    }
    touched.sort_unstable();
    touched.dedup();
    Ok(touched)
}

/// Follower and followee.
fn edge(row: &Row) -> Option<(i64, i64)> {
    Some((row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
}

async fn remove(
    transaction: &Transaction<'_>,
    edges: &[(i64, i64)],
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let (followers, followees): (Vec<i64>, Vec<i64>) = edges.iter().copied().unzip();
    let now = sql::column(now_ms);
    ask::execute(transaction, deadline, LOCK_FOLLOWERS, &[&followers]).await?;
    ask::execute(transaction, deadline, LOCK_EDGES, &[&followers, &followees]).await?;
    ask::execute(transaction, deadline, REMOVE, &[&followers, &followees, &now]).await?;
    Ok(())
}

impl PostgresGraph {
    /// Drops tombstones of edges that are so old that no work of before can be under way, and idempotency keys and revoked
    /// tokens that have ended, at most `limit` of each; answers how many. Any number of processes may do it.
    pub async fn prune(&self, limit: usize, deadline: Deadline) -> Result<u64, StoreError> {
        let now_ms = self.clock.unix_ms();
        let before_ms = sql::column(now_ms.saturating_sub(sql::millis(TOMBSTONES_KEPT)));
        let limit = sql::limit(limit);
        let client = self.pool.client(deadline).await?;
        let mut pruned = 0;
        for statement in PRUNE_TOMBSTONES {
            pruned += ask::execute(&client, deadline, statement, &[&before_ms, &limit]).await?;
        }
        pruned += ask::execute(&client, deadline, PRUNE_KEYS, &[&sql::column(now_ms), &limit]).await?;
        let now_s = sql::column(now_ms / 1_000);
        Ok(pruned + ask::execute(&client, deadline, sessions::DROP_ENDED, &[&now_s, &limit]).await?)
    }
}

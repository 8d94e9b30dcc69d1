//! What is kept for a time only: edges of deleted accounts, tombstones, keys.

use deadpool_postgres::{Client, Transaction};
use model::UserId;
use storage::{Deadline, StoreError};

use super::{PostgresGraph, sessions};
use crate::ask;
use crate::sql;

/// Work that is older than this cannot be under way any more.
const TOMBSTONES_KEPT_MS: u64 = 30 * 24 * 3_600_000;

/// One process at a time: accounts that go may follow each other, and two would wait for each other in a circle.
const ALONE: i64 = 0x70_75_72_67_65;
const TAKE_LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

pub(crate) const NEXT: &str = "SELECT id FROM users WHERE deleted_at_ms IS NOT NULL AND NOT purged ORDER BY id LIMIT 1";

pub(crate) const EDGES: &str = "SELECT * FROM (
        (SELECT follower, followee FROM follows WHERE follower = $1 AND present LIMIT $2)
        UNION (SELECT follower, followee FROM followers WHERE followee = $1 LIMIT $2)
    ) AS edges LIMIT $2";

/// Those whose counts change, in one order, so that no two processes wait for each other in a circle.
pub(crate) const LOCK: &str = "SELECT id FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

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

pub(crate) const PURGED: &str = "UPDATE users SET purged = true WHERE id = $1";

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
pub(super) async fn purge(
    client: &mut Client,
    limit: usize,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Vec<UserId>, StoreError> {
    let mut touched = Vec::new();
    let mut left = limit;
    while left > 0 {
        let transaction = ask::within(deadline, client.transaction()).await?;
        let Some((deleted, edges)) = some_edges(&transaction, left, deadline).await? else {
            break;
        };
        remove(&transaction, deleted, &edges, now_ms, deadline).await?;
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

/// The next account to be purged, and some of its edges: follower and followee.
async fn some_edges(
    transaction: &Transaction<'_>,
    limit: usize,
    deadline: Deadline,
) -> Result<Option<(i64, Vec<(i64, i64)>)>, StoreError> {
    ask::execute(transaction, deadline, TAKE_LOCK, &[&ALONE]).await?;
    let Some(row) = ask::query_opt(transaction, deadline, NEXT, &[]).await? else {
        return Ok(None);
    };
    let deleted: i64 = row.get(0);
    let rows = ask::query(transaction, deadline, EDGES, &[&deleted, &sql::limit(limit)]).await?;
    let edges = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(Some((deleted, edges)))
}

/// Removes these edges of a deleted account; without any, it is purged.
async fn remove(
    transaction: &Transaction<'_>,
    deleted: i64,
    edges: &[(i64, i64)],
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    if edges.is_empty() {
        ask::execute(transaction, deadline, PURGED, &[&deleted]).await?;
        return Ok(());
    }
    let (followers, followees): (Vec<i64>, Vec<i64>) = edges.iter().copied().unzip();
    ask::execute(transaction, deadline, LOCK, &[&followers]).await?;
    let now = sql::column(now_ms);
    ask::execute(transaction, deadline, REMOVE, &[&followers, &followees, &now]).await?;
    Ok(())
}

impl PostgresGraph {
    /// Drops tombstones of edges that are older than thirty days, and idempotency keys and revoked tokens that have ended,
    /// at most `limit` of each; answers how many. Any number of processes may do it.
    pub async fn prune(&self, limit: usize, deadline: Deadline) -> Result<u64, StoreError> {
        let now_ms = self.clock.unix_ms();
        let before_ms = sql::column(now_ms.saturating_sub(TOMBSTONES_KEPT_MS));
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

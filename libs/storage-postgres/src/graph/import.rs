//! Edges by the ten thousand.
//!
//! An operator's import makes what could have been made by hand: nobody follows itself, a deleted account, or across a
//! block. The limit of follows does not bind it. All new edges of a follower in one call carry one version.

use deadpool_postgres::Transaction;
use model::{EdgeKind, GraphChangeKind};
use storage::{Deadline, ImportCounts, StoreError};

use super::changes;
use crate::ask;
use crate::sql;

pub(super) const BEGIN: &str = "INSERT INTO graph_imports (source) VALUES ($1) ON CONFLICT DO NOTHING";
pub(super) const END: &str = "DELETE FROM graph_imports WHERE source = $1";
pub(super) const UNFINISHED: &str = "SELECT source FROM graph_imports ORDER BY source";

pub(crate) const ACCOUNTS: &str = "INSERT INTO users (handle, handle_folded, display_name, created_at_ms)
    SELECT handle, handle, handle, $2
    FROM unnest($1::text[]) AS asked (handle)
    WHERE NOT EXISTS (SELECT 1 FROM users WHERE handle_folded = asked.handle)
    ORDER BY handle
    ON CONFLICT (handle_folded) DO NOTHING";

/// In one order, so that no two imports wait for each other in a circle.
pub(crate) const LOCK_FOLLOWERS: &str =
    "SELECT id FROM users WHERE handle_folded = ANY($1) ORDER BY id FOR NO KEY UPDATE";

/// Nobody of them is deleted meanwhile.
pub(crate) const LOCK_FOLLOWEES: &str = "SELECT id FROM users WHERE handle_folded = ANY($1) ORDER BY id FOR KEY SHARE";

pub(crate) const EDGES: &str = "WITH asked AS (
        SELECT DISTINCT follower.id AS follower, followee.id AS followee, follower.actor_version + 1 AS version
        FROM unnest($1::text[], $2::text[]) AS asked (follower, followee)
        JOIN users AS follower ON follower.handle_folded = asked.follower AND follower.deleted_at_ms IS NULL
        JOIN users AS followee ON followee.handle_folded = asked.followee AND followee.deleted_at_ms IS NULL
        WHERE follower.id <> followee.id AND NOT EXISTS (
            SELECT 1 FROM blocks WHERE present AND (
                (actor = follower.id AND target = followee.id) OR (actor = followee.id AND target = follower.id)))
    ), new AS (
        INSERT INTO follows AS known (follower, followee, version, present)
        SELECT follower, followee, version, true FROM asked ORDER BY follower, followee
        ON CONFLICT (follower, followee) DO UPDATE
            SET present = true, version = excluded.version, removed_at_ms = NULL WHERE NOT known.present
        RETURNING follower, followee, version
    ), mirrored AS (
        INSERT INTO followers (followee, follower) SELECT followee, follower FROM new ORDER BY followee, follower
        ON CONFLICT DO NOTHING
    ), told AS (
        INSERT INTO graph_changes (actor, version, kind, target, at_ms)
        SELECT follower, version, $3, followee, $4 FROM new ORDER BY follower, followee
    ), counted AS (
        INSERT INTO follower_count_deltas (user_id, delta) SELECT followee, count(*) FROM new GROUP BY followee
    ), versions AS (
        UPDATE users SET actor_version = actor_version + 1, following_count = following_count + gained.edges
        FROM (SELECT follower, count(*) AS edges FROM new GROUP BY follower) AS gained
        WHERE users.id = gained.follower
    )
    SELECT count(*) FROM new";

/// Makes accounts and edges that are missing.
pub(super) async fn import(
    transaction: &Transaction<'_>,
    pairs: &[(u64, u64)],
    now_ms: u64,
    deadline: Deadline,
) -> Result<ImportCounts, StoreError> {
    let handle = |number: &u64| format!("u{number}");
    let followers: Vec<String> = pairs.iter().map(|(follower, _)| handle(follower)).collect();
    let followees: Vec<String> = pairs.iter().map(|(_, followee)| handle(followee)).collect();
    let mut all: Vec<&String> = followers.iter().chain(&followees).collect();
    all.sort_unstable();
    all.dedup();
    let now = sql::column(now_ms);
    let accounts = ask::execute(transaction, deadline, ACCOUNTS, &[&all, &now]).await?;
    ask::execute(transaction, deadline, LOCK_FOLLOWERS, &[&followers]).await?;
    ask::execute(transaction, deadline, LOCK_FOLLOWEES, &[&followees]).await?;
    let kind = changes::code(GraphChangeKind::Added(EdgeKind::Follow));
    let row = ask::query_one(transaction, deadline, EDGES, &[&followers, &followees, &kind, &now]).await?;
    Ok(ImportCounts {
        accounts,
        edges: sql::number(row.get(0)),
    })
}

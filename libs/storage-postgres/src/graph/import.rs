//! Edges by the ten thousand.
//!
//! An operator's import makes what could have been made by hand: nobody follows itself, a deleted account, or across a
//! block. The limit of follows does not bind it. All new edges of a follower in one call carry one version.

use ahash::AHashMap;
use deadpool_postgres::Transaction;
use model::{EdgeKind, GraphChangeKind};
use storage::{Deadline, ImportCounts, StoreError};
use tokio_postgres::Row;

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

/// Their locks are taken in one order, so that no two imports wait for each other in a circle.
pub(crate) const LOCK_FOLLOWERS: &str = "SELECT handle_folded, id, actor_version FROM users
    WHERE handle_folded = ANY($1) AND deleted_at_ms IS NULL ORDER BY id FOR NO KEY UPDATE";

/// Nobody of them is deleted meanwhile.
pub(crate) const LOCK_FOLLOWEES: &str = "SELECT handle_folded, id FROM users
    WHERE handle_folded = ANY($1) AND deleted_at_ms IS NULL ORDER BY id FOR KEY SHARE";

pub(crate) const EDGES: &str = "WITH new AS (
        INSERT INTO follows AS known (follower, followee, version, present)
        SELECT follower, followee, version, true
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS asked (follower, followee, version)
        WHERE NOT EXISTS (SELECT 1 FROM blocks WHERE actor = follower AND target = followee AND present)
            AND NOT EXISTS (SELECT 1 FROM blocks WHERE actor = followee AND target = follower AND present)
        ON CONFLICT (follower, followee) DO UPDATE
            SET present = true, version = excluded.version, removed_at_ms = NULL WHERE NOT known.present
        RETURNING follower, followee, version
    ), mirrored AS (
        INSERT INTO followers (followee, follower) SELECT followee, follower FROM new ORDER BY followee, follower
        ON CONFLICT DO NOTHING
    ), told AS (
        INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms)
        SELECT follower, version, $4, followee, $5 FROM new
    ), counted AS (
        INSERT INTO follower_count_deltas (user_id, delta) SELECT followee, count(*) FROM new GROUP BY followee
    ), versions AS (
        UPDATE users SET actor_version = gained.version, following_count = following_count + gained.edges
        FROM (SELECT follower, version, count(*) AS edges FROM new GROUP BY follower, version) AS gained
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
    let now = sql::column(now_ms);
    let followers = handles(pairs.iter().map(|(follower, _)| *follower));
    let followees = handles(pairs.iter().map(|(_, followee)| *followee));
    let all = handles(pairs.iter().flat_map(|(follower, followee)| [*follower, *followee]));
    let accounts = ask::execute(transaction, deadline, ACCOUNTS, &[&all, &now]).await?;
    let followers = ask::query(transaction, deadline, LOCK_FOLLOWERS, &[&followers]).await?;
    let followees = ask::query(transaction, deadline, LOCK_FOLLOWEES, &[&followees]).await?;
    let edges = Edges::between(pairs, &followers, &followees);
    let kind = changes::code(GraphChangeKind::Added(EdgeKind::Follow));
    let row = ask::query_one(
        transaction,
        deadline,
        EDGES,
        &[&edges.followers, &edges.followees, &edges.versions, &kind, &now],
    )
    .await?;
    Ok(ImportCounts {
        accounts,
        edges: sql::number(row.get(0)),
    })
}

fn handle(number: u64) -> String {
    format!("u{number}")
}

/// Handles of accounts, each once, in order.
fn handles(numbers: impl Iterator<Item = u64>) -> Vec<String> {
    let mut handles: Vec<String> = numbers.map(handle).collect();
    handles.sort_unstable();
    handles.dedup();
    handles
}

/// Edges by columns, each once, in the order of their key.
#[derive(Default)]
struct Edges {
    followers: Vec<i64>,
    followees: Vec<i64>,
    /// What the followers' versions are to be.
    versions: Vec<i64>,
}

impl Edges {
    /// Those of the pairs whose accounts are there.
    fn between(pairs: &[(u64, u64)], followers: &[Row], followees: &[Row]) -> Self {
        let versions: AHashMap<&str, (i64, i64)> = followers
            .iter()
            .map(|row| (row.get(0), (row.get(1), row.get::<_, i64>(2) + 1)))
            .collect();
        let ids: AHashMap<&str, i64> = followees.iter().map(|row| (row.get(0), row.get(1))).collect();
        let edge = |(follower, followee): &(u64, u64)| {
            let (follower, version) = *versions.get(&*handle(*follower))?;
            let followee = *ids.get(&*handle(*followee))?;
            (follower != followee).then_some((follower, followee, version))
        };
        let mut edges: Vec<_> = pairs.iter().filter_map(edge).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut columns = Self::default();
        for (follower, followee, version) in edges {
            columns.followers.push(follower);
            columns.followees.push(followee);
            columns.versions.push(version);
        }
        columns
    }
}

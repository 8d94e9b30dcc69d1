//! Edges by the ten thousand.
//!
//! An operator's import makes what could have been made by hand: nobody follows itself, a deleted account, or across a
//! block. The limit of follows does not bind it. All new edges of a follower in one call carry one version. Edges that stand
//! cost one look each, and no lock.

use ahash::AHashMap;
use deadpool_postgres::Transaction;
use model::{EdgeKind, GraphChangeKind};
use storage::{Deadline, ImportCounts, ImportRefusal, StoreError};
use tokio_postgres::Row;

use super::changes;
use crate::ask;
use crate::sql;

pub(super) const BEGIN: &str = "INSERT INTO graph_imports (source) VALUES ($1) ON CONFLICT DO NOTHING";
pub(super) const END: &str = "DELETE FROM graph_imports WHERE source = $1";
pub(super) const UNFINISHED: &str = "SELECT source FROM graph_imports ORDER BY source";

/// In one order, so that no two imports wait for each other in a circle.
pub(crate) const ACCOUNTS: &str = "WITH made AS (
        INSERT INTO handles (handle, user_id)
        SELECT handle, nextval('user_ids') FROM (
            SELECT handle FROM unnest($1::text[]) AS asked (handle)
            WHERE NOT EXISTS (SELECT 1 FROM handles WHERE handles.handle = asked.handle) ORDER BY handle
        ) AS missing
        ON CONFLICT (handle) DO NOTHING
        RETURNING handle, user_id
    )
    INSERT INTO users (id, handle, display_name, created_at_ms) SELECT user_id, handle, handle, $2 FROM made";

pub(crate) const FIND: &str = "SELECT number, user_id,
        users.id IS NULL OR users.deleted_at_ms IS NOT NULL, users.password_hash IS NOT NULL
    FROM unnest($1::text[]) WITH ORDINALITY AS asked (handle, number)
        JOIN handles USING (handle) LEFT JOIN users ON users.id = user_id";

pub(crate) const MISSING: &str = "SELECT number
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked (follower, followee, number)
    WHERE NOT EXISTS (
        SELECT 1 FROM follows WHERE follower = asked.follower AND followee = asked.followee AND present
    ) ORDER BY number";

pub(crate) const LOCK_FOLLOWERS: &str = "SELECT id, actor_version FROM users
    WHERE id = ANY($1) AND deleted_at_ms IS NULL ORDER BY id FOR NO KEY UPDATE";

pub(crate) const EDGES: &str = "WITH new AS (
        INSERT INTO follows AS known (follower, followee, version, present)
        SELECT follower, followee, version, true
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS asked (follower, followee, version)
        WHERE EXISTS (SELECT 1 FROM users WHERE id = followee AND deleted_at_ms IS NULL)
            AND NOT EXISTS (SELECT 1 FROM blocks WHERE actor = follower AND target = followee AND present)
            AND NOT EXISTS (SELECT 1 FROM blocked_by WHERE target = follower AND actor = followee)
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
    SELECT (SELECT count(*) FROM new), (SELECT count(*) FROM (
        SELECT follower, followee FROM unnest($1::bigint[], $2::bigint[]) AS asked (follower, followee)
            WHERE EXISTS (SELECT 1 FROM blocks WHERE actor = follower AND target = followee AND present)
        UNION
        SELECT follower, followee FROM unnest($1::bigint[], $2::bigint[]) AS asked (follower, followee)
            WHERE EXISTS (SELECT 1 FROM blocked_by WHERE target = follower AND actor = followee)
    ) AS refused)";

/// Makes accounts and edges that are missing.
pub(super) async fn import(
    transaction: &Transaction<'_>,
    pairs: &[(u64, u64)],
    attach: bool,
    now_ms: u64,
    deadline: Deadline,
) -> Result<ImportCounts, StoreError> {
    let mut numbers: Vec<u64> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let handles: Vec<String> = numbers.iter().map(|number| format!("u{number}")).collect();
    let now = sql::column(now_ms);
    let accounts = ask::execute(transaction, deadline, ACCOUNTS, &[&handles, &now]).await?;
    let mut counts = ImportCounts {
        accounts,
        ..ImportCounts::default()
    };
    let found = ask::query(transaction, deadline, FIND, &[&handles]).await?;
    let known: AHashMap<u64, _> = found
        .iter()
        .map(|row| (numbers[place(row)], account(row, attach)))
        .collect();
    let wanted = counts.sort_out(pairs, |number| known[&number]);
    let asked = wanted.len() as u64;
    let edges = missing(transaction, wanted, deadline).await?;
    counts.standing = asked - edges.len() as u64;
    if !edges.is_empty() {
        follow(transaction, &edges, now, &mut counts, deadline).await?;
    }
    Ok(counts)
}

/// The account that a row found, if it takes edges.
fn account(row: &Row, attach: bool) -> Result<i64, ImportRefusal> {
    match (row.get(2), row.get(3)) {
        (true, _) => Err(ImportRefusal::Deleted),
        (_, true) if !attach => Err(ImportRefusal::SignedUp),
        _ => Ok(row.get(1)),
    }
}

/// Which of what was asked for a row is about; rows count from one.
fn place(row: &Row) -> usize {
    usize::try_from(row.get::<_, i64>(0) - 1).expect("rows are numbered from one")
}

/// Those of the edges that don't stand.
async fn missing(
    transaction: &Transaction<'_>,
    edges: Vec<(i64, i64)>,
    deadline: Deadline,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let (followers, followees): (Vec<i64>, Vec<i64>) = edges.iter().copied().unzip();
    let rows = ask::query(transaction, deadline, MISSING, &[&followers, &followees]).await?;
    Ok(rows.iter().map(|row| edges[place(row)]).collect())
}

/// Makes edges, under the locks of who will follow, and counts them. What neither is made nor across a block has been
/// made, or has lost an account, since it was looked for.
async fn follow(
    transaction: &Transaction<'_>,
    edges: &[(i64, i64)],
    now: i64,
    counts: &mut ImportCounts,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let mut followers: Vec<i64> = edges.iter().map(|(follower, _)| *follower).collect();
    followers.dedup();
    let locked = ask::query(transaction, deadline, LOCK_FOLLOWERS, &[&followers]).await?;
    let versions: AHashMap<i64, i64> = locked.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (mut followers, mut followees, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for (follower, followee) in edges {
        if let Some(version) = versions.get(follower) {
            followers.push(*follower);
            followees.push(*followee);
            next.push(version + 1);
        }
    }
    let kind = changes::code(GraphChangeKind::Added(EdgeKind::Follow));
    let asked: ask::Parameters<'_> = &[&followers, &followees, &next, &kind, &now];
    let row = ask::query_one(transaction, deadline, EDGES, asked).await?;
    (counts.edges, counts.blocked) = (sql::number(row.get(0)), sql::number(row.get(1)));
    let gone = edges.len() as u64 - next.len() as u64;
    counts.deleted += gone;
    counts.standing += next.len() as u64 - counts.edges - counts.blocked;
    Ok(())
}

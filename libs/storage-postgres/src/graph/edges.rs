//! Follows, mutes and blocks.

use deadpool_postgres::{GenericClient, Transaction};
use model::{ActorVersion, ChunkPlan, EdgeKind, Followee, GraphChangeKind, ReaderView, UserId};
use storage::{
    ChunksRequest, Deadline, EdgeDirection, EdgeError, EdgeWrite, EdgeWritten, FollowerPage, FollowerPageRequest,
    StoreError,
};
use tokio_postgres::Row;

use super::{accounts, changes, idempotency};
use crate::ask;
use crate::sql;

/// The target, kept from being deleted until the edge is committed.
pub(crate) const TARGET: &str = "SELECT 1 FROM users WHERE id = $1 AND deleted_at_ms IS NULL FOR KEY SHARE";

/// Whether the edge stands, whether a block forbids it, and how many of its kind the actor has.
const fn standing(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => FOLLOW_STANDING,
        EdgeKind::Mute => MUTE_STANDING,
        EdgeKind::Block => BLOCK_STANDING,
    }
}

pub(crate) const FOLLOW_STANDING: &str = "SELECT
        EXISTS (SELECT 1 FROM follows WHERE follower = $1 AND followee = $2 AND present),
        EXISTS (SELECT 1 FROM blocks WHERE actor = $1 AND target = $2 AND present)
            OR EXISTS (SELECT 1 FROM blocks WHERE actor = $2 AND target = $1 AND present),
        following_count
    FROM users WHERE id = $1";

macro_rules! standing {
    ($table:literal) => {
        concat!(
            "SELECT EXISTS (SELECT 1 FROM ",
            $table,
            " WHERE actor = $1 AND target = $2 AND present), false, (SELECT count(*) FROM ",
            $table,
            " WHERE actor = $1 AND present)"
        )
    };
}

pub(crate) const MUTE_STANDING: &str = standing!("mutes");
pub(crate) const BLOCK_STANDING: &str = standing!("blocks");

/// Sets an edge or its tombstone, with the version that the actor has after it, and tells of it.
const fn put(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => PUT_FOLLOW,
        EdgeKind::Mute => PUT_MUTE,
        EdgeKind::Block => PUT_BLOCK,
    }
}

pub(crate) const PUT_FOLLOW: &str = "WITH edge AS (
        INSERT INTO follows (follower, followee, version, present, removed_at_ms)
        VALUES ($1, $2, $3, $4, CASE WHEN NOT $4 THEN $5::bigint END)
        ON CONFLICT (follower, followee) DO UPDATE
            SET version = excluded.version, present = excluded.present, removed_at_ms = excluded.removed_at_ms
    ), mirrored AS (
        INSERT INTO followers (followee, follower) SELECT $2, $1 WHERE $4 ON CONFLICT DO NOTHING
    ), unmirrored AS (
        DELETE FROM followers WHERE NOT $4 AND followee = $2 AND follower = $1
    ), counted AS (
        INSERT INTO follower_count_deltas (user_id, delta) VALUES ($2, CASE WHEN $4 THEN 1 ELSE -1 END)
    ), told AS (
        INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) VALUES ($1, $3, $6, $2, $5)
    )
    UPDATE users SET actor_version = $3, following_count = following_count + CASE WHEN $4 THEN 1 ELSE -1 END
    WHERE id = $1";

macro_rules! put {
    ($table:literal) => {
        concat!(
            "WITH edge AS (
                INSERT INTO ",
            $table,
            " (actor, target, version, present, removed_at_ms)
                VALUES ($1, $2, $3, $4, CASE WHEN NOT $4 THEN $5::bigint END)
                ON CONFLICT (actor, target) DO UPDATE
                    SET version = excluded.version, present = excluded.present, removed_at_ms = excluded.removed_at_ms
            ), told AS (
                INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) VALUES ($1, $3, $6, $2, $5)
            )
            UPDATE users SET actor_version = $3 WHERE id = $1"
        )
    };
}

pub(crate) const PUT_MUTE: &str = put!("mutes");
pub(crate) const PUT_BLOCK: &str = put!("blocks");

/// Makes or removes an edge, by the rules of the port.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    write: &EdgeWrite,
    now_ms: u64,
    deadline: Deadline,
) -> Result<EdgeWritten, EdgeError> {
    let key = write.idempotency.as_ref();
    let version = accounts::lock(transaction, write.actor, deadline).await?;
    let version = version.ok_or(EdgeError::NoSuchUser)?;
    let unchanged = EdgeWritten {
        version,
        changed: false,
    };
    if idempotency::done(transaction, key, now_ms, deadline).await?? {
        return Ok(unchanged);
    }
    let (actor, target) = (sql::column(write.actor.get()), sql::column(write.target.get()));
    let exists = ask::query_opt(transaction, deadline, TARGET, &[&target]).await?;
    exists.ok_or(EdgeError::NoSuchUser)?;
    let standing = ask::query_one(transaction, deadline, standing(write.kind), &[&actor, &target]).await?;
    if standing.get::<_, bool>(0) == write.present {
        idempotency::keep(transaction, key, now_ms, deadline).await?;
        return Ok(unchanged);
    }
    if write.present {
        may_add(&standing, write.limit)?;
    }
    let version = ActorVersion(version.0 + 1);
    let kind = if write.present {
        GraphChangeKind::Added(write.kind)
    } else {
        GraphChangeKind::Removed(write.kind)
    };
    ask::execute(
        transaction,
        deadline,
        put(write.kind),
        &[
            &actor,
            &target,
            &sql::column(version.0),
            &write.present,
            &sql::column(now_ms),
            &changes::code(kind),
        ],
    )
    .await?;
    idempotency::keep(transaction, key, now_ms, deadline).await?;
    Ok(EdgeWritten { version, changed: true })
}

fn may_add(standing: &Row, limit: u64) -> Result<(), EdgeError> {
    if standing.get(1) {
        return Err(EdgeError::Blocked);
    }
    if sql::number(standing.get(2)) < limit {
        Ok(())
    } else {
        Err(EdgeError::LimitReached { limit })
    }
}

/// One statement: a view is as of one moment.
pub(crate) const READER: &str = "SELECT actor_version,
        ARRAY(SELECT followee FROM follows WHERE follower = $1 AND present ORDER BY followee),
        ARRAY(SELECT version FROM follows WHERE follower = $1 AND present ORDER BY followee),
        ARRAY(SELECT target FROM mutes WHERE actor = $1 AND present ORDER BY target),
        ARRAY(SELECT target FROM blocks WHERE actor = $1 AND present
              UNION SELECT actor FROM blocks WHERE target = $1 AND present ORDER BY 1)
    FROM users WHERE id = $1 AND deleted_at_ms IS NULL";

/// All that a read needs to know of its reader.
pub(super) async fn reader(
    client: &impl GenericClient,
    reader: UserId,
    deadline: Deadline,
) -> Result<Option<ReaderView>, StoreError> {
    let row = ask::query_opt(client, deadline, READER, &[&sql::column(reader.get())]).await?;
    Ok(row.map(|row| {
        let ids = |at: usize| -> Vec<UserId> { row.get::<_, Vec<i64>>(at).into_iter().map(sql::user).collect() };
        let versions: Vec<i64> = row.get(2);
        let followee = |(id, since): (UserId, i64)| Followee {
            id,
            since: ActorVersion(sql::number(since)),
        };
        ReaderView {
            reader,
            version: ActorVersion(sql::number(row.get(0))),
            followees: ids(1).into_iter().zip(versions).map(followee).collect(),
            muted: ids(3),
            blocked: ids(4),
        }
    }))
}

pub(crate) const FOLLOWERS: &str = "SELECT asked.number, page.id
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS asked (of_user, after_user, rows, number)
    CROSS JOIN LATERAL (
        SELECT follower AS id FROM followers
        WHERE followee = asked.of_user AND follower > asked.after_user ORDER BY follower LIMIT asked.rows
    ) AS page
    ORDER BY asked.number, page.id";

pub(crate) const FOLLOWING: &str = "SELECT asked.number, page.id
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS asked (of_user, after_user, rows, number)
    CROSS JOIN LATERAL (
        SELECT followee AS id FROM follows
        WHERE follower = asked.of_user AND followee > asked.after_user AND present ORDER BY followee LIMIT asked.rows
    ) AS page
    ORDER BY asked.number, page.id";

/// Pages, each with one more than was asked for, which tells whether there are more.
pub(super) async fn pages(
    client: &impl GenericClient,
    direction: EdgeDirection,
    requests: &[FollowerPageRequest],
    deadline: Deadline,
) -> Result<Vec<FollowerPage>, StoreError> {
    let statement = match direction {
        EdgeDirection::Followers => FOLLOWERS,
        EdgeDirection::Following => FOLLOWING,
    };
    let of: Vec<i64> = requests
        .iter()
        .map(|request| sql::column(request.author.get()))
        .collect();
    let after: Vec<i64> = requests
        .iter()
        .map(|request| {
            request
                .after
                .map_or(0, |after| i64::try_from(after.get()).unwrap_or(i64::MAX))
        })
        .collect();
    let rows: Vec<i64> = requests
        .iter()
        .map(|request| sql::limit(request.limit.saturating_add(1)))
        .collect();
    let found = ask::query(client, deadline, statement, &[&of, &after, &rows]).await?;
    let mut pages = vec![FollowerPage::default(); requests.len()];
    for row in found {
        let number: i64 = row.get(0);
        let at = usize::try_from(number - 1).unwrap_or_default();
        pages[at].followers.push(sql::user(row.get(1)));
    }
    for (page, request) in pages.iter_mut().zip(requests) {
        page.more = page.followers.len() > request.limit;
        page.followers.truncate(request.limit);
    }
    Ok(pages)
}

/// The server jumps from one chunk's end to the next along the index, which costs it 0.07 us a follower where vacuum has been:
/// two seconds for thirty million. All chunks but the last are full, so that only the last is counted.
pub(crate) const CHUNKS: &str = "WITH RECURSIVE ends (number, last) AS (
        SELECT 0::bigint, 0::bigint
        UNION ALL
        SELECT number + 1, (
            SELECT follower FROM followers WHERE followee = $1 AND follower > ends.last
            ORDER BY follower OFFSET $2::bigint - 1 LIMIT 1
        ) FROM ends WHERE last IS NOT NULL
    )
    SELECT last, $2::bigint AS expected FROM ends WHERE number > 0 AND last IS NOT NULL
    UNION ALL
    SELECT max(follower), count(*) FROM followers WHERE followee = $1 AND follower > (SELECT max(last) FROM ends)
    HAVING count(*) > 0
    ORDER BY 1";

/// An author's followers, cut into chunks.
pub(super) async fn chunks(
    client: &impl GenericClient,
    request: ChunksRequest,
    deadline: Deadline,
) -> Result<Vec<ChunkPlan>, StoreError> {
    let (author, size) = (sql::column(request.author.get()), sql::limit(request.size.max(1)));
    let rows = ask::query(client, deadline, CHUNKS, &[&author, &size]).await?;
    let mut after = None;
    let plan = |(number, row): (u32, &tokio_postgres::Row)| {
        let last = sql::user(row.get(0));
        ChunkPlan {
            number,
            after: after.replace(last),
            last,
            expected: sql::number(row.get(1)),
        }
    };
    Ok((0..).zip(&rows).map(plan).collect())
}

//! What others ask about edges: a reader's view, and pages and chunks of followers.

use ahash::AHashSet;
use deadpool_postgres::GenericClient;
use model::{ActorVersion, ChunkPlan, EdgeKind, Followee, ReaderView, UserId};
use storage::{ChunksRequest, Deadline, EdgeDirection, EdgeRecord, FollowerPage, FollowerPageRequest, StoreError};
use tokio_postgres::Row;

use crate::ask;
use crate::sql;

/// One statement: a view is as of one moment.
pub(crate) const READER: &str = "SELECT actor_version, followees.ids, followees.versions,
        ARRAY(SELECT target FROM mutes WHERE actor = $1 AND present ORDER BY target),
        ARRAY(SELECT target FROM blocks WHERE actor = $1 AND present
              UNION SELECT actor FROM blocked_by WHERE target = $1 ORDER BY 1)
    FROM users CROSS JOIN (
        SELECT coalesce(array_agg(followee), '{}') AS ids, coalesce(array_agg(version), '{}') AS versions
        FROM (SELECT followee, version FROM follows WHERE follower = $1 AND present ORDER BY followee) AS by_id
    ) AS followees
    WHERE id = $1 AND deleted_at_ms IS NULL";

/// All that a read needs to know of its reader.
pub(super) async fn reader(
    client: &impl GenericClient,
    reader: UserId,
    deadline: Deadline,
) -> Result<Option<ReaderView>, StoreError> {
    let row = ask::query_opt(client, deadline, READER, &[&sql::column(reader.get())]).await?;
    Ok(row.map(|row| {
        let versions: Vec<i64> = row.get(2);
        let followee = |(id, since): (UserId, i64)| Followee {
            id,
            since: ActorVersion(sql::number(since)),
        };
        ReaderView {
            reader,
            version: ActorVersion(sql::number(row.get(0))),
            followees: ids(&row, 1).into_iter().zip(versions).map(followee).collect(),
            muted: ids(&row, 3),
            blocked: ids(&row, 4),
        }
    }))
}

fn ids(row: &Row, at: usize) -> Vec<UserId> {
    row.get::<_, Vec<i64>>(at).into_iter().map(sql::user).collect()
}

macro_rules! between {
    ($kind:literal, $table:literal, $actor:literal, $target:literal) => {
        concat!(
            "SELECT ",
            $kind,
            "::smallint, ",
            $actor,
            ", ",
            $target,
            ", version, present FROM ",
            $table,
            " WHERE (",
            $actor,
            " = $1 AND ",
            $target,
            " = $2) OR (",
            $actor,
            " = $2 AND ",
            $target,
            " = $1)"
        )
    };
}

/// One statement: as of one moment.
pub(crate) const BETWEEN: &str = concat!(
    between!("0", "follows", "follower", "followee"),
    " UNION ALL ",
    between!("1", "mutes", "actor", "target"),
    " UNION ALL ",
    between!("2", "blocks", "actor", "target")
);

/// What stands, or once stood, between two accounts.
pub(super) async fn between(
    client: &impl GenericClient,
    one: UserId,
    other: UserId,
    deadline: Deadline,
) -> Result<Vec<EdgeRecord>, StoreError> {
    let accounts = (sql::column(one.get()), sql::column(other.get()));
    let rows = ask::query(client, deadline, BETWEEN, &[&accounts.0, &accounts.1]).await?;
    let record = |row: &Row| EdgeRecord {
        kind: match row.get::<_, i16>(0) {
            0 => EdgeKind::Follow,
            1 => EdgeKind::Mute,
            _ => EdgeKind::Block,
        },
        actor: sql::user(row.get(1)),
        target: sql::user(row.get(2)),
        version: ActorVersion(sql::number(row.get(3))),
        present: row.get(4),
    };
    Ok(rows.iter().map(record).collect())
}

/// The column that rows lie above, for those after this account.
fn above(after: Option<UserId>) -> i64 {
    i64::try_from(after.map_or(0, UserId::get)).unwrap_or(i64::MAX)
}

macro_rules! pages {
    ($page:literal) => {
        concat!(
            "SELECT ARRAY(",
            $page,
            " LIMIT asked.most)
            FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS asked (of_user, after, most, number)
            ORDER BY asked.number"
        )
    };
}

/// A page in one row: that is a third of the work of a row an id.
pub(crate) const FOLLOWERS: &str = pages!(
    "SELECT follower FROM followers WHERE followee = asked.of_user AND follower > asked.after ORDER BY follower"
);
pub(crate) const FOLLOWING: &str = pages!(
    "SELECT followee FROM follows
    WHERE follower = asked.of_user AND followee > asked.after AND present ORDER BY followee"
);

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
    let column = |value: fn(&FollowerPageRequest) -> i64| -> Vec<i64> { requests.iter().map(value).collect() };
    let of = column(|request| sql::column(request.author.get()));
    let after = column(|request| above(request.after));
    let most = column(|request| sql::limit(request.limit.saturating_add(1)));
    let rows = ask::query(client, deadline, statement, &[&of, &after, &most]).await?;
    let page = |(row, request): (&Row, &FollowerPageRequest)| {
        let mut followers = ids(row, 0);
        let more = followers.len() > request.limit;
        followers.truncate(request.limit);
        FollowerPage { followers, more }
    };
    Ok(rows.iter().zip(requests).map(page).collect())
}

/// The server jumps from one chunk's end to the next along the index, which costs it 0.07 us a follower where vacuum has been.
/// All chunks but the last of all are full, so that only that one is counted.
pub(crate) const CHUNKS: &str = "WITH RECURSIVE ends (number, last) AS (
        SELECT 0::bigint, $3::bigint
        UNION ALL
        SELECT number + 1, (
            SELECT follower FROM followers WHERE followee = $1 AND follower > ends.last
            ORDER BY follower OFFSET $2::bigint - 1 LIMIT 1
        ) FROM ends WHERE last IS NOT NULL AND number < $4::bigint
    )
    SELECT last, $2::bigint AS expected FROM ends WHERE number > 0 AND last IS NOT NULL
    UNION ALL
    SELECT max(follower), count(*) FROM followers
    WHERE followee = $1 AND follower > (SELECT max(last) FROM ends) AND EXISTS (SELECT FROM ends WHERE last IS NULL)
    HAVING count(*) > 0
    ORDER BY 1";

/// An author's followers, cut into chunks, as far as was asked for.
pub(super) async fn chunks(
    client: &impl GenericClient,
    request: ChunksRequest,
    deadline: Deadline,
) -> Result<Vec<ChunkPlan>, StoreError> {
    let (author, size) = (sql::column(request.author.get()), sql::limit(request.size.max(1)));
    let (from, limit) = (above(request.after), sql::limit(request.limit));
    let rows = ask::query(client, deadline, CHUNKS, &[&author, &size, &from, &limit]).await?;
    let mut after = request.after;
    let plan = |(number, row): (u32, &Row)| {
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

/// Whom of these an account follows, or did: tombstones stay for a time.
pub(crate) const EVER_FOLLOWED: &str = "SELECT followee FROM follows WHERE follower = $1 AND followee = ANY($2)";

/// Whether an account follows each of these, or has at some time.
pub(super) async fn ever_followed(
    client: &impl GenericClient,
    reader: UserId,
    authors: &[UserId],
    deadline: Deadline,
) -> Result<Vec<bool>, StoreError> {
    let columns: Vec<i64> = authors.iter().map(|author| sql::column(author.get())).collect();
    let rows = ask::query(client, deadline, EVER_FOLLOWED, &[&sql::column(reader.get()), &columns]).await?;
    let followed: AHashSet<UserId> = rows.iter().map(|row| sql::user(row.get(0))).collect();
    Ok(authors.iter().map(|author| followed.contains(author)).collect())
}

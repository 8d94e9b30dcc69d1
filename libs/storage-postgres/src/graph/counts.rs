//! Counts.

use ahash::AHashMap;
use deadpool_postgres::GenericClient;
use model::{AuthorTweets, UserId};
use storage::{Deadline, StoreError};
use tokio_postgres::Row;

use super::PostgresGraph;
use crate::ask;
use crate::sql;

/// From this many followers on an author is in the index.
const INDEXED_FROM: u64 = 64;

/// Several processes may fold at the same time: each takes what no other holds, and authors in one order.
pub(crate) const FOLD: &str = "WITH gone AS (
        DELETE FROM follower_count_deltas WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM follower_count_deltas ORDER BY user_id, id LIMIT $1 FOR UPDATE SKIP LOCKED
        ))
        RETURNING user_id, delta
    ), folded AS (
        INSERT INTO user_counts AS known (user_id, followers)
        SELECT user_id, sum(delta)::bigint FROM gone GROUP BY user_id ORDER BY user_id
        ON CONFLICT (user_id) DO UPDATE SET followers = known.followers + excluded.followers
    )
    SELECT count(*) FROM gone";

/// The followers of accounts, folded or not.
macro_rules! followers {
    ($from_where:literal) => {
        concat!(
            "SELECT users.id, coalesce(
                (SELECT followers FROM user_counts WHERE user_id = users.id), 0) + coalesce(
                (SELECT sum(delta)::bigint FROM follower_count_deltas WHERE user_id = users.id), 0) AS followers ",
            $from_where
        )
    };
}

pub(crate) const FOLLOWERS: &str = followers!("FROM users WHERE id = ANY($1) AND deleted_at_ms IS NULL");

/// Authors by their folded counts, and those whose counts are not folded yet. Candidates are an array, so that the planner
/// does not take them for a third of all accounts.
macro_rules! authors_with {
    ($indexed:literal) => {
        concat!(
            "WITH counted AS MATERIALIZED (",
            followers!("FROM users WHERE deleted_at_ms IS NULL AND id = ANY (ARRAY("),
            "SELECT user_id FROM user_counts WHERE ",
            $indexed,
            " followers >= $1
                UNION SELECT user_id FROM follower_count_deltas GROUP BY user_id HAVING sum(delta) > 0))
            )
            SELECT id, followers FROM counted WHERE followers >= $1"
        )
    };
}

// The literal lets the planner use the partial index.
pub(crate) const AUTHORS_WITH_MANY: &str = authors_with!("followers >= 64 AND");
pub(crate) const AUTHORS_WITH_FEW: &str = authors_with!("");

/// In one order, as [`FOLD`], so that nobody waits for another in a circle.
pub(crate) const SET_TWEETS: &str = "INSERT INTO user_counts AS known (user_id, tweets, tweets_version)
    SELECT DISTINCT ON (author) author, count, version
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS told (author, count, version)
    WHERE EXISTS (SELECT 1 FROM users WHERE id = author)
    ORDER BY author, version DESC
    ON CONFLICT (user_id) DO UPDATE SET tweets = excluded.tweets, tweets_version = excluded.tweets_version
        WHERE known.tweets_version < excluded.tweets_version";

pub(super) async fn authors_with(
    client: &impl GenericClient,
    followers: u64,
    deadline: Deadline,
) -> Result<Vec<(UserId, u64)>, StoreError> {
    let statement = if followers >= INDEXED_FROM {
        AUTHORS_WITH_MANY
    } else {
        AUTHORS_WITH_FEW
    };
    let followers = i64::try_from(followers).unwrap_or(i64::MAX);
    let rows = ask::query(client, deadline, statement, &[&followers]).await?;
    Ok(rows.iter().map(author).collect())
}

pub(super) async fn followers(
    client: &impl GenericClient,
    authors: &[UserId],
    deadline: Deadline,
) -> Result<Vec<u64>, StoreError> {
    let ids: Vec<i64> = authors.iter().map(|author| sql::column(author.get())).collect();
    let rows = ask::query(client, deadline, FOLLOWERS, &[&ids]).await?;
    let found: AHashMap<UserId, u64> = rows.iter().map(author).collect();
    Ok(authors
        .iter()
        .map(|author| found.get(author).copied().unwrap_or(0))
        .collect())
}

/// With how many followers it has.
fn author(row: &Row) -> (UserId, u64) {
    (sql::user(row.get(0)), sql::number(row.get::<_, i64>(1).max(0)))
}

pub(super) async fn set_tweets(
    client: &impl GenericClient,
    counts: &[(UserId, AuthorTweets)],
    deadline: Deadline,
) -> Result<(), StoreError> {
    let column = |value: fn(&(UserId, AuthorTweets)) -> u64| -> Vec<i64> {
        counts.iter().map(|count| sql::column(value(count))).collect()
    };
    let authors = column(|(author, _)| author.get());
    let (numbers, versions) = (column(|(_, tweets)| tweets.count), column(|(_, tweets)| tweets.version));
    ask::execute(client, deadline, SET_TWEETS, &[&authors, &numbers, &versions]).await?;
    Ok(())
}

impl PostgresGraph {
    /// Folds appended changes of follower counts, at most `limit`; answers how many.
    pub async fn fold_counts(&self, limit: usize, deadline: Deadline) -> Result<u64, StoreError> {
        let client = self.pool.client(deadline).await?;
        let row = ask::query_one(&client, deadline, FOLD, &[&sql::limit(limit)]).await?;
        Ok(sql::number(row.get(0)))
    }
}

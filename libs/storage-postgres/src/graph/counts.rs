//! Counts.

use deadpool_postgres::GenericClient;
use model::{AuthorTweets, UserId};
use storage::{Deadline, StoreError};

use super::PostgresGraph;
use crate::ask;
use crate::sql;

/// From this many followers on an author is in the index.
const INDEXED_FROM: u64 = 64;

/// Several processes may fold at the same time: each takes what no other holds, and authors in one order.
pub(crate) const FOLD: &str = "WITH picked AS (
        SELECT id FROM follower_count_deltas ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM follower_count_deltas WHERE id = ANY (ARRAY(SELECT id FROM picked)) RETURNING user_id, delta
    ), sums AS (
        SELECT user_id, sum(delta)::bigint AS delta, count(*) AS changes FROM gone GROUP BY user_id
    ), locked AS (
        SELECT id FROM users WHERE id IN (SELECT user_id FROM sums) ORDER BY id FOR NO KEY UPDATE
    ), counted AS (
        UPDATE users SET followers_count = followers_count + sums.delta
        FROM sums WHERE users.id = sums.user_id AND users.id IN (SELECT id FROM locked)
    )
    SELECT coalesce(sum(changes), 0)::bigint FROM sums";

/// Authors by their folded counts, and those whose counts are not folded yet. Candidates are an array, so that the planner
/// does not take them for a third of all accounts.
macro_rules! authors_with {
    ($indexed:literal) => {
        concat!(
            "WITH counted AS MATERIALIZED (
                SELECT id, followers_count + coalesce(
                    (SELECT sum(delta)::bigint FROM follower_count_deltas WHERE user_id = users.id), 0) AS followers
                FROM users WHERE deleted_at_ms IS NULL AND id = ANY (ARRAY(
                    SELECT id FROM users WHERE ",
            $indexed,
            " followers_count >= $1
                    UNION SELECT user_id FROM follower_count_deltas GROUP BY user_id HAVING sum(delta) > 0
                ))
            )
            SELECT id, followers FROM counted WHERE followers >= $1"
        )
    };
}

// The literal lets the planner use the partial index.
pub(crate) const AUTHORS_WITH_MANY: &str = authors_with!("followers_count >= 64 AND");
pub(crate) const AUTHORS_WITH_FEW: &str = authors_with!("");

/// Locks in one order, as [`FOLD`] does, so that nobody waits for another in a circle.
pub(crate) const SET_TWEETS: &str = "WITH told AS (
        SELECT DISTINCT ON (author) * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
            AS told (author, count, version)
        ORDER BY author, version DESC
    ), locked AS (
        SELECT id FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE users SET tweets_count = told.count, tweets_version = told.version
    FROM told WHERE users.id = told.author AND users.id IN (SELECT id FROM locked) AND tweets_version < told.version";

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
    let author = |row: &tokio_postgres::Row| (sql::user(row.get(0)), sql::number(row.get::<_, i64>(1).max(0)));
    Ok(rows.iter().map(author).collect())
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

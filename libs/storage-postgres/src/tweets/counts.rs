//! How many tweets authors have: what posts and deletes append is folded by whoever is told.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{AuthorTweets, UserId};
use storage::{Deadline, StoreError, TweetCounts};

use super::PostgresTweets;
use crate::ask::{execute, query};
use crate::sql;

const FOLD_WITHIN: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// Appended changes that one commit folds.
const FOLDED_AT_ONCE: i64 = 20_000;

/// Several processes may fold at the same time: each takes what no other holds.
pub(crate) const FOLD: &str = "WITH picked AS (
        SELECT id FROM tweet_count_deltas ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM tweet_count_deltas WHERE id = ANY (ARRAY(SELECT id FROM picked)) RETURNING author, delta
    ), sums AS (
        SELECT author, sum(delta)::bigint AS delta, count(*) AS changes FROM gone GROUP BY author ORDER BY author
    )
    INSERT INTO tweet_counts AS known (author, count, version)
    SELECT author, delta, changes FROM sums
    ON CONFLICT (author) DO UPDATE SET count = known.count + excluded.count, version = known.version + excluded.version";

pub(crate) const CHANGED: &str =
    "SELECT author, count, version FROM tweet_counts WHERE version > taken_version ORDER BY author LIMIT $1";

pub(crate) const TAKEN: &str = "UPDATE tweet_counts AS known SET taken_version = greatest(taken_version, told.version)
    FROM unnest($1::bigint[], $2::bigint[]) AS told (author, version) WHERE known.author = told.author";

impl PostgresTweets {
    async fn fold(&self, max: usize) -> Result<Vec<(UserId, AuthorTweets)>, StoreError> {
        let deadline = Deadline::after(FOLD_WITHIN);
        let client = self.pool.client(deadline).await?;
        execute(&client, deadline, FOLD, &[&FOLDED_AT_ONCE]).await?;
        let rows = query(&client, deadline, CHANGED, &[&sql::limit(max)]).await?;
        let told = |row: &tokio_postgres::Row| {
            let count: i64 = row.get(1);
            let tweets = AuthorTweets {
                count: sql::number(count.max(0)),
                version: sql::number(row.get(2)),
            };
            (sql::user(row.get(0)), tweets)
        };
        Ok(rows.iter().map(told).collect())
    }
}

#[async_trait]
impl TweetCounts for PostgresTweets {
    async fn changed(&self, max: usize, wait: Duration) -> Result<Vec<(UserId, AuthorTweets)>, StoreError> {
        let until = Instant::now() + wait;
        loop {
            let told = self.fold(max).await?;
            let left = until.saturating_duration_since(Instant::now());
            if !told.is_empty() || left.is_zero() {
                return Ok(told);
            }
            tokio::time::sleep(BETWEEN_LOOKS.min(left)).await;
        }
    }

    async fn taken(&self, counts: &[(UserId, AuthorTweets)], deadline: Deadline) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let authors: Vec<i64> = counts.iter().map(|(author, _)| sql::column(author.get())).collect();
        let versions: Vec<i64> = counts.iter().map(|(_, tweets)| sql::column(tweets.version)).collect();
        let client = self.pool.client(deadline).await?;
        execute(&client, deadline, TAKEN, &[&authors, &versions]).await?;
        Ok(())
    }
}

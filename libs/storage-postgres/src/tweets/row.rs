//! A row of `tweets`.

use ahash::AHashMap;
use deadpool_postgres::GenericClient;
use model::{Author, Tweet, TweetId};
use storage::{Deadline, StoreError, TweetFate};
use tokio_postgres::Row;

use crate::ask::query;
use crate::sql;

/// A tweet, deleted or not.
pub(super) struct TweetRow {
    pub(super) tweet: Tweet,
    pub(super) is_deleted: bool,
}

impl From<&Row> for TweetRow {
    fn from(row: &Row) -> Self {
        Self {
            tweet: Tweet {
                id: sql::tweet(row.get(0)),
                author: Author {
                    id: sql::user(row.get(1)),
                    handle: row.get(2),
                    display_name: row.get(3),
                },
                text: row.get(4),
                in_reply_to: row.get::<_, Option<i64>>(5).map(sql::tweet),
            },
            is_deleted: row.get(6),
        }
    }
}

pub(crate) const FIND: &str = "SELECT id, author, handle, display_name, text, in_reply_to, deleted_at_ms IS NOT NULL
    FROM tweets WHERE id = ANY($1)";

/// The rows with these ids, in any order.
pub(super) async fn find(
    client: &impl GenericClient,
    ids: &[TweetId],
    deadline: Deadline,
) -> Result<Vec<TweetRow>, StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| sql::column(id.get())).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = query(client, deadline, FIND, &[&ids]).await?;
    Ok(rows.iter().map(TweetRow::from).collect())
}

pub(crate) const IDS: &str = "SELECT id FROM tweets WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3";

/// Ids between these two, in their order.
pub(super) async fn ids(
    client: &impl GenericClient,
    above: TweetId,
    below: TweetId,
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<TweetId>, StoreError> {
    let (above, below) = (sql::column(above.get()), sql::column(below.get()));
    let rows = query(client, deadline, IDS, &[&above, &below, &sql::limit(limit)]).await?;
    Ok(rows.iter().map(|row| sql::tweet(row.get(0))).collect())
}

/// Without texts: nobody shows them.
pub(crate) const FATES: &str = "SELECT id, author, deleted_at_ms IS NOT NULL FROM tweets WHERE id = ANY($1)";

/// What has become of those of these tweets that are known.
pub(super) async fn fates(
    client: &impl GenericClient,
    ids: &[TweetId],
    deadline: Deadline,
) -> Result<AHashMap<TweetId, TweetFate>, StoreError> {
    let ids: Vec<i64> = ids.iter().map(|id| sql::column(id.get())).collect();
    let rows = query(client, deadline, FATES, &[&ids]).await?;
    let fate = |row: &Row| {
        let (author, deleted) = (sql::user(row.get(1)), row.get(2));
        (sql::tweet(row.get(0)), TweetFate { author, deleted })
    };
    Ok(rows.iter().map(fate).collect())
}

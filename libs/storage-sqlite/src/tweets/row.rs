//! Tweets as rows.

use model::{Author, Tweet, TweetId};
use rusqlite::{Connection, OptionalExtension, Row};
use storage::TweetFate;

use crate::sql;

/// A tweet, deleted or not.
pub(super) struct TweetRow {
    pub(super) tweet: Tweet,
    pub(super) is_deleted: bool,
}

impl TweetRow {
    /// Reads one.
    pub(super) fn find(connection: &Connection, id: TweetId) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached(
                "SELECT id, author, handle, display_name, text, in_reply_to, deleted_at_ms IS NOT NULL
                 FROM tweets WHERE id = ?1",
            )?
            .query_row([sql::column(id.get())], |row| Self::try_from(row))
            .optional()
    }

    /// What has become of it.
    pub(super) const fn fate(&self) -> TweetFate {
        TweetFate {
            author: self.tweet.author.id,
            deleted: self.is_deleted,
        }
    }

    /// The tweet, unless it is deleted.
    pub(super) fn visible(self) -> Option<Tweet> {
        (!self.is_deleted).then_some(self.tweet)
    }
}

/// Ids between these two, in their order.
pub(super) fn ids(
    connection: &Connection,
    above: TweetId,
    below: TweetId,
    limit: usize,
) -> rusqlite::Result<Vec<TweetId>> {
    connection
        .prepare_cached("SELECT id FROM tweets WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?3")?
        .query_map(
            [
                sql::column(above.get()),
                sql::column(below.get()),
                sql::column(limit as u64),
            ],
            |row| row.get(0).map(sql::tweet),
        )?
        .collect()
}

impl TryFrom<&Row<'_>> for TweetRow {
    type Error = rusqlite::Error;

    fn try_from(row: &Row<'_>) -> rusqlite::Result<Self> {
        let author = Author {
            id: sql::user(row.get(1)?),
            handle: row.get(2)?,
            display_name: row.get(3)?,
        };
        let tweet = Tweet {
            id: sql::tweet(row.get(0)?),
            author,
            text: row.get(4)?,
            in_reply_to: row.get::<_, Option<i64>>(5)?.map(sql::tweet),
        };
        Ok(Self {
            tweet,
            is_deleted: row.get(6)?,
        })
    }
}

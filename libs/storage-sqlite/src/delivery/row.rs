//! Records and chunks as rows.

use model::{ChunkPlan, DeliveryRecord, Mode, TweetId, UserId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use storage::{ChunkRecord, ChunkResult, ChunkState, PendingChunk};

use crate::sql;

fn mode(text: &str) -> rusqlite::Result<Mode> {
    [Mode::Push, Mode::Pull, Mode::Both]
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| {
            let error = format!("a delivery of unknown mode {text:?}");
            rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
        })
}

/// The record of a tweet.
pub(super) fn find(connection: &Connection, tweet: TweetId) -> rusqlite::Result<Option<DeliveryRecord>> {
    connection
        .prepare_cached(
            "SELECT author, mode, expected, written, skipped, unfollowed, accepted_at_ms, finished_at_ms
             FROM deliveries WHERE tweet = ?1",
        )?
        .query_row([sql::column(tweet.get())], |row| {
            Ok(DeliveryRecord {
                tweet,
                author: sql::user(row.get(0)?),
                mode: mode(row.get_ref(1)?.as_str()?)?,
                expected: sql::number(row.get(2)?),
                written: sql::number(row.get(3)?),
                skipped: sql::number(row.get(4)?),
                unfollowed: sql::number(row.get(5)?),
                accepted_at_ms: sql::number(row.get(6)?),
                finished_at_ms: row.get::<_, Option<i64>>(7)?.map(sql::number),
            })
        })
        .optional()
}

/// Adds a record; `false` if the tweet has one, which stays as it is.
pub(super) fn insert(connection: &Connection, record: &DeliveryRecord, chunks: usize) -> rusqlite::Result<bool> {
    let inserted = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO deliveries (tweet, author, mode, expected, written, skipped, unfollowed, chunks_left,
                 accepted_at_ms, finished_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            sql::column(record.tweet.get()),
            sql::column(record.author.get()),
            record.mode.as_str(),
            sql::column(record.expected),
            sql::column(record.written),
            sql::column(record.skipped),
            sql::column(record.unfollowed),
            sql::column(chunks as u64),
            sql::column(record.accepted_at_ms),
            record.finished_at_ms.map(sql::column),
        ))?;
    Ok(inserted == 1)
}

/// Whether a chunk is still to be cut into chunks.
pub(super) fn is_rest(connection: &Connection, tweet: TweetId, number: u32) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM chunks WHERE tweet = ?1 AND number = ?2 AND last = ?3 AND finished_at_ms IS NULL",
        )?
        .exists((sql::column(tweet.get()), number, sql::column(UserId::MAX.get())))
}

/// Counts chunks that have come into the place of one.
pub(super) fn add_to_plan(connection: &Connection, tweet: TweetId, chunks: &[ChunkPlan]) -> rusqlite::Result<()> {
    let expected = chunks.iter().map(|chunk| chunk.expected).sum();
    connection
        .prepare_cached(
            "UPDATE deliveries SET expected = expected + ?2, chunks_left = chunks_left + ?3 - 1 WHERE tweet = ?1",
        )?
        .execute([
            sql::column(tweet.get()),
            sql::column(expected),
            sql::column(chunks.len() as u64),
        ])?;
    Ok(())
}

/// Adds a chunk to be done from `due_at_ms` on, or puts it in the place of the rest of its number.
pub(super) fn put_chunk(
    connection: &Connection,
    tweet: TweetId,
    chunk: &ChunkPlan,
    due_at_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO chunks (tweet, number, after, last, expected, due_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            sql::column(tweet.get()),
            chunk.number,
            chunk.after.map(|user| sql::column(user.get())),
            sql::column(chunk.last.get()),
            sql::column(chunk.expected),
            due_at_ms,
        ))?;
    Ok(())
}

const PENDING: &str = "SELECT author, mode, number, after, last, chunks.expected, tweet, tries
    FROM chunks JOIN deliveries USING (tweet) WHERE chunks.finished_at_ms IS NULL AND";

/// When chunks that are set aside are due.
const NEVER: i64 = i64::MAX;

/// Takes the unfinished chunk that has been due longest at `now_ms`; it is due again at `until_ms`, or never when it has
/// been tried too often.
pub(super) fn lease(
    connection: &Connection,
    now_ms: u64,
    until_ms: u64,
    max_tries: u32,
) -> rusqlite::Result<Option<PendingChunk>> {
    let due = connection
        .prepare_cached(&format!("{PENDING} due_at_ms <= ?1 ORDER BY due_at_ms LIMIT 1"))?
        .query_row([sql::column(now_ms)], pending_chunk)
        .optional()?;
    if let Some(PendingChunk { tweet, plan, tries, .. }) = due {
        let until_ms = if tries < max_tries {
            until_ms
        } else {
            NEVER.unsigned_abs()
        };
        hold(connection, tweet, plan.number, until_ms)?;
        add_tries(connection, tweet, plan.number, 1)?;
    }
    Ok(due)
}

/// Counts how often a chunk has been begun.
pub(super) fn add_tries(connection: &Connection, tweet: TweetId, number: u32, tries: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE chunks SET tries = tries + ?3 WHERE tweet = ?1 AND number = ?2")?
        .execute((sql::column(tweet.get()), number, tries))?;
    Ok(())
}

/// Chunks that are set aside.
pub(super) fn list_aside(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<PendingChunk>> {
    connection
        .prepare_cached(&format!("{PENDING} due_at_ms = ?1 LIMIT ?2"))?
        .query_map((NEVER, sql::column(limit as u64)), pending_chunk)?
        .collect()
}

/// Makes chunks that are set aside due at `now_ms`, as if they had never been tried; answers how many.
pub(super) fn replay_aside(connection: &Connection, now_ms: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("UPDATE chunks SET due_at_ms = ?1, tries = 0 WHERE finished_at_ms IS NULL AND due_at_ms = ?2")?
        .execute((sql::column(now_ms), NEVER))
}

/// Makes a chunk due at `until_ms`, unless it is finished.
pub(super) fn hold(connection: &Connection, tweet: TweetId, number: u32, until_ms: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE chunks SET due_at_ms = ?3 WHERE tweet = ?1 AND number = ?2 AND finished_at_ms IS NULL")?
        .execute((sql::column(tweet.get()), number, sql::column(until_ms)))?;
    Ok(())
}

fn pending_chunk(row: &Row<'_>) -> rusqlite::Result<PendingChunk> {
    Ok(PendingChunk {
        tweet: sql::tweet(row.get(6)?),
        author: sql::user(row.get(0)?),
        mode: mode(row.get_ref(1)?.as_str()?)?,
        plan: ChunkPlan {
            number: row.get(2)?,
            after: row.get::<_, Option<i64>>(3)?.map(sql::user),
            last: sql::user(row.get(4)?),
            expected: sql::number(row.get(5)?),
        },
        tries: u32::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
    })
}

/// The chunk that a follower falls into.
pub(super) fn find_chunk(
    connection: &Connection,
    tweet: TweetId,
    follower: UserId,
) -> rusqlite::Result<Option<ChunkRecord>> {
    connection
        .prepare_cached(
            "SELECT number, after, last, expected, tries, due_at_ms = ?3, written, skipped, finished_at_ms
             FROM chunks WHERE tweet = ?1 AND ifnull(after, 0) < ?2 AND last >= ?2 ORDER BY number LIMIT 1",
        )?
        .query_row(
            (sql::column(tweet.get()), sql::column(follower.get()), NEVER),
            chunk_record,
        )
        .optional()
}

fn chunk_record(row: &Row<'_>) -> rusqlite::Result<ChunkRecord> {
    let state = match (row.get::<_, Option<i64>>(8)?, row.get(5)?) {
        (Some(finished_at_ms), _) => ChunkState::Done {
            written: sql::number(row.get(6)?),
            skipped: sql::number(row.get(7)?),
            finished_at_ms: sql::number(finished_at_ms),
        },
        (None, true) => ChunkState::Aside,
        (None, false) => ChunkState::Pending,
    };
    Ok(ChunkRecord {
        plan: ChunkPlan {
            number: row.get(0)?,
            after: row.get::<_, Option<i64>>(1)?.map(sql::user),
            last: sql::user(row.get(2)?),
            expected: sql::number(row.get(3)?),
        },
        tries: u32::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
        state,
    })
}

/// Finishes a chunk; `false` if it is finished already, or unknown.
pub(super) fn finish_chunk(connection: &Connection, chunk: &ChunkResult) -> rusqlite::Result<bool> {
    let finished = connection
        .prepare_cached(
            "UPDATE chunks SET written = ?3, skipped = ?4, unfollowed = ?5, finished_at_ms = ?6
             WHERE tweet = ?1 AND number = ?2 AND finished_at_ms IS NULL",
        )?
        .execute((
            sql::column(chunk.tweet.get()),
            chunk.number,
            sql::column(chunk.written),
            sql::column(chunk.skipped),
            sql::column(chunk.unfollowed),
            sql::column(chunk.finished_at_ms),
        ))?;
    Ok(finished == 1)
}

/// Adds a finished chunk's figures to the record, and finishes that with the last one.
pub(super) fn count_chunk(connection: &Connection, chunk: &ChunkResult) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET written = written + ?2, skipped = skipped + ?3, unfollowed = unfollowed + ?4,
                 chunks_left = chunks_left - 1, finished_at_ms = iif(chunks_left = 1, ?5, NULL)
             WHERE tweet = ?1",
        )?
        .execute([
            sql::column(chunk.tweet.get()),
            sql::column(chunk.written),
            sql::column(chunk.skipped),
            sql::column(chunk.unfollowed),
            sql::column(chunk.finished_at_ms),
        ])?;
    Ok(())
}

/// Whether nothing is left to be done for a tweet.
pub(super) fn is_finished(connection: &Connection, tweet: TweetId) -> rusqlite::Result<bool> {
    let finished: Option<bool> = connection
        .prepare_cached("SELECT finished_at_ms IS NOT NULL FROM deliveries WHERE tweet = ?1")?
        .query_row([sql::column(tweet.get())], |row| row.get(0))
        .optional()?;
    Ok(finished.unwrap_or(false))
}

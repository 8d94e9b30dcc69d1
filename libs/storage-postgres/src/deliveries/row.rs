//! Records, plans and chunks as rows and columns.

use model::{ChunkPlan, DeliveryRecord, Mode, TweetId, UserId};
use storage::{ChunkRecord, ChunkResult, ChunkState, PendingChunk, StoreError};
use tokio_postgres::Row;

use super::STORE;
use crate::sql;

pub(super) const fn column_of_mode(mode: Mode) -> i16 {
    match mode {
        Mode::Push => 0,
        Mode::Pull => 1,
        Mode::Both => 2,
    }
}

fn mode(column: i16) -> Result<Mode, StoreError> {
    match column {
        0 => Ok(Mode::Push),
        1 => Ok(Mode::Pull),
        2 => Ok(Mode::Both),
        unknown => Err(StoreError::Corrupt {
            store: STORE,
            what: format!("a tweet of unknown mode {unknown}"),
        }),
    }
}

pub(super) fn record(row: &Row) -> Result<DeliveryRecord, StoreError> {
    let number = |at: usize| sql::number(row.get(at));
    Ok(DeliveryRecord {
        tweet: sql::tweet(row.get(0)),
        author: sql::user(row.get(1)),
        mode: mode(row.get(2))?,
        expected: number(3),
        written: number(4),
        skipped: number(5),
        unfollowed: number(6),
        accepted_at_ms: number(7),
        finished_at_ms: row.get::<_, Option<i64>>(8).map(sql::number),
    })
}

pub(super) fn pending(row: &Row) -> Result<PendingChunk, StoreError> {
    Ok(PendingChunk {
        tweet: sql::tweet(row.get(0)),
        author: sql::user(row.get(1)),
        mode: mode(row.get(2))?,
        plan: plan(row, 3),
        tries: u32::try_from(row.get::<_, i32>(7)).unwrap_or(0),
    })
}

/// A plan, from this column on.
fn plan(row: &Row, at: usize) -> ChunkPlan {
    ChunkPlan {
        number: u32::try_from(row.get::<_, i32>(at)).expect("only numbers that were not negative are stored"),
        after: row.get::<_, Option<i64>>(at + 1).map(sql::user),
        last: sql::user(row.get(at + 2)),
        expected: sql::number(row.get(at + 3)),
    }
}

pub(super) fn chunk(row: &Row) -> ChunkRecord {
    let number = |at: usize| row.get::<_, Option<i64>>(at).map(sql::number);
    let state = match (number(8), row.get(5)) {
        (Some(finished_at_ms), _) => ChunkState::Done {
            written: number(6).unwrap_or(0),
            skipped: number(7).unwrap_or(0),
            finished_at_ms,
        },
        (None, true) => ChunkState::Aside,
        (None, false) => ChunkState::Pending,
    };
    ChunkRecord {
        plan: plan(row, 0),
        tries: u32::try_from(row.get::<_, i32>(4)).unwrap_or(0),
        state,
    }
}

pub(super) fn ids(tweets: &[TweetId]) -> Vec<i64> {
    tweets.iter().map(|tweet| sql::column(tweet.get())).collect()
}

pub(super) fn chunk_number(number: u32) -> i32 {
    i32::try_from(number).expect("an author has less than 2^31 chunks of followers")
}

/// Chunks of a plan by columns.
pub(super) struct ChunkColumns {
    pub(super) numbers: Vec<i32>,
    pub(super) afters: Vec<Option<i64>>,
    pub(super) lasts: Vec<i64>,
    pub(super) expected: Vec<i64>,
}

impl From<&[ChunkPlan]> for ChunkColumns {
    fn from(chunks: &[ChunkPlan]) -> Self {
        let column = |user: UserId| sql::column(user.get());
        Self {
            numbers: chunks.iter().map(|chunk| chunk_number(chunk.number)).collect(),
            afters: chunks.iter().map(|chunk| chunk.after.map(column)).collect(),
            lasts: chunks.iter().map(|chunk| column(chunk.last)).collect(),
            expected: chunks.iter().map(|chunk| sql::column(chunk.expected)).collect(),
        }
    }
}

/// Results of chunks by columns.
pub(super) struct ResultColumns {
    pub(super) tweets: Vec<i64>,
    pub(super) numbers: Vec<i32>,
    pub(super) written: Vec<i64>,
    pub(super) skipped: Vec<i64>,
    pub(super) unfollowed: Vec<i64>,
    pub(super) finished_at_ms: Vec<i64>,
}

impl From<&[ChunkResult]> for ResultColumns {
    fn from(chunks: &[ChunkResult]) -> Self {
        let numbers = |value: fn(&ChunkResult) -> u64| -> Vec<i64> {
            chunks.iter().map(|chunk| sql::column(value(chunk))).collect()
        };
        Self {
            tweets: numbers(|chunk| chunk.tweet.get()),
            numbers: chunks.iter().map(|chunk| chunk_number(chunk.number)).collect(),
            written: numbers(|chunk| chunk.written),
            skipped: numbers(|chunk| chunk.skipped),
            unfollowed: numbers(|chunk| chunk.unfollowed),
            finished_at_ms: numbers(|chunk| chunk.finished_at_ms),
        }
    }
}

//! Records, plans and chunks as rows and columns.

use model::{ChunkPlan, DeliveryPlan, DeliveryRecord, Mode, TweetId};
use storage::{ChunkResult, PendingChunk, StoreError};
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
        accepted_at_ms: number(6),
        finished_at_ms: row.get::<_, Option<i64>>(7).map(sql::number),
    })
}

pub(super) fn pending(row: &Row) -> Result<PendingChunk, StoreError> {
    Ok(PendingChunk {
        tweet: sql::tweet(row.get(0)),
        author: sql::user(row.get(1)),
        mode: mode(row.get(2))?,
        plan: ChunkPlan {
            number: u32::try_from(row.get::<_, i32>(3)).expect("only numbers that were not negative are stored"),
            after: row.get::<_, Option<i64>>(4).map(sql::user),
            last: sql::user(row.get(5)),
            expected: sql::number(row.get(6)),
        },
    })
}

pub(super) fn ids(tweets: &[TweetId]) -> Vec<i64> {
    tweets.iter().map(|tweet| sql::column(tweet.get())).collect()
}

pub(super) fn chunk_number(number: u32) -> i32 {
    i32::try_from(number).expect("an author has less than 2^31 chunks of followers")
}

/// Plans, and all their chunks, by columns.
pub(super) struct PlanColumns {
    pub(super) tweets: Vec<i64>,
    pub(super) authors: Vec<i64>,
    pub(super) modes: Vec<i16>,
    pub(super) expected: Vec<i64>,
    pub(super) accepted_at_ms: Vec<i64>,
    pub(super) chunks: Vec<i32>,
    pub(super) chunk_tweets: Vec<i64>,
    pub(super) chunk_numbers: Vec<i32>,
    pub(super) chunk_afters: Vec<Option<i64>>,
    pub(super) chunk_lasts: Vec<i64>,
    pub(super) chunk_expected: Vec<i64>,
}

impl From<&[DeliveryPlan]> for PlanColumns {
    fn from(plans: &[DeliveryPlan]) -> Self {
        let numbers = |value: fn(&DeliveryPlan) -> u64| -> Vec<i64> {
            plans.iter().map(|plan| sql::column(value(plan))).collect()
        };
        let chunks: Vec<(TweetId, ChunkPlan)> = plans
            .iter()
            .flat_map(|plan| plan.chunks.iter().map(|chunk| (plan.tweet, *chunk)))
            .collect();
        let of_chunks = |value: fn(&(TweetId, ChunkPlan)) -> u64| -> Vec<i64> {
            chunks.iter().map(|chunk| sql::column(value(chunk))).collect()
        };
        Self {
            tweets: numbers(|plan| plan.tweet.get()),
            authors: numbers(|plan| plan.author.get()),
            modes: plans.iter().map(|plan| column_of_mode(plan.mode)).collect(),
            expected: numbers(|plan| plan.chunks.iter().map(|chunk| chunk.expected).sum()),
            accepted_at_ms: numbers(|plan| plan.accepted_at_ms),
            chunks: plans
                .iter()
                .map(|plan| i32::try_from(plan.chunks.len()).expect("an author has less than 2^31 chunks of followers"))
                .collect(),
            chunk_tweets: of_chunks(|(tweet, _)| tweet.get()),
            chunk_numbers: chunks.iter().map(|(_, chunk)| chunk_number(chunk.number)).collect(),
            chunk_afters: chunks
                .iter()
                .map(|(_, chunk)| chunk.after.map(|user| sql::column(user.get())))
                .collect(),
            chunk_lasts: of_chunks(|(_, chunk)| chunk.last.get()),
            chunk_expected: of_chunks(|(_, chunk)| chunk.expected),
        }
    }
}

/// Results of chunks by columns.
pub(super) struct ResultColumns {
    pub(super) tweets: Vec<i64>,
    pub(super) numbers: Vec<i32>,
    pub(super) written: Vec<i64>,
    pub(super) skipped: Vec<i64>,
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
            finished_at_ms: numbers(|chunk| chunk.finished_at_ms),
        }
    }
}

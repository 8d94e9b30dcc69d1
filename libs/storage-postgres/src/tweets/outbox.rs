//! Events that fan-out is not done with, and the id below which everything is.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{Event, EventBody, Position, TraceContext, TweetId};
use parking_lot::Mutex;
use storage::{AsideTweet, Backlog, Deadline, Outbox, Outstanding, Settled, StoreError};
use tokio_postgres::Row;

use super::worker::HIGHEST;
use super::{PostgresTweets, STORE};
use crate::ask::{execute, query, query_one, query_opt};
use crate::pool::PostgresPool;
use crate::sql;

pub(super) const ACCEPTED: i16 = 0;
pub(super) const DELETED: i16 = 1;

/// How long what was read of the outbox as a whole is good enough: it is asked with each read and each post. What is settled
/// only rises, so an older value stays true.
const GOOD_FOR: Duration = Duration::from_millis(100);

/// Beyond this many the backlog is estimated: counting would be linear.
const COUNTED: i64 = 10_000;

/// An event and how old it is, as columns.
fn outstanding(row: &Row) -> Result<Outstanding, StoreError> {
    let tweet = sql::tweet(row.get(3));
    let author = sql::user(row.get(4));
    let body = match row.get(2) {
        ACCEPTED => EventBody::TweetAccepted { tweet, author },
        DELETED => EventBody::TweetDeleted { tweet, author },
        unknown => {
            return Err(StoreError::Corrupt {
                store: STORE,
                what: format!("an event of unknown kind {unknown}"),
            });
        }
    };
    let age: f64 = row.get(6);
    Ok(Outstanding {
        event: Event {
            position: Position(sql::number(row.get(0))),
            format: u16::try_from(row.get::<_, i16>(1)).unwrap_or(u16::MAX),
            trace: row.get::<_, Option<String>>(5).map(TraceContext),
            body,
        },
        age: Duration::from_secs_f64(age.max(0.0)),
    })
}

/// Positions rise with time, but for an instant: where one of the first `limit` is too young, those above these are. So it
/// never steps over all that are. Kinds that a later build writes are left to it.
/// What was committed before the clock was set back seems to lie ahead, and is no younger for that.
pub(crate) const OUTSTANDING: &str = "SELECT position, format, kind, tweet, author, trace,
        abs(extract(epoch FROM clock_timestamp() - committed_at)::double precision)
    FROM (SELECT * FROM outbox WHERE position > $1 AND kind IN (0, 1) ORDER BY position LIMIT $3) AS first
    WHERE abs(extract(epoch FROM clock_timestamp() - committed_at)::double precision) >= $2::double precision
    ORDER BY position";

pub(crate) const NOT_UNDERSTOOD: &str = "SELECT count(*) FROM outbox WHERE kind NOT IN (0, 1)";

pub(crate) const DONE: &str = "DELETE FROM outbox WHERE position = ANY($1)";

pub(crate) const TRACE_OF: &str = "SELECT trace FROM outbox WHERE tweet = $1 AND kind = 0";

pub(crate) const SET_ASIDE: &str = "UPDATE outbox SET aside = true WHERE position = ANY($1) AND NOT aside";

pub(crate) const SET_TWEETS_ASIDE: &str =
    "UPDATE outbox SET aside = true WHERE tweet = ANY($1) AND kind = 0 AND NOT aside";

/// How many tweets that were set aside readers look up. The next one holds back what is settled.
const ASIDE_LISTED: i64 = 1_000;

/// In one snapshot. Why nothing comes in below it: see [`super::worker`].
pub(crate) const SETTLED: &str = "WITH aside AS MATERIALIZED (
        SELECT tweet, author FROM outbox WHERE kind = 0 AND aside ORDER BY tweet LIMIT $1::bigint + 1
    )
    SELECT least(
            (SELECT min(tweet) FROM outbox WHERE kind = 0 AND NOT aside),
            (SELECT max(tweet) FROM aside HAVING count(*) > $1),
            coalesce((SELECT min(floor) + 1 FROM ingest_workers), (SELECT id + 1 FROM ingest_high_water))),
        ARRAY(SELECT tweet FROM aside ORDER BY tweet LIMIT $1),
        ARRAY(SELECT author FROM aside ORDER BY tweet LIMIT $1)";

/// The oldest are counted. Of the others there are no more than positions, of which some are done; and about as many as the
/// server's statistics say, which begin anew when it crashes. What was set aside is no longer waiting for anybody.
pub(crate) const BACKLOG: &str = "SELECT counted.events,
        counted.events + (SELECT max(position) FROM outbox) - counted.last,
        pg_stat_get_live_tuples('outbox'::regclass),
        (SELECT extract(epoch FROM committed_at)::double precision * 1000
            FROM outbox WHERE NOT aside ORDER BY position LIMIT 1),
        (SELECT min(tweet) FROM outbox WHERE kind = 0 AND NOT aside)
    FROM (
        SELECT count(*) AS events, max(position) AS last
        FROM (SELECT position FROM outbox ORDER BY position LIMIT $1) AS oldest
    ) AS counted";

fn settled(row: &Row) -> Settled {
    let (tweets, authors): (Vec<i64>, Vec<i64>) = (row.get(1), row.get(2));
    let aside = tweets.into_iter().zip(authors).map(|(tweet, author)| AsideTweet {
        tweet: sql::tweet(tweet),
        author: sql::user(author),
    });
    Settled {
        below: sql::tweet(row.get(0)),
        aside: aside.collect(),
    }
}

fn backlog(row: &Row) -> Backlog {
    let (counted, at_most, about): (i64, Option<i64>, i64) = (row.get(0), row.get(1), row.get(2));
    let events = if counted < COUNTED {
        counted
    } else {
        about.min(at_most.unwrap_or(about)).max(counted)
    };
    let committed_ms: Option<f64> = row.get(3);
    let oldest_tweet: Option<i64> = row.get(4);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time since 1970"
    )]
    let committed_ms = committed_ms.map(|ms| ms as u64);
    Backlog {
        events: sql::number(events),
        oldest_ms: oldest_tweet.map(|tweet| sql::tweet(tweet).unix_ms()).or(committed_ms),
    }
}

/// What was read of the outbox as a whole, and when.
pub(super) struct Known {
    settled: Mutex<Option<(Instant, Settled)>>,
    backlog: Mutex<Option<(Instant, Backlog)>>,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self {
            settled: Mutex::new(None),
            backlog: Mutex::new(None),
            asking: tokio::sync::Mutex::new(()),
        }
    }

    async fn settled(&self, pool: &PostgresPool, deadline: Deadline) -> Result<Settled, StoreError> {
        if let Some(settled) = known(&self.settled) {
            return Ok(settled);
        }
        let _one = self.one(deadline).await?;
        if let Some(settled) = known(&self.settled) {
            return Ok(settled);
        }
        let asked = Instant::now();
        let client = pool.client(deadline).await?;
        let mut settled = settled(&query_one(&client, deadline, SETTLED, &[&ASIDE_LISTED]).await?);
        let mut last = self.settled.lock();
        // A new worker may hold it back for a moment; what was true before stays true.
        if let Some((_, earlier)) = &*last {
            settled.below = settled.below.max(earlier.below);
        }
        *last = Some((asked, settled.clone()));
        Ok(settled)
    }

    async fn backlog(&self, pool: &PostgresPool, deadline: Deadline) -> Result<Backlog, StoreError> {
        let asked = Instant::now();
        let client = pool.client(deadline).await?;
        let backlog = backlog(&query_one(&client, deadline, BACKLOG, &[&COUNTED]).await?);
        *self.backlog.lock() = Some((asked, backlog));
        Ok(backlog)
    }

    /// How many events are before fan-out, as of a moment ago.
    pub(super) async fn backlog_events(&self, pool: &PostgresPool, deadline: Deadline) -> Result<u64, StoreError> {
        if let Some(backlog) = known(&self.backlog) {
            return Ok(backlog.events);
        }
        let _one = self.one(deadline).await?;
        match known(&self.backlog) {
            Some(backlog) => Ok(backlog.events),
            None => Ok(self.backlog(pool, deadline).await?.events),
        }
    }

    async fn one(&self, deadline: Deadline) -> Result<tokio::sync::MutexGuard<'_, ()>, StoreError> {
        let turn = tokio::time::timeout_at(deadline.instant().into(), self.asking.lock());
        turn.await.map_err(|_| StoreError::Timeout { store: STORE })
    }
}

fn known<T: Clone>(value: &Mutex<Option<(Instant, T)>>) -> Option<T> {
    let value = value.lock();
    let fresh = value.as_ref().filter(|(asked, _)| asked.elapsed() < GOOD_FOR);
    fresh.map(|(_, value)| value.clone())
}

impl PostgresTweets {
    /// Does something to the rows at these positions.
    async fn at(&self, statement: &str, positions: &[Position], deadline: Deadline) -> Result<(), StoreError> {
        if positions.is_empty() {
            return Ok(());
        }
        let positions: Vec<i64> = positions.iter().map(|position| sql::column(position.0)).collect();
        let client = self.pool.client(deadline).await?;
        execute(&client, deadline, statement, &[&positions]).await?;
        Ok(())
    }
}

#[async_trait]
impl Outbox for PostgresTweets {
    async fn outstanding(
        &self,
        min_age: Duration,
        after: Position,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<Outstanding>, StoreError> {
        let client = self.pool.client(deadline).await?;
        let (after, limit) = (sql::column(after.0), sql::limit(limit));
        query(
            &client,
            deadline,
            OUTSTANDING,
            &[&after, &min_age.as_secs_f64(), &limit],
        )
        .await?
        .iter()
        .map(outstanding)
        .collect()
    }

    async fn not_understood(&self, deadline: Deadline) -> Result<u64, StoreError> {
        let client = self.pool.client(deadline).await?;
        Ok(sql::number(
            query_one(&client, deadline, NOT_UNDERSTOOD, &[]).await?.get(0),
        ))
    }

    async fn done(&self, positions: &[Position], deadline: Deadline) -> Result<(), StoreError> {
        self.at(DONE, positions, deadline).await
    }

    async fn trace_of(&self, tweet: TweetId, deadline: Deadline) -> Result<Option<TraceContext>, StoreError> {
        let client = self.pool.client(deadline).await?;
        let found = query_opt(&client, deadline, TRACE_OF, &[&sql::column(tweet.get())]).await?;
        Ok(found.and_then(|row| row.get::<_, Option<String>>(0)).map(TraceContext))
    }

    async fn backlog(&self, deadline: Deadline) -> Result<Backlog, StoreError> {
        self.known.backlog(&self.pool, deadline).await
    }

    async fn set_aside(&self, positions: &[Position], deadline: Deadline) -> Result<(), StoreError> {
        self.at(SET_ASIDE, positions, deadline).await
    }

    async fn set_tweets_aside(&self, tweets: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        let tweets: Vec<i64> = tweets.iter().map(|tweet| sql::column(tweet.get())).collect();
        let client = self.pool.client(deadline).await?;
        execute(&client, deadline, SET_TWEETS_ASIDE, &[&tweets]).await?;
        Ok(())
    }

    async fn settled(&self, deadline: Deadline) -> Result<Settled, StoreError> {
        self.known.settled(&self.pool, deadline).await
    }

    /// A floor is committed with each batch, and is no lower than its ids.
    async fn highest(&self, deadline: Deadline) -> Result<TweetId, StoreError> {
        let client = self.pool.client(deadline).await?;
        Ok(sql::tweet(query_one(&client, deadline, HIGHEST, &[]).await?.get(0)))
    }
}

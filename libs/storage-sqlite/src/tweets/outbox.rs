//! The outbox: what happened, committed with what it happened to.

use model::{AuthorTweets, Event, EventBody, Position, TraceContext, TweetId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::log::Group;
use crate::sql;

/// How many events one write may drop: well above what is committed while a position is kept in memory alone.
const PRUNED_AT_ONCE: u64 = 10_000;

const ACCEPTED: i64 = 0;
const DELETED: i64 = 1;

/// An event, when it happened, and how many tweets its author has after it.
#[derive(Debug, Clone)]
pub(super) struct Logged {
    pub(super) event: Event,
    pub(super) at_ms: u64,
    pub(super) tweets: AuthorTweets,
}

impl Logged {
    /// Its place.
    pub(super) fn position(&self) -> u64 {
        self.event.position.0
    }

    /// The tweet that it says was accepted.
    pub(super) fn accepted(&self) -> Option<TweetId> {
        match self.event.body {
            EventBody::TweetAccepted { tweet, .. } => Some(tweet),
            EventBody::TweetDeleted { .. } => None,
        }
    }
}

impl TryFrom<&Row<'_>> for Logged {
    type Error = rusqlite::Error;

    fn try_from(row: &Row<'_>) -> rusqlite::Result<Self> {
        let tweet = sql::tweet(row.get(3)?);
        let author = sql::user(row.get(4)?);
        let tweets = AuthorTweets {
            count: sql::number(row.get(5)?),
            version: sql::number(row.get(6)?),
        };
        let body = match row.get(2)? {
            ACCEPTED => EventBody::TweetAccepted { tweet, author },
            DELETED => EventBody::TweetDeleted { tweet, author },
            unknown => {
                let error = format!("an event of unknown kind {unknown}");
                return Err(rusqlite::Error::FromSqlConversionFailure(
                    2,
                    Type::Integer,
                    error.into(),
                ));
            }
        };
        let event = Event {
            position: Position(sql::number(row.get(0)?)),
            format: row.get(1)?,
            trace: row.get::<_, Option<String>>(8)?.map(TraceContext),
            body,
        };
        Ok(Self {
            event,
            at_ms: sql::number(row.get(7)?),
            tweets,
        })
    }
}

/// Adds an event.
pub(super) fn append(connection: &Connection, logged: &Logged) -> rusqlite::Result<()> {
    let Event {
        format,
        position,
        trace,
        body,
    } = &logged.event;
    let (kind, tweet, author) = match body {
        EventBody::TweetAccepted { tweet, author } => (ACCEPTED, tweet, author),
        EventBody::TweetDeleted { tweet, author } => (DELETED, tweet, author),
    };
    connection
        .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute((
            sql::column(position.0),
            format,
            kind,
            sql::column(tweet.get()),
            sql::column(author.get()),
            sql::column(logged.tweets.count),
            sql::column(logged.tweets.version),
            sql::column(logged.at_ms),
            trace.as_ref().map(|trace| &trace.0),
        ))?;
    Ok(())
}

/// The events above `after`, up to and including `last`, at most `max`, in order.
pub(super) fn between(connection: &Connection, after: u64, last: u64, max: usize) -> rusqlite::Result<Vec<Logged>> {
    connection
        .prepare_cached(
            "SELECT position, format, kind, tweet, author, tweets_count, tweets_version, at_ms, trace FROM events
             WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
        )?
        .query_map(
            (sql::column(after), sql::column(last), sql::column(max as u64)),
            |row| Logged::try_from(row),
        )?
        .collect()
}

/// The trace of a tweet whose acceptance is among the events. There is no index by tweet: this is asked only of tweets whose
/// event comes again after a restart.
pub(super) fn trace_of(connection: &Connection, tweet: TweetId) -> rusqlite::Result<Option<TraceContext>> {
    let trace: Option<Option<String>> = connection
        .prepare_cached("SELECT trace FROM events WHERE tweet = ?1 AND kind = ?2")?
        .query_row((sql::column(tweet.get()), ACCEPTED), |row| row.get(0))
        .optional()?;
    Ok(trace.flatten().map(TraceContext))
}

/// The last place that is taken, even if its event has been dropped.
pub(super) fn last_position(connection: &Connection) -> rusqlite::Result<u64> {
    let sql =
        "SELECT max(ifnull((SELECT max(position) FROM events), 0), ifnull((SELECT max(position) FROM consumers), 0))";
    connection.query_row(sql, [], |row| row.get(0)).map(sql::number)
}

/// Up to where a group has acknowledged everything.
pub(super) fn group_position(connection: &Connection, group: Group) -> rusqlite::Result<u64> {
    let position: Option<i64> = connection
        .prepare_cached("SELECT position FROM consumers WHERE name = ?1")?
        .query_row([group.as_str()], |row| row.get(0))
        .optional()?;
    Ok(position.map_or(0, sql::number))
}

/// How many events lie above a position.
pub(super) fn count_above(connection: &Connection, position: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM events WHERE position > ?1")?
        .query_row([sql::column(position)], |row| row.get(0))
        .map(sql::number)
}

/// The first tweet that was accepted above a position.
pub(super) fn first_accepted_above(connection: &Connection, position: u64) -> rusqlite::Result<Option<TweetId>> {
    connection
        .prepare_cached("SELECT tweet FROM events WHERE position > ?1 AND kind = ?2 ORDER BY position LIMIT 1")?
        .query_row([sql::column(position), ACCEPTED], |row| row.get(0).map(sql::tweet))
        .optional()
}

/// Keeps a group's position, and drops events that every group is done with.
pub(super) fn advance(connection: &Connection, group: Group, position: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO consumers VALUES (?1, ?2) ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        )?
        .execute((group.as_str(), sql::column(position)))?;
    let mut done_by_all = u64::MAX;
    for group in Group::ALL {
        done_by_all = done_by_all.min(group_position(connection, group)?);
    }
    connection
        .prepare_cached(
            "DELETE FROM events WHERE position <= ?1 AND position < (SELECT min(position) FROM events) + ?2",
        )?
        .execute((sql::column(done_by_all), sql::column(PRUNED_AT_ONCE)))?;
    Ok(())
}

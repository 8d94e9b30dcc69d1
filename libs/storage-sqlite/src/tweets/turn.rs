//! What tweets do in the writer's turn.

use std::sync::Arc;

use model::{AuthorTweets, Clock, EVENT_FORMAT, Event, EventBody, Position, Snowflake, TraceContext, Tweet, UserId};
use rusqlite::Connection;
use storage::{DeleteTweet, DeleteTweetError, InsertTweetError, Inserted, NewTweet, StoreError};

use super::log::Log;
use super::outbox::{self, Logged};
use super::row::TweetRow;
use super::tails::Tails;
use super::{STORE, idempotency};
use crate::sql;
use crate::writer::Turn;

/// What the writer thread keeps between writes. Ids and positions that a failed write has drawn are left unused.
pub(super) struct WriterState {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Snowflake,
    pub(super) last_position: u64,
    pub(super) tails: Arc<Tails>,
    pub(super) log: Arc<Log>,
}

impl WriterState {
    fn event(&mut self, body: EventBody, tweets: AuthorTweets, trace: Option<TraceContext>, at_ms: u64) -> Logged {
        self.last_position += 1;
        let event = Event {
            format: EVENT_FORMAT,
            position: Position(self.last_position),
            trace,
            body,
        };
        Logged { event, at_ms, tweets }
    }
}

/// Accepts a tweet.
pub(super) fn insert(
    turn: &mut Turn<'_, WriterState>,
    new: NewTweet,
) -> rusqlite::Result<Result<Inserted, InsertTweetError>> {
    let now_ms = turn.state.clock.unix_ms();
    if let Some(key) = &new.idempotency {
        match idempotency::find(turn.connection, key, now_ms)? {
            Err(conflict) => return Ok(Err(conflict.into())),
            Ok(Some(done)) => {
                let row = TweetRow::find(turn.connection, done)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                return Ok(Ok(Inserted::Replayed(row.tweet)));
            }
            Ok(None) => {}
        }
    }
    let id = match turn.state.ids.draw() {
        Ok(id) => id,
        Err(refused) => return Ok(Err(StoreError::unavailable(STORE, refused).into())),
    };
    let tweet = Tweet {
        id,
        author: new.author,
        text: new.text,
        in_reply_to: new.in_reply_to,
    };
    insert_row(turn.connection, &tweet)?;
    let author = tweet.author.id;
    let tweets = count(turn.connection, author, 1)?;
    let body = EventBody::TweetAccepted { tweet: id, author };
    let logged = turn.state.event(body, tweets, new.trace, id.unix_ms());
    outbox::append(turn.connection, &logged)?;
    if let Some(key) = &new.idempotency {
        idempotency::keep(turn.connection, key, id, now_ms)?;
    }
    let event = logged.event.clone();
    let (tails, log) = (Arc::clone(&turn.state.tails), Arc::clone(&turn.state.log));
    turn.after_commit(move || {
        tails.posted(author, id, tweets.version == 1);
        log.committed(logged);
    });
    Ok(Ok(Inserted::Accepted(tweet, event)))
}

/// Deletes a tweet.
pub(super) fn delete(
    turn: &mut Turn<'_, WriterState>,
    delete: DeleteTweet,
) -> rusqlite::Result<Result<Option<Event>, DeleteTweetError>> {
    let now_ms = turn.state.clock.unix_ms();
    if let Some(key) = &delete.idempotency {
        match idempotency::find(turn.connection, key, now_ms)? {
            Err(conflict) => return Ok(Err(conflict.into())),
            Ok(Some(_)) => return Ok(Ok(None)),
            Ok(None) => {}
        }
    }
    let Some(row) = TweetRow::find(turn.connection, delete.id)? else {
        return Ok(Err(DeleteTweetError::NotFound));
    };
    if row.tweet.author.id != delete.by {
        let refusal = if row.is_deleted {
            DeleteTweetError::NotFound
        } else {
            DeleteTweetError::NotAuthor
        };
        return Ok(Err(refusal));
    }
    if let Some(key) = &delete.idempotency {
        idempotency::keep(turn.connection, key, delete.id, now_ms)?;
    }
    if row.is_deleted {
        return Ok(Ok(None));
    }
    entomb(turn, &row.tweet, delete.trace, now_ms).map(|event| Ok(Some(event)))
}

fn entomb(
    turn: &mut Turn<'_, WriterState>,
    tweet: &Tweet,
    trace: Option<TraceContext>,
    now_ms: u64,
) -> rusqlite::Result<Event> {
    let (id, author) = (tweet.id, tweet.author.id);
    turn.connection
        .prepare_cached("UPDATE tweets SET deleted_at_ms = ?2 WHERE id = ?1")?
        .execute([sql::column(id.get()), sql::column(now_ms)])?;
    let tweets = count(turn.connection, author, -1)?;
    let body = EventBody::TweetDeleted { tweet: id, author };
    let logged = turn.state.event(body, tweets, trace, now_ms);
    outbox::append(turn.connection, &logged)?;
    let event = logged.event.clone();
    let (tails, log) = (Arc::clone(&turn.state.tails), Arc::clone(&turn.state.log));
    turn.after_commit(move || {
        tails.deleted(author, id);
        log.committed(logged);
    });
    Ok(event)
}

fn insert_row(connection: &Connection, tweet: &Tweet) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO tweets VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)")?
        .execute((
            sql::column(tweet.id.get()),
            sql::column(tweet.author.id.get()),
            &tweet.author.handle,
            &tweet.author.display_name,
            &tweet.text,
            tweet.in_reply_to.map(|id| sql::column(id.get())),
        ))?;
    Ok(())
}

fn count(connection: &Connection, author: UserId, change: i64) -> rusqlite::Result<AuthorTweets> {
    connection
        .prepare_cached(
            "INSERT INTO authors VALUES (?1, ?2, 1)
             ON CONFLICT DO UPDATE SET tweets_count = tweets_count + ?2, version = version + 1
             RETURNING tweets_count, version",
        )?
        .query_row([sql::column(author.get()), change], |row| {
            Ok(AuthorTweets {
                count: sql::number(row.get(0)?),
                version: sql::number(row.get(1)?),
            })
        })
}

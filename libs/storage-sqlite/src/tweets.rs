//! Tweets and their event log, in `tweets.db`.
//!
//! A post is one row, one event in the outbox and a count, in one commit that it shares with others. What follows from a
//! commit is done by the writer before it answers: the author's [tail](tails) grows, then the [log](log) hands the event
//! to its consumers. So whoever has been answered finds its tweet in the next page.

mod counts;
mod idempotency;
mod log;
mod outbox;
mod page;
mod row;
mod schema;
mod tails;
mod turn;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{AuthorRange, Clock, Event, Snowflake, TraceContext, Tweet, TweetId, WorkerId};
use rusqlite::Connection;
use storage::{
    Backlog, Deadline, DeleteTweet, DeleteTweetError, EventLog, IdPage, IdempotencyKey, InsertTweetError, Inserted,
    NewTweet, Receipt, Received, Settled, StoreError, TweetFate, TweetStore,
};

use crate::OpenError;
use crate::readers::Readers;
use crate::writer::Writer;
use counts::Changes;
use log::{Group, Handed, Log, Next, Oldest, Opened, OpenedGroup};
use row::TweetRow;
use tails::Tails;
use turn::WriterState;

const STORE: &str = "tweets";

/// For reads of the log, whose callers give no deadline.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// How the store of tweets is run.
#[derive(Debug, Clone, Copy)]
pub struct TweetOptions {
    /// Whose ids it draws. No other process draws them.
    pub worker: WorkerId,
    /// How many writes may wait for the writer; more are refused.
    pub queue_bound: usize,
    /// How many events may be before fan-out; beyond it posts are refused.
    pub max_backlog: u64,
    /// How many connections read.
    pub readers: usize,
}

impl TweetOptions {
    /// What suits one machine.
    pub const fn new(worker: WorkerId) -> Self {
        Self {
            worker,
            queue_bound: 10_000,
            max_backlog: 1_000_000,
            readers: 4,
        }
    }
}

/// Tweets and their event log on `SQLite`. One process has it open at a time.
pub struct SqliteTweets {
    /// Before the writer, so that they close before it: whoever closes last folds the WAL into the file.
    readers: Readers,
    writer: Writer<WriterState>,
    tails: Arc<Tails>,
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    max_backlog: u64,
    /// Counts that are not taken over yet.
    changes: parking_lot::Mutex<Changes>,
    /// A group that reads from the table does so one call at a time.
    turns: [tokio::sync::Mutex<()>; Group::ALL.len()],
}

impl SqliteTweets {
    /// Opens `tweets.db` in `dir`, or makes it.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, options: TweetOptions) -> Result<Arc<Self>, OpenError> {
        let path = dir.join("tweets.db");
        let connection = crate::schema::open(&path, schema::MIGRATIONS)?;
        let sqlite = |source| OpenError::Sqlite {
            path: path.display().to_string(),
            source,
        };
        let opened = read_opened(&connection).map_err(sqlite)?;
        let readers = Readers::open(STORE, &path, options.readers.max(1)).map_err(sqlite)?;
        let tails = Arc::new(Tails::new());
        let log = Arc::new(Log::new(opened));
        let state = WriterState {
            ids: Snowflake::new(Arc::clone(&clock), options.worker, opened.last_tweet),
            clock: Arc::clone(&clock),
            last_position: opened.last_position,
            tails: Arc::clone(&tails),
            log: Arc::clone(&log),
        };
        Ok(Arc::new(Self {
            writer: Writer::spawn(STORE, connection, state, options.queue_bound),
            readers,
            tails,
            log,
            clock,
            max_backlog: options.max_backlog,
            changes: parking_lot::Mutex::default(),
            turns: Default::default(),
        }))
    }

    async fn take(&self, group: Group, max: usize) -> Result<Vec<Handed>, StoreError> {
        let _turn = self.turns[log::index(group)].lock().await;
        loop {
            let (after, last) = match self.log.take(group, max) {
                Next::Handle(handed) => return Ok(handed),
                Next::Read { after, last } => (after, last),
            };
            let read = move |connection: &Connection| outbox::between(connection, after, last, max);
            let logged = self.readers.call(Deadline::after(READ_TIMEOUT), read).await?;
            let handed = self.log.take_read(group, &logged, last);
            if !handed.is_empty() {
                return Ok(handed);
            }
        }
    }

    fn acknowledged(&self, group: Group, receipts: &[Receipt]) {
        self.log.acknowledge(group, receipts);
        self.persist(group, false);
    }

    /// Makes a group's position durable with the next commit, without waiting for it. If the queue is full, a later
    /// acknowledgement tries again.
    fn persist(&self, group: Group, closing: bool) {
        let Some(position) = self.log.to_persist(group, closing) else {
            return;
        };
        let log = Arc::clone(&self.log);
        let _ = self.writer.enqueue(move |turn| {
            outbox::advance(turn.connection, group, position)?;
            turn.after_commit(move || log.persisted(group, position));
            Ok(Ok::<(), StoreError>(()))
        });
    }
}

impl Drop for SqliteTweets {
    fn drop(&mut self) {
        for group in Group::ALL {
            self.persist(group, true);
        }
    }
}

fn read_opened(connection: &Connection) -> rusqlite::Result<Opened> {
    let last_tweet: Option<i64> = connection.query_row("SELECT max(id) FROM tweets", [], |row| row.get(0))?;
    let mut groups = [OpenedGroup::default(); Group::ALL.len()];
    for group in Group::ALL {
        let position = outbox::group_position(connection, group)?;
        groups[log::index(group)] = OpenedGroup {
            position,
            unacknowledged: outbox::count_above(connection, position)?,
        };
    }
    let fan_out = groups[log::index(Group::FanOut)].position;
    Ok(Opened {
        last_position: outbox::last_position(connection)?,
        last_tweet: last_tweet.map_or(TweetId::MIN, crate::sql::tweet),
        first_unsettled: outbox::first_accepted_above(connection, fan_out)?,
        groups,
    })
}

#[async_trait]
impl TweetStore for SqliteTweets {
    async fn insert(&self, tweet: NewTweet, deadline: Deadline) -> Result<Inserted, InsertTweetError> {
        if self.log.fan_out_backlog() >= self.max_backlog {
            return Err(StoreError::Overloaded { store: STORE }.into());
        }
        self.writer
            .call(deadline, move |turn| turn::insert(turn, tweet))
            .await?
    }

    async fn replayed(&self, key: &IdempotencyKey, deadline: Deadline) -> Result<Option<Tweet>, InsertTweetError> {
        let (key, now_ms) = (key.clone(), self.clock.unix_ms());
        let read = move |connection: &Connection| match idempotency::find(connection, &key, now_ms)? {
            Err(conflict) => Ok(Err(conflict)),
            Ok(None) => Ok(Ok(None)),
            Ok(Some(id)) => Ok(Ok(TweetRow::find(connection, id)?.map(|row| row.tweet))),
        };
        Ok(self.readers.call(deadline, read).await??)
    }

    async fn delete(&self, delete: DeleteTweet, deadline: Deadline) -> Result<Option<Event>, DeleteTweetError> {
        self.writer
            .call(deadline, move |turn| turn::delete(turn, delete))
            .await?
    }

    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<Tweet>>, StoreError> {
        let ids = ids.to_vec();
        let read = move |connection: &Connection| {
            let find = |id| Ok(TweetRow::find(connection, id)?.and_then(TweetRow::visible));
            ids.into_iter().map(find).collect()
        };
        self.readers.call(deadline, read).await
    }

    async fn fates(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<TweetFate>>, StoreError> {
        let ids = ids.to_vec();
        let read = move |connection: &Connection| {
            let find = |id| Ok(TweetRow::find(connection, id)?.as_ref().map(TweetRow::fate));
            ids.into_iter().map(find).collect()
        };
        self.readers.call(deadline, read).await
    }

    async fn ids(
        &self,
        above: TweetId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<TweetId>, StoreError> {
        let read = move |connection: &Connection| row::ids(connection, above, below, limit);
        self.readers.call(deadline, read).await
    }

    async fn page(
        &self,
        sources: &[AuthorRange],
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<IdPage, StoreError> {
        match page::from_memory(&self.tails, sources, below, limit) {
            Ok(page) => Ok(page),
            Err(unfinished) => {
                let tails = Arc::clone(&self.tails);
                let read = move |connection: &Connection| unfinished.finish(connection, &tails);
                self.readers.call(deadline, read).await
            }
        }
    }
}

#[async_trait]
impl EventLog for SqliteTweets {
    /// Does nothing: in one process the commit is the announcement.
    async fn publish(&self, _events: &[Event]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        let received = |handed: Handed| Received {
            receipt: handed.receipt,
            event: handed.logged.event,
        };
        let until = Instant::now() + wait;
        loop {
            let mut arrival = pin!(self.log.arrival());
            arrival.as_mut().enable();
            let handed = self.take(Group::FanOut, max).await?;
            if !handed.is_empty() || tokio::time::timeout_at(until.into(), arrival).await.is_err() {
                return Ok(handed.into_iter().map(received).collect());
            }
        }
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError> {
        self.acknowledged(Group::FanOut, receipts);
        Ok(())
    }

    async fn trace_of(&self, tweet: TweetId) -> Result<Option<TraceContext>, StoreError> {
        let read = move |connection: &Connection| outbox::trace_of(connection, tweet);
        self.readers.call(Deadline::after(READ_TIMEOUT), read).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let (events, oldest) = self.log.unacknowledged(Group::FanOut);
        let oldest_ms = match oldest {
            Oldest::At(at_ms) => at_ms,
            Oldest::Above(position) => {
                let read = move |connection: &Connection| outbox::between(connection, position, u64::MAX >> 1, 1);
                let oldest = self.readers.call(Deadline::after(READ_TIMEOUT), read).await?;
                oldest.first().map(|logged| logged.at_ms)
            }
        };
        Ok(Backlog { events, oldest_ms })
    }

    async fn settled(&self) -> Result<Settled, StoreError> {
        Ok(Settled {
            below: self.log.settled_below(),
            aside: Arc::default(),
        })
    }

    async fn highest(&self) -> Result<TweetId, StoreError> {
        Ok(self.log.last_tweet())
    }
}

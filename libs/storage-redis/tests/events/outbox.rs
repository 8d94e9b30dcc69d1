//! An outbox in memory, which no test loses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{EVENT_FORMAT, Event, EventBody, Position, TraceContext, TweetId, UserId};
use storage::{Backlog, Deadline, Outbox, Outstanding, Settled, StoreError};

#[derive(Default)]
struct Rows {
    last: u64,
    events: BTreeMap<Position, (Instant, Event)>,
    aside: BTreeSet<Position>,
}

/// What is committed and not done.
#[derive(Default)]
pub(crate) struct Commits(Mutex<Rows>);

impl Commits {
    /// Accepts a tweet.
    pub(crate) fn commit(&self, author: u64) -> Event {
        let mut rows = self.0.lock().unwrap();
        rows.last += 1;
        let event = Event {
            format: EVENT_FORMAT,
            position: Position(rows.last),
            trace: rows
                .last
                .is_multiple_of(2)
                .then(|| TraceContext(format!("00-{}-01", rows.last))),
            body: EventBody::TweetAccepted {
                tweet: TweetId::new(1_000 + rows.last),
                author: UserId::new(author),
            },
        };
        rows.events.insert(event.position, (Instant::now(), event.clone()));
        event
    }

    /// Accepts as many tweets, of several authors.
    pub(crate) fn commit_many(&self, count: u64) -> Vec<Event> {
        (0..count).map(|n| self.commit(1 + n % 23)).collect()
    }

    /// What is not done.
    pub(crate) fn left(&self) -> Vec<Position> {
        self.0.lock().unwrap().events.keys().copied().collect()
    }

    /// What is set aside.
    pub(crate) fn aside(&self) -> Vec<Position> {
        self.0.lock().unwrap().aside.iter().copied().collect()
    }
}

#[async_trait]
impl Outbox for Commits {
    async fn outstanding(
        &self,
        min_age: Duration,
        after: Position,
        limit: usize,
        _: Deadline,
    ) -> Result<Vec<Outstanding>, StoreError> {
        let rows = self.0.lock().unwrap();
        let above = rows.events.range(after..).filter(|(position, _)| **position > after);
        let aged = above.map(|(_, (since, event))| Outstanding {
            event: event.clone(),
            age: since.elapsed(),
        });
        Ok(aged.filter(|row| row.age >= min_age).take(limit).collect())
    }

    async fn not_understood(&self, _: Deadline) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn done(&self, positions: &[Position], _: Deadline) -> Result<(), StoreError> {
        let mut rows = self.0.lock().unwrap();
        for position in positions {
            rows.events.remove(position);
            rows.aside.remove(position);
        }
        Ok(())
    }

    async fn trace_of(&self, tweet: TweetId, _: Deadline) -> Result<Option<TraceContext>, StoreError> {
        let rows = self.0.lock().unwrap();
        let mut events = rows.events.values().map(|(_, event)| event);
        let of_tweet = events.find(|event| event.body.tweet() == tweet);
        Ok(of_tweet.and_then(|event| event.trace.clone()))
    }

    async fn backlog(&self, _: Deadline) -> Result<Backlog, StoreError> {
        let rows = self.0.lock().unwrap();
        Ok(Backlog {
            events: rows.events.len() as u64,
            oldest_ms: None,
        })
    }

    async fn set_aside(&self, positions: &[Position], _: Deadline) -> Result<(), StoreError> {
        let mut rows = self.0.lock().unwrap();
        let there = positions.iter().filter(|position| rows.events.contains_key(position));
        let there: Vec<Position> = there.copied().collect();
        rows.aside.extend(there);
        Ok(())
    }

    async fn set_tweets_aside(&self, tweets: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        let all: Vec<(Position, TweetId)> = {
            let rows = self.0.lock().unwrap();
            let tweet = |(position, (_, event)): (&Position, &(_, Event))| (*position, event.body.tweet());
            rows.events.iter().map(tweet).collect()
        };
        let wanted = all.into_iter().filter(|(_, tweet)| tweets.contains(tweet));
        let positions: Vec<Position> = wanted.map(|(position, _)| position).collect();
        self.set_aside(&positions, deadline).await
    }

    async fn settled(&self, _: Deadline) -> Result<Settled, StoreError> {
        let rows = self.0.lock().unwrap();
        let oldest = rows.events.values().next();
        Ok(Settled {
            below: oldest.map_or(TweetId::new(1_001 + rows.last), |(_, event)| event.body.tweet()),
            aside: Arc::default(),
        })
    }

    async fn highest(&self, _: Deadline) -> Result<TweetId, StoreError> {
        Ok(TweetId::new(1_000 + self.0.lock().unwrap().last))
    }
}

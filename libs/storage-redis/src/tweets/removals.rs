//! Which tweets were removed from the cache, in order: what lets processes keep some in their own memory.
//!
//! One list, newest first, of as many as [`REMEMBERED`]. Each entry has a number, which goes up by one, and the life of the
//! list: a list that got lost begins a new life, so that its numbers are never taken for those of the one before. Like all
//! keys its key carries the generation of its server ([`crate::node`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::types::Value;
use model::TweetId;
use storage::{Deadline, StoreError};

use super::{STORE, millis};
use crate::error::store_error;
use crate::node::{Confirmed, Purpose, RedisNode};
use crate::request::{LuaScript, Request};

/// As in `removed.lua`.
pub(super) const REMEMBERED: u64 = 4_096;

/// How long a list is kept to which nothing is added.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// The list is one for all: wherever this number leads.
const TAG: u64 = 0;

/// Up to which removal something is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the list. 0 is none.
    pub(super) life: u64,
    pub(super) number: u64,
}

/// An entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Removal {
    pub(super) place: Place,
    pub(super) tweet: TweetId,
}

/// The list.
pub(super) struct Removals {
    redis: Arc<RedisNode>,
    add: LuaScript,
}

impl Removals {
    pub(super) fn new(redis: Arc<RedisNode>) -> Self {
        Self {
            redis,
            add: LuaScript::new(include_str!("removed.lua")),
        }
    }

    /// Adds these, which are out of the cache already. Whoever looks from now on, finds them, or finds that the list is
    /// another: a full server takes nothing, but lets go of the list.
    pub(super) async fn add(&self, tweets: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        match self.run(tweets, Purpose::Change, deadline).await {
            Err(StoreError::Overloaded { .. }) => {
                let request = |confirmed: &Confirmed| Request::new("UNLINK", vec![key(confirmed)]);
                let answer = self.redis.ask(TAG, Purpose::Change, deadline, request);
                answer.await.map(|_| ())
            }
            told => told.map(|_| ()),
        }
    }

    /// The newest. Nothing while somebody may add to the list of an older generation.
    pub(super) async fn newest(&self, deadline: Deadline) -> Result<Option<Place>, StoreError> {
        let is_everybodys = AtomicBool::new(false);
        let request = |confirmed: &Confirmed| {
            is_everybodys.store(confirmed.is_everybodys(), Ordering::Relaxed);
            Request::new("LINDEX", vec![key(confirmed), Value::Integer(0)])
        };
        let answer = self.redis.ask(TAG, Purpose::Look, deadline, request).await?;
        let entry = answer.value.convert::<Option<String>>();
        let entry = entry.map_err(|error| store_error(STORE, error))?;
        if !is_everybodys.into_inner() {
            return Ok(None);
        }
        match entry {
            Some(entry) => parse(&entry).map(|newest| Some(newest.place)),
            None => self.run(&[], Purpose::Change, deadline).await.map(Some),
        }
    }

    /// The newest ones, newest first, at most so many.
    pub(super) async fn last(&self, most: u64, deadline: Deadline) -> Result<Vec<Removal>, StoreError> {
        let to = Value::Integer(i64::try_from(most).unwrap_or(i64::MAX) - 1);
        let request =
            |confirmed: &Confirmed| Request::new("LRANGE", vec![key(confirmed), Value::Integer(0), to.clone()]);
        let answer = self.redis.ask(TAG, Purpose::Look, deadline, request).await?;
        let entries = answer.value.convert::<Vec<String>>();
        let entries = entries.map_err(|error| store_error(STORE, error))?;
        entries.iter().map(|entry| parse(entry)).collect()
    }

    async fn run(&self, tweets: &[TweetId], purpose: Purpose, deadline: Deadline) -> Result<Place, StoreError> {
        let life = rand::random_range(1..=u64::from(u32::MAX) << 16);
        let request = |confirmed: &Confirmed| {
            let mut arguments = vec![Value::from(life.to_string()), millis(KEPT)];
            arguments.extend(tweets.iter().map(|tweet| Value::from(tweet.to_string())));
            Request::script(&self.add, vec![key(confirmed)], arguments)
        };
        let answer = self.redis.ask(TAG, purpose, deadline, request).await?;
        let newest = answer.value.convert::<String>();
        parse(&newest.map_err(|error| store_error(STORE, error))?).map(|newest| newest.place)
    }
}

fn key(confirmed: &Confirmed) -> Value {
    Value::from(format!("d{{{TAG}}}:{}", confirmed.generation))
}

fn parse(entry: &str) -> Result<Removal, StoreError> {
    let mut numbers = entry.split(':').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    match (next(), next(), next()) {
        (Some(life), Some(number), Some(tweet)) => Ok(Removal {
            place: Place { life, number },
            tweet: TweetId::new(tweet),
        }),
        _ => Err(StoreError::Corrupt {
            store: STORE,
            what: format!("a removal that is none: {entry}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_three_numbers() {
        let removal = Removal {
            place: Place { life: 7, number: 2 },
            tweet: TweetId::new(9),
        };
        assert_eq!(parse("7:2:9").unwrap(), removal);
        for none in ["", "7:2", "7:x:9", "-1:2:3"] {
            assert!(parse(none).is_err(), "{none}");
        }
    }
}

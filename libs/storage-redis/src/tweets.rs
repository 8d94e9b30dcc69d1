//! Rendered tweets, shared by all processes.
//!
//! Who finds a tweet missing leaves a *lease* in its place: a number of its own. What it then reads from the store it may put
//! only where that lease still lies. A removal takes away whatever is there, a lease too. So what was read before a
//! removal is never put after it, however long its reader was stopped in between; and whatever else gets lost (an evicted
//! key, a flushed server), a put finds no lease and leaves the cache as it is. Only the tweets that were missing can be put.
//!
//! What was removed also goes into a list ([`removals`]), by which processes may keep tweets of their own ([`near`]).
//!
//! Keys carry the generation of the server ([`crate::node`]). What is kept goes after a day; the server drops what is used
//! least before, where it is configured to. Memory is bounded by the server alone (`maxmemory`).

mod near;
mod removals;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use fred::types::Value;
use model::{TweetId, UserId};
use storage::{CacheEpoch, CachedTweets, Deadline, RenderedTweet, StoreError, TweetCache};

use crate::error::store_error;
use crate::node::{Answer, Confirmed, Purpose, RedisNode};
use crate::request::{LuaScript, Request};

pub use self::near::NearTweets;
use self::removals::Removals;

const STORE: &str = "the tweet cache";

/// How long a tweet is kept.
const KEPT: Duration = Duration::from_hours(24);

/// Who has not put by then does not put any more, and somebody else may.
const LEASED: Duration = Duration::from_secs(10);

/// Tweets that one command names at most.
const AT_ONCE: usize = 128;

const LEASE: u8 = 0;
const TWEET: u8 = 1;
const FIXED_BYTES: usize = 17;

/// Rendered tweets on Redis.
pub struct RedisTweets {
    redis: Arc<RedisNode>,
    put: LuaScript,
    removals: Removals,
}

impl RedisTweets {
    /// Over these connections.
    pub fn new(redis: Arc<RedisNode>) -> Arc<Self> {
        Arc::new(Self {
            removals: Removals::new(Arc::clone(&redis)),
            redis,
            put: LuaScript::new(include_str!("tweets/put.lua")),
        })
    }

    /// Runs `one` for each tweet where keys are spread over servers, and else `many` for as many as one command may name.
    async fn ask(
        &self,
        ids: &[TweetId],
        purpose: Purpose,
        deadline: Deadline,
        request: impl Fn(std::ops::Range<usize>, Vec<Value>) -> Request,
    ) -> Result<Vec<Answer>, StoreError> {
        let at_once = if self.redis.is_clustered() { 1 } else { AT_ONCE };
        let tags: Vec<u64> = ids.iter().step_by(at_once).map(|id| id.get()).collect();
        let request = |chunk: usize, confirmed: &Confirmed| {
            let range = chunk * at_once..ids.len().min((chunk + 1) * at_once);
            let keys = ids[range.clone()].iter().map(|id| key(*id, confirmed)).collect();
            request(range, keys)
        };
        self.redis.ask_each(&tags, purpose, deadline, request).await
    }

    /// What lies under the keys of these tweets.
    async fn found(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<Bytes>>, StoreError> {
        let answers = self
            .ask(ids, Purpose::Look, deadline, |_, keys| Request::new("MGET", keys))
            .await?;
        let found: Result<Vec<Vec<Option<Bytes>>>, _> =
            answers.into_iter().map(|answer| answer.value.convert()).collect();
        let found = found.map_err(|error| store_error(STORE, error))?.concat();
        if found.len() == ids.len() {
            return Ok(found);
        }
        Err(StoreError::Corrupt {
            store: STORE,
            what: "an answer for another number of tweets".to_owned(),
        })
    }

    /// Leaves a lease where nothing is. Nobody has to find it, nor what is put in its place. None is left while somebody may
    /// go by an older generation: what he removes under that one would not take it away.
    async fn lease(&self, ids: &[TweetId], epoch: CacheEpoch, deadline: Deadline) -> Result<(), StoreError> {
        let tags: Vec<u64> = ids.iter().map(|id| id.get()).collect();
        let lease = Value::Bytes(lease(epoch));
        let request = |at: usize, confirmed: &Confirmed| {
            if !confirmed.is_everybodys() {
                return Request::new("EXISTS", vec![key(ids[at], confirmed)]);
            }
            let options = ["NX", "PX"].map(Value::from);
            let mut arguments = vec![key(ids[at], confirmed), lease.clone()];
            arguments.extend(options);
            arguments.push(millis(LEASED));
            Request::new("SET", arguments)
        };
        self.redis
            .ask_each(&tags, Purpose::Look, deadline, request)
            .await
            .map(|_| ())
    }
}

#[async_trait]
impl TweetCache for RedisTweets {
    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<CachedTweets, StoreError> {
        let epoch = CacheEpoch(rand::random());
        let found = self.found(ids, deadline).await?;
        let missing: Vec<TweetId> = ids
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|(id, _)| *id)
            .collect();
        if !missing.is_empty()
            && let Err(error) = self.lease(&missing, epoch, deadline).await
        {
            // A server that is full, perhaps. What was found is good, and without a lease nothing is put.
            tracing::debug!(%error, "missing tweets are not leased");
        }
        let tweets = ids.iter().zip(found).map(|(id, bytes)| decode(*id, bytes?)).collect();
        Ok(CachedTweets { tweets, epoch })
    }

    async fn put(
        &self,
        tweets: Vec<Arc<RenderedTweet>>,
        epoch: CacheEpoch,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let ids: Vec<TweetId> = tweets.iter().map(|tweet| tweet.id).collect();
        let values: Vec<Value> = tweets.iter().map(|tweet| Value::Bytes(encode(tweet))).collect();
        self.ask(&ids, Purpose::Look, deadline, |range, keys| {
            let mut arguments = vec![Value::Bytes(lease(epoch)), millis(KEPT)];
            arguments.extend_from_slice(&values[range]);
            Request::script(&self.put, keys, arguments)
        })
        .await
        .map(|_| ())
    }

    async fn remove(&self, ids: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        self.ask(ids, Purpose::Change, deadline, |_, keys| Request::new("UNLINK", keys))
            .await?;
        self.removals.add(ids, deadline).await
    }
}

fn key(tweet: TweetId, confirmed: &Confirmed) -> Value {
    Value::from(format!("c{{{tweet}}}:{}", confirmed.generation))
}

fn millis(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn lease(epoch: CacheEpoch) -> Bytes {
    let mut bytes = BytesMut::with_capacity(9);
    bytes.put_u8(LEASE);
    bytes.put_u64(epoch.0);
    bytes.freeze()
}

fn encode(tweet: &RenderedTweet) -> Bytes {
    let mut bytes = BytesMut::with_capacity(FIXED_BYTES + tweet.json.len());
    bytes.put_u8(TWEET);
    bytes.put_u64(tweet.author.get());
    bytes.put_u64(tweet.in_reply_to.map_or(0, TweetId::get));
    bytes.put_slice(&tweet.json);
    bytes.freeze()
}

/// What is not of this form, a lease too, is as if it were not there.
fn decode(id: TweetId, mut bytes: Bytes) -> Option<Arc<RenderedTweet>> {
    if bytes.len() < FIXED_BYTES || bytes.get_u8() != TWEET {
        return None;
    }
    let author = UserId::new(bytes.get_u64());
    let in_reply_to = Some(bytes.get_u64()).filter(|id| *id > 0).map(TweetId::new);
    Some(Arc::new(RenderedTweet {
        id,
        author,
        in_reply_to,
        json: bytes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tweet_is_read_as_it_was_written_and_a_lease_is_none() {
        let tweet = RenderedTweet {
            id: TweetId::new(9),
            author: UserId::new(7),
            in_reply_to: Some(TweetId::new(8)),
            json: Bytes::from_static(b"{\"id\":\"9\"}"),
        };
        assert_eq!(decode(tweet.id, encode(&tweet)).as_deref(), Some(&tweet));
        assert_eq!(decode(tweet.id, lease(CacheEpoch(u64::MAX))), None);
        let mut later = encode(&tweet).to_vec();
        later[0] = TWEET + 1;
        assert_eq!(decode(tweet.id, later.into()), None);
    }
}

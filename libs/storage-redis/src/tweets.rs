//! Rendered tweets, shared by all processes.
//!
//! A removal leaves a tombstone in the tweet's place for longer than anybody may hold what was read before it, and a tweet
//! is only put where nothing is: so what was read before a deletion never comes back after it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use fred::interfaces::KeysInterface;
use fred::types::{Expiration, SetOptions, Value};
use futures::future::try_join_all;
use model::{Generation, TweetId, UserId};
use storage::{CacheEpoch, CachedTweets, Deadline, RenderedTweet, StoreError, TweetCache};

use crate::node::RedisNode;

/// How long a tweet is kept after it was put. The server drops what is used least when memory is short.
const KEPT: Duration = Duration::from_hours(24);

/// Longer than any request lasts.
const TOMBSTONE_KEPT: Duration = Duration::from_hours(1);

const FORMAT: u8 = 1;
const FIXED_BYTES: usize = 17;

/// Rendered tweets on Redis.
pub struct RedisTweets {
    redis: Arc<RedisNode>,
}

impl RedisTweets {
    /// Over these connections.
    pub fn new(redis: Arc<RedisNode>) -> Arc<Self> {
        Arc::new(Self { redis })
    }
}

fn key(tweet: TweetId, generation: Generation) -> String {
    format!("c:{{{tweet}}}:{generation}")
}

fn seconds(duration: Duration) -> Expiration {
    Expiration::EX(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn encode(tweet: &RenderedTweet) -> Bytes {
    let mut bytes = BytesMut::with_capacity(FIXED_BYTES + tweet.json.len());
    bytes.put_u8(FORMAT);
    bytes.put_u64(tweet.author.get());
    bytes.put_u64(tweet.in_reply_to.map_or(0, TweetId::get));
    bytes.put_slice(&tweet.json);
    bytes.freeze()
}

/// What is not of this form, tombstones too, is as if it were not there.
fn decode(id: TweetId, mut bytes: Bytes) -> Option<Arc<RenderedTweet>> {
    if bytes.len() < FIXED_BYTES || bytes.get_u8() != FORMAT {
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

#[async_trait]
impl TweetCache for RedisTweets {
    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<CachedTweets, StoreError> {
        if ids.is_empty() {
            return Ok(CachedTweets::default());
        }
        let found: Vec<Option<Bytes>> = self
            .redis
            .ask(deadline, async |client, generation| {
                let keys = ids.iter().map(|id| key(*id, generation));
                if self.redis.is_clustered() {
                    let pipeline = client.pipeline();
                    for key in keys {
                        let () = pipeline.get(key).await?;
                    }
                    return pipeline.all().await;
                }
                client.mget(keys.collect::<Vec<_>>()).await
            })
            .await?;
        let tweets = ids.iter().zip(found).map(|(id, bytes)| decode(*id, bytes?)).collect();
        Ok(CachedTweets {
            tweets,
            // Each tweet has its own tombstone: nothing has to be counted.
            epoch: CacheEpoch::default(),
        })
    }

    async fn put(
        &self,
        tweets: Vec<Arc<RenderedTweet>>,
        _epoch: CacheEpoch,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        if tweets.is_empty() {
            return Ok(());
        }
        self.redis
            .ask(deadline, async |client, generation| {
                let pipeline = client.pipeline();
                for tweet in &tweets {
                    let value = Value::Bytes(encode(tweet));
                    let (key, unless_there) = (key(tweet.id, generation), Some(SetOptions::NX));
                    let () = pipeline
                        .set(key, value, Some(seconds(KEPT)), unless_there, false)
                        .await?;
                }
                pipeline.all::<Vec<Value>>().await
            })
            .await?;
        Ok(())
    }

    async fn remove(&self, ids: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        let removals = ids.iter().map(|id| {
            self.redis.ask(deadline, async |client, generation| {
                let tombstone = Value::Bytes(Bytes::new());
                client
                    .set::<(), _, _>(
                        key(*id, generation),
                        tombstone,
                        Some(seconds(TOMBSTONE_KEPT)),
                        None,
                        false,
                    )
                    .await
            })
        });
        try_join_all(removals).await?;
        Ok(())
    }
}

//! Tweets as the bytes that answers are made of.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::{TweetId, UserId};

use crate::{Deadline, StoreError};

/// A tweet, rendered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedTweet {
    /// The tweet.
    pub id: TweetId,
    /// Whose it is: filters ask.
    pub author: UserId,
    /// What it answers.
    pub in_reply_to: Option<TweetId>,
    /// Its JSON.
    pub json: Bytes,
}

/// When a cache was asked, as counted in removals: see [`TweetCache::put`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheEpoch(pub u64);

/// What a cache knew.
#[derive(Debug, Clone, Default)]
pub struct CachedTweets {
    /// In the order asked for.
    pub tweets: Vec<Option<Arc<RenderedTweet>>>,
    /// To be handed to [`TweetCache::put`] with what was missing.
    pub epoch: CacheEpoch,
}

/// A bounded cache of rendered tweets. It never makes a deleted tweet visible: a removal wins over every `put` of what was
/// read before it.
#[async_trait]
pub trait TweetCache: Send + Sync {
    /// What is cached of these.
    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<CachedTweets, StoreError>;

    /// Caches what was missing in the answer that `epoch` comes from, and was read from the store after it, unless it was
    /// removed since. It may be left out for other reasons too: somebody else is about to put it, or there is no room.
    async fn put(
        &self,
        tweets: Vec<Arc<RenderedTweet>>,
        epoch: CacheEpoch,
        deadline: Deadline,
    ) -> Result<(), StoreError>;

    /// These were deleted: after the commit of the tombstone and before it is acknowledged.
    async fn remove(&self, ids: &[TweetId], deadline: Deadline) -> Result<(), StoreError>;
}

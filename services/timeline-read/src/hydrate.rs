//! From ids to tweets.

use std::sync::Arc;

use http_kit::tweet_json::render_tweet;
use model::{Tweet, TweetId};
use storage::{Deadline, RenderedTweet, StoreError, TweetCache, TweetStore};

use crate::metrics::ReadMetrics;

/// Looks tweets up: in the cache, else in the store.
pub(crate) struct Hydrator {
    cache: Arc<dyn TweetCache>,
    tweets: Arc<dyn TweetStore>,
    metrics: ReadMetrics,
}

impl Hydrator {
    pub(crate) fn new(cache: Arc<dyn TweetCache>, tweets: Arc<dyn TweetStore>, metrics: ReadMetrics) -> Self {
        Self { cache, tweets, metrics }
    }

    /// The tweets that exist, in the order asked for. What is deleted is left out.
    pub(crate) async fn hydrate(
        &self,
        ids: &[TweetId],
        deadline: Deadline,
    ) -> Result<Vec<Arc<RenderedTweet>>, StoreError> {
        let (mut tweets, epoch) = match self.cache.get(ids, deadline).await {
            Ok(cached) => (cached.tweets, Some(cached.epoch)),
            Err(error) => (Self::without_cache(ids, error)?, None),
        };
        let missing: Vec<usize> = (0..ids.len()).filter(|at| tweets[*at].is_none()).collect();
        self.metrics.looked_up(ids.len() - missing.len(), missing.len());
        if missing.is_empty() {
            return Ok(tweets.into_iter().flatten().collect());
        }
        let missing_ids: Vec<TweetId> = missing.iter().map(|at| ids[*at]).collect();
        let found = self.tweets.get(&missing_ids, deadline).await?;
        let mut rendered = Vec::with_capacity(found.len());
        for (at, tweet) in missing.into_iter().zip(found) {
            if let Some(tweet) = tweet {
                let tweet = Arc::new(render(&tweet));
                rendered.push(Arc::clone(&tweet));
                tweets[at] = Some(tweet);
            }
        }
        if let Some(epoch) = epoch
            && let Err(error) = self.cache.put(rendered, epoch, deadline).await
        {
            tracing::debug!(%error, "tweets were not cached");
        }
        Ok(tweets.into_iter().flatten().collect())
    }

    /// Nothing is cached while the cache is away: the store has everything, and knows what is deleted.
    fn without_cache(ids: &[TweetId], error: StoreError) -> Result<Vec<Option<Arc<RenderedTweet>>>, StoreError> {
        if !error.is_transient() {
            return Err(error);
        }
        tracing::debug!(%error, "the cache of tweets cannot be reached");
        Ok(vec![None; ids.len()])
    }
}

fn render(tweet: &Tweet) -> RenderedTweet {
    RenderedTweet {
        id: tweet.id,
        author: tweet.author.id,
        in_reply_to: tweet.in_reply_to,
        json: render_tweet(tweet),
    }
}

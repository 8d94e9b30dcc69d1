//! The use cases.

use std::sync::Arc;

use model::{Author, Event, TraceContext, Tweet, TweetId, UserId};
use storage::{
    Deadline, DeleteTweet, DeleteTweetError, EventLog, FollowGraph, IdempotencyConflict, IdempotencyKey,
    InsertTweetError, Inserted, NewTweet, StoreError, TweetCache, TweetStore,
};

use telemetry::Metrics;
use telemetry::trace::{Kind, Span, names};

use crate::TweetText;
use crate::metrics::IngestMetrics;

/// What tweet-ingest works with.
#[derive(Clone)]
pub struct Ports {
    /// The tweets.
    pub tweets: Arc<dyn TweetStore>,
    /// Where accepted tweets are announced.
    pub log: Arc<dyn EventLog>,
    /// Rendered tweets: a deleted one goes.
    pub cache: Arc<dyn TweetCache>,
    /// Blocks, and deleted accounts.
    pub graph: Arc<dyn FollowGraph>,
}

/// Why a tweet was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// What it replies to is not there, or across a block.
    #[error("no such original")]
    NoSuchOriginal,
    /// The idempotency key belongs to another request.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<InsertTweetError> for PostError {
    fn from(error: InsertTweetError) -> Self {
        match error {
            InsertTweetError::Idempotency(conflict) => Self::Idempotency(conflict),
            InsertTweetError::Store(error) => Self::Store(error),
        }
    }
}

/// A tweet that somebody wants to post.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) author: Author,
    pub(crate) text: TweetText,
    pub(crate) in_reply_to: Option<TweetId>,
    pub(crate) idempotency: Option<IdempotencyKey>,
    pub(crate) trace: Option<TraceContext>,
}

/// Accepts, shows and deletes tweets.
pub struct TweetIngest {
    ports: Ports,
    metrics: IngestMetrics,
}

impl TweetIngest {
    /// Wires the service.
    pub fn new(ports: Ports) -> Arc<Self> {
        Arc::new(Self {
            ports,
            metrics: IngestMetrics::default(),
        })
    }

    /// Adds what it counts to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        self.metrics.register(metrics);
    }

    /// Accepts a tweet, durably, and announces it.
    pub(crate) async fn post(&self, post: Post, deadline: Deadline) -> Result<Tweet, PostError> {
        if let Some(original) = post.in_reply_to
            && self.visible(original, Some(post.author.id), deadline).await?.is_none()
        {
            // A repeat of a reply that was accepted before its original went is still that reply.
            return self.replayed(post, deadline).await?.ok_or(PostError::NoSuchOriginal);
        }
        let inserted = self.commit(post, deadline).await?;
        if let Inserted::Accepted(tweet, event) = &inserted {
            self.metrics.accepted.inc();
            self.publish(tweet.id, event).await;
        } else {
            self.metrics.repeated.inc();
        }
        Ok(inserted.tweet().clone())
    }

    async fn commit(&self, post: Post, deadline: Deadline) -> Result<Inserted, InsertTweetError> {
        let span = Span::child(Kind::Internal, "commit tweet");
        let inserted = span.cover(self.ports.tweets.insert(new_tweet(post), deadline)).await;
        match &inserted {
            Ok(inserted) if span.is_recorded() => span.set(names::TWEET_ID, inserted.tweet().id.to_string()),
            Ok(_) => {}
            Err(_) => span.fail("not_committed"),
        }
        inserted
    }

    /// What happened is durable: an announcement that fails is made up for from the outbox.
    async fn publish(&self, tweet: TweetId, event: &Event) {
        let span = Span::child(Kind::Producer, "publish event");
        span.set(names::MESSAGING_SYSTEM, names::EVENT_LOG);
        span.set(names::MESSAGING_DESTINATION_NAME, names::EVENTS);
        span.set(names::MESSAGING_OPERATION_TYPE, "send");
        let published = span.cover(self.ports.log.publish(std::slice::from_ref(event))).await;
        if let Err(error) = published {
            span.fail("left_in_outbox");
            self.metrics.unpublished.inc();
            tracing::warn!(%tweet, %error, "an event stays in the outbox");
        }
    }

    /// The tweet that this very request was answered with before, if it was.
    async fn replayed(&self, post: Post, deadline: Deadline) -> Result<Option<Tweet>, PostError> {
        match post.idempotency {
            Some(key) => Ok(self.ports.tweets.replayed(&key, deadline).await?),
            None => Ok(None),
        }
    }

    /// The tweet, if it is there for this viewer: not deleted, nor its author, nor across a block.
    pub(crate) async fn visible(
        &self,
        id: TweetId,
        viewer: Option<UserId>,
        deadline: Deadline,
    ) -> Result<Option<Tweet>, StoreError> {
        let found = self
            .ports
            .tweets
            .get(&[id], deadline)
            .await?
            .into_iter()
            .next()
            .flatten();
        let Some(tweet) = found else { return Ok(None) };
        let author = tweet.author.id;
        if !self.ports.graph.deleted_among(&[author], deadline).await?.is_empty() {
            return Ok(None);
        }
        let Some(viewer) = viewer.filter(|viewer| *viewer != author) else {
            return Ok(Some(tweet));
        };
        let view = self.ports.graph.reader(viewer, None, deadline).await?;
        let across_a_block = view.is_some_and(|view| view.blocked.binary_search(&author).is_ok());
        Ok((!across_a_block).then_some(tweet))
    }

    /// Deletes a tweet: its tombstone is durable and the tweet out of the cache before this answers.
    pub(crate) async fn delete(&self, delete: DeleteTweet, deadline: Deadline) -> Result<(), DeleteTweetError> {
        let id = delete.id;
        let event = match self.ports.tweets.delete(delete, deadline).await {
            // The store of tweets knows of no accounts: with its author's, a tweet has gone from every read.
            Err(DeleteTweetError::NotAuthor) if self.visible(id, None, deadline).await?.is_none() => {
                return Err(DeleteTweetError::NotFound);
            }
            answer => answer?,
        };
        // On repeats too: the first attempt may have ended between commit and removal.
        let removed = self.ports.cache.remove(&[id], deadline).await;
        if let Some(event) = event {
            self.metrics.deleted.inc();
            self.publish(id, &event).await;
        }
        // Last, since no repeat would announce the deletion; it is acknowledged only when nothing shows the tweet.
        Ok(removed?)
    }
}

fn new_tweet(post: Post) -> NewTweet {
    NewTweet {
        author: post.author,
        text: post.text.into_string(),
        in_reply_to: post.in_reply_to,
        trace: post.trace,
        idempotency: post.idempotency,
    }
}

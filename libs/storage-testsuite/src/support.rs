//! What the suites of tweets, log and pages have in common.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::{Author, AuthorRange, Event, IdRange, ManualClock, TweetId, UserId};
use storage::{
    Deadline, DeleteTweet, DeleteTweetError, EventLog, IdempotencyKey, Inserted, NewTweet, TweetCounts, TweetStore,
};

/// Tweets and their log, as an adapter offers them.
#[derive(Clone)]
pub struct TweetPorts {
    /// The store.
    pub tweets: Arc<dyn TweetStore>,
    /// The log over its outbox.
    pub log: Arc<dyn EventLog>,
    /// How many tweets authors have.
    pub counts: Arc<dyn TweetCounts>,
}

/// An adapter with an empty store of its own, which is opened, let go of and opened again.
pub trait TweetBackend {
    /// Opens the store, which nobody has open.
    fn open(&self) -> impl Future<Output = TweetPorts>;

    /// The clock that it goes by.
    fn clock(&self) -> &ManualClock;
}

/// Long enough for any call to end.
pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

pub(crate) fn author(id: u64) -> Author {
    Author {
        id: UserId::new(id),
        handle: format!("u{id}"),
        display_name: format!("Üser {id}"),
    }
}

pub(crate) fn new_tweet(of: u64, text: &str) -> NewTweet {
    NewTweet {
        author: author(of),
        text: text.to_owned(),
        in_reply_to: None,
        trace: None,
        idempotency: None,
    }
}

/// A key whose digest stands for `body`.
pub(crate) fn key(account: u64, key: &str, body: &[u8]) -> IdempotencyKey {
    let mut body_digest = [0; 32];
    body_digest[..body.len()].copy_from_slice(body);
    IdempotencyKey {
        account: UserId::new(account),
        operation: "POST /v1/tweets".to_owned(),
        key: key.to_owned(),
        body_digest,
    }
}

pub(crate) trait Keyed {
    fn keyed(self, key: IdempotencyKey) -> Self;
}

impl Keyed for NewTweet {
    fn keyed(self, key: IdempotencyKey) -> Self {
        Self {
            idempotency: Some(key),
            ..self
        }
    }
}

/// All tweets of an author.
pub(crate) fn all_of(author: u64) -> AuthorRange {
    AuthorRange {
        author: UserId::new(author),
        range: IdRange::ALL,
    }
}

impl TweetPorts {
    /// Posts a tweet and announces it.
    pub(crate) async fn post(&self, of: u64) -> TweetId {
        let inserted = self.tweets.insert(new_tweet(of, "t"), deadline()).await.unwrap();
        let Inserted::Accepted(tweet, event) = inserted else {
            panic!("a request without a key is never a repetition");
        };
        self.log.publish(&[event]).await.unwrap();
        tweet.id
    }

    pub(crate) async fn delete(&self, by: u64, id: TweetId) -> Result<Option<Event>, DeleteTweetError> {
        self.delete_with(by, id, None).await
    }

    pub(crate) async fn delete_keyed(
        &self,
        by: u64,
        id: TweetId,
        mut key: IdempotencyKey,
    ) -> Result<Option<Event>, DeleteTweetError> {
        "DELETE /v1/tweets".clone_into(&mut key.operation);
        self.delete_with(by, id, Some(key)).await
    }

    async fn delete_with(
        &self,
        by: u64,
        id: TweetId,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Option<Event>, DeleteTweetError> {
        let delete = DeleteTweet {
            id,
            by: UserId::new(by),
            trace: None,
            idempotency,
        };
        let event = self.tweets.delete(delete, deadline()).await?;
        if let Some(event) = &event {
            self.log.publish(std::slice::from_ref(event)).await.unwrap();
        }
        Ok(event)
    }

    /// The newest tweets of these authors.
    pub(crate) async fn timeline(&self, authors: &[u64]) -> Vec<TweetId> {
        let sources: Vec<_> = authors.iter().map(|author| all_of(*author)).collect();
        let page = self
            .tweets
            .page(&sources, TweetId::MAX, 1_000, deadline())
            .await
            .unwrap();
        page.entries.iter().map(|entry| entry.id).collect()
    }
}

/// Makes a test of each rule of a suite. Where there is no backend (no server to test against) the test passes; whoever makes
/// backends has said loudly that it is skipped.
#[doc(hidden)]
#[macro_export]
macro_rules! contract {
    ($make:path, $suite:ident: $($rule:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                if let Some(backend) = $make().await {
                    $crate::$suite::$rule(backend).await;
                }
            }
        )+
    };
}

//! How many tweets authors have, for those who show it.

use std::time::Duration;

use async_trait::async_trait;
use model::{AuthorTweets, UserId};

use crate::{Deadline, StoreError};

/// Counts that have changed. They are absolute and versioned: taking one twice, or two at once, does no harm.
#[async_trait]
pub trait TweetCounts: Send + Sync {
    /// Authors whose count has changed since it was last taken, at most `max`, each once with its newest count. Waits up
    /// to `wait` for the first; none when nothing has changed by then.
    async fn changed(&self, max: usize, wait: Duration) -> Result<Vec<(UserId, AuthorTweets)>, StoreError>;

    /// These counts are durably taken over; a count that has changed since stays changed. What is never reported as taken
    /// is answered again by whoever opens the store next.
    async fn taken(&self, counts: &[(UserId, AuthorTweets)], deadline: Deadline) -> Result<(), StoreError>;
}

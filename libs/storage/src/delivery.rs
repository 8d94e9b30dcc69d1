//! The books of fan-out.

use std::time::Duration;

use async_trait::async_trait;
use model::{ChunkPlan, DeliveryPlan, DeliveryRecord, Mode, TweetId, UserId};

use crate::{Books, ClosedRange, Deadline, StoreError, Tally};

/// A chunk that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingChunk {
    /// The tweet.
    pub tweet: TweetId,
    /// Its author.
    pub author: UserId,
    /// How it travels.
    pub mode: Mode,
    /// Which followers.
    pub plan: ChunkPlan,
    /// How often it had been begun before, and not finished.
    pub tries: u32,
}

/// How far a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkState {
    /// It waits, or somebody works on it.
    Pending,
    /// It has failed too often: nobody works on it, for now.
    Aside,
    /// It is finished.
    Done {
        /// Timelines that were written.
        written: u64,
        /// Followers without a timeline, or no longer following.
        skipped: u64,
        /// When, in milliseconds since 1970.
        finished_at_ms: u64,
    },
}

/// A chunk, and what has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Which followers.
    pub plan: ChunkPlan,
    /// How often it was begun.
    pub tries: u32,
    /// How far it is.
    pub state: ChunkState,
}

/// What a chunk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkResult {
    /// The tweet.
    pub tweet: TweetId,
    /// The chunk.
    pub number: u32,
    /// Timelines that were written.
    pub written: u64,
    /// Followers without a timeline, or no longer following.
    pub skipped: u64,
    /// Those of `skipped` that follow no longer.
    pub unfollowed: u64,
    /// When, in milliseconds since 1970.
    pub finished_at_ms: u64,
}

/// Delivery records: how each tweet travels, settled once, and what came of it. Counted once for each (tweet, chunk),
/// however often it is reported.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// The records, in the order asked for.
    async fn get(&self, tweets: &[TweetId], deadline: Deadline) -> Result<Vec<Option<DeliveryRecord>>, StoreError>;

    /// The chunk of a tweet's plan that a follower falls into; `None` where the tweet is not delivered in chunks, and for
    /// whoever lies above the last of them.
    async fn chunk_of(
        &self,
        tweet: TweetId,
        follower: UserId,
        deadline: Deadline,
    ) -> Result<Option<ChunkRecord>, StoreError>;

    /// Records deliveries that were done in one go, in one commit. A tweet that has a record keeps it.
    async fn record(&self, done: Vec<DeliveryRecord>, deadline: Deadline) -> Result<(), StoreError>;

    /// Opens plans, in one commit, each with one chunk: all followers, as a [rest](ChunkPlan::rest). A tweet that has a plan
    /// or record keeps it.
    async fn open(&self, plans: Vec<DeliveryPlan>, deadline: Deadline) -> Result<(), StoreError>;

    /// Puts these chunks into the place of the rest that has the number of the first, in one commit; the last of them may
    /// be a rest, which is due before all others. Nothing happens if that rest has been cut already.
    async fn cut(&self, tweet: TweetId, chunks: Vec<ChunkPlan>, deadline: Deadline) -> Result<(), StoreError>;

    /// Takes the unfinished chunk that has waited longest of those that nobody works on. It is the caller's alone for as
    /// long as `lease`; then it is anybody's again. One that has had `max_tries` is set aside: it is answered once more, to
    /// tell, and not leased again.
    async fn lease(
        &self,
        lease: Duration,
        max_tries: u32,
        deadline: Deadline,
    ) -> Result<Option<PendingChunk>, StoreError>;

    /// Holds a chunk for as long as `lease` from now. Nothing happens to one that is finished.
    async fn renew(&self, tweet: TweetId, number: u32, lease: Duration, deadline: Deadline) -> Result<(), StoreError>;

    /// Leaves a chunk to others; it waits anew, so that one that always fails holds up no other. It `counts` as a try if it
    /// was the chunk that failed. Nothing happens to one that is finished.
    async fn give_back(&self, tweet: TweetId, number: u32, counts: bool, deadline: Deadline) -> Result<(), StoreError>;

    /// Chunks that are set aside, at most `limit`.
    async fn list_aside(&self, limit: usize, deadline: Deadline) -> Result<Vec<PendingChunk>, StoreError>;

    /// Puts all chunks that are set aside among the others, as if they had never been tried; answers how many.
    async fn replay_aside(&self, deadline: Deadline) -> Result<usize, StoreError>;

    /// Records finished chunks, in one commit, and finishes each tweet whose last chunk it was. A chunk that is
    /// finished keeps its figures. Answers the tweets that are finished now, or were.
    async fn finish(&self, chunks: Vec<ChunkResult>, deadline: Deadline) -> Result<Vec<TweetId>, StoreError>;

    /// What became of the tweets above the first of these ids, up to and including the second.
    async fn tally(&self, above: TweetId, up_to: TweetId, deadline: Deadline) -> Result<Tally, StoreError>;

    /// Followers in chunks that are not finished. Where there are more chunks than a few hundred thousand, some of them.
    async fn deliveries_pending(&self, deadline: Deadline) -> Result<u64, StoreError>;

    /// The books, as far as they are closed; `None` before anybody has begun them.
    async fn books(&self, deadline: Deadline) -> Result<Option<Books>, StoreError>;

    /// Begins the books right above this tweet, unless they have begun.
    async fn begin_books(&self, closed: TweetId, now_ms: u64, deadline: Deadline) -> Result<(), StoreError>;

    /// Adds a range of ids to the books, in one commit. Nothing happens, and the answer is `false`, if they do not end where
    /// it begins: somebody else has closed it. So each tweet counts once.
    async fn close_books(&self, range: ClosedRange, now_ms: u64, deadline: Deadline) -> Result<bool, StoreError>;

    /// Drops records that were finished before `unix_ms`, at most `limit`; answers how many.
    async fn prune(&self, before_unix_ms: u64, limit: usize, deadline: Deadline) -> Result<usize, StoreError>;
}

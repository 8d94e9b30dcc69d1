//! The store of home timelines: a cache. All of it may be lost at any time.

use async_trait::async_trait;
use model::{ActorVersion, BuildId, Coverage, TweetId, UserId};

use crate::{Deadline, StoreError};

/// Tweets grouped by the followers whose timelines they go to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushBatch {
    followers: Vec<UserId>,
    /// Where each follower's ids end in `ids`.
    ends: Vec<u32>,
    ids: Vec<TweetId>,
}

impl PushBatch {
    /// Groups pairs of follower and tweet, which it sorts. A pair that comes twice is kept once.
    pub fn group(pairs: &mut Vec<(UserId, TweetId)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut batch = Self {
            followers: Vec::new(),
            ends: Vec::new(),
            ids: Vec::with_capacity(pairs.len()),
        };
        for &(follower, id) in pairs.iter() {
            if batch.followers.last() != Some(&follower) {
                batch.followers.push(follower);
                batch.ends.push(0);
            }
            batch.ids.push(id);
            if let Some(end) = batch.ends.last_mut() {
                *end = u32::try_from(batch.ids.len()).expect("a batch is bounded far below 2^32 pairs");
            }
        }
        batch
    }

    /// Each follower once, in order, with its tweets, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (UserId, &[TweetId])> + '_ {
        let mut start = 0;
        self.followers.iter().zip(&self.ends).map(move |(&follower, &end)| {
            let ids = &self.ids[start..end as usize];
            start = end as usize;
            (follower, ids)
        })
    }

    /// How many followers.
    pub fn len(&self) -> usize {
        self.followers.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }
}

/// Part of a stored timeline, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineSlice {
    /// Newest first, none twice, none below the coverage.
    pub ids: Vec<TweetId>,
    /// Whether there are more stored ids below the last one.
    pub more: bool,
    /// How far the timeline can be trusted.
    pub coverage: Coverage,
}

/// What is stored for a reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredTimeline {
    /// The reader's own last change, as it was announced ([`crate::ActorVersions`]); `None` when the store does not know.
    pub actor_version: Option<ActorVersion>,
    /// The part that was asked for. `None` when the user has no timeline, or one that is not built yet.
    pub slice: Option<TimelineSlice>,
}

/// Permission to build one timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildTicket {
    /// The build.
    pub build: BuildId,
    /// Whose.
    pub user: UserId,
}

/// What a build found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Pushed tweets, in any order.
    pub ids: Vec<TweetId>,
    /// How far they are complete.
    pub coverage: Coverage,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelineStats {
    /// Timelines, built or being built.
    pub timelines: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes that they take, slack included.
    pub bytes: u64,
}

/// Where a walk over all timelines goes on. Only the store that gave it out knows what it means; the default is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WalkPlace {
    /// Which part of the store.
    pub part: u64,
    /// Where in it.
    pub at: u64,
}

/// Some of the users who have a timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalkPage {
    /// The users, in no order.
    pub users: Vec<UserId>,
    /// Where the walk goes on; `None` at its end. A page may be empty and not the last.
    pub next: Option<WalkPlace>,
}

/// Home timelines: for each active user the newest pushed ids, with a mark down to which they are complete.
///
/// What a store is asked to keep may vanish; what it answers must be true. In particular a timeline that does not exist
/// is not made by a push, and one that is being built covers nothing before it is installed.
#[async_trait]
pub trait TimelineStore: Send + Sync {
    /// Writes into the timelines that exist, idempotently: an id below the coverage, or there already, changes nothing.
    /// Beyond the window the oldest ids go and the coverage rises. Answers for each follower of the batch, in order,
    /// whether its timeline exists.
    async fn push(&self, batch: &PushBatch, deadline: Deadline) -> Result<Vec<bool>, StoreError>;

    /// The newest stored ids below `below`, at most `limit`, and what was announced of the user, in one round trip.
    async fn read(
        &self,
        user: UserId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<StoredTimeline, StoreError>;

    /// Starts to build the user's timeline: from now on pushes have somewhere to go. A build that was under way is
    /// superseded; a timeline that was there goes on serving until the install.
    async fn begin_build(&self, user: UserId, deadline: Deadline) -> Result<BuildTicket, StoreError>;

    /// Installs a build, together with what was pushed since it began. `false`, and nothing done, when another build has
    /// begun since or the timeline has vanished.
    async fn install(&self, ticket: BuildTicket, built: Built, deadline: Deadline) -> Result<bool, StoreError>;

    /// Merges tweets of accounts that were followed after the timeline was built, and raises the version whose follows it
    /// holds to `holds`. They were gathered for a timeline with this coverage: `false`, and nothing done, when it holds
    /// another version by now, reaches further down (it was built anew), or is gone.
    async fn backfill(
        &self,
        user: UserId,
        ids: &[TweetId],
        gathered_for: Coverage,
        holds: ActorVersion,
        deadline: Deadline,
    ) -> Result<bool, StoreError>;

    /// All of a built timeline as it lies there, also what no timeline should have (ids below its mark, or out of order): for
    /// whoever checks it. It is no read of its user, and keeps no timeline from being dropped.
    async fn inspect(&self, user: UserId, deadline: Deadline) -> Result<Option<TimelineSlice>, StoreError>;

    /// Users with a built timeline, from a place chosen at random, none twice, at most `limit`. It looks at a bounded part of
    /// the store: fewer may be found than there are, but all of them in a store that holds little else.
    async fn sample(&self, limit: usize, deadline: Deadline) -> Result<Vec<UserId>, StoreError>;

    /// The users with a built timeline, page by page, some `limit` on each. Whoever has one from the beginning of the walk to
    /// its end is on one of the pages, or on several.
    async fn walk(&self, from: WalkPlace, limit: usize, deadline: Deadline) -> Result<WalkPage, StoreError>;

    /// Forgets timelines.
    async fn remove(&self, users: &[UserId], deadline: Deadline) -> Result<(), StoreError>;

    /// What it holds.
    async fn stats(&self) -> Result<TimelineStats, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_groups_by_follower() {
        let (u, t) = (UserId::new, TweetId::new);
        let batch = PushBatch::group(&mut vec![(u(2), t(9)), (u(1), t(7)), (u(2), t(8)), (u(2), t(9))]);
        let grouped: Vec<_> = batch.iter().map(|(follower, ids)| (follower, ids.to_vec())).collect();
        assert_eq!(grouped, [(u(1), vec![t(7)]), (u(2), vec![t(8), t(9)])]);
        assert!(PushBatch::group(&mut Vec::new()).is_empty());
    }
}

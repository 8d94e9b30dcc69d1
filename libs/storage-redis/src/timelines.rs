//! Home timelines: two strings for each, changed by scripts alone.
//!
//! The *newest part* (`t{user}:generation`) is a header of 56 bytes and then the newest 64 to 95 ids, ascending, none twice,
//! eight bytes each. Older ids lie in *blocks* of 32 under a key of their own (`u…`), a ring: when the newest part has grown
//! by a block, its oldest block takes the place of the oldest of all, and the mark rises in the same step. So:
//!
//! - a first page is one command that reads one string, header and the reader's version included;
//! - a push looks at the last eight bytes and appends, which is nearly all that ever happens. It is done for many followers
//!   by one script. What is not newer than all (a late arrival, a repetition, a timeline with a build under way or with
//!   none) takes the careful way, in the same script: there is no moment between a check and its write, and a process that
//!   is stopped has either sent the script or not;
//! - an entry takes nine and a half bytes at 800 entries; `benches/layout` compares this with the other layouts.
//!
//! What a build collects lies under a third key (`b…`) until it is installed or has waited too long. A part can get lost
//! without the others (a server that evicts): without blocks the newest part is complete from its first id on, without what
//! it collected a build is not installed, and without its newest part there is no timeline.
//!
//! Keys carry the generation of the server ([`crate::node`]): what an earlier life of it was given is not found, and a push
//! finds no timeline there. What is not found any more goes when nobody has read it for long enough.
//!
//! The reader's last change (`ActorVersions`) stands in the header, also where there is no timeline. A number that is
//! announced while nothing is there is not trusted at once: an older announcement may have been under way while the newest
//! was lost.

mod header;
mod scripts;
mod stats;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::error::Error;
use fred::types::Value;
use futures::future::try_join_all;
use model::{ActorVersion, BuildId, Coverage, TweetId, UserId};
use storage::{
    ActorVersions, BuildTicket, Built, Deadline, PushBatch, StoreError, StoredTimeline, TimelineSlice, TimelineStats,
    TimelineStore, WalkPage, WalkPlace,
};

use self::header::Newest;
use self::scripts::{Scripts, Shape, blocks_key, bytes, key, sequence, sorted_sequence};
use crate::node::{Confirmed, Member, Purpose, RedisNode};
use crate::request::Request;

const STORE: &str = "home timelines";

/// Followers that one script handles: it keeps a server for about a quarter of a millisecond.
const FOLLOWERS_AT_ONCE: usize = 64;

/// A build that has not been installed by then never is.
const BUILD_COLLECTS: Duration = Duration::from_mins(10);

/// A timeline that is read has its life prolonged when this part of it has passed.
const PROLONGED_AFTER: u32 = 30;

/// How home timelines are kept.
#[derive(Debug, Clone, Copy)]
pub struct RedisTimelineOptions {
    /// Ids that a timeline keeps. It may keep up to 31 more, and always up to 95.
    pub window: usize,
    /// How long a timeline that nobody reads is kept.
    pub idle: Duration,
}

/// Home timelines on Redis.
pub struct RedisTimelines {
    redis: Arc<RedisNode>,
    shape: Shape,
    idle: Duration,
    scripts: Scripts,
}

impl RedisTimelines {
    /// Over these connections.
    pub fn new(redis: Arc<RedisNode>, options: RedisTimelineOptions) -> Arc<Self> {
        Arc::new(Self {
            redis,
            shape: Shape::of_window(options.window),
            idle: options.idle,
            scripts: Scripts::new(),
        })
    }

    /// As [`RedisTimelines::new`], with a newest part of another size, so that tests with a few ids reach the blocks.
    #[doc(hidden)]
    pub fn with_newest_part(redis: Arc<RedisNode>, options: RedisTimelineOptions, newest: usize) -> Arc<Self> {
        Arc::new(Self {
            redis,
            shape: Shape::new(options.window, newest),
            idle: options.idle,
            scripts: Scripts::new(),
        })
    }

    fn idle_ms(&self) -> Value {
        millis(self.idle)
    }

    fn push_request(&self, followers: &[(UserId, &[TweetId])], confirmed: &Confirmed) -> Request {
        let keys = followers
            .iter()
            .map(|(user, _)| key(*user, confirmed.generation))
            .collect();
        let ids = followers.iter().map(|(_, ids)| sequence(ids));
        Request::script(&self.scripts.push, keys, ids.chain(self.shape.arguments()).collect())
    }

    /// All followers of one server that stands alone, in scripts of many.
    async fn push_at_once(
        &self,
        member: &Member,
        followers: &[(UserId, &[TweetId])],
        deadline: Deadline,
    ) -> Result<Vec<bool>, StoreError> {
        let chunks = followers.chunks(FOLLOWERS_AT_ONCE);
        let (answers, _) = member
            .ask(Purpose::Change, deadline, |confirmed| {
                chunks.map(|chunk| self.push_request(chunk, confirmed)).collect()
            })
            .await?;
        let mut exist = Vec::with_capacity(followers.len());
        for answer in answers {
            exist.extend(flags(answer.map_err(|error| crate::error::store_error(STORE, error))?)?);
        }
        Ok(exist)
    }

    /// In a cluster the keys of a script lie in one slot: a script for each follower, all sent at once.
    async fn push_each(&self, followers: &[(UserId, &[TweetId])], deadline: Deadline) -> Result<Vec<bool>, StoreError> {
        let tags: Vec<u64> = followers.iter().map(|(user, _)| user.get()).collect();
        let request = |at: usize, confirmed: &Confirmed| self.push_request(&followers[at..=at], confirmed);
        let answers = self.redis.ask_each(&tags, Purpose::Change, deadline, request).await?;
        let exist: Result<Vec<Vec<bool>>, StoreError> = answers.into_iter().map(|answer| flags(answer.value)).collect();
        Ok(exist?.concat())
    }

    /// Runs a script on a timeline; whether it did what it is for.
    async fn change(
        &self,
        user: UserId,
        deadline: Deadline,
        request: impl Fn(Vec<Value>) -> Request,
    ) -> Result<bool, StoreError> {
        let answer = self
            .redis
            .ask(user.get(), Purpose::Change, deadline, |confirmed| {
                request(vec![key(user, confirmed.generation)])
            })
            .await?;
        Ok(answer.value.as_u64() == Some(1))
    }

    /// Prolongs the life of a timeline that is read. Where that fails, the next read does it.
    async fn prolong(&self, user: UserId, touched_s: u64, server_ms: u64, deadline: Deadline) {
        let now_s = server_ms / 1_000;
        if touched_s + (self.idle / PROLONGED_AFTER).as_secs() > now_s {
            return;
        }
        let arguments = vec![Value::from(now_s.to_string()), self.idle_ms()];
        let touched = self.redis.ask(user.get(), Purpose::Look, deadline, |confirmed| {
            let keys = vec![key(user, confirmed.generation)];
            Request::script(&self.scripts.touch, keys, arguments.clone())
        });
        if let Err(error) = touched.await {
            tracing::debug!(%user, %error, "a timeline that is read was not prolonged");
        }
    }

    /// Any page, of the whole timeline: six kilobytes cost the server a sixth of a script that cuts the page out.
    async fn read_page(
        &self,
        user: UserId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<StoredTimeline, StoreError> {
        let answer = self.redis.ask(user.get(), Purpose::Look, deadline, |confirmed| {
            let keys = [key, blocks_key].map(|part| part(user, confirmed.generation));
            Request::new("MGET", keys.to_vec())
        });
        let answer = answer.await?;
        let (newest, blocks): (Option<Bytes>, Option<Bytes>) =
            answer.value.convert().map_err(|error| unreadable(&error))?;
        let Some(newest) = newest else {
            return Ok(StoredTimeline::default());
        };
        let page = Newest::parse(&newest)?.with_blocks(blocks.as_deref()).below(below);
        let more = page.ids().len() > limit;
        Ok(stored(page, answer.server_ms, limit, more))
    }
}

#[async_trait]
impl TimelineStore for RedisTimelines {
    async fn push(&self, batch: &PushBatch, deadline: Deadline) -> Result<Vec<bool>, StoreError> {
        let followers: Vec<(UserId, &[TweetId])> = batch.iter().collect();
        if self.redis.is_clustered() {
            return self.push_each(&followers, deadline).await;
        }
        let mut exist = Vec::with_capacity(followers.len());
        for member in self.redis.members() {
            exist = self.push_at_once(&member, &followers, deadline).await?;
        }
        Ok(exist)
    }

    async fn read(
        &self,
        user: UserId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<StoredTimeline, StoreError> {
        if below < TweetId::MAX || limit > self.shape.newest {
            return self.read_page(user, below, limit, deadline).await;
        }
        let (answer, server_ms) = self.newest(user, deadline).await?;
        let Some(newest) = answer else {
            return Ok(StoredTimeline::default());
        };
        self.prolong(user, newest.touched_s(), server_ms, deadline).await;
        let (there, below_there) = (newest.ids().len(), newest.ids_below());
        if there < limit && below_there > 0 {
            // Another shape wrote it.
            return self.read_page(user, below, limit, deadline).await;
        }
        Ok(stored(newest, server_ms, limit, there > limit || below_there > 0))
    }

    async fn begin_build(&self, user: UserId, deadline: Deadline) -> Result<BuildTicket, StoreError> {
        let build = BuildId(rand::random::<u64>() >> 1);
        self.change(user, deadline, |keys| {
            let arguments = vec![bytes(build.0), millis(BUILD_COLLECTS), self.idle_ms()];
            Request::script(&self.scripts.begin_build, keys, arguments)
        })
        .await?;
        Ok(BuildTicket { build, user })
    }

    async fn install(&self, ticket: BuildTicket, built: Built, deadline: Deadline) -> Result<bool, StoreError> {
        let complete_from = built.coverage.complete_from.get();
        let ids = sorted_sequence(&built.ids);
        self.change(ticket.user, deadline, |keys| {
            let mut arguments = vec![
                bytes(ticket.build.0),
                ids.clone(),
                bytes(complete_from.saturating_sub(1)),
                Value::from(i64::from(complete_from == 0)),
                bytes(built.coverage.holds.0),
            ];
            arguments.extend(self.shape.arguments());
            Request::script(&self.scripts.install, keys, arguments)
        })
        .await
    }

    async fn backfill(
        &self,
        user: UserId,
        ids: &[TweetId],
        gathered_for: Coverage,
        holds: ActorVersion,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        let ids = sorted_sequence(ids);
        self.change(user, deadline, |keys| {
            let floor = gathered_for.complete_from.get().saturating_sub(1);
            let mut arguments = vec![ids.clone(), bytes(gathered_for.holds.0), bytes(floor), bytes(holds.0)];
            arguments.extend(self.shape.arguments());
            Request::script(&self.scripts.backfill, keys, arguments)
        })
        .await
    }

    async fn inspect(&self, user: UserId, deadline: Deadline) -> Result<Option<TimelineSlice>, StoreError> {
        let whole = self.read_page(user, TweetId::MAX, usize::MAX, deadline).await?;
        Ok(whole.slice)
    }

    async fn sample(&self, limit: usize, deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        walk::sample(&self.redis.members(), limit, deadline).await
    }

    async fn walk(&self, from: WalkPlace, limit: usize, deadline: Deadline) -> Result<WalkPage, StoreError> {
        walk::page(&self.redis.members(), from, limit, deadline).await
    }

    async fn remove(&self, users: &[UserId], deadline: Deadline) -> Result<(), StoreError> {
        let tags: Vec<u64> = users.iter().map(|user| user.get()).collect();
        let request = |at: usize, confirmed: &Confirmed| {
            Request::script(
                &self.scripts.remove,
                vec![key(users[at], confirmed.generation)],
                Vec::new(),
            )
        };
        self.redis
            .ask_each(&tags, Purpose::Change, deadline, request)
            .await
            .map(|_| ())
    }

    /// Looks at keys one by one: for operators, and not often. Beyond a hundred thousand keys it looks at a sample.
    async fn stats(&self) -> Result<TimelineStats, StoreError> {
        let deadline = Deadline::after(Duration::from_mins(1));
        let members = self.redis.members();
        let all = try_join_all(members.iter().map(|member| stats::of_member(member, deadline))).await?;
        Ok(all
            .into_iter()
            .fold(TimelineStats::default(), |sum, one| TimelineStats {
                timelines: sum.timelines + one.timelines,
                entries: sum.entries + one.entries,
                bytes: sum.bytes + one.bytes,
            }))
    }
}

impl RedisTimelines {
    /// The newest part, and a time of the server at which it was there.
    async fn newest(&self, user: UserId, deadline: Deadline) -> Result<(Option<Newest>, u64), StoreError> {
        let answer = self.redis.ask(user.get(), Purpose::Look, deadline, |confirmed| {
            Request::new("GET", vec![key(user, confirmed.generation)])
        });
        let answer = answer.await?;
        let newest = found(answer.value)?.map(|bytes| Newest::parse(&bytes)).transpose()?;
        Ok((newest, answer.server_ms))
    }
}

#[async_trait]
impl ActorVersions for RedisTimelines {
    async fn announce(&self, user: UserId, version: ActorVersion, deadline: Deadline) -> Result<(), StoreError> {
        self.change(user, deadline, |keys| {
            let arguments = vec![bytes(version.0), self.idle_ms()];
            Request::script(&self.scripts.announce, keys, arguments)
        })
        .await
        .map(|_| ())
    }
}

/// The newest `limit` of what was read.
fn stored(newest: Newest, server_ms: u64, limit: usize, more: bool) -> StoredTimeline {
    let actor_version = newest.actor_version(server_ms);
    let slice = newest.is_built().then(|| TimelineSlice {
        coverage: newest.coverage(),
        ids: newest.into_ids().into_iter().rev().take(limit).collect(),
        more,
    });
    StoredTimeline { actor_version, slice }
}

/// What a script for several timelines answers: a digit for each.
fn flags(answer: Value) -> Result<Vec<bool>, StoreError> {
    let digits = found(answer)?.unwrap_or_default();
    Ok(digits.iter().map(|digit| *digit == b'1').collect())
}

fn found(answer: Value) -> Result<Option<Bytes>, StoreError> {
    answer.convert().map_err(|error| unreadable(&error))
}

fn unreadable(error: &Error) -> StoreError {
    StoreError::Corrupt {
        store: STORE,
        what: error.to_string(),
    }
}

fn millis(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

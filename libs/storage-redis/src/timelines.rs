//! Home timelines: sorted lists of ids with a header, changed by scripts alone.
//!
//! A timeline and its header are one list under one key, so that both change in one step: a script appends what is newer
//! than all (nearly everything is), puts late arrivals where they belong, and drops the oldest together with the rise of
//! the mark. A sorted list makes a read of the newest twenty a look at its tail. An id takes eight bytes and two of the
//! list's own.
//!
//! Keys carry the generation of the node ([`crate::node`]): what an earlier life of it wrote is not found, and a push
//! into it finds no timeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{KeysInterface, ListInterface, MemoryInterface};
use fred::types::Value;
use fred::types::scan::Scanner;
use futures::TryStreamExt;
use futures::future::try_join_all;
use model::{ActorVersion, BuildId, Coverage, Generation, TweetId, UserId};
use storage::{
    ActorVersions, BuildTicket, Built, Deadline, PushBatch, StoreError, StoredTimeline, TimelineSlice, TimelineStats,
    TimelineStore,
};

use crate::node::RedisNode;
use crate::script::LuaScript;

/// Followers that one script handles at most; in a cluster it is one, since keys of several may lie on several nodes.
const FOLLOWERS_AT_ONCE: usize = 64;

/// A build that has not been installed by then never is.
const BUILD_KEPT: Duration = Duration::from_mins(10);

/// One read of so many makes the timeline live longer.
const REFRESHED_ONE_IN: u64 = 4;

/// Windows from this size on are trimmed a sixteenth at a time.
const SLACK_FROM: usize = 100;

const HEADER_BYTES: usize = 25;

/// How home timelines are kept.
#[derive(Debug, Clone, Copy)]
pub struct RedisTimelineOptions {
    /// Ids that a timeline keeps.
    pub window: usize,
    /// How long a timeline that nobody reads is kept.
    pub idle: Duration,
}

/// Home timelines on Redis.
pub struct RedisTimelines {
    redis: Arc<RedisNode>,
    options: RedisTimelineOptions,
    scripts: Scripts,
    reads: AtomicU64,
}

struct Scripts {
    push: LuaScript,
    read: LuaScript,
    begin_build: LuaScript,
    install: LuaScript,
    backfill: LuaScript,
    announce: LuaScript,
}

impl Scripts {
    fn new() -> Self {
        let script = |source: &str| LuaScript::new(&[include_str!("timelines/lists.lua"), source]);
        Self {
            push: script(include_str!("timelines/push.lua")),
            read: script(include_str!("timelines/read.lua")),
            begin_build: script(include_str!("timelines/begin_build.lua")),
            install: script(include_str!("timelines/install.lua")),
            backfill: script(include_str!("timelines/backfill.lua")),
            announce: script(include_str!("timelines/announce.lua")),
        }
    }
}

fn timeline(user: UserId, generation: Generation) -> String {
    format!("t:{{{user}}}:{generation}")
}

fn building(user: UserId, generation: Generation) -> String {
    format!("b:{{{user}}}:{generation}")
}

fn version(user: UserId, generation: Generation) -> String {
    format!("v:{{{user}}}:{generation}")
}

fn bytes(number: u64) -> Value {
    Value::Bytes(Bytes::copy_from_slice(&number.to_be_bytes()))
}

fn blob<'a>(ids: impl Iterator<Item = &'a TweetId>) -> Value {
    let bytes: Vec<u8> = ids.flat_map(|id| id.get().to_be_bytes()).collect();
    Value::Bytes(bytes.into())
}

fn millis(duration: Duration) -> Value {
    Value::Integer(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

fn count(number: usize) -> Value {
    // No list is longer than 2^31.
    Value::Integer(i64::try_from(number.min(1 << 31)).unwrap_or(i64::MAX))
}

impl RedisTimelines {
    /// Over these connections.
    pub fn new(redis: Arc<RedisNode>, options: RedisTimelineOptions) -> Arc<Self> {
        Arc::new(Self {
            redis,
            options,
            scripts: Scripts::new(),
            reads: AtomicU64::new(0),
        })
    }

    const fn slack(&self) -> usize {
        if self.options.window < SLACK_FROM {
            0
        } else {
            self.options.window / 16
        }
    }

    async fn push_some(&self, followers: &[(UserId, &[TweetId])], deadline: Deadline) -> Result<Vec<bool>, StoreError> {
        let ids: Vec<Value> = followers.iter().map(|(_, ids)| blob(ids.iter())).collect();
        let answer = self.redis.ask(deadline, async |client, generation| {
            let mut keys = Vec::with_capacity(followers.len() * 2);
            for (follower, _) in followers {
                keys.push(timeline(*follower, generation));
                keys.push(building(*follower, generation));
            }
            let mut arguments = vec![count(self.options.window), count(self.slack())];
            arguments.extend(ids);
            self.scripts.push.run(client, keys, arguments).await
        });
        let answers: Vec<i64> = answer.await?.convert().map_err(|error| unreadable(&error))?;
        Ok(answers.into_iter().map(|exists| exists == 1).collect())
    }

    async fn flag(
        &self,
        deadline: Deadline,
        commands: impl AsyncFnOnce(&Client, Generation) -> Result<Value, Error>,
    ) -> Result<bool, StoreError> {
        let answer = self.redis.ask(deadline, commands).await?;
        Ok(answer.as_i64() == Some(1))
    }
}

#[async_trait]
impl TimelineStore for RedisTimelines {
    async fn push(&self, batch: &PushBatch, deadline: Deadline) -> Result<Vec<bool>, StoreError> {
        let at_once = if self.redis.is_clustered() {
            1
        } else {
            FOLLOWERS_AT_ONCE
        };
        let followers: Vec<(UserId, &[TweetId])> = batch.iter().collect();
        let pushes = followers.chunks(at_once).map(|some| self.push_some(some, deadline));
        Ok(try_join_all(pushes).await?.concat())
    }

    async fn read(
        &self,
        user: UserId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<StoredTimeline, StoreError> {
        let refreshed = self
            .reads
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(REFRESHED_ONE_IN);
        let answer = self.redis.ask(deadline, async |client, generation| {
            let keys = vec![timeline(user, generation), version(user, generation)];
            let mut arguments = vec![bytes(below.get()), count(limit)];
            if refreshed {
                arguments.push(millis(self.options.idle));
            }
            self.scripts.read.run(client, keys, arguments).await
        });
        stored(answer.await?)
    }

    async fn begin_build(&self, user: UserId, deadline: Deadline) -> Result<BuildTicket, StoreError> {
        let build = BuildId(rand::random::<u64>() >> 1);
        self.flag(deadline, async |client, generation| {
            let keys = vec![building(user, generation)];
            let arguments = vec![bytes(build.0), millis(BUILD_KEPT)];
            self.scripts.begin_build.run(client, keys, arguments).await
        })
        .await?;
        Ok(BuildTicket { build, user })
    }

    async fn install(&self, ticket: BuildTicket, built: Built, deadline: Deadline) -> Result<bool, StoreError> {
        let BuildTicket { build, user } = ticket;
        self.flag(deadline, async |client, generation| {
            let keys = vec![timeline(user, generation), building(user, generation)];
            let arguments = vec![
                bytes(build.0),
                bytes(built.coverage.complete_from.get()),
                bytes(built.coverage.holds.0),
                count(self.options.window),
                millis(self.options.idle),
                blob(built.ids.iter()),
            ];
            self.scripts.install.run(client, keys, arguments).await
        })
        .await
    }

    async fn backfill(
        &self,
        user: UserId,
        ids: &[TweetId],
        held: ActorVersion,
        holds: ActorVersion,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        self.flag(deadline, async |client, generation| {
            let keys = vec![timeline(user, generation)];
            let window = count(self.options.window + self.slack());
            let arguments = vec![bytes(held.0), bytes(holds.0), window, blob(ids.iter())];
            self.scripts.backfill.run(client, keys, arguments).await
        })
        .await
    }

    async fn remove(&self, users: &[UserId], deadline: Deadline) -> Result<(), StoreError> {
        let removals = users.iter().map(|user| {
            self.redis.ask(deadline, async |client, generation| {
                let keys = vec![timeline(*user, generation), building(*user, generation)];
                client.del::<(), _>(keys).await
            })
        });
        try_join_all(removals).await?;
        Ok(())
    }

    /// Looks at every key: for operators, and not often.
    async fn stats(&self) -> Result<TimelineStats, StoreError> {
        let deadline = Deadline::after(Duration::from_mins(1));
        self.redis
            .ask(deadline, async |client, generation| stats(client, generation).await)
            .await
    }
}

#[async_trait]
impl ActorVersions for RedisTimelines {
    async fn announce(&self, user: UserId, announced: ActorVersion, deadline: Deadline) -> Result<(), StoreError> {
        self.flag(deadline, async |client, generation| {
            let keys = vec![version(user, generation)];
            let arguments = vec![bytes(announced.0), millis(self.options.idle)];
            self.scripts.announce.run(client, keys, arguments).await
        })
        .await?;
        Ok(())
    }
}

async fn stats(client: &Client, generation: Generation) -> Result<TimelineStats, Error> {
    let mut stats = TimelineStats::default();
    for kind in ["t", "b"] {
        let mut pages = Box::pin(client.scan(format!("{kind}:*:{generation}"), Some(1_000), None));
        while let Some(mut page) = pages.try_next().await? {
            for key in page.take_results().unwrap_or_default() {
                let length: u64 = client.llen(&key).await?;
                let bytes: Option<u64> = client.memory_usage(&key, Some(0)).await?;
                stats.timelines += 1;
                stats.entries += length.saturating_sub(1);
                stats.bytes += bytes.unwrap_or_default();
            }
            page.next();
        }
    }
    Ok(stats)
}

/// What the read script answers.
fn stored(answer: Value) -> Result<StoredTimeline, StoreError> {
    type Answer = (Option<Bytes>, Option<Bytes>, i64, Option<Bytes>);
    let mut parts = answer.into_array();
    parts.resize(4, Value::Null);
    let (version, header, more, ids): Answer = Value::Array(parts).convert().map_err(|error| unreadable(&error))?;
    let actor_version = version.as_deref().map(number).transpose()?.map(ActorVersion);
    let Some(header) = header else {
        return Ok(StoredTimeline {
            actor_version,
            slice: None,
        });
    };
    if header.len() != HEADER_BYTES || header[0] != 1 {
        // Of a build that writes another form; it is built anew.
        return Ok(StoredTimeline {
            actor_version,
            slice: None,
        });
    }
    let coverage = Coverage {
        complete_from: TweetId::new(number(&header[1..9])?),
        holds: ActorVersion(number(&header[9..17])?),
    };
    let ids: Result<Vec<TweetId>, StoreError> = ids
        .unwrap_or_default()
        .rchunks_exact(8)
        .map(|id| number(id).map(TweetId::new))
        .collect();
    Ok(StoredTimeline {
        actor_version,
        slice: Some(TimelineSlice {
            ids: ids?,
            more: more == 1,
            coverage,
        }),
    })
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| unreadable(&Error::new(ErrorKind::Parse, "a number of another length")))?;
    Ok(u64::from_be_bytes(bytes))
}

fn unreadable(error: &Error) -> StoreError {
    StoreError::Corrupt {
        store: "home timelines",
        what: error.to_string(),
    }
}

//! Home timelines in memory.
//!
//! Users are numbered densely, so a user's slot is found by arithmetic: 256 neighbours form a *page*, and a page is also
//! what is locked. A batch comes sorted by follower, hence it visits each page once, takes its lock once, and finds the
//! slots on it in the order they lie in memory. (Sharding by `id % n` would need a second grouping of the batch, hold each
//! lock longer, and scatter neighbours.) Within a page a delivery touches two cache lines: the slot and the tail of the
//! ring of ids. `benches/push.rs` has the figures.
//!
//! Everything is in one process and gone with it, so there is no generation to compare.

mod entries;
mod evict;
mod pages;
mod slot;
mod walk;

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use model::{ActorVersion, BuildId, Clock, Coverage, TweetId, UserId};
use parking_lot::Mutex;
use storage::{
    BuildTicket, Built, Deadline, PushBatch, StoreError, StoredTimeline, TimelineSlice, TimelineStats, TimelineStore,
    WalkPage, WalkPlace,
};

use pages::{Page, Pages, page_of, place_of};
use slot::{Footprint, Slot};

/// How [`MemoryTimelines`] is laid out.
#[derive(Debug, Clone, Copy)]
pub struct MemoryTimelineOptions {
    /// Entries that a timeline keeps.
    pub window: usize,
    /// Bytes that all timelines together may take; beyond it the least recently read ones go.
    pub memory_bytes: u64,
}

impl Default for MemoryTimelineOptions {
    fn default() -> Self {
        Self {
            window: 800,
            memory_bytes: 4 << 30,
        }
    }
}

/// Home timelines in memory: see the [module](self).
pub struct MemoryTimelines {
    clock: Arc<dyn Clock>,
    window: usize,
    memory_bytes: i64,
    pages: Pages,
    totals: Totals,
    builds: AtomicU64,
    /// The page from which the next eviction goes on.
    eviction_hand: Mutex<usize>,
}

impl MemoryTimelines {
    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, options: MemoryTimelineOptions) -> Arc<Self> {
        Arc::new(Self {
            clock,
            window: options.window.max(1),
            memory_bytes: i64::try_from(options.memory_bytes).unwrap_or(i64::MAX),
            pages: Pages::default(),
            totals: Totals::default(),
            builds: AtomicU64::new(1),
            eviction_hand: Mutex::new(0),
        })
    }

    /// Moves a timeline's mark as nothing should, so that tests have a timeline that is wrong.
    #[doc(hidden)]
    pub fn spoil_mark(&self, user: UserId, complete_from: TweetId) {
        self.with_slot(user, |slot| slot.spoil_mark(complete_from));
    }

    fn now_s(&self) -> u32 {
        seconds(self.clock.unix_ms())
    }

    /// Works on a user's slot, if its page is there, and keeps the totals.
    fn with_slot<T>(&self, user: UserId, work: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        let page = self.pages.get(page_of(user))?;
        Some(self.with_slot_on(&page, user, work))
    }

    fn with_slot_on<T>(&self, page: &Page, user: UserId, work: impl FnOnce(&mut Slot) -> T) -> T {
        let (answer, change) = page.with_slots(|slots| {
            let slot = &mut slots[place_of(user)];
            let before = slot.footprint();
            let answer = work(slot);
            (answer, slot.footprint() - before)
        });
        self.totals.add(change);
        answer
    }

    fn push_to_pages(&self, batch: &PushBatch) -> Vec<bool> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut rest = batch.iter().peekable();
        while let Some(number) = rest.peek().map(|(user, _)| page_of(*user)) {
            let run = iter::from_fn(|| rest.next_if(|(user, _)| page_of(*user) == number));
            match self.pages.get(number) {
                Some(page) => self.push_to_page(&page, run, &mut answers),
                None => answers.extend(run.map(|_| false)),
            }
        }
        answers
    }

    fn push_to_page<'b>(
        &self,
        page: &Page,
        run: impl Iterator<Item = (UserId, &'b [TweetId])>,
        answers: &mut Vec<bool>,
    ) {
        let mut change = Footprint::default();
        page.with_slots(|slots| {
            for (user, ids) in run {
                let slot = &mut slots[place_of(user)];
                if slot.is_steady(self.window) {
                    answers.push(slot.push(ids, self.window));
                } else {
                    let before = slot.footprint();
                    answers.push(slot.push(ids, self.window));
                    change += slot.footprint() - before;
                }
            }
        });
        self.totals.add(change);
    }
}

#[async_trait]
impl TimelineStore for MemoryTimelines {
    async fn push(&self, batch: &PushBatch, _deadline: Deadline) -> Result<Vec<bool>, StoreError> {
        let answers = self.push_to_pages(batch);
        self.evict_beyond_bound();
        Ok(answers)
    }

    async fn read(
        &self,
        user: UserId,
        below: TweetId,
        limit: usize,
        _deadline: Deadline,
    ) -> Result<StoredTimeline, StoreError> {
        let now_s = self.now_s();
        let page = self.pages.get(page_of(user));
        Ok(StoredTimeline {
            // In one process the follow graph itself is what every reader asks.
            actor_version: None,
            slice: page.and_then(|page| page.with_slots(|slots| slots[place_of(user)].read(below, limit, now_s))),
        })
    }

    async fn begin_build(&self, user: UserId, _deadline: Deadline) -> Result<BuildTicket, StoreError> {
        let build = BuildId(self.builds.fetch_add(1, Ordering::Relaxed));
        let (page, made) = self.pages.get_or_make(page_of(user));
        if made {
            self.totals.add(Page::footprint());
        }
        let now_s = self.now_s();
        self.with_slot_on(&page, user, |slot| slot.begin_build(build, now_s));
        Ok(BuildTicket { build, user })
    }

    async fn install(&self, ticket: BuildTicket, built: Built, _deadline: Deadline) -> Result<bool, StoreError> {
        let window = self.window;
        let installed = self.with_slot(ticket.user, |slot| slot.install(ticket.build, built, window));
        self.evict_beyond_bound();
        Ok(installed.unwrap_or(false))
    }

    async fn backfill(
        &self,
        user: UserId,
        ids: &[TweetId],
        gathered_for: Coverage,
        holds: ActorVersion,
        _deadline: Deadline,
    ) -> Result<bool, StoreError> {
        let merged = self.with_slot(user, |slot| slot.backfill(ids, gathered_for, holds, self.window));
        self.evict_beyond_bound();
        Ok(merged.unwrap_or(false))
    }

    async fn inspect(&self, user: UserId, _deadline: Deadline) -> Result<Option<TimelineSlice>, StoreError> {
        let page = self.pages.get(page_of(user));
        Ok(page.and_then(|page| page.with_slots(|slots| slots[place_of(user)].look(TweetId::MAX, usize::MAX))))
    }

    async fn sample(&self, limit: usize, _deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        Ok(self.sample_users(limit))
    }

    async fn walk(&self, from: WalkPlace, limit: usize, _deadline: Deadline) -> Result<WalkPage, StoreError> {
        Ok(self.walk_users(from, limit))
    }

    async fn remove(&self, users: &[UserId], _deadline: Deadline) -> Result<(), StoreError> {
        for user in users {
            self.with_slot(*user, |slot| *slot = Slot::default());
        }
        Ok(())
    }

    async fn stats(&self) -> Result<TimelineStats, StoreError> {
        Ok(self.totals.stats())
    }
}

/// Seconds are exact enough to tell a timeline that is read from one that is not.
fn seconds(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / 1_000).unwrap_or(u32::MAX)
}

/// What all pages take together, kept as they change.
#[derive(Default)]
struct Totals {
    timelines: AtomicI64,
    entries: AtomicI64,
    bytes: AtomicI64,
}

impl Totals {
    fn add(&self, change: Footprint) {
        let all = [
            (&self.timelines, change.timelines),
            (&self.entries, change.entries),
            (&self.bytes, change.bytes),
        ];
        for (total, change) in all.into_iter().filter(|(_, change)| *change != 0) {
            total.fetch_add(change, Ordering::Relaxed);
        }
    }

    fn bytes(&self) -> i64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Changes that are under way may make a total dip below zero for a moment.
    fn stats(&self) -> TimelineStats {
        let read = |total: &AtomicI64| u64::try_from(total.load(Ordering::Relaxed)).unwrap_or(0);
        TimelineStats {
            timelines: read(&self.timelines),
            entries: read(&self.entries),
            bytes: read(&self.bytes),
        }
    }
}

//! The books are closed: of every tweet that is settled it is counted, once, what went in and what came out.
//!
//! Nothing is added up while tweets are delivered. Below [`storage::Settled::below`] every tweet is done or set aside, so
//! what the tweet store and the delivery records hold of a range of ids there must agree. Ranges are closed in the order of
//! ids, each by whichever process comes first, and their totals are kept in the store; each process shows them.

use std::time::Duration;

use ahash::AHashSet;
use model::TweetId;
use storage::{BookTotals, Books, ClosedRange, Settled, StoreError, Tally};
use tokio_util::sync::CancellationToken;

use crate::service::FanOut;

/// Tweets that are looked at in one go.
const TWEETS_AT_ONCE: usize = 10_000;

/// Tweets that the log names, of those that are missing.
const NAMED: usize = 20;

/// Records that are about to be pruned are not counted on.
const BEFORE_PRUNING: Duration = Duration::from_hours(1);

/// Closes the books now and then, and shows them, until `shutdown`.
pub(crate) async fn keep(fan_out: &FanOut, shutdown: &CancellationToken) {
    let mut bookkeeper = Bookkeeper {
        fan_out,
        suspected: None,
    };
    loop {
        if let Err(error) = bookkeeper.look(shutdown).await {
            tracing::debug!(%error, "the books stay as they are for now");
        }
        let pause = tokio::time::sleep(fan_out.settings.books_every);
        if shutdown.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

struct Bookkeeper<'f> {
    fan_out: &'f FanOut,
    /// A range that did not agree at the last look, above the first of these ids up to the second.
    suspected: Option<(TweetId, TweetId)>,
}

/// What does not agree.
#[derive(Default)]
struct Holes {
    /// Tweets that are neither done nor set aside.
    missing: Vec<TweetId>,
    /// Records of no tweet.
    surplus: u64,
}

impl Holes {
    fn difference(&self) -> u64 {
        self.missing.len() as u64 + self.surplus
    }
}

impl Bookkeeper<'_> {
    async fn look(&mut self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        let deliveries = &self.fan_out.ports.deliveries;
        let pending = deliveries.deliveries_pending(self.fan_out.deadline()).await?;
        self.fan_out.metrics.deliveries_pending(pending);
        let books = self.books().await?;
        self.fan_out.metrics.books(&books);
        let age_ms = self.fan_out.clock.unix_ms().abs_diff(books.closed_at_ms);
        if u128::from(age_ms) < self.fan_out.settings.books_every.as_millis() / 2 {
            // Another process has just closed them.
            return Ok(());
        }
        while !shutdown.is_cancelled() && self.close_next().await? {}
        let books = self.books().await?;
        self.fan_out.metrics.books(&books);
        Ok(())
    }

    /// The books, which begin now if they have not: what is settled is not looked at any more.
    async fn books(&self) -> Result<Books, StoreError> {
        let FanOut { ports, clock, .. } = self.fan_out;
        if let Some(books) = ports.deliveries.books(self.fan_out.deadline()).await? {
            return Ok(books);
        }
        let begin = right_below(ports.log.settled().await?.below);
        let now_ms = clock.unix_ms();
        let deadline = self.fan_out.deadline();
        ports.deliveries.begin_books(begin, now_ms, deadline).await?;
        let begun = ports.deliveries.books(deadline).await?;
        begun.ok_or_else(|| StoreError::unavailable("delivery records", "the books were taken away"))
    }

    /// Closes the next range; `false` if there is none, or it does not agree for the first time.
    async fn close_next(&mut self) -> Result<bool, StoreError> {
        let FanOut { ports, clock, .. } = self.fan_out;
        let above = self.books().await?.closed;
        let settled = ports.log.settled().await?;
        let last = right_below(settled.below);
        if last <= above {
            return Ok(false);
        }
        let now_ms = clock.unix_ms();
        let is_suspected = self.suspected.is_some_and(|(from, _)| from == above);
        match self.too_old(above, last, now_ms) {
            // What is too old moves on with time, and what is suspected is to be looked at as it was.
            Some(range) if !is_suspected => {
                let deadline = self.fan_out.deadline();
                ports.deliveries.close_books(range, now_ms, deadline).await
            }
            _ => self.close_counted(above, &settled, now_ms).await,
        }
    }

    /// The part of a range whose records may be gone.
    fn too_old(&self, above: TweetId, last: TweetId, now_ms: u64) -> Option<ClosedRange> {
        let kept = self.fan_out.settings.records_kept.saturating_sub(BEFORE_PRUNING);
        let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
        let oldest = right_below(TweetId::first_at(now_ms.saturating_sub(kept_ms))).min(last);
        let range = ClosedRange {
            above,
            up_to: oldest,
            totals: BookTotals::default(),
        };
        (above < oldest).then_some(range)
    }

    async fn close_counted(&mut self, above: TweetId, settled: &Settled, now_ms: u64) -> Result<bool, StoreError> {
        let ports = &self.fan_out.ports;
        let deadline = self.fan_out.deadline();
        let below = match self.suspected {
            Some((from, up_to)) if from == above => up_to.next(),
            _ => settled.below,
        };
        let ids = ports.tweets.ids(above, below, TWEETS_AT_ONCE, deadline).await?;
        let up_to = match ids.last() {
            Some(last) if ids.len() == TWEETS_AT_ONCE => *last,
            _ => right_below(below),
        };
        let tally = ports.deliveries.tally(above, up_to, deadline).await?;
        let (aside, holes) = self.compare(&ids, &tally, settled).await?;
        let totals = BookTotals {
            accepted: ids.len() as u64,
            aside,
            difference: holes.difference(),
            tally,
        };
        let range = ClosedRange { above, up_to, totals };
        if self.is_believed(&range, &holes) {
            ports.deliveries.close_books(range, now_ms, deadline).await
        } else {
            Ok(false)
        }
    }

    /// How many of these tweets are set aside, and which are nowhere.
    async fn compare(&self, ids: &[TweetId], tally: &Tally, settled: &Settled) -> Result<(u64, Holes), StoreError> {
        if tally.done == ids.len() as u64 {
            return Ok((0, Holes::default()));
        }
        let deliveries = &self.fan_out.ports.deliveries;
        let records = deliveries.get(ids, self.fan_out.deadline()).await?;
        let is_done = |record: &Option<model::DeliveryRecord>| {
            record.as_ref().is_some_and(|record| record.finished_at_ms.is_some())
        };
        let open = ids.iter().zip(&records).filter(|(_, record)| !is_done(record));
        let open: Vec<TweetId> = open.map(|(tweet, _)| *tweet).collect();
        let done = (ids.len() - open.len()) as u64;
        let aside: AHashSet<TweetId> = settled.aside.iter().map(|aside| aside.tweet).collect();
        let (aside, missing): (Vec<TweetId>, Vec<TweetId>) = open.into_iter().partition(|id| aside.contains(id));
        let surplus = tally.done.saturating_sub(done);
        Ok((aside.len() as u64, Holes { missing, surplus }))
    }

    /// What does not agree is looked at twice: what was set aside may just be handed out again.
    fn is_believed(&mut self, range: &ClosedRange, holes: &Holes) -> bool {
        let looked_at = (range.above, range.up_to);
        if holes.difference() > 0 && self.suspected != Some(looked_at) {
            self.suspected = Some(looked_at);
            return false;
        }
        self.suspected = None;
        if holes.difference() > 0 {
            let some = &holes.missing[..holes.missing.len().min(NAMED)];
            let (missing, surplus) = (holes.missing.len(), holes.surplus);
            tracing::error!(
                missing,
                ?some,
                surplus,
                "the books differ: tweets are not done, or were never accepted"
            );
        }
        if range.totals.tally.difference > 0 {
            tracing::error!(
                ?range,
                "the books differ: followers of some tweets are not accounted for"
            );
        }
        true
    }
}

fn right_below(id: TweetId) -> TweetId {
    TweetId::new(id.get().saturating_sub(1))
}

//! Events that the streams have lost.
//!
//! They are in the outbox, not done, and in no stream: whoever posted them died between the commit and the publishing, or
//! Redis lost what it had. Whether a stream has an event can't be asked directly, but it follows from what can be asked:
//!
//! - What was delivered and is not acknowledged, a stream lists.
//! - What was never delivered was published after the first entry that was never delivered. An event that was committed
//!   well before that entry was published is not among those: events are published right after their commit.
//! - Everything else has been acknowledged, hence is done.
//!
//! So an event that is not done, was committed well before the first undelivered entry, and is not among those delivered
//! was lost. With a long backlog nothing is published in circles: the backlog begins with its oldest entry. The streams
//! are looked at before the outbox, so that nothing is taken for lost that is just being done. Publishing an event that
//! was not lost costs a little work; fan-out knows what it has done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use fred::error::Error;
use fred::types::Value;
use model::{EVENT_FORMAT, Event, Position};
use storage::{Deadline, Outbox, Outstanding, StoreError};
use tokio_util::sync::CancellationToken;

use self::verdict::{Delivered, Verdict, View};
use super::aside::{self, AsideReason, SetAside};
use super::counters::Counters;
use super::entry::EntryId;
use super::scripts;
use super::settings::EventLogSettings;
use super::store_error;
use super::streams::Streams;

mod verdict;

/// Outbox rows that are read at once, and pages in one pass.
const PAGE: usize = 1_000;
const PAGES: usize = 20;

/// How many delivered entries of a partition are looked through. With more, nothing of it is judged that may be among them.
const LOOKED_THROUGH: usize = 300_000;

/// Looking through delivered entries takes at most this part of the time.
const PART_OF_TIME: u32 = 20;

/// A pause is so many times as long as the pass before it, at least, and at most this long.
const PAUSE_FACTOR: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often streams are tidied.
const TIDY_EVERY: Duration = Duration::from_secs(10);

/// How many entries of a partition that were set aside are looked at. What is beyond waits until some of these have gone.
const LOOKED_AT_ASIDE: usize = 1_000;

/// Publishes again what was lost.
pub(super) struct Sweeper {
    streams: Arc<Streams>,
    outbox: Arc<dyn Outbox>,
    settings: EventLogSettings,
    counters: Arc<Counters>,
    /// When what was published again.
    republished: AHashMap<Position, Instant>,
    /// Where the next pass goes on.
    after: Position,
    /// Something would be lost if it were not delivered.
    has_suspects: bool,
    /// How many events were of unknown kinds when that was last asked.
    not_understood: u64,
    look_through_at: Instant,
    tidy_at: Instant,
    pause: Duration,
}

impl Sweeper {
    pub(super) fn new(
        streams: Arc<Streams>,
        outbox: Arc<dyn Outbox>,
        settings: EventLogSettings,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            pause: settings.sweep_every,
            streams,
            outbox,
            settings,
            counters,
            republished: AHashMap::new(),
            after: Position::default(),
            has_suspects: false,
            not_understood: 0,
            look_through_at: Instant::now(),
            tidy_at: Instant::now(),
        }
    }

    /// Sweeps until `shutdown`, while no other process does.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) {
        let mut was_well = true;
        loop {
            let started = Instant::now();
            let Some(outcome) = shutdown.run_until_cancelled(self.sweep()).await else {
                break;
            };
            self.pause = self.pause_after(started.elapsed());
            let is_well = outcome.is_ok();
            let pause = match outcome {
                Ok(true) => Duration::ZERO,
                Ok(false) => self.pause,
                Err(error) => {
                    self.counters.not_swept.inc();
                    if was_well {
                        tracing::warn!(%error, "lost events can't be looked for; it is tried again and again");
                    }
                    // Others may be better off: they get a chance before this one tries again.
                    self.stop_leading().await;
                    self.pause * 2
                }
            };
            was_well = is_well;
            if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        self.stop_leading().await;
    }

    /// With a long backlog a pass may take the stores some time; the pauses are longer then.
    fn pause_after(&self, pass: Duration) -> Duration {
        (pass * PAUSE_FACTOR).clamp(self.settings.sweep_every, LONGEST_PAUSE.max(self.settings.sweep_every))
    }

    async fn stop_leading(&self) {
        if let Err(error) = self.streams.stop_leading().await {
            tracing::debug!(%error, "the lead in sweeping ends by itself");
        }
    }

    /// One pass, if it is ours to sweep. Answers whether there is more to do at once.
    async fn sweep(&mut self) -> Result<bool, StoreError> {
        // Whoever leads and dies is followed after a few pauses.
        let lease = self.pause * 4;
        if !self.streams.lead(lease).await.map_err(store_error)? {
            return Ok(false);
        }
        if Instant::now() >= self.tidy_at {
            self.tidy().await?;
            self.tidy_at = Instant::now() + TIDY_EVERY;
        }
        let has_more = self.pass().await?;
        self.counters.swept.inc();
        Ok(has_more)
    }

    async fn pass(&mut self) -> Result<bool, StoreError> {
        let seen_at = Instant::now();
        let views = self.look().await.map_err(store_error)?;
        self.forget_republished(&views, seen_at);
        let backlog = views.iter().map(|view| view.undelivered.unwrap_or_default());
        let too_young = self.settings.grace + backlog.min().unwrap_or_default();
        let mut found_some = false;
        for _ in 0..PAGES {
            let deadline = Deadline::after(self.settings.store_timeout);
            let min_age = too_young + seen_at.elapsed();
            let rows = self.outbox.outstanding(min_age, self.after, PAGE, deadline).await?;
            let (lost, has_suspects) = self.lost(&rows, &views, seen_at);
            found_some |= !lost.is_empty();
            self.republish(lost).await.map_err(store_error)?;
            if has_suspects {
                self.has_suspects = true;
                return Ok(Instant::now() >= self.look_through_at);
            }
            self.after = rows.last().map(|row| row.event.position).unwrap_or_default();
            if rows.len() < PAGE {
                self.after = Position::default();
                self.has_suspects = false;
                return Ok(false);
            }
        }
        Ok(found_some)
    }

    /// The events among these that are lost, and whether there are some of which that can't be said yet.
    fn lost<'a>(&self, rows: &'a [Outstanding], views: &[View], seen_at: Instant) -> (Vec<&'a Event>, bool) {
        let since = seen_at.elapsed();
        let mut lost = Vec::new();
        let mut has_suspects = false;
        // A later build publishes what it has written.
        for row in rows.iter().filter(|row| row.event.format == EVENT_FORMAT) {
            let position = row.event.position;
            let republished = self.republished.get(&position);
            let age = republished.map_or(row.age.saturating_sub(since), |at| {
                seen_at.saturating_duration_since(*at)
            });
            let partition = self.streams.partition_of(row.event.body.author());
            match views[partition as usize].judge(position, age, self.settings.grace) {
                Verdict::Lost => lost.push(&row.event),
                Verdict::Suspect => has_suspects = true,
                Verdict::Underway => {}
            }
        }
        (lost, has_suspects)
    }

    /// Publishes again what is lost and was not set aside.
    async fn republish(&mut self, lost: Vec<&Event>) -> Result<(), Error> {
        if lost.is_empty() {
            return Ok(());
        }
        let lost = self.without_aside(lost).await?;
        self.streams.append(lost.iter().copied(), self.settings.epoch).await?;
        let now = Instant::now();
        self.republished.extend(lost.iter().map(|event| (event.position, now)));
        self.counters.republished.inc_by(lost.len() as u64);
        if let Some(first) = lost.first() {
            tracing::info!(count = lost.len(), first = %first.position, "events that the streams had lost were published again");
        }
        Ok(())
    }

    async fn without_aside<'a>(&self, lost: Vec<&'a Event>) -> Result<Vec<&'a Event>, Error> {
        let mut of_partition: Vec<Vec<&Event>> = vec![Vec::new(); self.streams.partitions().len()];
        for event in lost {
            of_partition[self.streams.partition_of(event.body.author()) as usize].push(event);
        }
        let mut left = Vec::new();
        for (partition, events) in self.streams.partitions().zip(of_partition) {
            if !events.is_empty() {
                let name = |event: &&Event| aside::name(event.position, self.settings.epoch);
                let names: Vec<String> = events.iter().map(name).collect();
                let are_aside = self.streams.are_aside(partition, &names).await?;
                let kept = events.into_iter().zip(are_aside).filter(|(_, is_aside)| !is_aside);
                left.extend(kept.map(|(event, _)| event));
            }
        }
        Ok(left)
    }

    /// What was published again so long ago that it would be judged like any other is remembered no longer.
    fn forget_republished(&mut self, views: &[View], seen_at: Instant) {
        let backlog = views
            .iter()
            .filter_map(|view| view.undelivered)
            .max()
            .unwrap_or_default();
        let kept_for = backlog + self.settings.grace;
        self.republished
            .retain(|_, at| seen_at.saturating_duration_since(*at) <= kept_for);
    }

    /// Looks at the streams; if something may be lost and it is time, also through what was delivered.
    async fn look(&mut self) -> Result<Vec<View>, Error> {
        let started = Instant::now();
        let states = self.streams.on_each(scripts::STATE, &[]).await?;
        let mut views: Vec<View> = states.into_iter().map(view).collect();
        if self.has_suspects && started >= self.look_through_at {
            for (partition, view) in self.streams.partitions().zip(&mut views) {
                if view.pending > 0 {
                    view.delivered = self.delivered(partition).await?;
                }
            }
            self.look_through_at = Instant::now() + started.elapsed() * PART_OF_TIME;
        }
        Ok(views)
    }

    /// Which events of a partition are delivered and not acknowledged.
    async fn delivered(&self, partition: u32) -> Result<Delivered, Error> {
        let mut ids: Vec<EntryId> = Vec::new();
        loop {
            let page = self.streams.delivered(partition, ids.last().copied()).await?;
            let Some(last) = page.last() else { break };
            if ids.len() >= LOOKED_THROUGH {
                tracing::warn!(partition, last = %last.id, "too much is delivered and not acknowledged to look through it");
                return Ok(Delivered::TooMany);
            }
            ids.extend(page.iter().map(|pending| pending.id));
        }
        let Some(last) = ids.last().copied() else {
            return Ok(Delivered::Known(AHashSet::new()));
        };
        let mut positions = AHashSet::with_capacity(ids.len());
        let mut after = None;
        loop {
            let entries = self.streams.range(partition, after, last).await?;
            let Some(entry) = entries.last() else { break };
            after = Some(entry.id);
            let pending = entries.iter().filter(|entry| ids.binary_search(&entry.id).is_ok());
            positions.extend(pending.filter_map(|entry| entry.fields.position()));
        }
        Ok(Delivered::Known(positions))
    }

    /// Says how many events wait for a later build, whenever that has changed.
    async fn tell_not_understood(&mut self) -> Result<(), StoreError> {
        let deadline = Deadline::after(self.settings.store_timeout);
        let events = self.outbox.not_understood(deadline).await?;
        if events != std::mem::replace(&mut self.not_understood, events) {
            tracing::warn!(
                events,
                "events of unknown kinds are left to the version that wrote them"
            );
        }
        Ok(())
    }

    /// Cuts off what nobody needs, tells the outbox what is set aside, and gives back to the workers what an older build
    /// could not read.
    async fn tidy(&mut self) -> Result<(), StoreError> {
        self.tell_not_understood().await?;
        let silent_ms = self.settings.forget_after.as_millis().to_string();
        let tidied = self.streams.on_each(scripts::TIDY, &[&silent_ms]).await;
        tidied.map_err(store_error)?;
        if self.streams.count_aside().await.map_err(store_error)? == 0 {
            return Ok(());
        }
        for partition in self.streams.partitions() {
            let list = self.streams.list_aside(partition, self.settings.epoch, LOOKED_AT_ASIDE);
            let list = list.await.map_err(store_error)?;
            let (understood, left): (Vec<SetAside>, Vec<SetAside>) = list
                .into_iter()
                .partition(|aside| aside.reason == AsideReason::Format && aside.event.is_some());
            let positions: Vec<Position> = left.iter().filter_map(|aside| aside.position).collect();
            let deadline = Deadline::after(self.settings.store_timeout);
            self.outbox.set_aside(&positions, deadline).await?;
            for aside in understood {
                let replayed = self.streams.replay(&aside, self.settings.epoch).await;
                replayed.map_err(store_error)?;
            }
        }
        Ok(())
    }
}

/// What [`scripts::STATE`] answers.
fn view(answer: Value) -> View {
    let parts = answer.into_array();
    let now_ms = parts.first().and_then(Value::as_u64).unwrap_or_default();
    let first = parts.get(1).and_then(|id| id.as_str()?.parse::<EntryId>().ok());
    let age = |id: EntryId| Duration::from_millis(now_ms.saturating_sub(id.ms));
    View {
        undelivered: first.map(age),
        pending: parts.get(2).and_then(Value::as_u64).unwrap_or_default(),
        delivered: Delivered::Unknown,
    }
}

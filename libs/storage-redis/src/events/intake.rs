//! How events come to the workers of this process.
//!
//! A call that receives looks into the book; while nothing is there, reads are under way in tasks of their own. A worker
//! that stops waiting thus loses nothing: what was read for it is in the book for the next one. Nothing is read that
//! nobody has asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fred::error::Error;
use parking_lot::Mutex;
use storage::{Received, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::aside::{Aside, Unwelcome};
use super::book::{Book, Company, Place, Taken};
use super::claim::Turn;
use super::counters::Counters;
use super::entry::{Entry, EntryId};
use super::lane::Lane;
use super::settings::EventLogSettings;
use super::store_error;
use super::streams::Streams;

/// How long one read may wait for entries. Then it is made anew, so that a connection that has died is noticed.
pub(super) const LONGEST_READ: Duration = Duration::from_secs(2);

/// What waits for a worker, what the workers hold, and the tasks that see to it.
pub(super) struct Intake {
    pub(super) streams: Arc<Streams>,
    pub(super) settings: EventLogSettings,
    pub(super) counters: Arc<Counters>,
    pub(super) book: Mutex<Book>,
    pub(super) claims: Turn,
    pub(super) closed: CancellationToken,
    lanes: Vec<Lane>,
    ready: Notify,
    failure: Mutex<Option<StoreError>>,
    has_groups: AtomicBool,
    is_kept: AtomicBool,
}

impl Intake {
    pub(super) fn new(
        streams: Arc<Streams>,
        lanes: Vec<Lane>,
        settings: EventLogSettings,
        counters: Arc<Counters>,
        closed: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            streams,
            settings,
            counters,
            book: Mutex::default(),
            claims: Turn::default(),
            closed,
            lanes,
            ready: Notify::new(),
            failure: Mutex::default(),
            has_groups: AtomicBool::new(false),
            is_kept: AtomicBool::new(false),
        })
    }

    /// At most `max` events; waits up to `wait` for the first.
    pub(super) async fn receive(self: &Arc<Self>, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        if !self.is_kept.swap(true, Ordering::AcqRel) {
            tokio::spawn(super::keep::keep(Arc::downgrade(self), self.closed.clone()));
        }
        self.failure.lock().take();
        let until = Instant::now() + wait;
        let mut has_asked = false;
        loop {
            let ready = self.ready.notified();
            tokio::pin!(ready);
            ready.as_mut().enable();
            let received = self.book.lock().take(max);
            if !received.is_empty() || max == 0 {
                return Ok(received);
            }
            if let Some(failure) = self.failure.lock().take() {
                return Err(failure);
            }
            let now = Instant::now();
            if now < until || !has_asked {
                self.start_reads(max, until.saturating_duration_since(now).min(LONGEST_READ));
                has_asked = true;
            } else if !self.lanes.iter().any(|lane| lane.is_about_to_answer(now)) {
                return Ok(Vec::new());
            }
            self.start_claim(max);
            let pause = self.settings.touch_every();
            let wake_at = if now < until {
                until.min(now + pause)
            } else {
                now + pause
            };
            tokio::select! {
                () = ready => {}
                () = tokio::time::sleep_until(wake_at.into()) => {}
            }
        }
    }

    fn start_reads(self: &Arc<Self>, max: usize, wait: Duration) {
        for number in 0..self.lanes.len() {
            if self.lanes[number].begin(Instant::now() + wait) {
                let intake = Arc::clone(self);
                tokio::spawn(async move { intake.read(number, max, wait).await });
            }
        }
    }

    async fn read(&self, lane: usize, max: usize, wait: Duration) {
        let lane = &self.lanes[lane];
        let read = self.read_into_book(lane, max.div_ceil(self.lanes.len()), wait);
        let outcome = self.closed.run_until_cancelled(read).await;
        lane.end();
        if let Some(Err(error)) = outcome {
            *self.failure.lock() = Some(store_error(error));
        }
        self.announce();
    }

    async fn read_into_book(&self, lane: &Lane, max: usize, wait: Duration) -> Result<(), Error> {
        self.make_groups().await?;
        match self.read_as_many(lane, max, wait).await {
            Err(error) if is_groupless(&error) => {
                // The streams have been lost, with the group. Whatever is in them since is read from the start.
                self.has_groups.store(false, Ordering::Release);
                self.make_groups().await?;
                self.read_as_many(lane, max, Duration::ZERO).await
            }
            outcome => outcome,
        }
    }

    async fn make_groups(&self) -> Result<(), Error> {
        if !self.has_groups.load(Ordering::Acquire) {
            self.streams.create_groups().await?;
            self.has_groups.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// An even share of each partition first; where one of them has more, more of that one.
    async fn read_as_many(&self, lane: &Lane, max: usize, wait: Duration) -> Result<(), Error> {
        let client = lane.client().await?;
        let each = max.div_ceil(lane.partitions.len());
        let found = self.streams.read(client, &lane.partitions, each, Some(wait)).await?;
        let mut room = max;
        let mut full = Vec::new();
        let mut unwelcome = Unwelcome::default();
        for (partition, entries) in found {
            room = room.saturating_sub(entries.len());
            full.extend((entries.len() >= each).then_some(partition));
            unwelcome.extend(self.accept(partition, entries, Company::Any, |_| 0));
        }
        self.dispose_of(unwelcome).await;
        for partition in full {
            if room == 0 {
                break;
            }
            for (partition, entries) in self.streams.read(client, &[partition], room, None).await? {
                room = room.saturating_sub(entries.len());
                let unwelcome = self.accept(partition, entries, Company::Any, |_| 0);
                self.dispose_of(unwelcome).await;
            }
        }
        Ok(())
    }

    /// Puts entries that were delivered to this process into the book; answers those that can't be handed out.
    pub(super) fn accept(
        &self,
        partition: u32,
        entries: Vec<Entry>,
        company: Company,
        tries: impl Fn(EntryId) -> u64,
    ) -> Unwelcome {
        let mut taken = Vec::with_capacity(entries.len());
        let mut unwelcome = Unwelcome::default();
        for entry in entries {
            let place = Place {
                partition,
                id: entry.id,
            };
            match entry.fields.decode() {
                Ok(told) if told.epoch == self.settings.epoch => taken.push(Taken {
                    place,
                    event: told.event,
                    tries: tries(entry.id),
                }),
                Ok(_) => unwelcome.foreign.push(place),
                Err(reason) => unwelcome.unreadable.push(Aside {
                    place,
                    reason: reason.into(),
                    tries: tries(entry.id),
                    fields: entry.fields,
                }),
            }
        }
        self.book.lock().add(company, taken, Instant::now());
        unwelcome
    }

    /// Tells those who wait that there is something in the book.
    pub(super) fn announce(&self) {
        self.ready.notify_waiters();
    }
}

/// Whether the group is missing, and with it, most likely, all that was in the stream.
pub(super) fn is_groupless(error: &Error) -> bool {
    error.details().starts_with("NOGROUP") || error.details().starts_with("UNBLOCKED")
}

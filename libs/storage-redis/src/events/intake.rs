//! How events come to the workers of this process.
//!
//! A call that receives looks into the book; while nothing is there, reads are under way in tasks of their own. A worker
//! that stops waiting thus loses nothing: what was read for it is in the book for the next one. Nothing is read that
//! nobody has asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::Error;
use parking_lot::Mutex;
use storage::{Received, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::aside::{Aside, Unwelcome};
use super::book::{Book, Company, Place, Taken};
use super::claim::Turn;
use super::counters::Counters;
use super::entry::{Entry, Told};
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
    pub(super) ready: Notify,
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
            let pause = self.settings.look_every();
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

    /// Whether reads or claims are under way.
    pub(super) fn is_about_to_receive(&self) -> bool {
        self.lanes.iter().any(Lane::is_reading) || self.claims.is_taken()
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

    /// Puts what was found into the book in one go, so that whoever waits for it gets it in one batch.
    async fn read_as_many(&self, lane: &Lane, max: usize, wait: Duration) -> Result<(), Error> {
        let client = lane.client().await?;
        let each = max.div_ceil(lane.partitions.len());
        let mut found = self.streams.read(client, &lane.partitions, each, Some(wait)).await?;
        let outcome = self.read_more(client, &mut found, each, max).await;
        self.accept(found, Company::Any, |_| 0).await;
        outcome
    }

    /// Every partition was asked for an even share first; of those that had it, there may be more.
    async fn read_more(&self, client: &Client, found: &mut Found, each: usize, max: usize) -> Result<(), Error> {
        let count: usize = found.iter().map(|(_, entries)| entries.len()).sum();
        let mut room = max.saturating_sub(count);
        let full = found.iter().filter(|(_, entries)| entries.len() >= each);
        for partition in full.map(|(partition, _)| *partition).collect::<Vec<_>>() {
            if room == 0 {
                break;
            }
            let more = self.streams.read(client, &[partition], room, None).await?;
            room = more
                .iter()
                .fold(room, |room, (_, entries)| room.saturating_sub(entries.len()));
            found.extend(more);
        }
        Ok(())
    }

    /// Puts entries that were delivered to this process into the book, and what can't be handed out where it belongs.
    pub(super) async fn accept(&self, found: Found, company: Company, tries: impl Fn(Place) -> u64) {
        let mut taken = Vec::new();
        let mut unwelcome = Unwelcome::default();
        let entries = found
            .into_iter()
            .flat_map(|(partition, entries)| entries.into_iter().map(move |entry| (partition, entry)));
        for (partition, Entry { id, fields }) in entries {
            let place = Place { partition, id };
            let tries = tries(place);
            match fields.decode() {
                Ok(Told { event, epoch }) if epoch == self.settings.epoch => {
                    taken.push(Taken { place, event, tries });
                }
                Ok(_) => unwelcome.foreign.push(place),
                Err(reason) => unwelcome.unreadable.push(Aside {
                    place,
                    reason: reason.into(),
                    tries,
                    fields,
                }),
            }
        }
        self.book.lock().add(company, taken, Instant::now());
        self.announce();
        self.dispose_of(unwelcome).await;
    }

    /// Tells those who wait that there is something in the book.
    pub(super) fn announce(&self) {
        self.ready.notify_waiters();
    }
}

/// Entries and the partitions that they were in.
pub(super) type Found = Vec<(u32, Vec<Entry>)>;

/// Whether the group is missing, and with it, most likely, all that was in the stream.
pub(super) fn is_groupless(error: &Error) -> bool {
    error.details().starts_with("NOGROUP") || error.details().starts_with("UNBLOCKED")
}

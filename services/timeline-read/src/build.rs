//! Builds timelines that are missing, and backfills those that lack a new follow. In the background, bounded, and once
//! for each reader however many ask: meanwhile reads are served from the tweet store.

use std::sync::Arc;

use ahash::AHashSet;
use model::{ActorVersion, AuthorRange, Coverage, DeliveryRules, IdRange, ReaderView, TweetId, UserId};
use parking_lot::Mutex;
use storage::{Built, Deadline, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::ReadMetrics;
use crate::service::Ports;
use crate::settings::TimelineReadSettings;

/// What a timeline lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// It is not there.
    Build,
    /// It lacks whom its reader has followed since this version.
    Backfill(Coverage),
}

/// Takes requests from reads, and works them off.
pub(crate) struct Builder {
    ports: Ports,
    settings: TimelineReadSettings,
    metrics: ReadMetrics,
    queue: mpsc::Sender<(UserId, Job)>,
    jobs: Mutex<Option<mpsc::Receiver<(UserId, Job)>>>,
    /// Readers whose timeline is queued or being worked on.
    claimed: Arc<Mutex<AHashSet<UserId>>>,
}

impl Builder {
    pub(crate) fn new(ports: Ports, settings: TimelineReadSettings, metrics: ReadMetrics) -> Self {
        let (queue, jobs) = mpsc::channel(settings.build_queue);
        Self {
            ports,
            settings,
            metrics,
            queue,
            jobs: Mutex::new(Some(jobs)),
            claimed: Arc::default(),
        }
    }

    /// Asks for a job, unless one for this reader is under way. When the queue is full the request is dropped: the
    /// reader's next read asks again.
    pub(crate) fn request(&self, reader: UserId, job: Job) {
        let Ok(place) = self.queue.try_reserve() else {
            self.metrics.built(job, "dropped");
            return;
        };
        if self.claimed.lock().insert(reader) {
            place.send((reader, job));
        }
    }

    #[cfg(test)]
    pub(crate) fn is_claimed(&self, reader: UserId) -> bool {
        self.claimed.lock().contains(&reader)
    }

    /// Works off requests until `shutdown`, then finishes what it has begun.
    pub(crate) async fn run(&self, shutdown: CancellationToken) {
        let Some(mut jobs) = self.jobs.lock().take() else {
            return;
        };
        let under_way = Arc::new(Semaphore::new(self.settings.builds_under_way));
        let worker = Arc::new(Worker {
            ports: self.ports.clone(),
            settings: self.settings.clone(),
            turns: Semaphore::new(self.settings.builders),
        });
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            let next = async {
                let place = Arc::clone(&under_way).acquire_owned().await.ok()?;
                Some((jobs.recv().await?, place))
            };
            let ((reader, job), place) = tokio::select! {
                () = shutdown.cancelled() => break,
                next = next => match next {
                    Some(next) => next,
                    None => break,
                },
            };
            let claim = Claim {
                claimed: Arc::clone(&self.claimed),
                reader,
            };
            let (worker, metrics) = (Arc::clone(&worker), self.metrics.clone());
            running.spawn(async move {
                let done = worker.work(reader, job).await;
                metrics.built(job, if done.is_ok() { "done" } else { "failed" });
                if let Err(error) = done {
                    tracing::warn!(%reader, %error, "a timeline was not built; the next read tries again");
                }
                drop((claim, place));
            });
        }
        while running.join_next().await.is_some() {}
    }
}

/// That a reader's timeline is being worked on. It ends with the work, however that ends.
struct Claim {
    claimed: Arc<Mutex<AHashSet<UserId>>>,
    reader: UserId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claimed.lock().remove(&self.reader);
    }
}

struct Worker {
    ports: Ports,
    settings: TimelineReadSettings,
    /// Turns at the stores. Nobody has one while waiting out what others may still believe: that is most of a build's time.
    turns: Semaphore,
}

impl Worker {
    async fn work(&self, reader: UserId, job: Job) -> Result<(), StoreError> {
        let deadline = Deadline::after(self.settings.build_timeout);
        match job {
            Job::Build => self.build(reader, deadline).await,
            Job::Backfill(coverage) => self.backfill(reader, coverage, deadline).await,
        }
    }

    async fn turn(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, StoreError> {
        let turn = tokio::time::timeout_at(deadline.instant().into(), self.turns.acquire()).await;
        let turn = turn.map_err(|_| StoreError::Timeout {
            store: "a turn to build",
        })?;
        Ok(turn.expect("this semaphore is never closed"))
    }

    /// The order is what makes it right (`docs/crossing.md`): first live pushes get somewhere to go; then the follows are
    /// read; then as long is waited as anybody may hold older ones; then the tweets are scanned, and what was pushed
    /// meanwhile is merged by the install. A tweet that was accepted before the scan is found by it; one that was accepted
    /// later is pushed by a worker that knows these follows.
    async fn build(&self, reader: UserId, deadline: Deadline) -> Result<(), StoreError> {
        let turn = self.turn(deadline).await?;
        let ticket = self.ports.timelines.begin_build(reader, deadline).await?;
        let Some(view) = self.ports.graph.reader(reader, None, deadline).await? else {
            return self.ports.timelines.remove(&[reader], deadline).await;
        };
        let rules = self.ports.graph.delivery_rules(deadline).await?;
        drop(turn);
        tokio::time::sleep(self.ports.graph.max_staleness()).await;
        let _turn = self.turn(deadline).await?;
        let followees = view.followees.iter().map(|followee| followee.id);
        let (ids, complete_from) = self.pushed(followees, &rules, TweetId::MIN, deadline).await?;
        let coverage = Coverage {
            complete_from,
            holds: view.version,
        };
        self.ports
            .timelines
            .install(ticket, Built { ids, coverage }, deadline)
            .await?;
        Ok(())
    }

    async fn backfill(&self, reader: UserId, stored: Coverage, deadline: Deadline) -> Result<(), StoreError> {
        let turn = self.turn(deadline).await?;
        let Some(view) = self.ports.graph.reader(reader, None, deadline).await? else {
            return Ok(());
        };
        let rules = self.ports.graph.delivery_rules(deadline).await?;
        drop(turn);
        tokio::time::sleep(self.ports.graph.max_staleness()).await;
        let turn = self.turn(deadline).await?;
        let new = followed_since(&view, stored.holds);
        let (ids, complete_from) = self.pushed(new, &rules, stored.complete_from, deadline).await?;
        if complete_from > stored.complete_from || ids.len() > self.settings.window {
            // They alone fill it. What is left out lies above its mark, which only a build can raise.
            drop(turn);
            return self.build(reader, deadline).await;
        }
        self.ports
            .timelines
            .backfill(reader, &ids, stored, view.version, deadline)
            .await?;
        Ok(())
    }

    /// The newest tweets of these authors that readers don't pull anyway, as many as a timeline holds, none below
    /// `floor`; and down to where they are complete, which is `floor` unless there are more than a window's worth.
    async fn pushed(
        &self,
        authors: impl Iterator<Item = UserId>,
        rules: &DeliveryRules,
        floor: TweetId,
        deadline: Deadline,
    ) -> Result<(Vec<TweetId>, TweetId), StoreError> {
        let range = IdRange {
            from: floor,
            until: None,
        };
        let sources: Vec<AuthorRange> = authors.map(|author| AuthorRange { author, range }).collect();
        let mut ids = Vec::new();
        let mut below = TweetId::MAX;
        while ids.len() < self.settings.window {
            let page = self
                .ports
                .tweets
                .page(&sources, below, self.settings.window, deadline)
                .await?;
            let pulled = |author, id| rules.pulled_ranges(author).any(|range| range.contains(id));
            ids.extend(
                page.entries
                    .iter()
                    .filter(|entry| !pulled(entry.author, entry.id))
                    .map(|entry| entry.id),
            );
            let Some(next) = page.next_below else {
                return Ok((ids, floor));
            };
            below = next;
        }
        Ok((ids, below))
    }
}

/// Whom the reader has followed since a stored timeline's version.
pub(crate) fn followed_since(view: &ReaderView, holds: ActorVersion) -> impl Iterator<Item = UserId> + '_ {
    view.followees
        .iter()
        .filter(move |followee| followee.since > holds)
        .map(|followee| followee.id)
}

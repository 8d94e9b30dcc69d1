//! Builds timelines that are missing, and backfills those that lack a new follow. In the background, bounded, and once
//! for each reader however many ask: meanwhile reads are served from the tweet store.

use std::sync::Arc;
use std::time::Duration;

use ahash::AHashSet;
use model::{ActorVersion, AuthorRange, Coverage, DeliveryRules, IdRange, ReaderView, TweetId, UserId};
use parking_lot::Mutex;
use storage::{Built, Deadline, StoreError};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::ReadMetrics;
use crate::service::Ports;
use crate::settings::TimelineReadSettings;

/// How often somebody who wants a timeline built anew looks whether other work on it is done.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What a build takes beside waiting, about.
const AT_THE_STORES: Duration = Duration::from_millis(100);

/// What a timeline lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// It is not there.
    Build,
    /// It is there, and not to be trusted.
    Rebuild,
    /// It lacks whom its reader has followed since this version.
    Backfill(Coverage),
}

/// What a job came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The timeline is in order.
    InOrder,
    /// Somebody else has begun to build it since, or it has vanished: nothing was done.
    Superseded,
    /// There is no such account, and so no timeline any more.
    NoAccount,
}

/// A job for somebody's timeline, and who waits for its end.
struct Order {
    reader: UserId,
    job: Job,
    waiting: Option<oneshot::Sender<Result<Outcome, StoreError>>>,
}

/// Takes requests from reads, and works them off.
pub(crate) struct Builder {
    ports: Ports,
    settings: TimelineReadSettings,
    metrics: ReadMetrics,
    queue: mpsc::Sender<Order>,
    jobs: Mutex<Option<mpsc::Receiver<Order>>>,
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
            let waiting = None;
            place.send(Order { reader, job, waiting });
        }
    }

    /// Has a timeline built anew, after other work on it and behind the jobs that wait already, and waits for the end. When
    /// the deadline passes, the build goes on.
    pub(crate) async fn rebuild(&self, reader: UserId, deadline: Deadline) -> Result<Outcome, StoreError> {
        let built = async {
            let order = self.order_rebuild(reader).await?;
            order.await.map_err(|_| ending())?
        };
        let built = tokio::time::timeout_at(deadline.instant().into(), built).await;
        built.map_err(|_| StoreError::Timeout {
            store: "a turn to build",
        })?
    }

    async fn order_rebuild(
        &self,
        reader: UserId,
    ) -> Result<oneshot::Receiver<Result<Outcome, StoreError>>, StoreError> {
        loop {
            let place = self.queue.reserve().await.map_err(|_| ending())?;
            if self.claimed.lock().insert(reader) {
                let (waiting, outcome) = oneshot::channel();
                place.send(Order {
                    reader,
                    job: Job::Rebuild,
                    waiting: Some(waiting),
                });
                return Ok(outcome);
            }
            drop(place);
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Until when a build that begins now is done, or given up.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.build_timeout)
    }

    /// Until when one that is asked for now is, though it has to wait for others.
    pub(crate) fn patience(&self) -> Deadline {
        Deadline::after(self.settings.build_timeout * 4)
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
            let (Order { reader, job, waiting }, place) = tokio::select! {
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
            let (worker, metrics, shutdown) = (Arc::clone(&worker), self.metrics.clone(), shutdown.clone());
            running.spawn(async move {
                let done = worker.work(reader, job).await;
                let outcome = match &done {
                    Ok(Outcome::Superseded) => "superseded",
                    Ok(Outcome::InOrder | Outcome::NoAccount) => "done",
                    Err(_) => "failed",
                };
                metrics.built(job, outcome);
                drop(place);
                if let (Ok(Outcome::Superseded), None) = (&done, &waiting) {
                    _ = shutdown.run_until_cancelled(worker.give_way()).await;
                }
                drop(claim);
                match (done, waiting) {
                    // Whoever waited may have given up.
                    (done, Some(waiting)) => _ = waiting.send(done),
                    (Err(error), None) => {
                        tracing::warn!(%reader, %error, "a timeline was not built; the next read tries again");
                    }
                    (Ok(_), None) => {}
                }
            });
        }
        while running.join_next().await.is_some() {}
    }
}

fn ending() -> StoreError {
    StoreError::unavailable("the builder of timelines", "this process is ending")
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
    async fn work(&self, reader: UserId, job: Job) -> Result<Outcome, StoreError> {
        let deadline = Deadline::after(self.settings.build_timeout);
        match job {
            Job::Build | Job::Rebuild => self.build(reader, deadline).await,
            Job::Backfill(coverage) => self.backfill(reader, coverage, deadline).await,
        }
    }

    /// Another replica builds the same timeline: begun again at once, each would supersede the other's build, and none would
    /// ever be installed while their reader goes on asking both. So whoever was superseded leaves the other time to end, and
    /// the two of them not the same.
    async fn give_way(&self) {
        let a_build = self.ports.graph.max_staleness() + AT_THE_STORES;
        tokio::time::sleep(a_build.mul_f64(rand::random_range(1.0..3.0))).await;
    }

    async fn turn(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, StoreError> {
        let turn = tokio::time::timeout_at(deadline.instant().into(), self.turns.acquire()).await;
        let turn = turn.map_err(|_| StoreError::Timeout {
            store: "a turn to build",
        })?;
        Ok(turn.expect("this semaphore is never closed"))
    }

    /// The order is what makes it right (`docs/crossing.md`): first live pushes get somewhere to go; then the follows are
    /// read; then as long is waited as anybody may hold older ones; then the rules are read and the tweets scanned, and what
    /// was pushed meanwhile is merged by the install. A tweet that was accepted before the scan is found by it; one that was
    /// accepted later is pushed by a worker that knows these follows.
    async fn build(&self, reader: UserId, deadline: Deadline) -> Result<Outcome, StoreError> {
        let turn = self.turn(deadline).await?;
        let ticket = self.ports.timelines.begin_build(reader, deadline).await?;
        let Some(view) = self.ports.graph.reader(reader, None, deadline).await? else {
            self.ports.timelines.remove(&[reader], deadline).await?;
            return Ok(Outcome::NoAccount);
        };
        drop(turn);
        tokio::time::sleep(self.ports.graph.max_staleness()).await;
        let _turn = self.turn(deadline).await?;
        let rules = self.ports.graph.delivery_rules(deadline).await?;
        let followees = view.followees.iter().map(|followee| followee.id);
        let (ids, complete_from) = self.pushed(followees, &rules, TweetId::MIN, deadline).await?;
        let coverage = Coverage {
            complete_from,
            holds: view.version,
        };
        let built = Built { ids, coverage };
        let installed = self.ports.timelines.install(ticket, built, deadline).await?;
        Ok(done(installed))
    }

    async fn backfill(&self, reader: UserId, stored: Coverage, deadline: Deadline) -> Result<Outcome, StoreError> {
        let turn = self.turn(deadline).await?;
        let Some(view) = self.ports.graph.reader(reader, None, deadline).await? else {
            return Ok(Outcome::NoAccount);
        };
        drop(turn);
        tokio::time::sleep(self.ports.graph.max_staleness()).await;
        let turn = self.turn(deadline).await?;
        let rules = self.ports.graph.delivery_rules(deadline).await?;
        let new = followed_since(&view, stored.holds);
        let (ids, complete_from) = self.pushed(new, &rules, stored.complete_from, deadline).await?;
        if complete_from > stored.complete_from || ids.len() > self.settings.window {
            // They alone fill it. What is left out lies above its mark, which only a build can raise.
            drop(turn);
            return self.build(reader, deadline).await;
        }
        let merged = self
            .ports
            .timelines
            .backfill(reader, &ids, stored, view.version, deadline)
            .await?;
        Ok(done(merged))
    }

    /// The newest tweets of these authors that readers won't always pull, as many as a timeline holds, none below
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
            let pulled = |author, id| rules.left_to_readers(author).any(|range| range.contains(id));
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

const fn done(installed: bool) -> Outcome {
    if installed {
        Outcome::InOrder
    } else {
        Outcome::Superseded
    }
}

/// Whom the reader has followed since a stored timeline's version.
pub(crate) fn followed_since(view: &ReaderView, holds: ActorVersion) -> impl Iterator<Item = UserId> + '_ {
    view.followees
        .iter()
        .filter(move |followee| followee.since > holds)
        .map(|followee| followee.id)
}

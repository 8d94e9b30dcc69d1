//! The writer of one process: whatever has queued up goes into one statement and one commit, one after the other.

mod commit;

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Snowflake, TweetId};
use storage::{Deadline, IdempotencyKey, InsertTweetError, Inserted, NewTweet, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::worker::{self, Lease};
use super::{STORE, idempotency};
use crate::error::OpenError;
use crate::pool::PostgresPool;
#[cfg(test)]
pub(crate) use commit::INSERT;

/// How long one commit may take. Whoever asked has given up before, mostly.
const COMMIT_WITHIN: Duration = Duration::from_secs(5);

/// How often an idle process raises its floor: what is not settled, readers list in their marks.
const RAISE_EVERY: Duration = Duration::from_millis(200);

/// How often leases of processes that died are cleared.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

pub(super) type Outcome = Result<Inserted, InsertTweetError>;

/// A tweet to be accepted, and where the answer goes.
pub(super) struct Job {
    pub(super) tweet: NewTweet,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// A job with the id that was drawn for it.
struct Drawn {
    job: Job,
    id: TweetId,
}

/// The writer.
pub(super) struct Writer {
    pool: PostgresPool,
    clock: Arc<dyn Clock>,
    batch: usize,
    /// Absent when it was lost and could not be taken anew yet.
    leased: Option<(Lease, Snowflake)>,
    /// Since the floor was raised last, batches have done so.
    is_busy: bool,
}

impl Writer {
    pub(super) async fn lease(pool: PostgresPool, clock: Arc<dyn Clock>, batch: usize) -> Result<Self, OpenError> {
        let leased = Lease::take(&pool, &clock).await?;
        Ok(Self {
            pool,
            clock,
            batch: batch.max(1),
            leased: Some(leased),
            is_busy: false,
        })
    }

    /// Works until nobody can ask any more; then gives the worker id back.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut raise = tokio::time::interval(RAISE_EVERY);
        raise.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                // Before jobs: a busy process must do these too.
                _ = raise.tick() => self.raise().await,
                _ = sweep.tick() => {
                    if let Err(error) = worker::sweep(&self.pool).await {
                        tracing::debug!(%error, "ended leases were not cleared");
                    }
                }
                received = jobs.recv_many(&mut batch, self.batch) => {
                    if received == 0 {
                        break;
                    }
                    self.handle(std::mem::take(&mut batch)).await;
                }
            }
        }
        if let Some((lease, _)) = self.leased.take()
            && let Err(error) = lease.give_back(&self.pool).await
        {
            tracing::warn!(%error, "the worker id was not given back; its lease ends by itself");
        }
    }

    /// Raises the floor to right below what can be drawn next, and renews the lease with it. Batches do both by
    /// themselves.
    async fn raise(&mut self) {
        let was_busy = std::mem::take(&mut self.is_busy);
        let Some((lease, ids)) = &mut self.leased else {
            return self.take_anew().await;
        };
        if was_busy && !lease.is_due() {
            return;
        }
        let next = TweetId::first_at(self.clock.unix_ms());
        ids.advance_to(TweetId::new(next.get().saturating_sub(1)));
        match lease.renew(&self.pool, ids.last()).await {
            Ok(true) => {}
            Ok(false) => self.take_anew().await,
            Err(error) => tracing::debug!(%error, "the lease of the worker id was not renewed"),
        }
    }

    async fn take_anew(&mut self) {
        if let Some((lease, _)) = self.leased.take() {
            tracing::warn!(
                worker = lease.worker,
                "the worker id is no longer held: another one is taken"
            );
            if let Err(error) = lease.give_back(&self.pool).await {
                tracing::debug!(%error, "the worker id was not given back; its lease ends by itself");
            }
        }
        match Lease::take(&self.pool, &self.clock).await {
            Ok(leased) => self.leased = Some(leased),
            Err(error) => tracing::warn!(%error, "no worker id could be leased"),
        }
    }

    async fn handle(&mut self, mut jobs: Vec<Job>) {
        // Nobody waits for these any more.
        jobs.retain(|job| !job.reply.is_closed());
        if !self.leased.as_ref().is_some_and(|(lease, _)| lease.holds()) {
            self.is_busy = false;
            self.raise().await;
        }
        let (jobs, repeats) = apart(jobs);
        let drawn = self.draw(jobs);
        if !drawn.is_empty() {
            self.accept(drawn).await;
        }
        if !repeats.is_empty() {
            self.answer_repeats(repeats).await;
        }
    }

    /// Draws ids, oldest job first; jobs that get none are answered.
    fn draw(&mut self, jobs: Vec<Job>) -> Vec<Drawn> {
        let mut drawn = Vec::with_capacity(jobs.len());
        for job in jobs {
            let id = match &mut self.leased {
                Some((lease, ids)) if lease.holds() => {
                    ids.draw().map_err(|refused| StoreError::unavailable(STORE, refused))
                }
                _ => Err(StoreError::unavailable(STORE, "no worker id is held")),
            };
            match id {
                Ok(id) => drawn.push(Drawn { job, id }),
                // Nobody may be waiting any more.
                Err(error) => _ = job.reply.send(Err(error.into())),
            }
        }
        drawn
    }

    /// Commits, then answers.
    async fn accept(&mut self, drawn: Vec<Drawn>) {
        let now_ms = self.clock.unix_ms();
        let committed = match &mut self.leased {
            Some((lease, _)) => commit::run(&self.pool, lease, &drawn, now_ms).await,
            None => Ok(None),
        };
        self.is_busy = matches!(committed, Ok(Some(_)));
        let failed = match committed {
            Ok(Some(outcomes)) => {
                for (drawn, outcome) in drawn.into_iter().zip(outcomes) {
                    let _ = drawn.job.reply.send(outcome);
                }
                return;
            }
            Ok(None) => {
                self.take_anew().await;
                StoreError::unavailable(STORE, "the worker id is no longer held")
            }
            Err(error) => error,
        };
        tracing::warn!(error = %failed, tweets = drawn.len(), "a batch of tweets was not committed");
        for drawn in drawn {
            let _ = drawn.job.reply.send(Err(again(&failed).into()));
        }
    }

    /// Once the first request with a key is committed, or refused, the others of the same batch find out.
    async fn answer_repeats(&self, repeats: Vec<Job>) {
        let keys: Vec<&IdempotencyKey> = repeats
            .iter()
            .filter_map(|job| job.tweet.idempotency.as_ref())
            .collect();
        let deadline = Deadline::after(COMMIT_WITHIN);
        let found = async {
            let client = self.pool.client(deadline).await?;
            idempotency::replays(&client, &keys, self.clock.unix_ms(), deadline).await
        };
        let outcomes: Vec<Outcome> = match found.await {
            Ok(found) => found.into_iter().map(repeated).collect(),
            Err(error) => keys.iter().map(|_| Err(again(&error).into())).collect(),
        };
        for (repeat, outcome) in repeats.into_iter().zip(outcomes) {
            let _ = repeat.reply.send(outcome);
        }
    }
}

/// The answer to a request whose key another one has taken.
fn repeated(found: Option<idempotency::Replay>) -> Outcome {
    match found {
        Some(Ok(tweet)) => Ok(Inserted::Replayed(tweet)),
        Some(Err(conflict)) => Err(conflict.into()),
        None => Err(StoreError::unavailable(STORE, "the first request with this key was not committed").into()),
    }
}

/// The same failure for everybody in a batch.
pub(super) fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Timeout { store } => StoreError::Timeout { store },
        StoreError::Overloaded { store } => StoreError::Overloaded { store },
        StoreError::Unavailable { store, source } => StoreError::unavailable(store, source.to_string()),
        StoreError::Corrupt { store, what } => StoreError::Corrupt {
            store,
            what: what.clone(),
        },
    }
}

/// Jobs with keys of their own, and those that repeat one of them.
fn apart(jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let mut seen = ahash::AHashSet::new();
    jobs.into_iter().partition(|job| {
        job.tweet
            .idempotency
            .as_ref()
            .is_none_or(|key| seen.insert((key.account, key.operation.clone(), key.key.clone())))
    })
}

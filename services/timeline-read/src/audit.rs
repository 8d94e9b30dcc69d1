//! Audits: some stored timelines are compared with what the tweet store says at one position, and mended.
//!
//! 1. Take some timelines at random, or as many as there are.
//! 2. [Look](look) at each: what must it hold, what may it hold, what does it hold?
//! 3. A difference may be one of the moment: between two questions of a look something has changed. So whatever differs is
//!    looked at once more, with a mark, rules, follows and contents taken anew, after as long as anybody may believe older
//!    ones. Only what both looks found is a difference.
//! 4. It is counted and explained in the log, and the timeline is built anew, as any other build. Repaired is what a third
//!    look finds in order.
//!
//! A round takes place now and then, behind everything else: one timeline after the other. `POST /admin/audit` has one made
//! at once.

mod difference;
mod look;
mod metrics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use model::{Clock, UserId};
use storage::{Deadline, StoreError};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::difference::Difference;
use self::look::{Look, look};
pub(crate) use self::metrics::AuditMetrics;
use crate::build::Outcome;
use crate::service::TimelineRead;
use crate::settings::{AuditSettings, TimelineReadSettings};

/// Timelines that an audit which somebody waits for looks at at the same time.
const LOOKS_AT_ONCE: usize = 8;

/// How long a round may take that nobody waits for.
const ROUND_WITHIN: Duration = Duration::from_mins(1);

/// Beyond what others may still believe, for a clock's tick.
const AFTER_STALENESS: Duration = Duration::from_millis(10);

/// Differences of one timeline that the log explains one by one.
const EXPLAINED: usize = 20;

/// What an audit came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Timelines that were compared.
    pub compared: u64,
    /// Entries that should have been in them and were not.
    pub missing: u64,
    /// Entries that were in them and that nothing explains.
    pub extra: u64,
    /// Timelines that differed, and were seen to be in order after they had been built anew.
    pub repaired: u64,
}

/// What audits have for themselves.
pub(crate) struct Auditor {
    settings: AuditSettings,
    /// Entries that a timeline keeps.
    window: usize,
    clock: Arc<dyn Clock>,
    /// One audit at a time.
    turn: Mutex<()>,
}

impl Auditor {
    pub(crate) fn new(settings: &TimelineReadSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings: settings.audit,
            window: settings.window,
            clock,
            turn: Mutex::default(),
        }
    }
}

/// What became of one timeline.
#[derive(Debug, Default)]
struct Audited {
    was_there: bool,
    differences: Vec<Difference>,
    is_repaired: bool,
}

impl TimelineRead {
    /// Compares up to `timelines` stored timelines, chosen at random, and mends those that differ. Fewer are compared when
    /// fewer are there, or when half of the time has passed: the rest is for mending. [`TimelineRead::run`] must be running.
    pub async fn audit(&self, timelines: usize, deadline: Deadline) -> Result<AuditReport, StoreError> {
        self.audit_round(timelines, LOOKS_AT_ONCE, deadline).await
    }

    /// Rounds, until `shutdown`. One that is under way then is given up: a build that it has asked for is finished.
    pub(crate) async fn audit_now_and_then(&self, shutdown: &CancellationToken) {
        let AuditSettings { interval, timelines } = self.auditor.settings;
        if timelines == 0 {
            return;
        }
        loop {
            // Replicas that were started together don't ask together.
            let pause = interval.mul_f64(rand::random_range(0.5..1.5));
            let round = async {
                tokio::time::sleep(pause).await;
                self.audit_round(timelines, 1, Deadline::after(ROUND_WITHIN)).await
            };
            match shutdown.run_until_cancelled(round).await {
                None => return,
                Some(Ok(report)) => tracing::debug!(?report, "stored timelines were audited"),
                Some(Err(error)) => tracing::debug!(%error, "an audit was not made; the next round tries again"),
            }
        }
    }

    async fn audit_round(
        &self,
        timelines: usize,
        at_once: usize,
        deadline: Deadline,
    ) -> Result<AuditReport, StoreError> {
        let turn = tokio::time::timeout_at(deadline.instant().into(), self.auditor.turn.lock()).await;
        let _turn = turn.map_err(|_| StoreError::Overloaded { store: "the auditor" })?;
        let begins_until = Instant::now() + deadline.remaining() / 2;
        let users = self.ports.timelines.sample(timelines, deadline).await?;
        let audits = users
            .into_iter()
            .map(|user| self.audit_unless_late(user, begins_until, deadline));
        let mut audits = stream::iter(audits).buffer_unordered(at_once);
        let (mut report, mut failure) = (AuditReport::default(), None);
        while let Some((user, audited)) = audits.next().await {
            match audited {
                Ok(audited) => report.add(&audited),
                Err(error) => {
                    tracing::debug!(%user, %error, "a timeline was not compared");
                    failure.get_or_insert(error);
                }
            }
        }
        match failure {
            Some(error) if report.compared == 0 => Err(error),
            _ => Ok(report),
        }
    }

    async fn audit_unless_late(
        &self,
        user: UserId,
        begins_until: Instant,
        deadline: Deadline,
    ) -> (UserId, Result<Audited, StoreError>) {
        if Instant::now() >= begins_until {
            return (user, Ok(Audited::default()));
        }
        (user, self.audit_one(user, deadline).await)
    }

    async fn audit_one(&self, user: UserId, deadline: Deadline) -> Result<Audited, StoreError> {
        let Some(first) = look(self, user, deadline).await? else {
            return Ok(Audited::default());
        };
        let mut audited = Audited {
            was_there: true,
            ..Audited::default()
        };
        if !first.differences.is_empty() {
            tokio::time::sleep(self.ports.graph.max_staleness() + AFTER_STALENESS).await;
            if let Some(second) = look(self, user, deadline).await? {
                audited.differences = second.in_both(&first.differences);
                if !audited.differences.is_empty() {
                    explain(&second, &audited.differences);
                    audited.is_repaired = self.repair(user, &audited.differences, deadline).await;
                }
            }
        }
        self.metrics.audits.count(&audited);
        Ok(audited)
    }

    /// Builds the timeline anew; whether the differences are gone. What cannot be mended now is found by a later audit.
    async fn repair(&self, user: UserId, differences: &[Difference], deadline: Deadline) -> bool {
        let seen = async {
            let outcome = self.builder.rebuild(user, deadline).await?;
            let third = look(self, user, deadline).await?;
            let left = third.map(|third| third.in_both(differences).len());
            Ok::<_, StoreError>((outcome, left))
        };
        match seen.await {
            Ok((_, Some(0))) => {
                tracing::info!(%user, "a stored timeline was built anew, and is in order");
                true
            }
            Ok((_, None)) => {
                tracing::info!(%user, "a stored timeline that differed is gone");
                false
            }
            Ok((Outcome::Superseded, Some(left))) => {
                tracing::info!(%user, left, "a stored timeline that differs is being built anew by somebody else");
                false
            }
            Ok((outcome, Some(left))) => {
                tracing::error!(%user, ?outcome, left, "a stored timeline still differs after it was built anew");
                false
            }
            Err(error) => {
                tracing::warn!(%user, %error, "a stored timeline that differs was not seen to be mended");
                false
            }
        }
    }
}

impl AuditReport {
    fn add(&mut self, audited: &Audited) {
        let (missing, extra) = audited.counts();
        self.compared += u64::from(audited.was_there);
        self.missing += missing;
        self.extra += extra;
        self.repaired += u64::from(audited.is_repaired);
    }
}

impl Audited {
    /// How many entries are missing, and how many are extra.
    fn counts(&self) -> (u64, u64) {
        let missing = self
            .differences
            .iter()
            .filter(|difference| difference.is_missing())
            .count() as u64;
        (missing, self.differences.len() as u64 - missing)
    }
}

/// Users and ids alone: texts are nobody's business here.
fn explain(look: &Look, differences: &[Difference]) {
    let user = look.user;
    for Difference { tweet, author, kind } in differences.iter().take(EXPLAINED) {
        let author = author.map(tracing::field::display);
        let (difference, explanation) = (kind.name(), kind.explanation());
        tracing::warn!(%user, %tweet, author, difference, explanation, "a stored timeline differs from the tweets");
    }
    tracing::warn!(
        %user,
        differences = differences.len(),
        entries = look.entries,
        compared_from = %look.compared_from,
        settled = %look.settled,
        complete_from = %look.coverage.complete_from,
        holds = %look.coverage.holds,
        actor_version = %look.actor_version,
        rules_version = look.rules_version,
        "a stored timeline is built anew"
    );
}

//! The rules in force, and the task that moves them towards what is asked for.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use graph_replica::Replica;
use model::{Clock, DeliveryRules, DeliveryState, IdRange, Phase, RulesInForce, Strategy, Subject, TweetId};
use parking_lot::Mutex;
use storage::{Deadline, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Situation, Steps, decide};
use crate::service::Ports;

const TICK: Duration = Duration::from_millis(250);
const IDLE_TICK: Duration = Duration::from_secs(1);
/// How often it is looked whether something is due, though nothing here says so.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);
const STEP_WITHIN: Duration = Duration::from_secs(10);

/// How long steps take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Until a step is in force everywhere.
    pub(crate) settle: Duration,
    /// How far above the clock, and above the highest id, a range is closed.
    pub(crate) margin: Duration,
}

/// The delivery rules. What is in force in memory has been committed before, by this process or by another one.
pub(crate) struct Delivery {
    ports: Ports,
    replica: Arc<Replica>,
    timing: Timing,
    clock: Arc<dyn Clock>,
    steps: Mutex<Seen>,
    started: Instant,
    /// One change of the rules at a time.
    changing: tokio::sync::Mutex<()>,
    /// The latest time seen, by this clock or in an id: ids may have been drawn by a clock that was set back since.
    latest_ms: AtomicU64,
    wake: Notify,
    audience_changed: AtomicBool,
}

impl Delivery {
    /// Loads the rules: those that an operator set, else those of the configuration.
    pub(crate) async fn load(
        ports: Ports,
        replica: Arc<Replica>,
        configured: RulesInForce,
        timing: Timing,
        clock: Arc<dyn Clock>,
        deadline: Deadline,
    ) -> Result<Self, StoreError> {
        let mut rules = DeliveryRules::clone(&replica.rules());
        if rules.in_force != configured {
            tell_who_wins(&rules);
        }
        let is_first_to_pull = rules.version == 0 && configured.strategy == Strategy::Pull;
        if is_first_to_pull && ports.log.highest().await? == TweetId::MIN {
            pull_from_the_beginning(&ports, &mut rules, clock.unix_ms(), deadline).await?;
            replica.set_rules(rules);
        }
        let seen = Seen {
            rules: replica.rules(),
            steps: HashMap::new(),
        };
        Ok(Self {
            ports,
            replica,
            timing,
            latest_ms: AtomicU64::new(clock.unix_ms()),
            clock,
            steps: Mutex::new(seen),
            started: Instant::now(),
            changing: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            audience_changed: AtomicBool::new(true),
        })
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> Arc<DeliveryRules> {
        self.replica.rules()
    }

    /// Some author may have crossed a threshold.
    pub(crate) fn audience_changed(&self) {
        self.audience_changed.store(true, Ordering::Release);
    }

    /// Sets what is asked for, durably. The first steps towards it are taken at once.
    pub(crate) async fn set(&self, asked: RulesInForce, deadline: Deadline) -> Result<RulesInForce, StoreError> {
        {
            let _one = self.changing.lock().await;
            self.ports.store.set_rules(asked, deadline).await?;
            // Another process may have taken steps that are not known here yet.
            let rules = self.ports.store.delivery_rules(asked, deadline).await?;
            self.replica.set_rules(rules);
        }
        tracing::info!(
            strategy = asked.strategy.as_str(),
            pull_threshold = asked.thresholds.pull,
            push_threshold = asked.thresholds.push,
            "new delivery rules"
        );
        self.audience_changed();
        self.advance().await?;
        self.wake.notify_one();
        Ok(asked)
    }

    /// Takes steps until `shutdown`.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        let mut under_way = true;
        let mut looked = Instant::now();
        let mut version = 0;
        while !shutdown.is_cancelled() {
            self.latest_ms.fetch_max(self.clock.unix_ms(), Ordering::AcqRel);
            // Another process that writes may have begun something and died.
            under_way |= self.rules().version != version || looked.elapsed() > BETWEEN_LOOKS;
            if under_way || self.audience_changed.swap(false, Ordering::AcqRel) {
                under_way = self.advance().await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "a crossing waits for the graph store");
                    true
                });
                looked = Instant::now();
                version = self.rules().version;
            }
            let pause = if under_way {
                (self.timing.settle / 10).clamp(Duration::from_millis(1), TICK)
            } else {
                IDLE_TICK
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.wake.notified() => under_way = true,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes the steps that are due: commits them, then puts them in force. Answers whether something is under way.
    async fn advance(&self) -> Result<bool, StoreError> {
        let _one = self.changing.lock().await;
        let deadline = Deadline::after(STEP_WITHIN);
        let rules = self.rules();
        self.steps.lock().see(Arc::clone(&rules));
        let followers = match rules.in_force.strategy {
            Strategy::Hybrid => {
                self.ports
                    .store
                    .authors_with(rules.in_force.thresholds.push, deadline)
                    .await?
            }
            Strategy::Pull | Strategy::Push => Vec::new(),
        };
        // A step that is in force everywhere by now was so before the highest id is asked for, however long that takes: what
        // lies above was accepted later.
        let (looked, now_ms) = (Instant::now(), self.clock.unix_ms());
        let (steps, under_way) = decide(&Situation {
            rules: &rules,
            followers: &followers.into_iter().collect(),
            now_ms,
            drawn_below: self.drawn_below(now_ms).await?,
            settled: &|subject| self.was_settled(subject, looked),
        });
        if !steps.is_empty() {
            let committed = self
                .ports
                .store
                .set_delivery(steps.clone(), rules.version, deadline)
                .await?;
            let Some(version) = committed else {
                // Another process was first: its rules are looked at next.
                let newer = self.ports.store.delivery_rules(rules.in_force, deadline).await?;
                self.replica.set_rules(newer);
                return Ok(true);
            };
            let mut changed = DeliveryRules::clone(&rules);
            changed.version = version;
            apply(&mut changed, steps);
            self.replica.set_rules(changed);
            self.steps.lock().see(self.rules());
        }
        Ok(under_way)
    }

    fn was_settled(&self, subject: Subject, looked: Instant) -> bool {
        let since = self.steps.lock().steps.get(&subject).copied();
        looked.saturating_duration_since(since.unwrap_or(self.started)) >= self.timing.settle
    }

    /// Above every id that has been accepted, whatever the clock says of whoever drew it. And above what may be drawn until
    /// the step is in force everywhere, by generators as far ahead as the margin; they stay at the latest time that they
    /// saw when a clock is set back.
    async fn drawn_below(&self, now_ms: u64) -> Result<TweetId, StoreError> {
        let highest = self.ports.log.highest().await?;
        let now_ms = now_ms.max(highest.unix_ms());
        let latest_ms = self.latest_ms.fetch_max(now_ms, Ordering::AcqRel).max(now_ms);
        let margin_ms = u64::try_from(self.timing.margin.as_millis()).unwrap_or(u64::MAX);
        Ok(TweetId::first_at(latest_ms.saturating_add(margin_ms)).max(highest.next()))
    }
}

/// The rules as this process last saw them, and when it first saw each subject where it stands now: no earlier than the
/// step came into force, whoever took it.
struct Seen {
    rules: Arc<DeliveryRules>,
    /// Subjects that are not in it stand where they stood at the start.
    steps: HashMap<Subject, Instant>,
}

impl Seen {
    fn see(&mut self, rules: Arc<DeliveryRules>) {
        if rules.version == self.rules.version {
            return;
        }
        let now = Instant::now();
        if rules.everyone != self.rules.everyone {
            self.steps.insert(Subject::Everyone, now);
        }
        for (author, state) in &rules.authors {
            if self.rules.authors.get(author) != Some(state) {
                self.steps.insert(Subject::Author(*author), now);
            }
        }
        self.rules = rules;
    }
}

/// Puts steps in force.
pub fn apply(rules: &mut DeliveryRules, steps: Steps) {
    for (subject, state) in steps {
        match subject {
            Subject::Everyone => rules.everyone = state,
            Subject::Author(author) => _ = rules.authors.insert(author, Arc::new(state)),
        }
    }
}

fn tell_who_wins(stored: &DeliveryRules) {
    tracing::warn!(
        strategy = stored.in_force.strategy.as_str(),
        pull_threshold = stored.in_force.thresholds.pull,
        push_threshold = stored.in_force.thresholds.push,
        "the delivery rules that an operator set win over the configuration; PUT /admin/delivery changes them"
    );
}

/// Nothing has ever crossed, and nobody reads or delivers yet: under `pull` everything is pulled from the first id on,
/// without a crossing. What may have been pushed before is pulled too, which does no harm.
async fn pull_from_the_beginning(
    ports: &Ports,
    rules: &mut DeliveryRules,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let everyone = DeliveryState {
        phase: Phase::Pulled,
        pulled: vec![IdRange::ALL],
        changed_at_ms: now_ms,
    };
    let steps = vec![(Subject::Everyone, everyone.clone())];
    if let Some(version) = ports.store.set_delivery(steps, rules.version, deadline).await? {
        rules.version = version;
        rules.everyone = everyone;
    } else {
        // Another process was first, and has done the same.
        *rules = ports.store.delivery_rules(rules.in_force, deadline).await?;
    }
    Ok(())
}

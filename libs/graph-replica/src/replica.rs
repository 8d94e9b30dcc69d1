//! The caches of one process, and what keeps them true.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ahash::AHashSet;
use arc_swap::ArcSwap;
use model::{
    ActorVersion, DeliveryRules, EdgeKind, Epoch, GraphChange, GraphChangeKind, Position, ReaderView, RulesInForce,
    Session, UserId,
};
use quick_cache::sync::Cache;
use storage::{Deadline, FollowerPage, GraphFeed, GraphStore, RevocationState, StoreError};
use telemetry::Metrics;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::metrics::ReplicaMetrics;
use crate::{Kept, Standing};

/// How long a confirmation holds, counted from when it was asked for.
pub const HOLDS: Duration = Duration::from_millis(500);

/// How often the store is asked.
const BETWEEN_PULSES: Duration = Duration::from_millis(150);
const PULSE_WITHIN: Duration = Duration::from_secs(2);

/// Changes that are asked for at once, and how many of such pages are followed before everything cached is dropped instead.
const CHANGES_AT_ONCE: usize = 5_000;
const PAGES_FOLLOWED: usize = 20;

/// How many reader views are kept, and how many ids in them altogether: some 16 bytes each.
const VIEWS: usize = 1_000_000;
const IDS_IN_VIEWS: u64 = 20_000_000;

/// How many follower lists are kept, and how many ids in them altogether: 8 bytes each.
const AUDIENCES: usize = 1_000_000;
const IDS_IN_AUDIENCES: u64 = 30_000_000;

/// After a restore: accounts of tokens from before, of which it is known whether they are there; some 40 bytes each.
const ACCOUNTS_OF_OTHER_EPOCHS: usize = 200_000;

/// What a process has cached of the graph.
pub struct Replica {
    /// Reader views.
    pub views: Kept<ReaderView>,
    /// The first page of authors' followers, where it is the only one.
    pub audiences: Kept<FollowerPage>,
    /// Deleted accounts and revoked tokens.
    pub standing: Standing,
    rules: ArcSwap<DeliveryRules>,
    following: Option<Following>,
    /// Whether accounts that tokens of other epochs are of are there in this one.
    are_there: Cache<(UserId, Epoch), bool>,
    unreachable: AtomicBool,
    metrics: ReplicaMetrics,
}

/// How the replica follows a store that others write too.
struct Following {
    store: Arc<dyn GraphFeed>,
    configured: RulesInForce,
    place: Mutex<Position>,
    epoch: AtomicU64,
    /// What [`Following::asked_at`] counts from.
    started: Instant,
    /// When the last confirmation was asked for, in nanoseconds since `started`; 0 before the first.
    asked_at: AtomicU64,
}

impl Replica {
    /// A replica in the only process that writes: whoever writes tells it.
    pub fn of_only_writer(revoked: RevocationState, rules: DeliveryRules) -> Self {
        Self::new(revoked, rules, None)
    }

    /// A replica beside others. Loads what must be known whole; [`Replica::run`] keeps it true.
    pub async fn load(
        store: Arc<dyn GraphFeed>,
        configured: RulesInForce,
        now_s: u64,
        deadline: Deadline,
    ) -> Result<Self, StoreError> {
        // The place first: what changes while the rest is loaded is told again.
        let position = store.latest(deadline).await?;
        let epoch = store.pulse(position, 1, deadline).await?.epoch;
        let revoked = store.revocations(now_s, deadline).await?;
        let rules = store.delivery_rules(configured, deadline).await?;
        let following = Following {
            store,
            configured,
            place: Mutex::new(position),
            epoch: AtomicU64::new(epoch.0),
            started: Instant::now(),
            asked_at: AtomicU64::new(0),
        };
        Ok(Self::new(revoked, rules, Some(following)))
    }

    fn new(revoked: RevocationState, rules: DeliveryRules, following: Option<Following>) -> Self {
        let metrics = ReplicaMetrics::default();
        Self {
            views: Kept::new(VIEWS, IDS_IN_VIEWS, metrics.of("reader")),
            audiences: Kept::new(AUDIENCES, IDS_IN_AUDIENCES, metrics.of("followers")),
            standing: Standing::new(revoked),
            rules: ArcSwap::from_pointee(rules),
            following,
            are_there: Cache::new(ACCOUNTS_OF_OTHER_EPOCHS),
            unreachable: AtomicBool::new(false),
            metrics,
        }
    }

    /// Adds what is counted of it to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        self.metrics.register(metrics);
    }

    /// The rules, as far as they are known.
    pub fn rules(&self) -> Arc<DeliveryRules> {
        self.rules.load_full()
    }

    /// Newer rules, which are committed. Older ones than those that are known change nothing.
    pub fn set_rules(&self, rules: DeliveryRules) {
        let rules = Arc::new(rules);
        self.rules.rcu(|known| {
            let newer = if rules.version >= known.version { &rules } else { known };
            Arc::clone(newer)
        });
    }

    /// How old what is cached may be.
    pub fn max_staleness(&self) -> Duration {
        if self.following.is_some() {
            HOLDS
        } else {
            Duration::ZERO
        }
    }

    /// Until when what is cached may be believed; `None`: always.
    pub fn believable_until(&self) -> Option<Instant> {
        self.following
            .as_ref()
            .map(|following| following.last_asked().map_or(following.started, |asked| asked + HOLDS))
    }

    /// Returns once what is cached may be believed.
    pub async fn confirmed(&self, deadline: Deadline) -> Result<(), StoreError> {
        match self.believable_until() {
            Some(until) if until <= Instant::now() => self.confirmed_since(Instant::now(), deadline).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Returns once a confirmation holds that was asked for after `moment`: everything committed before it is known.
    pub async fn confirmed_since(&self, moment: Instant, deadline: Deadline) -> Result<(), StoreError> {
        let Some(following) = &self.following else {
            return Ok(());
        };
        let waiting = tokio::time::timeout_at(deadline.instant().into(), following.place.lock());
        let mut place = waiting.await.map_err(|_| StoreError::Timeout {
            store: "the follow graph",
        })?;
        // Whoever held the lock may have asked for all that wait for it.
        if following.last_asked().is_some_and(|asked| asked > moment) {
            return Ok(());
        }
        let asked = Instant::now();
        self.catch_up(following, &mut place, deadline).await?;
        following.note(asked);
        Ok(())
    }

    async fn catch_up(
        &self,
        following: &Following,
        place: &mut Position,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        for page in 0.. {
            let pulse = following.store.pulse(*place, CHANGES_AT_ONCE, deadline).await?;
            if pulse.epoch != following.epoch() || pulse.gap || page == PAGES_FOLLOWED {
                return self.start_over(following, place, pulse.epoch, deadline).await;
            }
            self.apply(following, &pulse.changes, deadline).await?;
            if let Some(last) = pulse.changes.last() {
                *place = last.position;
            }
            if pulse.changes.len() < CHANGES_AT_ONCE {
                if pulse.rules_version != self.rules().version {
                    let rules = following.store.delivery_rules(following.configured, deadline).await?;
                    self.set_rules(rules);
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Too much has happened, or the store is not what it was: nothing cached is kept.
    async fn start_over(
        &self,
        following: &Following,
        place: &mut Position,
        epoch: Epoch,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let position = following.store.latest(deadline).await?;
        self.views.all_changed();
        self.audiences.all_changed();
        self.standing.add(following.store.revocations(0, deadline).await?);
        let rules = following.store.delivery_rules(following.configured, deadline).await?;
        if epoch == following.epoch() {
            self.set_rules(rules);
        } else {
            self.rules.store(Arc::new(rules));
        }
        *place = position;
        following.epoch.store(epoch.0, Ordering::Release);
        Ok(())
    }

    async fn apply(
        &self,
        following: &Following,
        changes: &[GraphChange],
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let mut revoked = AHashSet::new();
        for change in changes {
            match change.kind {
                GraphChangeKind::Added(kind) | GraphChangeKind::Removed(kind) => {
                    self.edge_changed(kind, change.actor, change.target);
                }
                GraphChangeKind::AccountDeleted => {
                    self.standing.deleted(change.actor);
                    self.views.changed(change.actor);
                }
                GraphChangeKind::SessionsRevoked => _ = revoked.insert(change.actor),
            }
        }
        if !revoked.is_empty() {
            let revoked: Vec<UserId> = revoked.into_iter().collect();
            self.standing
                .add(following.store.revocations_of(&revoked, deadline).await?);
        }
        Ok(())
    }

    /// Whether a token has been revoked, or is of an account that a restore of the store has undone.
    pub async fn is_revoked(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError> {
        self.confirmed(deadline).await?;
        Ok(self.standing.is_revoked(session) || self.is_undone(session, deadline).await?)
    }

    /// A token of this epoch is of an account that was there. For others it is asked: no account ever gets the number of
    /// another, so one that is there is the token's own.
    async fn is_undone(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError> {
        let Some(following) = &self.following else {
            return Ok(false);
        };
        let epoch = following.epoch();
        if session.epoch == epoch {
            return Ok(false);
        }
        let asked = (session.user, epoch);
        if let Some(is_there) = self.are_there.get(&asked) {
            return Ok(!is_there);
        }
        let found = following.store.users(&[session.user], deadline).await?;
        let is_there = found.into_iter().flatten().next().is_some();
        self.are_there.insert(asked, is_there);
        Ok(!is_there)
    }

    /// An edge was made or removed.
    pub fn edge_changed(&self, kind: EdgeKind, actor: UserId, target: UserId) {
        self.views.changed(actor);
        match kind {
            EdgeKind::Follow => self.audiences.changed(target),
            EdgeKind::Block => self.views.changed(target),
            EdgeKind::Mute => {}
        }
    }

    /// Any edge may have changed.
    pub fn all_edges_changed(&self) {
        self.views.all_changed();
        self.audiences.all_changed();
    }

    /// A cached view that is no older than `at_least`, once what is cached may be believed. Without `at_least`, everything
    /// committed before the call must show.
    pub async fn view(
        &self,
        reader: UserId,
        at_least: Option<ActorVersion>,
        deadline: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        match at_least {
            Some(_) => self.confirmed(deadline).await?,
            None => self.confirmed_since(Instant::now(), deadline).await?,
        }
        let is_new_enough = |view: &ReaderView| at_least.is_none_or(|at_least| view.version >= at_least);
        Ok(self.views.get(reader, is_new_enough))
    }

    /// A cached view as of [`Replica::view`], or else what `load` gives, which is cached then.
    pub async fn view_or_load(
        &self,
        reader: UserId,
        at_least: Option<ActorVersion>,
        deadline: Deadline,
        load: impl Future<Output = Result<Option<ReaderView>, StoreError>> + Send,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        if let Some(view) = self.view(reader, at_least, deadline).await? {
            return Ok(Some(view));
        }
        let before_load = self.views.before_load(reader);
        let Some(view) = load.await? else {
            return Ok(None);
        };
        let view = Arc::new(view);
        self.views.keep(reader, &view, before_load);
        Ok(Some(view))
    }

    /// Asks the store again and again, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        if self.following.is_none() {
            return shutdown.cancelled().await;
        }
        loop {
            let confirmed = self
                .confirmed_since(Instant::now(), Deadline::after(PULSE_WITHIN))
                .await;
            self.tell(confirmed.as_ref().err());
            let pause = tokio::time::sleep(BETWEEN_PULSES);
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Logs when the store goes away and when it is back, and nothing in between.
    fn tell(&self, error: Option<&StoreError>) {
        let was_unreachable = self.unreachable.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_unreachable => {
                tracing::warn!(%error, "the graph cannot be confirmed: nothing cached of it is believed");
            }
            None if was_unreachable => tracing::info!("the graph is confirmed again"),
            Some(_) | None => {}
        }
    }

    /// The store that it follows.
    pub(crate) fn store(&self) -> Option<&dyn GraphStore> {
        self.following
            .as_ref()
            .map(|following| &*following.store as &dyn GraphStore)
    }
}

impl Following {
    fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    fn last_asked(&self) -> Option<Instant> {
        let nanos = self.asked_at.load(Ordering::Acquire);
        (nanos > 0).then(|| self.started + Duration::from_nanos(nanos))
    }

    fn note(&self, asked: Instant) {
        let nanos = u64::try_from(asked.duration_since(self.started).as_nanos()).unwrap_or(u64::MAX);
        self.asked_at.fetch_max(nanos.max(1), Ordering::AcqRel);
    }
}

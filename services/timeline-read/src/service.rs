//! The service: its ports, and what all reads share.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use model::{Clock, DeliveryRules, ReaderView, TweetId, UserId};
use storage::{
    ActorVersions, AsideTweet, Deadline, DeliveryStore, EdgeRecords, EventLog, FollowGraph, StoreError, TimelineStore,
    TweetCache, TweetStore,
};
use telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::TimelineReadSettings;
use crate::audit::Auditor;
use crate::build::Builder;
use crate::hydrate::Hydrator;
use crate::metrics::ReadMetrics;
use crate::sources::{Lookup, look_up};

/// What timeline-read works with.
#[derive(Clone)]
pub struct Ports {
    /// Stored home timelines.
    pub timelines: Arc<dyn TimelineStore>,
    /// The tweets.
    pub tweets: Arc<dyn TweetStore>,
    /// Rendered tweets.
    pub cache: Arc<dyn TweetCache>,
    /// Who follows whom, and how tweets are delivered.
    pub graph: Arc<dyn FollowGraph>,
    /// How far deliveries have come.
    pub log: Arc<dyn EventLog>,
    /// How tweets travelled: fan-out's books, of which only explanations read.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// What stands, or stood, between two accounts, for explanations and audits.
    pub edges: Arc<dyn EdgeRecords>,
    /// Where a version is announced again when it is not known any more; in one process nobody needs it.
    pub versions: Option<Arc<dyn ActorVersions>>,
}

/// Why a timeline was not served.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such account.
    #[error("no such user")]
    NoSuchUser,
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Serves timelines.
pub struct TimelineRead {
    pub(crate) ports: Ports,
    pub(crate) hydrator: Hydrator,
    pub(crate) builder: Builder,
    pub(crate) metrics: ReadMetrics,
    pub(crate) auditor: Auditor,
}

impl TimelineRead {
    /// Wires the service; [`TimelineRead::run`] starts what goes on behind requests.
    pub fn new(ports: Ports, settings: TimelineReadSettings, clock: Arc<dyn Clock>) -> Arc<Self> {
        let metrics = ReadMetrics::default();
        let hydrator = Hydrator::new(Arc::clone(&ports.cache), Arc::clone(&ports.tweets), metrics.clone());
        let auditor = Auditor::new(&settings, clock);
        let builder = Builder::new(ports.clone(), settings, metrics.clone());
        Arc::new(Self {
            ports,
            hydrator,
            builder,
            metrics,
            auditor,
        })
    }

    /// Adds what it counts to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        self.metrics.register(metrics);
    }

    /// Builds timelines, and audits some of them now and then, until `shutdown`; then finishes the builds that are under way.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        tokio::join!(self.builder.run(shutdown.clone()), self.audit_now_and_then(&shutdown));
    }

    /// What a home timeline read goes by. The order is part of the protocol (`docs/crossing.md`): the mark is taken before
    /// anything is looked at, so that whatever becomes visible during the read lies above it; the rules before the stored
    /// timeline, so that what they leave unwritten is pulled; and the view after it, since the stored timeline comes with
    /// the version of the reader that must show.
    pub(crate) async fn basis(
        &self,
        reader: UserId,
        below: TweetId,
        want: usize,
        deadline: Deadline,
    ) -> Result<(Basis, Lookup), ReadError> {
        let believable_until = self.ports.graph.believable_until();
        let settled = self.ports.log.settled().await?;
        let rules = self.ports.graph.delivery_rules(deadline).await?;
        let (actor_version, lookup) = look_up(&*self.ports.timelines, reader, below, want, deadline).await?;
        let view = self
            .ports
            .graph
            .reader(reader, actor_version, deadline)
            .await?
            .ok_or(ReadError::NoSuchUser)?;
        if actor_version.is_none() && lookup != Lookup::Unreachable {
            self.announce(&view, deadline).await;
        }
        let basis = Basis {
            settled: settled.below,
            aside: settled.aside,
            view,
            rules,
            believable_until,
        };
        Ok((basis, lookup))
    }

    /// Nobody knew which version of the reader must show, and the view shows all that was committed before it was asked
    /// for: the next read need not ask again. When this fails, it does.
    async fn announce(&self, view: &ReaderView, deadline: Deadline) {
        let Some(versions) = &self.ports.versions else { return };
        if let Err(error) = versions.announce(view.reader, view.version, deadline).await {
            tracing::debug!(reader = %view.reader, %error, "a version was not announced");
        }
    }
}

/// What a home timeline read goes by.
pub(crate) struct Basis {
    /// Nothing can arrive late below it.
    pub(crate) settled: TweetId,
    /// What fan-out has set aside: no timeline may have it.
    aside: Arc<[AsideTweet]>,
    /// Whom the reader follows, mutes and blocks.
    pub(crate) view: Arc<ReaderView>,
    /// Which authors are pulled over which ids.
    pub(crate) rules: Arc<DeliveryRules>,
    /// Until when all this may be believed.
    believable_until: Option<Instant>,
}

impl Basis {
    /// What was set aside and belongs into the reader's timeline, of these ids.
    pub(crate) fn set_aside(&self, ids: Range<TweetId>) -> impl Iterator<Item = TweetId> {
        let shown = move |aside: &&AsideTweet| ids.contains(&aside.tweet) && self.view.shows(aside.author);
        self.aside.iter().filter(shown).map(|aside| aside.tweet)
    }

    /// Whether this tweet was set aside, whoever may see it.
    pub(crate) fn is_set_aside(&self, tweet: TweetId) -> bool {
        self.aside.iter().any(|aside| aside.tweet == tweet)
    }

    /// Whether an answer that rests on it may still be given.
    pub(crate) fn is_believable(&self) -> bool {
        self.believable_until.is_none_or(|until| Instant::now() <= until)
    }
}

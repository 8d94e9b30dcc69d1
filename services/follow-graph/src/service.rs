//! The service: its ports, its caches, and what runs behind requests.

mod accounts;
mod edges;
mod operators;
mod passwords;
mod port;
mod through;

use std::sync::Arc;
use std::time::Duration;

use graph_replica::Replica;
use http_kit::TokenIssuer;
use model::Clock;
use storage::{ActorVersions, Deadline, EventLog, GraphFeed, GraphStore, StoreError, TweetCounts};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use accounts::LogInError;
pub(crate) use accounts::{SignUp, SignUpError};
pub(crate) use edges::EdgeRequest;
use passwords::Passwords;

use crate::FollowGraphSettings;
use crate::counts;
use crate::crossing::{Delivery, Timing};

const START_WITHIN: Duration = Duration::from_secs(30);

/// What follow-graph works with.
#[derive(Clone)]
pub struct Ports {
    /// Accounts, edges and delivery rules.
    pub store: Arc<dyn GraphStore>,
    /// The same store, where other processes write it too.
    pub feed: Option<Arc<dyn GraphFeed>>,
    /// Where readers elsewhere learn of an account's own changes; nobody is elsewhere when absent.
    pub versions: Option<Arc<dyn ActorVersions>>,
    /// Which ids have been drawn.
    pub log: Arc<dyn EventLog>,
    /// How many tweets authors have.
    pub counts: Arc<dyn TweetCounts>,
}

/// The follow graph.
pub struct FollowGraphService {
    pub(crate) ports: Ports,
    pub(crate) settings: FollowGraphSettings,
    pub(crate) issuer: TokenIssuer,
    clock: Arc<dyn Clock>,
    passwords: Passwords,
    pub(crate) replica: Arc<Replica>,
    pub(crate) delivery: Delivery,
    purge: Notify,
}

impl FollowGraphService {
    /// Wires the service and loads what it must know from the start.
    pub async fn new(
        ports: Ports,
        settings: FollowGraphSettings,
        issuer: TokenIssuer,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let deadline = Deadline::after(START_WITHIN);
        let replica = Arc::new(load_replica(&ports, &settings, &*clock, deadline).await?);
        let timing = Timing {
            settle: settings.crossing_settle,
            margin: settings.crossing_margin,
        };
        let delivery = Delivery::load(
            ports.clone(),
            Arc::clone(&replica),
            settings.rules,
            timing,
            Arc::clone(&clock),
            deadline,
        )
        .await?;
        Ok(Arc::new(Self {
            passwords: Passwords::new(settings.hashing_concurrency, settings.password_cost),
            replica,
            delivery,
            purge: Notify::new(),
            ports,
            settings,
            issuer,
            clock,
        }))
    }

    /// Crossings, tweet counts and the purge of deleted accounts' edges, until `shutdown`.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        tokio::join!(
            self.delivery.run(&shutdown),
            counts::run(&self.ports, &shutdown),
            self.purge_deleted(&shutdown),
            self.replica.run(shutdown.clone())
        );
    }

    /// What this process has cached of the graph.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }
}

async fn load_replica(
    ports: &Ports,
    settings: &FollowGraphSettings,
    clock: &dyn Clock,
    deadline: Deadline,
) -> Result<Replica, StoreError> {
    let now_s = clock.unix_ms() / 1_000;
    if let Some(feed) = &ports.feed {
        return Replica::load(Arc::clone(feed), settings.rules, now_s, deadline).await;
    }
    let revoked = ports.store.revocations(now_s, deadline).await?;
    let rules = ports.store.delivery_rules(settings.rules, deadline).await?;
    Ok(Replica::of_only_writer(revoked, rules))
}

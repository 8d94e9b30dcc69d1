//! The service: its ports, its caches, and what runs behind requests.

mod accounts;
mod edges;
mod operators;
mod passwords;
mod port;
mod standing;
mod through;
mod views;

use std::sync::Arc;
use std::time::Duration;

use http_kit::TokenIssuer;
use model::Clock;
use storage::{Deadline, EventLog, GraphStore, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use accounts::LogInError;
pub(crate) use edges::EdgeRequest;
use passwords::Passwords;
use standing::Standing;
use views::Views;

use crate::FollowGraphSettings;
use crate::counts;
use crate::crossing::{Delivery, Timing};

const START_WITHIN: Duration = Duration::from_secs(30);

/// How many reader views are kept. Each takes some 16 bytes for each account that its reader follows.
const VIEWS: usize = 100_000;

/// What follow-graph works with.
#[derive(Clone)]
pub struct Ports {
    /// Accounts, edges and delivery rules.
    pub store: Arc<dyn GraphStore>,
    /// What happened to tweets.
    pub log: Arc<dyn EventLog>,
}

/// The follow graph.
pub struct FollowGraphService {
    pub(crate) ports: Ports,
    pub(crate) settings: FollowGraphSettings,
    pub(crate) issuer: TokenIssuer,
    clock: Arc<dyn Clock>,
    passwords: Passwords,
    views: Views,
    standing: Standing,
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
        let revoked = ports.store.revocations(clock.unix_ms() / 1_000, deadline).await?;
        let timing = Timing {
            settle: settings.crossing_settle,
            margin: settings.crossing_margin,
        };
        let delivery = Delivery::load(ports.clone(), settings.rules, timing, Arc::clone(&clock), deadline).await?;
        Ok(Arc::new(Self {
            passwords: Passwords::new(settings.hashing_concurrency),
            views: Views::new(VIEWS),
            standing: Standing::new(revoked),
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
            self.purge_deleted(&shutdown)
        );
    }
}

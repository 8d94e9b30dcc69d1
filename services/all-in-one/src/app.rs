//! The whole system in one process: started in order, stopped in the opposite one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bootstrap::{CLOSE_STORES, Listeners, Overdue, Process, Stage, Started, Wiring};
use follow_graph::PasswordCost;
use model::{Clock, SystemClock};
use runtime::Settings;
use storage::{Deadline, EventLog, FollowGraph, GraphStore, StoreError, TimelineStats, TimelineStore};
use telemetry::Metrics;

use crate::banner::Banner;
use crate::control;
use crate::data_dir::DataDir;
use crate::error::StartError;
use crate::keys::Keys;
use crate::services::Services;
use crate::stores::Stores;

/// For questions to the stores while nobody waits for an answer.
const START_WITHIN: Duration = Duration::from_mins(1);

/// Puts something between the event log and whoever consumes it.
pub type ThroughLog = Box<dyn FnOnce(Arc<dyn EventLog>) -> Arc<dyn EventLog> + Send>;

/// What a start takes beside the settings.
pub struct StartOptions {
    /// Time. Tests move it.
    pub clock: Arc<dyn Clock>,
    /// What fan-out takes events from, made of the event log itself. Tests hold events back.
    pub fan_out_log: ThroughLog,
    /// What passwords' hashes cost.
    pub password_cost: PasswordCost,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            fan_out_log: Box::new(|log| log),
            password_cost: PasswordCost::Recommended,
        }
    }
}

/// The running system. To be ended by [`RunningApp::shutdown`]; dropping it leaves its tasks running.
pub struct RunningApp {
    /// Where it serves the public API.
    pub public_addr: SocketAddr,
    /// Where it serves operators.
    pub internal_addr: SocketAddr,
    banner: String,
    process: Process,
    services: Services,
    stores: Stores,
    data_dir: DataDir,
}

/// Starts the system. When it returns, it serves.
pub async fn start(settings: Settings, options: StartOptions) -> Result<RunningApp, StartError> {
    let clock = Arc::clone(&options.clock);
    let data_dir = DataDir::lock(&settings.data_dir)?;
    let listeners = Listeners::bind(&settings)?;
    let first_run = !data_dir.has_key();
    let keys = Keys::load(&settings, &data_dir)?;
    let stores = open_stores(&data_dir, &settings, &clock).await?;
    warn_of_unfinished_imports(&stores).await?;
    let services = Services::wire(&settings, &stores, &keys, options).await?;
    let deadline = Deadline::after(START_WITHIN);
    let strategy = services.follow_graph.delivery_rules(deadline).await?.in_force.strategy;
    let (public_addr, internal_addr) = (listeners.public_addr(), listeners.internal_addr());
    let public_addr = public_addr.expect("both ports were bound");
    let banner = Banner {
        public: public_addr,
        internal: internal_addr,
        data_dir: &settings.data_dir,
        strategy,
        first_run,
    };
    let wiring = Wiring {
        public: Some(services.public_routes()),
        internal: services.internal_routes(),
        metrics: services.metrics(),
    };
    let app = RunningApp {
        public_addr,
        internal_addr,
        banner: banner.render(),
        process: Process::start(&settings, listeners, wiring),
        services,
        stores,
        data_dir,
    };
    app.run(&settings, clock);
    tracing::info!(public = %public_addr, internal = %internal_addr, strategy = strategy.as_str(), "serving");
    Ok(app)
}

impl RunningApp {
    /// What to print for whoever started it.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        self.process.metrics()
    }

    /// What the home timelines take.
    pub async fn timeline_stats(&self) -> Result<TimelineStats, StoreError> {
        self.services.timelines.stats().await
    }

    fn run(&self, settings: &Settings, clock: Arc<dyn Clock>) {
        self.services.spawn(&self.process);
        self.services
            .spawn_idle_sweeps(&self.process, settings.timeline.idle_days, clock);
        self.take_commands();
        self.process.set_ready();
    }

    /// Without its socket the system serves all the same.
    fn take_commands(&self) {
        let path = self.data_dir.socket();
        match control::bind(&path) {
            Ok(socket) => {
                let service = Arc::clone(&self.services.follow_graph);
                let timeline_read = Arc::clone(&self.services.timeline_read);
                self.process.spawn_dispensable(Stage::Requests, "commands", |shutdown| {
                    socket.serve(service, timeline_read, shutdown)
                });
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "commands such as import-graph cannot reach this process");
            }
        }
    }
}

impl Started for RunningApp {
    async fn ended(&self) {
        self.process.ended().await;
    }

    /// Ends it, in the order that loses nothing: the process, stores, lock.
    async fn shutdown(self) -> Result<(), Overdue> {
        let ended = self.process.shutdown().await;
        drop(self.services);
        let closed = self.stores.close(CLOSE_STORES).await;
        drop(self.data_dir);
        match (ended, closed) {
            (ended, true) => ended,
            (Ok(()), false) => Err(Overdue(vec!["the stores"])),
            (Err(Overdue(mut parts)), false) => {
                parts.push("the stores");
                Err(Overdue(parts))
            }
        }
    }
}

async fn open_stores(data_dir: &DataDir, settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Stores, StartError> {
    let (dir, max_backlog, clock) = (
        data_dir.path().to_owned(),
        settings.limits.max_backlog,
        Arc::clone(clock),
    );
    let opening = tokio::task::spawn_blocking(move || Stores::open(&dir, max_backlog, &clock));
    Ok(opening
        .await
        .expect("opening stores returns errors and does not panic")?)
}

async fn warn_of_unfinished_imports(stores: &Stores) -> Result<(), StoreError> {
    for source in stores.graph.unfinished_imports(Deadline::after(START_WITHIN)).await? {
        tracing::warn!(source, "an import of this file never ended: run it again to finish it");
    }
    Ok(())
}

//! The whole system in one process: started in order, stopped in the opposite one.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http_kit::{Limits, RateLimits, Readiness, ServerOptions};
use model::{Clock, SystemClock};
use runtime::{Settings, Tasks};
use storage::{Deadline, FollowGraph, GraphStore, StoreError, TimelineStats, TimelineStore};
use tokio_util::sync::CancellationToken;

use crate::banner::Banner;
use crate::control;
use crate::data_dir::DataDir;
use crate::error::StartError;
use crate::keys::Keys;
use crate::services::{Services, vital};
use crate::stores::Stores;

/// For questions to the stores while nobody waits for an answer.
const START_WITHIN: Duration = Duration::from_mins(1);

// Together less than 30 s, after which platforms kill.
const DRAIN_REQUESTS: Duration = Duration::from_secs(8);
const END_SERVERS: Duration = Duration::from_secs(10);
const END_FAN_OUT: Duration = Duration::from_secs(8);
const END_BACKGROUND: Duration = Duration::from_secs(5);
const CLOSE_STORES: Duration = Duration::from_secs(5);

/// What a start takes beside the settings.
pub struct StartOptions {
    /// Time. Tests move it.
    pub clock: Arc<dyn Clock>,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
        }
    }
}

/// Parts of the system did not end in time. What they had acknowledged is durable all the same.
#[derive(Debug, thiserror::Error)]
#[error("did not end in time: {}", .0.join(", "))]
pub struct Overdue(Vec<&'static str>);

/// The running system. To be ended by [`RunningApp::shutdown`]; dropping it leaves its tasks running.
pub struct RunningApp {
    /// Where it serves the public API.
    pub public_addr: SocketAddr,
    /// Where it serves operators.
    pub internal_addr: SocketAddr,
    banner: String,
    readiness: Arc<Readiness>,
    /// Cancelled when a part ends without which the rest is of no use.
    ended: CancellationToken,
    public: Tasks,
    fan_out: Tasks,
    background: Tasks,
    internal: Tasks,
    services: Services,
    stores: Stores,
    data_dir: DataDir,
}

/// Starts the system. When it returns, it serves.
pub async fn start(settings: Settings, options: StartOptions) -> Result<RunningApp, StartError> {
    let clock = options.clock;
    let data_dir = DataDir::lock(&settings.data_dir)?;
    let listeners = Listeners::bind(&settings)?;
    let first_run = !data_dir.has_key();
    let keys = Keys::load(&settings, &data_dir)?;
    let stores = open_stores(&data_dir, &settings, &clock).await?;
    warn_of_unfinished_imports(&stores).await?;
    let services = Services::wire(&settings, &stores, &keys, Arc::clone(&clock)).await?;
    let deadline = Deadline::after(START_WITHIN);
    let strategy = services.follow_graph.delivery_rules(deadline).await?.in_force.strategy;
    let banner = Banner {
        public: listeners.public_addr,
        internal: listeners.internal_addr,
        data_dir: &settings.data_dir,
        strategy,
        first_run,
    };
    let app = RunningApp::assemble(&listeners, &banner, services, stores, data_dir);
    app.run(&settings, listeners, clock);
    tracing::info!(public = %app.public_addr, internal = %app.internal_addr, strategy = strategy.as_str(), "serving");
    Ok(app)
}

/// The two ports, bound.
struct Listeners {
    public: TcpListener,
    public_addr: SocketAddr,
    internal: TcpListener,
    internal_addr: SocketAddr,
}

impl Listeners {
    fn bind(settings: &Settings) -> Result<Self, StartError> {
        let (public, public_addr) = listen(settings.http.addr, "ROOKERY__HTTP__ADDR")?;
        let (internal, internal_addr) = listen(settings.internal.addr, "ROOKERY__INTERNAL__ADDR")?;
        Ok(Self {
            public,
            public_addr,
            internal,
            internal_addr,
        })
    }
}

impl RunningApp {
    /// What to print for whoever started it.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// Waits until a part of it has ended by itself, which none should.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// What the home timelines take.
    pub async fn timeline_stats(&self) -> Result<TimelineStats, StoreError> {
        self.services.timelines.stats().await
    }

    /// Ends it, in the order that loses nothing: no new requests, answers to those that had begun, the batch of fan-out
    /// and its acknowledgement, background work, stores, lock.
    pub async fn shutdown(self) -> Result<(), Overdue> {
        let mut overdue = Vec::new();
        self.readiness.set_draining();
        for (tasks, within, name) in [
            (&self.public, END_SERVERS, "requests"),
            (&self.fan_out, END_FAN_OUT, "fan-out"),
            (&self.background, END_BACKGROUND, "background work"),
            (&self.internal, END_BACKGROUND, "the internal port"),
        ] {
            if !tasks.drain(within).await {
                overdue.push(name);
            }
        }
        drop(self.services);
        if !self.stores.close(CLOSE_STORES).await {
            overdue.push("the stores");
        }
        drop(self.data_dir);
        if overdue.is_empty() {
            tracing::info!("everything has ended");
            Ok(())
        } else {
            Err(Overdue(overdue))
        }
    }

    fn assemble(
        listeners: &Listeners,
        banner: &Banner<'_>,
        services: Services,
        stores: Stores,
        data_dir: DataDir,
    ) -> Self {
        let tasks = || Tasks::new(&CancellationToken::new());
        Self {
            public_addr: listeners.public_addr,
            internal_addr: listeners.internal_addr,
            banner: banner.render(),
            readiness: Arc::new(Readiness::new()),
            ended: CancellationToken::new(),
            public: tasks(),
            fan_out: tasks(),
            background: tasks(),
            internal: tasks(),
            services,
            stores,
            data_dir,
        }
    }

    fn run(&self, settings: &Settings, listeners: Listeners, clock: Arc<dyn Clock>) {
        let idle_days = settings.timeline.idle_days;
        self.services.spawn_background(&self.background, &self.ended);
        self.services.spawn_idle_sweeps(&self.background, idle_days, clock);
        self.services.spawn_fan_out(&self.fan_out, &self.ended);
        self.serve(settings, listeners);
        self.take_commands();
        self.readiness.set_ready();
    }

    fn serve(&self, settings: &Settings, listeners: Listeners) {
        let public_options = server_options(settings);
        let internal_options = ServerOptions {
            workers: 1,
            limits: None,
            ..public_options.clone()
        };
        let public_routes = self.services.public_routes();
        let internal_routes = self.services.internal_routes(settings, Arc::clone(&self.readiness));
        self.public.spawn("public server", |shutdown| {
            let serving = http_kit::serve(listeners.public, public_options, public_routes, shutdown);
            vital(log_failure("public", serving), &self.ended)
        });
        self.internal.spawn("internal server", |shutdown| {
            let serving = http_kit::serve(listeners.internal, internal_options, internal_routes, shutdown);
            vital(log_failure("internal", serving), &self.ended)
        });
    }

    /// Without its socket the system serves all the same.
    fn take_commands(&self) {
        let path = self.data_dir.socket();
        match control::bind(&path) {
            Ok(socket) => {
                let service = Arc::clone(&self.services.follow_graph);
                self.public
                    .spawn("commands", |shutdown| socket.serve(service, shutdown));
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "commands such as import-graph cannot reach this process");
            }
        }
    }
}

fn listen(address: SocketAddr, key: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = TcpListener::bind(address).and_then(|listener| {
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    });
    listening.map_err(|source| StartError::Listen { address, key, source })
}

fn server_options(settings: &Settings) -> ServerOptions {
    let defaults = ServerOptions::default();
    let limits = settings.limits_enabled().then(|| {
        Arc::new(Limits::new(RateLimits {
            reads_per_second: settings.limits.reads_per_second,
            writes_per_second: settings.limits.writes_per_second,
            sign_ins_per_minute: settings.limits.sign_ins_per_minute,
            trusted_proxies: settings.limits.trusted_proxies,
        }))
    });
    ServerOptions {
        workers: settings.http.workers.map_or(defaults.workers, usize::from),
        request_timeout: Duration::from_millis(settings.http.request_timeout_ms),
        shutdown_timeout: DRAIN_REQUESTS,
        limits,
        ..defaults
    }
}

async fn log_failure(server: &'static str, serving: impl Future<Output = io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(server, %error, "a server has failed");
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

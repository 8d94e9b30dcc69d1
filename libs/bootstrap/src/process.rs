//! A process that serves, until it is asked to end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use http_kit::{AdminToken, Limits, RateLimits, Readiness, RequestMetrics, ServerOptions};
use runtime::{Settings, Tasks};
use telemetry::Metrics;
use tokio_util::sync::CancellationToken;

use crate::Listeners;
use crate::listeners::Bound;

// How long the parts of an end may take, one after the other. Together 27 s with [`FLUSH_TRACES`], and
// `http.drain_delay_ms` before them: platforms kill after 30 s, unless they are told otherwise. A request takes no longer
// than `http.request_timeout_ms`; what work takes to end is up to the service.
const DRAIN_REQUESTS: Duration = Duration::from_secs(5);
const END_SERVERS: Duration = Duration::from_secs(6);
const END_WORK: Duration = Duration::from_secs(9);
const END_BACKGROUND: Duration = Duration::from_secs(3);
const END_INTERNAL: Duration = Duration::from_secs(2);
/// How long a process may take, when all its parts have ended, to write what is queued in its stores.
pub const CLOSE_STORES: Duration = Duration::from_secs(5);
/// And then, to send the last spans.
pub(crate) const FLUSH_TRACES: Duration = Duration::from_secs(2);

/// Registers routes.
pub type Routes = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// When a task is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// With the requests: it takes something from outside.
    Requests,
    /// After the requests: it finishes what it has in hand.
    Work,
    /// Last: others may need it until then.
    Background,
}

/// What a process serves.
pub struct Wiring {
    /// What the world sees; there must be a public port for it.
    pub public: Option<Routes>,
    /// What operators and other services see, beside health.
    pub internal: Routes,
    /// What is counted, beside requests.
    pub metrics: Metrics,
}

/// Parts of the process did not end in time. What they had acknowledged is durable all the same.
#[derive(Debug, thiserror::Error)]
#[error("did not end in time: {}", .0.join(", "))]
pub struct Overdue(pub Vec<&'static str>);

/// A running process. To be ended by [`Process::shutdown`]; dropping it leaves its tasks running.
pub struct Process {
    public_addr: Option<SocketAddr>,
    internal_addr: SocketAddr,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    /// Cancelled when a part ends without which the rest is of no use.
    ended: CancellationToken,
    drain_delay: Duration,
    requests: Tasks,
    work: Tasks,
    background: Tasks,
    internal: Tasks,
}

impl Process {
    /// Serves. It is ready when [`Process::set_ready`] says so.
    pub fn start(settings: &Settings, listeners: Listeners, wiring: Wiring) -> Self {
        let Wiring {
            public,
            internal,
            mut metrics,
        } = wiring;
        let requests = RequestMetrics::default();
        requests.register(&mut metrics);
        telemetry::trace::register(&mut metrics);
        let tasks = || Tasks::new(&CancellationToken::new());
        let process = Self {
            public_addr: listeners.public_addr(),
            internal_addr: listeners.internal_addr(),
            readiness: Arc::new(Readiness::new()),
            metrics: Arc::new(metrics),
            ended: CancellationToken::new(),
            drain_delay: Duration::from_millis(settings.http.drain_delay_ms),
            requests: tasks(),
            work: tasks(),
            background: tasks(),
            internal: tasks(),
        };
        let options = ServerOptions {
            metrics: requests,
            ..server_options(settings)
        };
        let admin = AdminToken(settings.admin.token.clone());
        process.serve_internal(listeners.internal, internal, admin, options.clone());
        if let (Some(bound), Some(routes)) = (listeners.public, public) {
            process.serve_public(bound, routes, options);
        }
        process
    }

    /// Where it serves the public API.
    pub fn public_addr(&self) -> Option<SocketAddr> {
        self.public_addr
    }

    /// Where it serves operators.
    pub fn internal_addr(&self) -> SocketAddr {
        self.internal_addr
    }

    /// Requests may be sent here from now on.
    pub fn set_ready(&self) {
        self.readiness.set_ready();
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether requests may be sent here.
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// Waits until a part of it has ended by itself, which none should.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Starts a part of the process. Without it the rest is of no use: when it ends, so does the process.
    pub fn spawn<F>(&self, stage: Stage, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks(stage)
            .spawn(name, |shutdown| vital(part(shutdown), &self.ended));
    }

    /// Starts something that the process can do without.
    pub fn spawn_dispensable<F>(&self, stage: Stage, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks(stage).spawn(name, part);
    }

    /// Ends it, in the order that loses nothing: no new requests, answers to those that had begun, work in hand and its
    /// acknowledgement, what goes on behind.
    pub async fn shutdown(self) -> Result<(), Overdue> {
        self.readiness.set_draining();
        // Whoever sends requests here needs a moment to learn of it.
        tokio::time::sleep(self.drain_delay).await;
        let mut overdue = Vec::new();
        for (tasks, within, name) in [
            (&self.requests, END_SERVERS, "requests"),
            (&self.work, END_WORK, "work in hand"),
            (&self.background, END_BACKGROUND, "background work"),
            (&self.internal, END_INTERNAL, "the internal port"),
        ] {
            if !tasks.drain(within).await {
                overdue.push(name);
            }
        }
        if overdue.is_empty() {
            Ok(())
        } else {
            Err(Overdue(overdue))
        }
    }

    fn tasks(&self, stage: Stage) -> &Tasks {
        match stage {
            Stage::Requests => &self.requests,
            Stage::Work => &self.work,
            Stage::Background => &self.background,
        }
    }

    fn serve_public(&self, bound: Bound, routes: Routes, options: ServerOptions) {
        let routes = move |config: &mut web::ServiceConfig| routes(config);
        self.spawn(Stage::Requests, "public server", |shutdown| {
            let serving = http_kit::serve(bound.listener, options, routes, shutdown);
            log_failure("public", serving)
        });
    }

    fn serve_internal(&self, bound: Bound, routes: Routes, admin: AdminToken, options: ServerOptions) {
        let options = ServerOptions {
            workers: 1,
            limits: None,
            begins_traces: false,
            ..options
        };
        let health = http_kit::internal_routes(Arc::clone(&self.readiness), Arc::clone(&self.metrics));
        let admin = web::Data::new(admin);
        let routes = move |config: &mut web::ServiceConfig| {
            config.app_data(admin.clone());
            health(config);
            routes(config);
        };
        self.internal.spawn("internal server", |shutdown| {
            let serving = http_kit::serve(bound.listener, options, routes, shutdown);
            vital(log_failure("internal", serving), &self.ended)
        });
    }
}

/// A part without which the rest is of no use: when it ends, however that comes, `ended` tells.
pub fn vital<P: Future>(part: P, ended: &CancellationToken) -> impl Future<Output = P::Output> + use<P> {
    let tells = ended.clone().drop_guard();
    async move {
        let _tells = tells;
        part.await
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_fits_into_what_platforms_allow() {
        let parts = [
            END_SERVERS,
            END_WORK,
            END_BACKGROUND,
            END_INTERNAL,
            CLOSE_STORES,
            FLUSH_TRACES,
        ];
        assert!(parts.iter().sum::<Duration>() <= Duration::from_secs(27));
        assert!(DRAIN_REQUESTS < END_SERVERS);
    }
}

//! The service `timeline-read`, on PostgreSQL and Redis, and its operators' commands.

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use backends::{BackendError, Backends, Running, demands};
use bootstrap::{Failure, Listeners, Stage, Wiring};
use clap::Parser;
use graph_replica::{RemoteGraph, Replica};
use mimalloc::MiMalloc;
use runtime::Settings;
use telemetry::Metrics;
use timeline_read::{AuditSettings, Ports, TimelineRead, TimelineReadSettings, internal_routes, routes};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The settings that serving needs.
const SERVING: &[&str] = &["postgres.url", "redis.url", "follow_graph.url", "auth.public_keys"];

const EXAMPLES: &str = "\
Examples:
  timeline-read                                         serve
  timeline-read explain --user ada --tweet 1234567890   say why a tweet is, or is not, in ada's home timeline
  timeline-read rebuild --user ada                      compute a stored home timeline anew, while the services run
  timeline-read rebuild --all                           … all of them; can be run again";

/// Serves home and user timelines. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "timeline-read", version, after_help = EXAMPLES)]
struct Arguments {
    /// File of settings (TOML). Environment variables win over it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// What to do instead of serving.
    #[command(subcommand)]
    command: Option<commands::Command>,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => bootstrap::run(
            "timeline-read",
            arguments.config.as_deref(),
            arguments.command,
            |settings, command| demands(settings, command.map_or(SERVING, commands::Command::needs)),
            start,
            commands::run,
        ),
        Err(error) => bootstrap::print_usage(&error),
    }
}

/// What the service works with, and the replica that must be kept running for it.
async fn ports(backends: &Backends) -> Result<(Ports, Arc<RemoteGraph>, Arc<Replica>), BackendError> {
    let (graph, replica) = backends.remote_graph().await?;
    let tweets = backends.tweets();
    let timelines = backends.timelines();
    let ports = Ports {
        timelines: timelines.clone(),
        tweets: tweets.clone(),
        cache: backends.near_tweet_cache(),
        graph: graph.clone(),
        log: backends.event_log(tweets).await?,
        deliveries: backends.deliveries(),
        edges: backends.graph(),
        versions: Some(timelines),
    };
    Ok((ports, graph, replica))
}

fn service_settings(settings: &Settings) -> TimelineReadSettings {
    TimelineReadSettings {
        window: settings.timeline.window,
        audit: AuditSettings {
            interval: Duration::from_millis(settings.audit.interval_ms),
            timelines: settings.audit.timelines,
        },
        ..TimelineReadSettings::default()
    }
}

async fn start(settings: Settings) -> Result<Running, Failure> {
    let listeners = Listeners::bind(&settings).map_err(BackendError::from)?;
    let backends = Backends::open(&settings, "timeline-read", &listeners).await?;
    let (ports, graph, replica) = ports(&backends).await?;
    let authenticator = backends.authenticator(graph)?;
    let service = TimelineRead::new(ports, service_settings(&settings), backends.clock());
    let served = routes(Arc::clone(&service));
    let public = move |config: &mut web::ServiceConfig| {
        config.app_data(authenticator.clone());
        served(config);
    };
    let mut metrics = Metrics::new("timeline-read", env!("CARGO_PKG_VERSION"));
    service.register(&mut metrics);
    replica.register(&mut metrics);
    let wiring = Wiring {
        public: Some(Arc::new(public)),
        internal: Arc::new(internal_routes(Arc::clone(&service))),
        metrics,
    };
    let running = Running::start(&settings, listeners, wiring, &backends, backends.tweets());
    let process = running.process();
    process.spawn(Stage::Background, "graph replica", |shutdown| async move {
        replica.run(shutdown).await;
    });
    process.spawn(Stage::Background, "timeline-read", |shutdown| service.run(shutdown));
    Ok(running.ready("timeline-read"))
}

//! The service `follow-graph`, on PostgreSQL and Redis, and its operators' commands.

mod commands;
mod upkeep;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use backends::{BackendError, Backends, Running, delivery_rules, demands};
use bootstrap::{Failure, Listeners, Stage, Wiring};
use clap::Parser;
use follow_graph::{FollowGraphService, FollowGraphSettings, PasswordCost, Ports, internal_routes, openapi, routes};
use mimalloc::MiMalloc;
use runtime::Settings;
use telemetry::Metrics;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The settings that serving needs.
const SERVING: &[&str] = &["postgres.url", "redis.url", "auth.private_key", "auth.public_keys"];

const EXAMPLES: &str = "\
Examples:
  follow-graph                                   serve
  follow-graph migrate                           bring the database to the schema of this version
  follow-graph migrate --new-epoch               … after it was restored from a backup: forget what caches hold
  follow-graph import-graph follows.txt.gz       take over follow edges, also while the services run
  follow-graph token --handle ada                print a token for the account ada";

/// Accounts, who follows, mutes and blocks whom, and how tweets are delivered. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "follow-graph", version, after_help = EXAMPLES)]
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
            "follow-graph",
            arguments.config.as_deref(),
            arguments.command,
            |settings, command| demands(settings, command.map_or(SERVING, commands::Command::needs)),
            start,
            commands::run,
        ),
        Err(error) => bootstrap::print_usage(&error),
    }
}

async fn start(settings: Settings) -> Result<Running, Failure> {
    let listeners = Listeners::bind(&settings).map_err(BackendError::from)?;
    let backends = Backends::open(&settings, "follow-graph", &listeners).await?;
    let (graph, tweets) = (backends.graph(), backends.tweets());
    let ports = Ports {
        store: graph.clone(),
        feed: Some(graph.clone()),
        versions: Some(backends.timelines()),
        log: backends.event_log(Arc::clone(&tweets)).await?,
        counts: tweets.clone(),
    };
    let issuer = commands::issuer(&settings, backends.clock())?;
    let service = FollowGraphService::new(ports, service_settings(&settings)?, issuer, backends.clock())
        .await
        .map_err(BackendError::from)?;
    let authenticator = backends.authenticator(service.clone())?;
    let document = http_kit::openapi::merge([openapi(), tweet_ingest::openapi(), timeline_read::openapi()]);
    let served = routes(Arc::clone(&service), &document);
    let public = move |config: &mut web::ServiceConfig| {
        config.app_data(authenticator.clone());
        served(config);
    };
    let mut metrics = Metrics::new("follow-graph", env!("CARGO_PKG_VERSION"));
    service.replica().register(&mut metrics);
    let wiring = Wiring {
        public: Some(Arc::new(public)),
        internal: Arc::new(internal_routes(Arc::clone(&service))),
        metrics,
    };
    let running = Running::start(&settings, listeners, wiring, &backends, tweets);
    let process = running.process();
    process.spawn(Stage::Background, "follow-graph", |shutdown| service.run(shutdown));
    process.spawn_dispensable(Stage::Background, "upkeep", |shutdown| upkeep::run(graph, shutdown));
    Ok(running.ready("follow-graph"))
}

fn service_settings(settings: &Settings) -> Result<FollowGraphSettings, BackendError> {
    let timeline = &settings.timeline;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(FollowGraphSettings {
        rules: delivery_rules(settings)?,
        crossing_settle: Duration::from_millis(timeline.crossing_settle_ms).max(graph_replica::HOLDS),
        // Until a step is in force everywhere, ids are drawn that readers show.
        crossing_margin: Duration::from_millis(timeline.crossing_margin_ms) + graph_replica::HOLDS,
        following_limit: settings.follow_graph.following_limit,
        hashing_concurrency: settings
            .auth
            .password_hashing_concurrency
            .map_or_else(cores, usize::from),
        password_cost: PasswordCost::Recommended,
    })
}

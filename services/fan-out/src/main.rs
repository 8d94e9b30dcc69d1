//! The service `fan-out`, on PostgreSQL and Redis, and its operators' commands. It has no public port.

mod poison;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use backends::{BackendError, Backends, Running, demands};
use bootstrap::{Failure, Listeners, Stage, Wiring};
use clap::Parser;
use fan_out::{FanOut, FanOutSettings, Ports, internal_routes};
use mimalloc::MiMalloc;
use runtime::Settings;
use telemetry::Metrics;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The settings that serving needs.
const SERVING: &[&str] = &["postgres.url", "redis.url", "follow_graph.url"];

const EXAMPLES: &str = "\
Examples:
  fan-out                  serve
  fan-out poison list      show what was set aside, and why
  fan-out poison replay    hand it to the workers once more";

/// Writes tweets into their readers' home timelines. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "fan-out", version, after_help = EXAMPLES)]
struct Arguments {
    /// File of settings (TOML). Environment variables win over it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// What to do instead of serving.
    #[command(subcommand)]
    command: Option<poison::Command>,
}

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => bootstrap::run(
            "fan-out",
            arguments.config.as_deref(),
            arguments.command,
            |settings, command| demands(settings, command.map_or(SERVING, |_| poison::NEEDS)),
            start,
            poison::run,
        ),
        Err(error) => bootstrap::print_usage(&error),
    }
}

async fn start(settings: Settings) -> Result<Running, Failure> {
    let listeners = Listeners::internal_only(&settings).map_err(BackendError::from)?;
    let backends = Backends::open(&settings, "fan-out", &listeners).await?;
    let (graph, replica) = backends.remote_graph().await?;
    let tweets = backends.tweets();
    let log = backends.event_log(Arc::clone(&tweets)).await?;
    let ports = Ports {
        log: log.clone(),
        graph,
        timelines: backends.timelines(),
        deliveries: backends.deliveries(),
        tweets: tweets.clone(),
        cache: backends.tweet_cache(),
    };
    let fan_out = FanOut::new(ports, FanOutSettings::default(), backends.clock());
    let mut metrics = Metrics::new("fan-out", env!("CARGO_PKG_VERSION"));
    fan_out.register(&mut metrics);
    log.register(&mut metrics);
    replica.register(&mut metrics);
    let wiring = Wiring {
        public: None,
        internal: Arc::new(internal_routes(Arc::clone(&fan_out))),
        metrics,
    };
    let running = Running::start(&settings, listeners, wiring, &backends, tweets);
    let process = running.process();
    process.spawn(Stage::Background, "graph replica", |shutdown| async move {
        replica.run(shutdown).await;
    });
    process.spawn(Stage::Background, "event log", |shutdown| async move {
        log.run(shutdown).await;
    });
    process.spawn(Stage::Work, "fan-out", |shutdown| fan_out.run(shutdown));
    Ok(running.ready("fan-out"))
}

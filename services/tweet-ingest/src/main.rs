//! The service `tweet-ingest`, on PostgreSQL and Redis.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use backends::{BackendError, Backends, Running, program};
use bootstrap::{Failure, Listeners, Stage, Wiring};
use mimalloc::MiMalloc;
use runtime::Settings;
use storage::Deadline;
use storage_postgres::PostgresTweets;
use telemetry::Metrics;
use tokio_util::sync::CancellationToken;
use tweet_ingest::{Ports, TweetIngest, routes};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const BETWEEN_PRUNES: Duration = Duration::from_mins(1);
const PRUNE_WITHIN: Duration = Duration::from_secs(30);
const PRUNED_AT_ONCE: usize = 10_000;

fn main() -> ExitCode {
    let needed = ["postgres.url", "redis.url", "follow_graph.url", "auth.public_keys"];
    program("tweet-ingest", &needed, start)
}

async fn start(settings: Settings) -> Result<Running, Failure> {
    let listeners = Listeners::bind(&settings).map_err(BackendError::from)?;
    let backends = Backends::open(&settings, "tweet-ingest", &listeners).await?;
    let (graph, replica) = backends.remote_graph().await?;
    let tweets = backends.accepting_tweets().await?;
    let log = backends.event_log(Arc::clone(&tweets)).await?;
    let authenticator = backends.authenticator(graph.clone())?;
    let service = TweetIngest::new(Ports {
        tweets: tweets.clone(),
        log: log.clone(),
        cache: backends.tweet_cache(),
        graph,
    });
    let mut metrics = Metrics::new("tweet-ingest", env!("CARGO_PKG_VERSION"));
    service.register(&mut metrics);
    log.register(&mut metrics);
    replica.register(&mut metrics);
    let served = routes(service);
    let public = move |config: &mut web::ServiceConfig| {
        config.app_data(authenticator.clone());
        served(config);
    };
    let wiring = Wiring {
        public: Some(Arc::new(public)),
        internal: Arc::new(|_| {}),
        metrics,
    };
    let pruned = Arc::clone(&tweets);
    let running = Running::start(&settings, listeners, wiring, &backends, tweets);
    let process = running.process();
    process.spawn(Stage::Background, "graph replica", |shutdown| async move {
        replica.run(shutdown).await;
    });
    process.spawn(Stage::Background, "event log", |shutdown| async move {
        log.run(shutdown).await;
    });
    process.spawn_dispensable(Stage::Background, "retention", |shutdown| prune(pruned, shutdown));
    Ok(running.ready("tweet-ingest"))
}

/// Drops what has been kept long enough, until `shutdown`.
async fn prune(tweets: Arc<PostgresTweets>, shutdown: CancellationToken) {
    while shutdown
        .run_until_cancelled(tokio::time::sleep(BETWEEN_PRUNES))
        .await
        .is_some()
    {
        // As many as come in, and no more at once than a server takes in its stride.
        let mut more = true;
        while more && !shutdown.is_cancelled() {
            let pruned = tweets.prune(PRUNED_AT_ONCE, Deadline::after(PRUNE_WITHIN)).await;
            more = pruned
                .as_ref()
                .is_ok_and(|pruned| pruned.keys.max(pruned.tombstones) >= PRUNED_AT_ONCE as u64);
            if let Err(error) = pruned {
                tracing::warn!(%error, "old keys and tombstones were not dropped; the next pass tries again");
            }
        }
    }
}

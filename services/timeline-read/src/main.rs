//! The service `timeline-read`, on PostgreSQL and Redis.

use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web;
use backends::{Backends, Running, listen, program};
use bootstrap::{Failure, Stage, Wiring};
use mimalloc::MiMalloc;
use runtime::Settings;
use telemetry::Metrics;
use timeline_read::{Ports, TimelineRead, TimelineReadSettings, internal_routes, routes};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    program("timeline-read", start)
}

async fn start(settings: Settings) -> Result<Running, Failure> {
    let needed = ["postgres.url", "redis.url", "follow_graph.url", "auth.public_keys"];
    let listeners = listen(&settings, &needed)?;
    let backends = Backends::open(&settings, "timeline-read", &listeners).await?;
    let (graph, replica) = backends.remote_graph().await?;
    let tweets = backends.tweets();
    let timelines = backends.timelines();
    let authenticator = backends.authenticator(graph.clone())?;
    let ports = Ports {
        timelines: timelines.clone(),
        tweets: tweets.clone(),
        cache: backends.tweet_cache(),
        graph,
        log: backends.event_log(Arc::clone(&tweets)).await?,
        deliveries: backends.deliveries(),
        edges: backends.graph(),
        versions: Some(timelines),
    };
    let settings_of_reads = TimelineReadSettings {
        window: settings.timeline.window,
        ..TimelineReadSettings::default()
    };
    let service = TimelineRead::new(ports, settings_of_reads);
    let served = routes(Arc::clone(&service));
    let public = move |config: &mut web::ServiceConfig| {
        config.app_data(authenticator.clone());
        served(config);
    };
    let mut metrics = Metrics::new("timeline-read", env!("CARGO_PKG_VERSION"));
    service.register(&mut metrics);
    let wiring = Wiring {
        public: Some(Arc::new(public)),
        internal: Arc::new(internal_routes(Arc::clone(&service))),
        metrics,
    };
    let running = Running::start(&settings, listeners, wiring, &backends, tweets);
    let process = running.process();
    process.spawn(Stage::Background, "graph replica", |shutdown| async move {
        replica.run(shutdown).await;
    });
    process.spawn(Stage::Background, "timeline-read", |shutdown| service.run(shutdown));
    Ok(running.ready("timeline-read"))
}

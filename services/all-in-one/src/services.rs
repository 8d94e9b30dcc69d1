//! The four services over embedded stores: the one place that knows which adapter is behind which port.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use bootstrap::{Process, Routes, Stage};
use fan_out::{FanOut, FanOutSettings};
use follow_graph::{FollowGraphService, FollowGraphSettings, PasswordCost};
use graph_replica::StoreGraph;
use http_kit::Authenticator;
use model::{Clock, InvalidRules, RulesInForce, Thresholds};
use runtime::Settings;
use storage::FollowGraph;
use storage_memory::{MemoryTimelineOptions, MemoryTimelines, MemoryTweets};
use telemetry::Metrics;
use timeline_read::{AuditSettings, TimelineRead, TimelineReadSettings};
use tokio_util::sync::CancellationToken;
use tweet_ingest::TweetIngest;

use crate::app::StartOptions;
use crate::error::StartError;
use crate::keys::Keys;
use crate::stores::Stores;

/// Memory for rendered tweets. Each takes some 300 bytes, so this is the newest three quarters of a million or so.
const TWEET_CACHE_BYTES: u64 = 256 << 20;

const BETWEEN_IDLE_SWEEPS: Duration = Duration::from_mins(10);
const DAY_MS: u64 = 86_400_000;

/// The services, wired.
pub(crate) struct Services {
    pub(crate) follow_graph: Arc<FollowGraphService>,
    pub(crate) timelines: Arc<MemoryTimelines>,
    tweet_ingest: Arc<TweetIngest>,
    fan_out: Arc<FanOut>,
    pub(crate) timeline_read: Arc<TimelineRead>,
    authenticator: web::Data<Authenticator>,
}

impl Services {
    /// Wires them; nothing runs yet.
    pub(crate) async fn wire(
        settings: &Settings,
        stores: &Stores,
        keys: &Keys,
        options: StartOptions,
    ) -> Result<Self, StartError> {
        let StartOptions {
            clock,
            fan_out_log,
            password_cost,
        } = options;
        let timelines = MemoryTimelines::new(Arc::clone(&clock), timeline_options(settings));
        let cache = MemoryTweets::new(TWEET_CACHE_BYTES);
        let follow_graph = FollowGraphService::new(
            follow_graph::Ports {
                store: stores.graph.clone(),
                feed: None,
                versions: None,
                log: stores.tweets.clone(),
                counts: stores.tweets.clone(),
            },
            FollowGraphSettings {
                password_cost,
                ..follow_graph_settings(settings)?
            },
            keys.issuer(settings, Arc::clone(&clock))?,
            Arc::clone(&clock),
        )
        .await?;
        let tweet_ingest = TweetIngest::new(tweet_ingest::Ports {
            tweets: stores.tweets.clone(),
            log: stores.tweets.clone(),
            cache: cache.clone(),
            graph: follow_graph.clone(),
        });
        let fan_out = FanOut::new(
            fan_out::Ports {
                log: fan_out_log(stores.tweets.clone()),
                graph: follow_graph.clone(),
                timelines: timelines.clone(),
                deliveries: stores.deliveries.clone(),
                tweets: stores.tweets.clone(),
                cache: cache.clone(),
            },
            FanOutSettings::default(),
            Arc::clone(&clock),
        );
        let timeline_read = timeline_read(
            settings,
            stores,
            timelines.clone(),
            cache,
            follow_graph.clone(),
            Arc::clone(&clock),
        );
        let authenticator = Authenticator::new(keys.verifying(settings)?, follow_graph.clone(), clock);
        Ok(Self {
            follow_graph,
            timelines,
            tweet_ingest,
            fan_out,
            timeline_read,
            authenticator: web::Data::new(authenticator),
        })
    }

    /// What the world sees.
    pub(crate) fn public_routes(&self) -> Routes {
        let parts = [
            follow_graph::openapi(),
            tweet_ingest::openapi(),
            timeline_read::openapi(),
        ];
        let authenticator = self.authenticator.clone();
        let follow_graph = follow_graph::routes(Arc::clone(&self.follow_graph), &http_kit::openapi::merge(parts));
        let tweet_ingest = tweet_ingest::routes(Arc::clone(&self.tweet_ingest));
        let timeline_read = timeline_read::routes(Arc::clone(&self.timeline_read));
        Arc::new(move |config: &mut web::ServiceConfig| {
            config.app_data(authenticator.clone());
            // Paths are tried in this order: what is asked for most stands first.
            timeline_read(config);
            tweet_ingest(config);
            follow_graph(config);
        })
    }

    /// What operators see.
    pub(crate) fn internal_routes(&self) -> Routes {
        let follow_graph = follow_graph::internal_routes(Arc::clone(&self.follow_graph));
        let fan_out = fan_out::internal_routes(Arc::clone(&self.fan_out));
        let timeline_read = timeline_read::internal_routes(Arc::clone(&self.timeline_read));
        Arc::new(move |config: &mut web::ServiceConfig| {
            follow_graph(config);
            fan_out(config);
            timeline_read(config);
        })
    }

    /// What they count.
    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new("rookery", env!("CARGO_PKG_VERSION"));
        self.follow_graph.replica().register(&mut metrics);
        self.tweet_ingest.register(&mut metrics);
        self.fan_out.register(&mut metrics);
        self.timeline_read.register(&mut metrics);
        metrics
    }

    /// Starts fan-out, and what goes on behind requests.
    pub(crate) fn spawn(&self, process: &Process) {
        process.spawn(Stage::Work, "fan-out", |shutdown| {
            Arc::clone(&self.fan_out).run(shutdown)
        });
        process.spawn(Stage::Background, "follow-graph", |shutdown| {
            Arc::clone(&self.follow_graph).run(shutdown)
        });
        process.spawn(Stage::Background, "timeline-read", |shutdown| {
            Arc::clone(&self.timeline_read).run(shutdown)
        });
    }

    /// Starts to drop timelines that nobody has read for so long.
    pub(crate) fn spawn_idle_sweeps(&self, process: &Process, idle_days: u32, clock: Arc<dyn Clock>) {
        let timelines = Arc::clone(&self.timelines);
        process.spawn_dispensable(Stage::Background, "idle timelines", move |shutdown| {
            drop_idle(timelines, idle_days, clock, shutdown)
        });
    }
}

fn timeline_read(
    settings: &Settings,
    stores: &Stores,
    timelines: Arc<MemoryTimelines>,
    cache: Arc<MemoryTweets>,
    graph: Arc<dyn FollowGraph>,
    clock: Arc<dyn Clock>,
) -> Arc<TimelineRead> {
    let ports = timeline_read::Ports {
        timelines,
        tweets: stores.tweets.clone(),
        cache,
        graph,
        log: stores.tweets.clone(),
        deliveries: stores.deliveries.clone(),
        edges: stores.graph.clone(),
        versions: None,
    };
    let settings = TimelineReadSettings {
        window: settings.timeline.window,
        audit: audit_settings(settings),
        ..TimelineReadSettings::default()
    };
    TimelineRead::new(ports, settings, clock)
}

/// Reads timelines of a system that does not run, for a command: none is stored.
pub(crate) fn stopped_timeline_read(
    settings: &Settings,
    stores: &Stores,
    clock: Arc<dyn Clock>,
) -> Result<Arc<TimelineRead>, InvalidRules> {
    let rules = follow_graph_settings(settings)?.rules;
    let graph = Arc::new(StoreGraph::new(stores.graph.clone(), rules));
    let timelines = MemoryTimelines::new(Arc::clone(&clock), timeline_options(settings));
    let cache = MemoryTweets::new(TWEET_CACHE_BYTES);
    Ok(timeline_read(settings, stores, timelines, cache, graph, clock))
}

fn timeline_options(settings: &Settings) -> MemoryTimelineOptions {
    MemoryTimelineOptions {
        window: settings.timeline.window,
        memory_bytes: settings.timeline.memory_mib << 20,
    }
}

fn audit_settings(settings: &Settings) -> AuditSettings {
    AuditSettings {
        interval: Duration::from_millis(settings.audit.interval_ms),
        timelines: settings.audit.timelines,
    }
}

fn follow_graph_settings(settings: &Settings) -> Result<FollowGraphSettings, InvalidRules> {
    let timeline = &settings.timeline;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(FollowGraphSettings {
        rules: RulesInForce {
            strategy: timeline.strategy,
            thresholds: Thresholds::new(timeline.pull_threshold, timeline.push_threshold())?,
        },
        crossing_settle: Duration::from_millis(timeline.crossing_settle_ms),
        crossing_margin: Duration::from_millis(timeline.crossing_margin_ms),
        following_limit: settings.follow_graph.following_limit,
        hashing_concurrency: settings
            .auth
            .password_hashing_concurrency
            .map_or_else(cores, usize::from),
        password_cost: PasswordCost::Recommended,
    })
}

/// Users who have not read for long have no timeline, and cost fan-out nothing.
async fn drop_idle(
    timelines: Arc<MemoryTimelines>,
    idle_days: u32,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    while shutdown
        .run_until_cancelled(tokio::time::sleep(BETWEEN_IDLE_SWEEPS))
        .await
        .is_some()
    {
        let before_ms = clock.unix_ms().saturating_sub(u64::from(idle_days) * DAY_MS);
        let dropped = timelines.evict_idle(before_ms);
        if dropped > 0 {
            tracing::info!(dropped, idle_days, "timelines that nobody reads were dropped");
        }
    }
}

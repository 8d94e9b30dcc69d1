//! What `/metrics` tells; and that its page in the documentation lists all of it.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use all_in_one::StartOptions;
use bootstrap::Started as _;
use runtime::Settings;
use storage_postgres::{PoolMetrics, PoolState};
use storage_redis::EventLogMetrics;
use telemetry::Metrics;

use crate::app::App;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
/// Set, it has the page written instead of compared.
const WRITE: &str = "ROOKERY_WRITE_METRICS_PAGE";

const INTRODUCTION: &str = "\
# Metrics

<!-- Made from the code by ROOKERY_WRITE_METRICS_PAGE=1 cargo test -p all-in-one --test api metrics -->

`GET /metrics` on the internal port of each service, and of `rookery`, answers in the OpenMetrics text format. Each of the
four services shows its part of these; `rookery_postgres_…` are theirs alone. A counter whose labels have known values is there
from the start, at 0; another metric with labels appears with the first of what it counts.
[telemetry.md](telemetry.md#metrics) says how to read them together.

| metric | kind | what it counts |
|---|---|---|
";

/// Of what `rookery` has, and of what the services have beside it.
fn page(metrics: &Metrics) -> String {
    let mut of_services = Metrics::default();
    PoolMetrics::default().register(&mut of_services, PoolState::default);
    EventLogMetrics::default().register(&mut of_services);
    let mut page = INTRODUCTION.to_owned();
    for metric in metrics.descriptions().iter().chain(of_services.descriptions()) {
        writeln!(page, "| `{}` | {} | {} |", metric.name, metric.kind, metric.help)
            .expect("a string takes all that is written");
    }
    page
}

#[tokio::test]
async fn the_page_lists_all_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("ROOKERY__DATA_DIR", dir.path().to_str().unwrap()),
        ("ROOKERY__HTTP__ADDR", "127.0.0.1:0"),
        ("ROOKERY__INTERNAL__ADDR", "127.0.0.1:0"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(None, settings.into_iter()).unwrap();
    let app = all_in_one::start(settings, StartOptions::default()).await.unwrap();
    let page = page(app.metrics());
    app.shutdown().await.unwrap();
    if std::env::var_os(WRITE).is_some() {
        fs::write(PAGE, page).unwrap();
    } else {
        let written = fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            written == page,
            "docs/metrics.md is not as the code: set {WRITE}=1 to have it written"
        );
    }
}

#[tokio::test]
async fn what_goes_in_and_out_is_counted() {
    let app = App::start().await;
    let (ada, ben) = (app.account("ada").await, app.account("ben").await);
    app.connect(&ben, "following", &ada).await;
    assert_eq!(app.home_texts(&ben).await, [""; 0], "this has the timeline built");
    let metrics = async || {
        let answer = reqwest::get(format!("{}/metrics", app.process.internal_url())).await;
        answer.unwrap().text().await.unwrap()
    };
    // The promise is five seconds, and the machine may have much else to do.
    let wait_for = async |line: &str| {
        for _ in 0..600 {
            if metrics().await.contains(line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no {line} in\n{}", metrics().await);
    };
    wait_for("rookery_timeline_builds_total{work=\"build\",outcome=\"done\"} 1\n").await;
    let tweet = app.tweet(&ada, "counted").await;
    wait_for("rookery_deliveries_total{outcome=\"written\",reason=\"\"} 1\n").await;
    assert_eq!(app.home_texts(&ben).await, ["counted"]);
    app.delete(&format!("/v1/tweets/{}", tweet.id), &ada.token)
        .await
        .expect(204)
        .unwrap();
    for line in [
        "rookery_build_info{service=\"rookery\",version=\"",
        "rookery_tweets_accepted_total 1\n",
        "rookery_tweets_deleted_total 1\n",
        "rookery_tweets_fanned_out_total{mode=\"push\"} 1\n",
        "rookery_deliveries_expected_total 1\n",
        "rookery_deliveries_unaccounted_total 0\n",
        "rookery_books_tweets_total{figure=\"accepted\"} 1\n",
        "rookery_books_tweets_total{figure=\"done\"} 1\n",
        "rookery_books_deliveries_total{figure=\"expected\"} 1\n",
        "rookery_books_deliveries_total{figure=\"written\"} 1\n",
        "rookery_books_difference_total{book=\"tweets\"} 0\n",
        "rookery_books_difference_total{book=\"deliveries\"} 0\n",
        "rookery_delivery_seconds_count{followers=\"below 100\"} 1\n",
        "rookery_home_pages_total{stored=\"absent\",complete=\"true\"} 1\n",
        "rookery_home_pages_total{stored=\"present\",complete=\"true\"} 1\n",
        "http_server_request_duration_seconds_count{http_request_method=\"POST\",http_route=\"/v1/tweets\",\
         http_response_status_code=\"201\"} 1\n",
    ] {
        wait_for(line).await;
    }
}

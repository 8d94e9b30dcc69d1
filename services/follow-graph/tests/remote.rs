//! The follow graph over HTTP answers what it answers in process, and goes away and comes back like any other service.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use actix_web::web;
use follow_graph::{FollowGraphService, FollowGraphSettings, PasswordCost, Ports};
use graph_replica::{RemoteGraph, RemoteGraphOptions, Replica};
use http_kit::auth::generate_private_key;
use http_kit::{AdminToken, ServerOptions, TokenIssuer, serve};
use model::{
    ActorVersion, DeliveryRules, DeliveryState, RulesInForce, Strategy, SystemClock, Thresholds, UserId, WorkerId,
};
use secrecy::{ExposeSecret, SecretString};
use storage::{ChunksRequest, Deadline, FollowGraph, FollowerPageRequest, RevocationState, StoreError};
use storage_sqlite::{GraphOptions, SqliteGraph, SqliteTweets, TweetOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "of the operators";

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn user(id: u64) -> UserId {
    UserId::new(id)
}

fn rules() -> RulesInForce {
    RulesInForce {
        strategy: Strategy::Hybrid,
        thresholds: Thresholds::new(100, 80).unwrap(),
    }
}

struct Served {
    service: Arc<FollowGraphService>,
    url: String,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    _data: TempDir,
}

/// Accounts `u1` to `u5`; everybody follows `u1`, and `u2` follows `u3`.
async fn served() -> Served {
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let tweets = TweetOptions::new(WorkerId::new(0).unwrap());
    let tweets = SqliteTweets::open(data.path(), clock.clone(), tweets).unwrap();
    let ports = Ports {
        store: SqliteGraph::open(data.path(), clock.clone(), GraphOptions::default()).unwrap(),
        feed: None,
        versions: None,
        log: tweets.clone(),
        counts: tweets,
    };
    let settings = FollowGraphSettings {
        rules: rules(),
        crossing_settle: Duration::from_millis(500),
        crossing_margin: Duration::from_millis(500),
        following_limit: 5_000,
        hashing_concurrency: 1,
        password_cost: PasswordCost::Recommended,
    };
    let issuer = TokenIssuer::new(generate_private_key().expose_secret(), clock.clone()).unwrap();
    let service = FollowGraphService::new(ports, settings, issuer, clock).await.unwrap();
    let edges = vec![(2, 1), (3, 1), (4, 1), (5, 1), (2, 3)];
    service.import(edges, false, deadline()).await.unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = follow_graph::internal_routes(service.clone());
    let admin = web::Data::new(AdminToken(Some(SecretString::from(TOKEN))));
    let configure = move |config: &mut web::ServiceConfig| {
        config.app_data(admin.clone());
        routes(config);
    };
    let options = ServerOptions {
        workers: 1,
        ..ServerOptions::default()
    };
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, options, configure, shutdown.clone()));
    Served {
        service,
        url,
        shutdown,
        serving,
        _data: data,
    }
}

/// Caches of its own, which nobody keeps true: the tests ask each thing once.
fn remote(url: &str, token: Option<&str>) -> RemoteGraph {
    let rules = DeliveryRules {
        version: 0,
        in_force: rules(),
        everyone: DeliveryState::pushed(),
        authors: std::collections::HashMap::new(),
    };
    let replica = Arc::new(Replica::of_only_writer(RevocationState::default(), rules));
    let options = RemoteGraphOptions {
        url: url.to_owned(),
        token: token.map(SecretString::from),
    };
    RemoteGraph::new(options, replica).unwrap()
}

async fn ids(service: &FollowGraphService) -> Vec<UserId> {
    let all: Vec<UserId> = (1..=5).map(user).collect();
    let users = service.users(&all, deadline()).await.unwrap();
    assert!(users.iter().all(Option::is_some));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_answers_what_the_service_answers_in_process() {
    let served = served().await;
    let remote = remote(&served.url, Some(TOKEN));
    let service: &dyn FollowGraph = &*served.service;
    let mut known = ids(&served.service).await;
    known.push(user(99));
    for id in &known {
        let at_least = Some(ActorVersion(0));
        assert_eq!(
            remote.reader(*id, at_least, deadline()).await.unwrap(),
            service.reader(*id, at_least, deadline()).await.unwrap()
        );
    }
    assert_eq!(
        remote.users(&known, deadline()).await.unwrap(),
        service.users(&known, deadline()).await.unwrap()
    );
    let requests: Vec<FollowerPageRequest> = known
        .iter()
        .flat_map(|author| {
            [(None, 2), (None, 100), (Some(user(3)), 100)].map(|(after, limit)| FollowerPageRequest {
                author: *author,
                after,
                limit,
            })
        })
        .collect();
    let expected = service.followers(&requests, deadline()).await.unwrap();
    assert_eq!(remote.followers(&requests, deadline()).await.unwrap(), expected);
    assert_eq!(
        remote.followers(&requests, deadline()).await.unwrap(),
        expected,
        "from the cache too"
    );
    for size in [1, 3, 100] {
        let request = ChunksRequest {
            author: user(1),
            after: Some(user(2)),
            limit: 2,
            size,
        };
        assert_eq!(
            remote.chunks(request, deadline()).await.unwrap(),
            service.chunks(request, deadline()).await.unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_one_request_holds_is_asked_for_in_several() {
    let served = served().await;
    let remote = remote(&served.url, Some(TOKEN));
    let many: Vec<UserId> = (1..=1_234).map(user).collect();
    let users = remote.users(&many, deadline()).await.unwrap();
    assert_eq!(users.len(), many.len());
    assert_eq!(users.iter().flatten().count(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_operators_token_it_is_no_use() {
    let served = served().await;
    for token in [None, Some("another")] {
        let remote = remote(&served.url, token);
        assert!(remote.users(&[user(1)], deadline()).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_away_it_is_asked_less_and_less_and_errors_are_transient() {
    const ASKED: u32 = 200;
    let served = served().await;
    let remote = remote(&served.url, Some(TOKEN));
    assert!(remote.users(&[user(1)], deadline()).await.unwrap()[0].is_some());
    served.shutdown.cancel();
    served.serving.await.unwrap().unwrap();
    let reached = count_connections(served.url.strip_prefix("http://").unwrap());
    for _ in 0..ASKED {
        let error = remote.users(&[user(1)], deadline()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
    let error = remote.users(&[user(1)], deadline()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    let reached = reached.load(Ordering::Relaxed);
    assert!((1..ASKED / 2).contains(&reached), "asked {reached} times of {ASKED}");
}

/// Takes connections at this address and ends them at once.
fn count_connections(address: &str) -> Arc<AtomicU32> {
    let listener = TcpListener::bind(address).unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for _connection in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_with_no_time_left_is_no_reason_to_turn_others_away() {
    let served = served().await;
    let remote = remote(&served.url, Some(TOKEN));
    for _ in 0..20 {
        let late = remote.users(&[user(1)], Deadline::after(Duration::ZERO)).await;
        assert!(matches!(late, Err(StoreError::Timeout { .. })));
    }
    assert!(remote.users(&[user(1)], deadline()).await.unwrap()[0].is_some());
}

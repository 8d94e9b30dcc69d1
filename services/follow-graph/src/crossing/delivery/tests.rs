//! Two processes that move the same rules.

use model::{Author, ManualClock, UserId, WorkerId};
use storage::{NewTweet, TweetStore};
use storage_sqlite::{GraphOptions, SqliteGraph, SqliteTweets, TweetOptions};
use tempfile::TempDir;

use super::*;

const NOW_MS: u64 = model::EPOCH_MS + 1_000_000;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn rules(strategy: Strategy) -> RulesInForce {
    let thresholds = model::Thresholds::new(100, 80).unwrap();
    RulesInForce { strategy, thresholds }
}

fn ports(data: &TempDir, clock: &Arc<ManualClock>) -> Ports {
    ports_with(data, clock, tweets(data, clock))
}

fn tweets(data: &TempDir, clock: &Arc<ManualClock>) -> Arc<SqliteTweets> {
    let options = TweetOptions::new(WorkerId::new(0).unwrap());
    SqliteTweets::open(data.path(), clock.clone(), options).unwrap()
}

fn ports_with(data: &TempDir, clock: &Arc<ManualClock>, tweets: Arc<SqliteTweets>) -> Ports {
    Ports {
        store: SqliteGraph::open(data.path(), clock.clone(), GraphOptions::default()).unwrap(),
        feed: None,
        versions: None,
        log: tweets.clone(),
        counts: tweets,
    }
}

/// What one process believes, and is told by nobody else.
async fn process(ports: &Ports, clock: &Arc<ManualClock>) -> Delivery {
    let configured = rules(Strategy::Push);
    let stored = ports.store.delivery_rules(configured, deadline()).await.unwrap();
    let replica = Arc::new(Replica::of_only_writer(storage::RevocationState::default(), stored));
    let timing = Timing {
        settle: Duration::ZERO,
        margin: Duration::ZERO,
    };
    Delivery::load(ports.clone(), replica, configured, timing, clock.clone(), deadline())
        .await
        .unwrap()
}

#[tokio::test]
async fn rules_that_are_set_keep_the_steps_of_other_processes() {
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let ports = ports(&data, &clock);
    let (one, other) = (process(&ports, &clock).await, process(&ports, &clock).await);
    // One opens a range for everyone; the other has not heard of it when its operator asks for something else.
    one.set(rules(Strategy::Pull), deadline()).await.unwrap();
    assert_eq!(one.rules().everyone.pulled.len(), 1);
    assert_eq!(other.rules().everyone, DeliveryState::pushed());
    other.set(rules(Strategy::Hybrid), deadline()).await.unwrap();
    let stored = ports
        .store
        .delivery_rules(rules(Strategy::Push), deadline())
        .await
        .unwrap();
    assert_eq!(*other.rules(), stored, "what is believed is what is stored");
    assert_eq!(
        stored.everyone.pulled.len(),
        1,
        "a range that readers pull is never forgotten"
    );
}

#[tokio::test]
async fn a_step_that_another_process_took_is_looked_at_and_not_taken_again() {
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let ports = ports(&data, &clock);
    ports.store.set_rules(rules(Strategy::Pull), deadline()).await.unwrap();
    let (one, other) = (process(&ports, &clock).await, process(&ports, &clock).await);
    assert!(one.advance().await.unwrap());
    let taken = one.rules();
    assert_eq!(taken.everyone.phase, Phase::Both);
    clock.advance(10_000);
    assert!(other.advance().await.unwrap(), "something is under way");
    assert_eq!(other.rules(), taken);
}

#[tokio::test]
async fn a_range_ends_above_what_was_drawn_by_a_clock_that_is_ahead() {
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let ahead = tweets(&data, &Arc::new(ManualClock::new(NOW_MS + 60_000)));
    let ports = ports_with(&data, &clock, ahead.clone());
    let process = process(&ports, &clock).await;
    process.set(rules(Strategy::Pull), deadline()).await.unwrap();
    let author = Author {
        id: UserId::new(1),
        handle: "ada".to_owned(),
        display_name: "Ada".to_owned(),
    };
    let tweet = NewTweet {
        author,
        text: "text".to_owned(),
        in_reply_to: None,
        trace: None,
        idempotency: None,
    };
    // Nobody has delivered it, so it holds back what is settled.
    let tweet = ahead.insert(tweet, deadline()).await.unwrap().tweet().id;
    process.set(rules(Strategy::Push), deadline()).await.unwrap();
    while process.advance().await.unwrap() {}
    let range = process.rules().everyone.pulled[0];
    assert!(range.until.unwrap() > tweet, "{range:?}, {tweet}");
}

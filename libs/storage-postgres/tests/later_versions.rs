//! What a later version has written, which runs beside this one: it is passed over, and blocks nothing else.

mod support;

use std::sync::Arc;
use std::time::Duration;

use model::{DeliveryRecord, Mode, Position, SystemClock, TweetId, UserId};
use storage::{Deadline, DeliveryStore, GraphFeed, Outbox};
use storage_postgres::{PostgresDeliveries, PostgresGraph, PostgresTweets};
use support::TestDatabase;

const LEASE: Duration = Duration::from_mins(1);

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

#[tokio::test]
async fn events_of_unknown_kinds_are_left_and_counted() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let rows = "INSERT INTO outbox (format, kind, tweet, author) VALUES (1, 9, 1, 1), (1, 0, 2, 1), (1, 9, 3, 1), (1, 1, 4, 1)";
    database.client().await.batch_execute(rows).await.unwrap();
    let outbox = PostgresTweets::open_read_only(database.pool().await, Arc::new(SystemClock));
    let page = async |after: u64, limit: usize| -> Vec<TweetId> {
        let rows = outbox
            .outstanding(Duration::ZERO, Position(after), limit, deadline())
            .await;
        rows.unwrap().iter().map(|row| row.event.body.tweet()).collect()
    };
    assert_eq!(page(0, 10).await, [2, 4].map(TweetId::new));
    assert_eq!(page(0, 1).await, [TweetId::new(2)], "a page is full without them");
    assert_eq!(outbox.not_understood(deadline()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_change_of_an_unknown_kind_may_have_changed_anything() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let graph = PostgresGraph::new(database.pool().await, Arc::new(SystemClock));
    let tell = async |kind: i16| {
        let row = format!(
            "INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) VALUES (1, 1, {kind}, 1, 1)"
        );
        database.client().await.batch_execute(&row).await.unwrap();
    };
    tell(7).await;
    tell(99).await;
    let pulse = graph.pulse(Position(0), 10, deadline()).await.unwrap();
    assert_eq!((pulse.changes.len(), pulse.gap), (1, true));
    tell(7).await;
    let pulse = graph.pulse(Position(2), 10, deadline()).await.unwrap();
    assert_eq!(
        (pulse.changes.len(), pulse.gap),
        (1, false),
        "what comes after is told as ever"
    );
}

#[tokio::test]
async fn deliveries_of_unknown_modes_block_no_others() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let deliveries = PostgresDeliveries::new(database.pool().await);
    let record = DeliveryRecord {
        tweet: TweetId::new(1),
        author: UserId::new(1),
        mode: Mode::Push,
        expected: 0,
        written: 0,
        skipped: 0,
        unfollowed: 0,
        accepted_at_ms: 1,
        finished_at_ms: Some(2),
    };
    deliveries.record(vec![record.clone()], deadline()).await.unwrap();
    let later = "INSERT INTO deliveries (tweet, author, mode, expected, written, skipped, accepted_at_ms, chunks_left)
            VALUES (2, 1, 9, 1, 0, 0, 1, 1);
        INSERT INTO delivery_chunks (tweet, number, last_user, expected) VALUES (2, 0, 7, 1)";
    database.client().await.batch_execute(later).await.unwrap();
    let known = deliveries.get(&[1, 2].map(TweetId::new), deadline()).await.unwrap();
    assert_eq!(known, [Some(record), None]);
    assert_eq!(
        deliveries.lease(LEASE, 10, deadline()).await.unwrap(),
        None,
        "its chunks are left"
    );
}

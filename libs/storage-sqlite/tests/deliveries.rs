//! What `SQLite` promises of deliveries beyond the contract.

use std::time::Duration;

use model::{DeliveryPlan, Mode, TweetId, UserId};
use storage::{Deadline, DeliveryStore};
use storage_sqlite::{DeliveryOptions, SqliteDeliveries};

const LONG: Duration = Duration::from_mins(10);

#[tokio::test]
async fn leases_end_with_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let open = || SqliteDeliveries::open(dir.path(), DeliveryOptions::default()).unwrap();
    let deadline = Deadline::after(LONG);
    let plan = DeliveryPlan {
        tweet: TweetId::new(9),
        author: UserId::new(1),
        mode: Mode::Push,
        accepted_at_ms: 1,
    };
    let store = open();
    store.open(vec![plan], deadline).await.unwrap();
    let leased = store.lease(LONG, 9, deadline).await.unwrap().unwrap();
    assert_eq!(store.lease(LONG, 9, deadline).await.unwrap(), None);
    drop(store);
    let again = open().lease(LONG, 9, deadline).await.unwrap().unwrap();
    assert_eq!(
        (again.plan, again.tries),
        (leased.plan, 1),
        "the process may have died of it"
    );
}

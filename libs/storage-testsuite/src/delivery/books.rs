//! The books as a whole.

use std::sync::Arc;

use model::TweetId;
use storage::{BookTotals, Books, ClosedRange, DeliveryStore, Tally};

use super::{DeliveryBackend, open, record, result, tweet};
use crate::support::deadline;

/// A range that comes to one tweet with ten followers.
fn range(above: TweetId, up_to: TweetId) -> ClosedRange {
    let tally = Tally {
        done: 1,
        expected: 10,
        written: 6,
        skipped: 3,
        unfollowed: 1,
        difference: 1,
    };
    let totals = BookTotals {
        accepted: 3,
        aside: 1,
        difference: 1,
        tally,
    };
    ClosedRange { above, up_to, totals }
}

async fn books(store: &dyn DeliveryStore) -> Option<Books> {
    store.books(deadline()).await.unwrap()
}

async fn tally(store: &dyn DeliveryStore, above: u64, up_to: u64) -> Tally {
    store.tally(tweet(above), tweet(up_to), deadline()).await.unwrap()
}

pub async fn a_range_of_records_is_tallied(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    assert_eq!(tally(&*store, 0, 100).await, Tally::default());
    let (mut too_few, mut too_many) = (record(3), record(4));
    (too_few.written, too_many.written) = (5, 9);
    let records = vec![record(1), record(2), too_few, too_many, record(5)];
    store.record(records, deadline()).await.unwrap();
    open(&*store, &[6, 7]).await;
    let done = (0..3).map(|number| result(6, number)).collect();
    store.finish(done, deadline()).await.unwrap();
    let of_two = Tally {
        done: 1,
        expected: 10,
        written: 7,
        skipped: 3,
        unfollowed: 1,
        difference: 0,
    };
    assert_eq!(tally(&*store, 1, 2).await, of_two);
    let of_all = Tally {
        done: 6,
        expected: 110,
        written: 7 + 7 + 5 + 9 + 7 + 54,
        skipped: 21,
        unfollowed: 8,
        difference: 4,
    };
    assert_eq!(
        tally(&*store, 0, 7).await,
        of_all,
        "one that has too much does not make up for one that has too little"
    );
}

pub async fn followers_of_unfinished_chunks_are_pending(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    let pending = async || store.deliveries_pending(deadline()).await.unwrap();
    store.record(vec![record(1)], deadline()).await.unwrap();
    assert_eq!(pending().await, 0);
    open(&*store, &[2, 3]).await;
    assert_eq!(pending().await, 120);
    store.finish(vec![result(2, 1)], deadline()).await.unwrap();
    assert_eq!(pending().await, 100);
}

pub async fn the_books_begin_once(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    assert_eq!(books(&*store).await, None);
    let nowhere = range(tweet(1), tweet(2));
    assert!(!store.close_books(nowhere, 5, deadline()).await.unwrap());
    store.begin_books(tweet(1), 7, deadline()).await.unwrap();
    store.begin_books(tweet(2), 8, deadline()).await.unwrap();
    let begun = Books {
        closed: tweet(1),
        closed_at_ms: 7,
        totals: BookTotals::default(),
    };
    assert_eq!(books(&*store).await, Some(begun));
}

pub async fn a_range_is_closed_once(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.begin_books(tweet(1), 7, deadline()).await.unwrap();
    let close = async |above: u64, up_to: u64| {
        let range = range(tweet(above), tweet(up_to));
        store.close_books(range, 9, deadline()).await.unwrap()
    };
    assert!(close(1, 4).await);
    assert!(!close(1, 4).await, "it is closed");
    assert!(!close(1, 5).await, "a part of it is closed");
    assert!(!close(5, 6).await, "there would be a gap");
    assert!(close(4, 6).await);
    let mut totals = range(tweet(1), tweet(4)).totals;
    totals += range(tweet(4), tweet(6)).totals;
    let closed = Books {
        closed: tweet(6),
        closed_at_ms: 9,
        totals,
    };
    assert_eq!(books(&*store).await, Some(closed));
}

pub async fn concurrent_processes_close_each_range_once(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.begin_books(tweet(0), 1, deadline()).await.unwrap();
    let processes = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut closed = 0;
            for n in 0..20 {
                let range = range(tweet(n), tweet(n + 1));
                closed += u64::from(store.close_books(range, 2, deadline()).await.unwrap());
            }
            closed
        })
    });
    let mut closed = 0;
    for process in processes.collect::<Vec<_>>() {
        closed += process.await.unwrap();
    }
    let books = books(&*store).await.unwrap();
    assert_eq!((closed, books.closed), (20, tweet(20)));
    assert_eq!(books.totals.accepted, 60);
}

pub async fn the_books_outlive_records_and_processes(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.record(vec![record(1)], deadline()).await.unwrap();
    store.begin_books(tweet(0), 7, deadline()).await.unwrap();
    let range = range(tweet(0), tweet(1));
    assert!(store.close_books(range, 9, deadline()).await.unwrap());
    let before = books(&*store).await;
    assert_eq!(store.prune(u64::MAX >> 1, 100, deadline()).await.unwrap(), 1);
    drop(store);
    let store = backend.open().await;
    assert_eq!(books(&*store).await, before);
    assert_eq!(tally(&*store, 0, 1).await, Tally::default());
}

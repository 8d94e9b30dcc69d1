//! The contract of `EventLog`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use model::{EventBody, TraceContext, TweetId, UserId};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use storage::{EventLog, Inserted, Receipt, Received};

use crate::support::{TweetBackend, TweetPorts, all_of, deadline, new_tweet};

/// Runs the contract of `EventLog` against an adapter. `$make` is an async function that answers a fresh
/// [`TweetBackend`](crate::TweetBackend).
#[macro_export]
macro_rules! event_log_contract {
    ($make:path) => {
        $crate::contract! { $make, event_log:
            every_event_is_received_and_those_of_an_author_in_commit_order,
            an_event_is_received_as_it_was_answered,
            a_trace_is_known_while_its_event_is_not_acknowledged,
            an_event_goes_to_one_consumer,
            receive_answers_when_the_first_event_comes,
            receive_answers_nothing_when_nothing_comes,
            what_was_not_announced_is_received_all_the_same,
            what_was_not_acknowledged_is_received_again,
            acknowledging_twice_does_no_harm,
            the_backlog_is_what_is_committed_and_not_acknowledged,
            settled_rises_to_the_oldest_unacknowledged_tweet_and_no_further,
            settled_does_not_pass_a_tweet_that_is_late,
            settled_survives_a_restart,
            nothing_comes_in_below_settled_while_all_goes_on,
        }
    };
}

/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);
/// And for what must not.
const SHORT: Duration = Duration::from_millis(50);

/// Receives `count` events.
async fn receive(log: &dyn EventLog, count: usize) -> Vec<Received> {
    let mut received = Vec::new();
    while received.len() < count {
        let next = log.receive(count - received.len(), LONG).await.unwrap();
        assert!(!next.is_empty(), "{} of {count} events came", received.len());
        received.extend(next);
    }
    received
}

async fn acknowledge(log: &dyn EventLog, received: &[Received]) {
    let receipts: Vec<Receipt> = received.iter().map(|received| received.receipt).collect();
    log.acknowledge(&receipts).await.unwrap();
}

fn tweets(received: &[Received]) -> Vec<TweetId> {
    received.iter().map(|received| received.event.body.tweet()).collect()
}

/// Splits off what tells that this tweet was accepted: the events of several authors come in any order.
fn split(mut received: Vec<Received>, tweet: TweetId) -> (Received, Vec<Received>) {
    let tells_it =
        |received: &Received| matches!(received.event.body, EventBody::TweetAccepted { tweet: of, .. } if of == tweet);
    let at = received.iter().position(tells_it).unwrap();
    (received.remove(at), received)
}

async fn post_many(ports: &TweetPorts, count: u64) -> Vec<TweetId> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(ports.post(1 + n % 3).await);
    }
    ids
}

/// How often a test looks for what an adapter may take a moment to find out, each time [`TICK`] later: as long as [`LONG`].
const LOOKS: usize = 6_000;
const TICK: Duration = Duration::from_millis(10);

/// Waits until everything is settled. Time goes on meanwhile: an adapter whose processes share a store may have to let
/// ids grow old before it knows that nobody holds one.
async fn all_settled(backend: &impl TweetBackend, log: &dyn EventLog, newest: TweetId) {
    for _ in 0..LOOKS {
        if log.settled().await.unwrap().below > newest {
            return;
        }
        tokio::time::sleep(TICK).await;
        backend.clock().advance(10);
    }
    panic!("everything is acknowledged, and yet {newest} is not settled");
}

/// Waits until this many events are committed and not acknowledged; answers when the oldest of them happened.
async fn backlog_of(log: &dyn EventLog, events: u64) -> Option<u64> {
    let mut backlog = log.backlog().await.unwrap();
    for _ in 0..LOOKS {
        if backlog.events == events {
            return backlog.oldest_ms;
        }
        tokio::time::sleep(TICK).await;
        backlog = log.backlog().await.unwrap();
    }
    panic!("{backlog:?}, where {events} are not acknowledged");
}

pub async fn every_event_is_received_and_those_of_an_author_in_commit_order(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut expected = post_many(&ports, 7).await;
    ports.delete(2, expected[1]).await.unwrap();
    expected.push(expected[1]);
    expected.sort_unstable();
    let received = receive(&*ports.log, 8).await;
    let mut found = tweets(&received);
    found.sort_unstable();
    assert_eq!(found, expected);
    for author in (1..=3).map(UserId::new) {
        let of_author = received
            .iter()
            .filter(|received| received.event.body.author() == author);
        assert!(of_author.is_sorted_by(|a, b| a.event.position < b.event.position));
    }
    let deleted = |received: &&Received| matches!(received.event.body, EventBody::TweetDeleted { .. });
    assert_eq!(received.iter().filter(deleted).count(), 1);
}

pub async fn an_event_is_received_as_it_was_answered(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut tweet = new_tweet(4, "traced");
    tweet.trace = Some(TraceContext(
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
    ));
    let Inserted::Accepted(_, event) = ports.tweets.insert(tweet.clone(), deadline()).await.unwrap() else {
        panic!("accepted once");
    };
    assert_eq!(event.trace, tweet.trace);
    ports.log.publish(std::slice::from_ref(&event)).await.unwrap();
    let received = receive(&*ports.log, 1).await;
    assert_eq!(received[0].event, event);
    drop((received, ports));
    let ports = backend.open().await;
    let again = receive(&*ports.log, 1).await;
    assert_eq!(again[0].event, event, "and after a restart");
}

pub async fn a_trace_is_known_while_its_event_is_not_acknowledged(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut tweet = new_tweet(4, "traced");
    tweet.trace = Some(TraceContext(
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
    ));
    let traced = ports.tweets.insert(tweet.clone(), deadline()).await.unwrap().tweet().id;
    let other = ports.post(1).await;
    for _ in 0..2 {
        assert_eq!(ports.log.trace_of(traced).await.unwrap(), tweet.trace);
        assert_eq!(ports.log.trace_of(other).await.unwrap(), None, "it has none");
        assert_eq!(
            ports.log.trace_of(TweetId::new(1)).await.unwrap(),
            None,
            "there is none"
        );
        // Received or not.
        ports.log.receive(10, SHORT).await.unwrap();
    }
}

pub async fn an_event_goes_to_one_consumer(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let posted = post_many(&ports, 100).await;
    let consumers = (0..4).map(|_| {
        let log = ports.log.clone();
        tokio::spawn(async move { receive(&*log, 25).await })
    });
    let mut received = BTreeSet::new();
    for consumer in consumers.collect::<Vec<_>>() {
        received.extend(tweets(&consumer.await.unwrap()));
    }
    assert_eq!(received.into_iter().collect::<Vec<_>>(), posted);
}

pub async fn receive_answers_when_the_first_event_comes(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let log = ports.log.clone();
    let waiting = tokio::spawn(async move { log.receive(10, LONG).await.unwrap() });
    tokio::task::yield_now().await;
    let posted = ports.post(1).await;
    assert_eq!(tweets(&waiting.await.unwrap()), [posted]);
}

pub async fn receive_answers_nothing_when_nothing_comes(backend: impl TweetBackend) {
    let ports = backend.open().await;
    assert_eq!(ports.log.receive(10, SHORT).await.unwrap(), []);
    ports.post(1).await;
    receive(&*ports.log, 1).await;
    assert_eq!(ports.log.receive(10, Duration::ZERO).await.unwrap(), []);
}

pub async fn what_was_not_announced_is_received_all_the_same(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let lost = ports.tweets.insert(new_tweet(1, "t"), deadline()).await.unwrap();
    drop(ports);
    let ports = backend.open().await;
    let received = receive(&*ports.log, 1).await;
    assert_eq!(tweets(&received), [lost.tweet().id]);
}

pub async fn what_was_not_acknowledged_is_received_again(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let posted = post_many(&ports, 10).await;
    let received = receive(&*ports.log, 10).await;
    acknowledge(&*ports.log, &received[1..4]).await;
    acknowledge(&*ports.log, &received[5..]).await;
    let unacknowledged: BTreeSet<_> = [&received[0], &received[4]]
        .map(|received| received.event.body.tweet())
        .into();
    drop(ports);
    let ports = backend.open().await;
    let mut again = BTreeSet::new();
    while !again.is_superset(&unacknowledged) {
        let received = ports.log.receive(4, LONG).await.unwrap();
        assert!(!received.is_empty(), "only {again:?} came again");
        again.extend(tweets(&received));
    }
    assert!(again.iter().all(|id| posted.contains(id)));
}

pub async fn acknowledging_twice_does_no_harm(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let posted = post_many(&ports, 3).await;
    let (second, others) = split(receive(&*ports.log, 3).await, posted[1]);
    for _ in 0..3 {
        acknowledge(&*ports.log, std::slice::from_ref(&second)).await;
    }
    backlog_of(&*ports.log, 2).await;
    assert!(ports.log.settled().await.unwrap().below <= posted[0]);
    acknowledge(&*ports.log, &others).await;
    acknowledge(&*ports.log, &others).await;
    backlog_of(&*ports.log, 0).await;
    all_settled(&backend, &*ports.log, posted[2]).await;
}

pub async fn the_backlog_is_what_is_committed_and_not_acknowledged(backend: impl TweetBackend) {
    let ports = backend.open().await;
    assert_eq!(backlog_of(&*ports.log, 0).await, None);
    let mut posted = Vec::new();
    for _ in 0..3 {
        posted.push(ports.post(1).await);
        backend.clock().advance(1_000);
    }
    assert_eq!(backlog_of(&*ports.log, 3).await, Some(posted[0].unix_ms()));
    let received = receive(&*ports.log, 2).await;
    assert_eq!(ports.log.backlog().await.unwrap().events, 3, "taken is not done");
    acknowledge(&*ports.log, &received).await;
    assert_eq!(backlog_of(&*ports.log, 1).await, Some(posted[2].unix_ms()));
    drop(ports);
    let ports = backend.open().await;
    assert_eq!(
        backlog_of(&*ports.log, 1).await,
        Some(posted[2].unix_ms()),
        "and after a restart"
    );
}

pub async fn settled_rises_to_the_oldest_unacknowledged_tweet_and_no_further(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut last = ports.log.settled().await.unwrap().below;
    for _ in 0..5 {
        let id = ports.post(1).await;
        let settled = ports.log.settled().await.unwrap().below;
        assert!(last <= settled && settled <= id);
        assert!(ports.log.highest().await.unwrap() >= id);
        let received = receive(&*ports.log, 1).await;
        assert!(ports.log.settled().await.unwrap().below <= id);
        acknowledge(&*ports.log, &received).await;
        all_settled(&backend, &*ports.log, id).await;
        last = ports.log.settled().await.unwrap().below;
    }
}

pub async fn settled_does_not_pass_a_tweet_that_is_late(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let posted = post_many(&ports, 10).await;
    ports.delete(1, posted[0]).await.unwrap();
    let (late, mut received) = split(receive(&*ports.log, 11).await, posted[4]);
    received.shuffle(&mut StdRng::seed_from_u64(5));
    for one in received {
        acknowledge(&*ports.log, &[one]).await;
        assert!(ports.log.settled().await.unwrap().below <= posted[4]);
    }
    acknowledge(&*ports.log, &[late]).await;
    all_settled(&backend, &*ports.log, posted[9]).await;
}

pub async fn settled_survives_a_restart(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let posted = post_many(&ports, 5).await;
    let (_late, others) = split(receive(&*ports.log, 5).await, posted[2]);
    acknowledge(&*ports.log, &others).await;
    drop(ports);
    let ports = backend.open().await;
    assert!(ports.log.settled().await.unwrap().below <= posted[2]);
    let newcomer = ports.post(1).await;
    let mut missing = BTreeSet::from([posted[2], newcomer]);
    while !missing.is_empty() {
        let received = ports.log.receive(10, LONG).await.unwrap();
        assert!(!received.is_empty(), "{missing:?} did not come");
        acknowledge(&*ports.log, &received).await;
        missing.retain(|id| !tweets(&received).contains(id));
    }
    all_settled(&backend, &*ports.log, newcomer).await;
}

/// What a reader saw: its mark, and the tweets below it.
struct Seen {
    settled_below: TweetId,
    below: Vec<TweetId>,
}

async fn look(ports: &TweetPorts) -> Seen {
    let settled_below = ports.log.settled().await.unwrap().below;
    let sources: Vec<_> = (1..=4).map(all_of).collect();
    let page = ports
        .tweets
        .page(&sources, settled_below, 10_000, deadline())
        .await
        .unwrap();
    let mut below: Vec<_> = page.entries.iter().map(|entry| entry.id).collect();
    below.reverse();
    Seen { settled_below, below }
}

/// Receives in small batches and acknowledges out of order, until `count` events are done; looks after each batch.
async fn consume(ports: TweetPorts, count: usize) -> Vec<Seen> {
    let mut dice = StdRng::seed_from_u64(6);
    let mut held: Vec<Received> = Vec::new();
    let (mut received, mut seen) = (BTreeSet::new(), Vec::new());
    while received.len() < count || !held.is_empty() {
        if received.len() < count {
            let next = ports.log.receive(7, LONG).await.unwrap();
            assert!(!next.is_empty(), "{} of {count} events came", received.len());
            // What is held for long may come twice.
            held.extend(next.into_iter().filter(|one| received.insert(one.event.position)));
        }
        held.shuffle(&mut dice);
        let kept = if received.len() < count {
            dice.random_range(0..=held.len())
        } else {
            0
        };
        let done = held.split_off(kept);
        let oldest_held = held.iter().map(|one| one.event.body.tweet()).min();
        acknowledge(&*ports.log, &done).await;
        let look = look(&ports).await;
        assert!(oldest_held.is_none_or(|oldest| look.settled_below <= oldest));
        seen.push(look);
    }
    seen
}

pub async fn nothing_comes_in_below_settled_while_all_goes_on(backend: impl TweetBackend) {
    const EACH: usize = 60;
    let ports = backend.open().await;
    let consumer = tokio::spawn(consume(ports.clone(), 4 * EACH));
    let posting = (1..=4).map(|of| {
        let ports = ports.clone();
        tokio::spawn(async move {
            let mut posted = Vec::new();
            for _ in 0..EACH {
                posted.push(ports.post(of).await);
            }
            posted
        })
    });
    let mut posted = Vec::new();
    for posting in posting.collect::<Vec<_>>() {
        while !posting.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            backend.clock().advance(1);
        }
        posted.extend(posting.await.unwrap());
    }
    posted.sort_unstable();
    let seen = consumer.await.unwrap();
    assert!(
        seen.is_sorted_by(|a, b| a.settled_below <= b.settled_below),
        "settled never falls"
    );
    for Seen { settled_below, below } in seen {
        let known = posted.partition_point(|id| *id < settled_below);
        assert_eq!(below, posted[..known], "below {settled_below}");
    }
    all_settled(&backend, &*ports.log, *posted.last().unwrap()).await;
}

//! The contract of `TweetStore`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeSet;

use model::{EventBody, TweetId, UserId};
use storage::{DeleteTweetError, IdempotencyConflict, InsertTweetError, Inserted, TweetFate, TweetStore};

use crate::support::{Keyed, TweetBackend, TweetPorts, author, deadline, key, new_tweet};

/// Runs the contract of `TweetStore` against an adapter. `$make` is an async function that answers a fresh
/// [`TweetBackend`](crate::TweetBackend).
#[macro_export]
macro_rules! tweet_store_contract {
    ($make:path) => {
        $crate::contract! { $make, tweet:
            an_accepted_tweet_is_read_back,
            get_answers_in_the_order_asked_for,
            the_fate_of_a_deleted_tweet_is_known,
            all_ids_of_a_range_are_listed_in_pages,
            ids_and_positions_rise_in_commit_order,
            concurrent_posts_are_all_accepted_with_ids_of_their_own,
            an_event_says_what_happened_to_which_tweet_of_whom,
            a_repeated_request_is_replayed,
            a_request_is_replayed_even_if_its_tweet_was_deleted,
            a_key_with_another_body_conflicts,
            a_key_counts_for_its_account_and_operation_alone,
            a_key_is_forgotten_after_a_day,
            concurrent_repeats_accept_one_tweet,
            only_the_author_deletes,
            a_deleted_tweet_is_gone_and_deleting_it_again_does_nothing,
            a_repeated_delete_request_does_nothing,
            a_clock_that_went_back_refuses_posts_until_it_has_caught_up,
            a_store_that_is_opened_again_holds_everything,
        }
    };
}

async fn post(ports: &TweetPorts, of: u64, text: &str) -> model::Tweet {
    let inserted = ports.tweets.insert(new_tweet(of, text), deadline()).await.unwrap();
    inserted.tweet().clone()
}

async fn get(tweets: &dyn TweetStore, id: TweetId) -> Option<model::Tweet> {
    tweets.get(&[id], deadline()).await.unwrap().remove(0)
}

pub async fn an_accepted_tweet_is_read_back(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let original = post(&ports, 1, "first").await;
    let mut reply = new_tweet(2, "an answer, with ünïcode and\na new line 🐦");
    reply.in_reply_to = Some(original.id);
    let Inserted::Accepted(tweet, event) = ports.tweets.insert(reply.clone(), deadline()).await.unwrap() else {
        panic!("a new request was taken for a repetition");
    };
    assert_eq!((&tweet.author, &tweet.text), (&author(2), &reply.text));
    assert_eq!(tweet.in_reply_to, Some(original.id));
    assert_eq!(event.body.tweet(), tweet.id);
    assert_eq!(get(&*ports.tweets, tweet.id).await, Some(tweet));
}

pub async fn get_answers_in_the_order_asked_for(backend: impl TweetBackend) {
    let ports = backend.open().await;
    assert!(ports.tweets.get(&[], deadline()).await.unwrap().is_empty());
    let (a, b) = (post(&ports, 1, "a").await, post(&ports, 2, "b").await);
    let asked = [b.id, TweetId::new(1), a.id, b.id];
    let found = ports.tweets.get(&asked, deadline()).await.unwrap();
    assert_eq!(found, [Some(b.clone()), None, Some(a), Some(b)]);
}

pub async fn the_fate_of_a_deleted_tweet_is_known(backend: impl TweetBackend) {
    let ports = backend.open().await;
    assert!(ports.tweets.fates(&[], deadline()).await.unwrap().is_empty());
    let (stays, goes) = (post(&ports, 1, "a").await.id, post(&ports, 2, "b").await.id);
    ports.delete(2, goes).await.unwrap();
    let fate = |author, deleted| {
        let author = UserId::new(author);
        Some(TweetFate { author, deleted })
    };
    let asked = [goes, TweetId::new(1), stays, goes];
    let found = ports.tweets.fates(&asked, deadline()).await.unwrap();
    assert_eq!(found, [fate(2, true), None, fate(1, false), fate(2, true)]);
}

pub async fn all_ids_of_a_range_are_listed_in_pages(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut posted = Vec::new();
    for n in 0..5 {
        posted.push(post(&ports, 1 + n % 2, "t").await.id);
    }
    ports.delete(1, posted[2]).await.unwrap();
    let ids = async |above: TweetId, below: TweetId, limit: usize| {
        ports.tweets.ids(above, below, limit, deadline()).await.unwrap()
    };
    assert_eq!(ids(TweetId::MIN, TweetId::MAX, 10).await, posted, "deleted ones too");
    assert_eq!(ids(TweetId::MIN, TweetId::MAX, 2).await, posted[..2]);
    assert_eq!(ids(posted[1], posted[4], 10).await, posted[2..4]);
    assert_eq!(ids(posted[4], TweetId::MAX, 10).await, []);
}

pub async fn ids_and_positions_rise_in_commit_order(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut last = None;
    for n in 0..50 {
        let Inserted::Accepted(tweet, event) = ports
            .tweets
            .insert(new_tweet(1 + n % 3, "t"), deadline())
            .await
            .unwrap()
        else {
            panic!("accepted once");
        };
        assert!(last < Some((tweet.id, event.position)));
        last = Some((tweet.id, event.position));
        backend.clock().advance(n % 2);
    }
}

pub async fn concurrent_posts_are_all_accepted_with_ids_of_their_own(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let accepting = (0..200).map(|n| {
        let tweets = ports.tweets.clone();
        tokio::spawn(async move {
            tweets
                .insert(new_tweet(1 + n % 7, &n.to_string()), deadline())
                .await
                .unwrap()
        })
    });
    let mut ids = BTreeSet::new();
    for post in accepting.collect::<Vec<_>>() {
        let accepted = post.await.unwrap().tweet().clone();
        assert_eq!(get(&*ports.tweets, accepted.id).await.as_ref(), Some(&accepted));
        ids.insert(accepted.id);
    }
    assert_eq!(ids.len(), 200);
}

pub async fn an_event_says_what_happened_to_which_tweet_of_whom(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let Inserted::Accepted(posted, event) = ports.tweets.insert(new_tweet(5, "t"), deadline()).await.unwrap() else {
        panic!("accepted once");
    };
    let (tweet, author) = (posted.id, UserId::new(5));
    assert_eq!(event.body, EventBody::TweetAccepted { tweet, author });
    post(&ports, 6, "somebody else's").await;
    let event = ports.delete(5, tweet).await.unwrap().expect("it was there");
    assert_eq!(event.body, EventBody::TweetDeleted { tweet, author });
}

pub async fn a_repeated_request_is_replayed(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let request = new_tweet(1, "once").keyed(key(1, "k", b"body"));
    let first = ports.tweets.insert(request.clone(), deadline()).await.unwrap();
    assert!(matches!(first, Inserted::Accepted(..)));
    let second = ports.tweets.insert(request, deadline()).await.unwrap();
    assert_eq!(second, Inserted::Replayed(first.tweet().clone()));
    assert_eq!(ports.timeline(&[1]).await, [first.tweet().id]);
}

pub async fn a_request_is_replayed_even_if_its_tweet_was_deleted(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let request = new_tweet(1, "once").keyed(key(1, "k", b"body"));
    let first = ports.tweets.insert(request.clone(), deadline()).await.unwrap();
    ports.delete(1, first.tweet().id).await.unwrap();
    let second = ports.tweets.insert(request, deadline()).await.unwrap();
    assert_eq!(second, Inserted::Replayed(first.tweet().clone()));
    assert_eq!(get(&*ports.tweets, first.tweet().id).await, None);
}

pub async fn a_key_with_another_body_conflicts(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let first = new_tweet(1, "one").keyed(key(1, "k", b"one"));
    let first = ports.tweets.insert(first, deadline()).await.unwrap();
    let other = new_tweet(1, "two").keyed(key(1, "k", b"two"));
    let refusal = ports.tweets.insert(other, deadline()).await.unwrap_err();
    assert!(matches!(refusal, InsertTweetError::Idempotency(IdempotencyConflict)));
    assert_eq!(
        ports.timeline(&[1]).await,
        [first.tweet().id],
        "a refused request changes nothing"
    );
}

pub async fn a_key_counts_for_its_account_and_operation_alone(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut other_operation = key(1, "k", b"c");
    other_operation.operation = "POST /v1/elsewhere".into();
    for (of, key) in [
        (1, key(1, "k", b"a")),
        (2, key(2, "k", b"b")),
        (1, other_operation),
        (1, key(1, "K", b"d")),
    ] {
        let inserted = ports
            .tweets
            .insert(new_tweet(of, "t").keyed(key), deadline())
            .await
            .unwrap();
        assert!(matches!(inserted, Inserted::Accepted(..)));
    }
}

pub async fn a_key_is_forgotten_after_a_day(backend: impl TweetBackend) {
    const HOUR_MS: u64 = 3_600_000;
    let ports = backend.open().await;
    let request = |body: &[u8]| new_tweet(1, "t").keyed(key(1, "k", body));
    ports.tweets.insert(request(b"one"), deadline()).await.unwrap();
    backend.clock().advance(24 * HOUR_MS - 1);
    let within = ports.tweets.insert(request(b"one"), deadline()).await.unwrap();
    assert!(matches!(within, Inserted::Replayed(_)));
    backend.clock().advance(HOUR_MS);
    let after = ports.tweets.insert(request(b"two"), deadline()).await.unwrap();
    assert!(matches!(after, Inserted::Accepted(..)));
    let repeated = ports.tweets.insert(request(b"two"), deadline()).await.unwrap();
    assert_eq!(repeated, Inserted::Replayed(after.tweet().clone()));
}

pub async fn concurrent_repeats_accept_one_tweet(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let repeats = (0..20).map(|_| {
        let tweets = ports.tweets.clone();
        let request = new_tweet(1, "once").keyed(key(1, "k", b"body"));
        tokio::spawn(async move { tweets.insert(request, deadline()).await.unwrap() })
    });
    let mut accepted = 0;
    let mut ids = BTreeSet::new();
    for repeat in repeats.collect::<Vec<_>>() {
        let inserted = repeat.await.unwrap();
        accepted += u32::from(matches!(inserted, Inserted::Accepted(..)));
        ids.insert(inserted.tweet().id);
    }
    assert_eq!((accepted, ids.len()), (1, 1));
}

pub async fn only_the_author_deletes(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let tweet = post(&ports, 1, "mine").await;
    assert!(matches!(
        ports.delete(2, tweet.id).await,
        Err(DeleteTweetError::NotAuthor)
    ));
    assert_eq!(get(&*ports.tweets, tweet.id).await.as_ref(), Some(&tweet));
    assert!(matches!(
        ports.delete(1, TweetId::new(1)).await,
        Err(DeleteTweetError::NotFound)
    ));
    assert!(ports.delete(1, tweet.id).await.unwrap().is_some());
    let refusal = ports.delete(2, tweet.id).await;
    assert!(
        matches!(refusal, Err(DeleteTweetError::NotFound)),
        "what is deleted is nobody else's business"
    );
}

pub async fn a_deleted_tweet_is_gone_and_deleting_it_again_does_nothing(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let kept = post(&ports, 1, "kept").await;
    let tweet = post(&ports, 1, "regretted").await;
    assert!(ports.delete(1, tweet.id).await.unwrap().is_some());
    assert_eq!(get(&*ports.tweets, tweet.id).await, None);
    assert_eq!(ports.timeline(&[1]).await, [kept.id]);
    assert_eq!(ports.delete(1, tweet.id).await.unwrap(), None);
}

pub async fn a_repeated_delete_request_does_nothing(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let (a, b) = (post(&ports, 1, "a").await, post(&ports, 1, "b").await);
    let refused = ports.delete_keyed(2, a.id, key(2, "k", b"")).await;
    assert!(matches!(refused, Err(DeleteTweetError::NotAuthor)));
    assert!(ports.delete_keyed(1, a.id, key(1, "k", b"")).await.unwrap().is_some());
    assert_eq!(ports.delete_keyed(1, a.id, key(1, "k", b"")).await.unwrap(), None);
    let conflict = ports.delete_keyed(1, b.id, key(1, "k", b"other")).await;
    assert!(matches!(
        conflict,
        Err(DeleteTweetError::Idempotency(IdempotencyConflict))
    ));
    assert_eq!(ports.timeline(&[1]).await, [b.id]);
    let own = post(&ports, 2, "c").await;
    let not_kept = ports.delete_keyed(2, own.id, key(2, "k", b"another")).await.unwrap();
    assert!(not_kept.is_some(), "the key of a refused request is free");
}

pub async fn a_clock_that_went_back_refuses_posts_until_it_has_caught_up(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let before = post(&ports, 1, "before").await;
    let now = before.id.unix_ms();
    backend.clock().set(now - 60_000);
    let refusal = ports
        .tweets
        .insert(new_tweet(1, "meanwhile"), deadline())
        .await
        .unwrap_err();
    assert!(matches!(refusal, InsertTweetError::Store(error) if error.is_transient()));
    drop(ports);
    let ports = backend.open().await;
    let refusal = ports
        .tweets
        .insert(new_tweet(1, "after a restart"), deadline())
        .await
        .unwrap_err();
    assert!(matches!(refusal, InsertTweetError::Store(error) if error.is_transient()));
    backend.clock().set(now);
    assert!(post(&ports, 1, "after").await.id > before.id);
}

pub async fn a_store_that_is_opened_again_holds_everything(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let request = new_tweet(1, "kept").keyed(key(1, "k", b"body"));
    let kept = ports
        .tweets
        .insert(request.clone(), deadline())
        .await
        .unwrap()
        .tweet()
        .clone();
    let newest = post(&ports, 1, "newest, and deleted").await;
    ports.delete(1, newest.id).await.unwrap();
    drop(ports);
    let ports = backend.open().await;
    assert_eq!(ports.timeline(&[1]).await, [kept.id]);
    assert_eq!(get(&*ports.tweets, kept.id).await.as_ref(), Some(&kept));
    assert_eq!(get(&*ports.tweets, newest.id).await, None);
    let replayed = ports.tweets.insert(request, deadline()).await.unwrap();
    assert_eq!(replayed, Inserted::Replayed(kept.clone()));
    assert!(post(&ports, 1, "t").await.id > newest.id);
}

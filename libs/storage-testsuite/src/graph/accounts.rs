//! Accounts and their credentials.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use model::{AuthorTweets, Clock, UserId};
use storage::{AccountError, CreateUserError, IdempotencyConflict, NewUser, SignUpKey};

use super::{Graph, GraphBackend, edge, key, new_user, nobody};
use crate::support::deadline;

pub async fn accounts_are_numbered_from_1_without_gaps(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    for number in 1..=5 {
        assert_eq!(graph.user(&format!("n{number}")).await, UserId::new(number));
        let taken = graph.0.create_user(new_user("N1"), deadline()).await;
        assert!(matches!(taken, Err(CreateUserError::HandleTaken)));
    }
    drop(graph);
    assert_eq!(Graph::open(&backend).await.user("n6").await, UserId::new(6));
}

pub async fn a_new_account_is_as_it_was_made(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let made = graph.0.create_user(new_user("Ada_99"), deadline()).await.unwrap();
    assert_eq!(
        (made.handle.as_str(), made.display_name.as_str()),
        ("Ada_99", "The Ada_99")
    );
    assert_eq!(made.created_at_ms, backend.clock().unix_ms());
    assert_eq!(
        (made.followers_count, made.following_count, made.tweets_count),
        (0, 0, 0)
    );
    assert_eq!(graph.get(made.id).await, Some(made.clone()));
    let credentials = graph.0.credentials(made.id, deadline()).await.unwrap().unwrap();
    assert_eq!(credentials.user, made);
    assert_eq!(credentials.password_hash.as_deref(), Some("hash of Ada_99"));
    let view = graph.reader(made.id).await;
    assert!(view.followees.is_empty() && view.muted.is_empty() && view.blocked.is_empty());
}

pub async fn a_handle_is_unique_without_regard_to_case(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let ada = graph.user("Ada").await;
    for handle in ["Ada", "ada", "ADA"] {
        let taken = graph.0.create_user(new_user(handle), deadline()).await;
        assert!(matches!(taken, Err(CreateUserError::HandleTaken)), "{handle}");
        let found = graph
            .0
            .user_by_handle(&handle.parse().unwrap(), deadline())
            .await
            .unwrap();
        assert_eq!(found.map(|user| (user.id, user.handle)), Some((ada, "Ada".to_owned())));
    }
    let unknown = graph
        .0
        .user_by_handle(&"Ad".parse().unwrap(), deadline())
        .await
        .unwrap();
    assert_eq!(unknown, None);
}

pub async fn an_account_knows_the_key_that_it_was_made_under_for_a_day(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let key = |key: &str, body| SignUpKey {
        key: key.to_owned(),
        body_digest: [body; 32],
    };
    let keyed = |handle, name| NewUser {
        idempotency: Some(key(name, 1)),
        ..new_user(handle)
    };
    let create = |user| graph.0.create_user(user, deadline());
    let ada = create(keyed("ada", "k")).await.unwrap().id;
    let bob = create(keyed("bob", "k")).await.unwrap().id;
    let plain = graph.user("cyd").await;
    let taken = create(keyed("ADA", "other")).await;
    assert!(matches!(taken, Err(CreateUserError::HandleTaken)));
    let was_by = async |user, key| graph.0.was_created_under(user, &key, deadline()).await.unwrap();
    let was = async |user, name| was_by(user, key(name, 1)).await.unwrap();
    let new = graph.0.change_password(ada, 1, "new".to_owned(), None, deadline());
    new.await.unwrap();
    assert_eq!(was_by(ada, key("k", 2)).await, Err(IdempotencyConflict), "another body");
    for (user, key, expected) in [
        (ada, "k", true),
        (bob, "k", true),
        (plain, "k", false),
        (ada, "other", false),
        (nobody(), "k", false),
    ] {
        assert_eq!(was(user, key).await, expected, "{user} {key}");
    }
    backend.clock().advance(24 * 3_600_000);
    assert!(!was(ada, "k").await);
}

pub async fn accounts_are_read_in_the_order_asked_for(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [a, b, c] = graph.users().await;
    graph.0.delete_user(b, deadline()).await.unwrap();
    let asked = [c, nobody(), b, a, c];
    let found = graph.0.users(&asked, deadline()).await.unwrap();
    let ids: Vec<_> = found.iter().map(|user| user.as_ref().map(|user| user.id)).collect();
    assert_eq!(ids, [Some(c), None, None, Some(a), Some(c)]);
}

pub async fn a_deleted_account_is_gone_and_keeps_its_handle(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    graph.follow(bob, ada).await;
    graph.0.delete_user(ada, deadline()).await.unwrap();
    assert_eq!(graph.get(ada).await, None);
    assert_eq!(
        graph
            .0
            .user_by_handle(&"user0".parse().unwrap(), deadline())
            .await
            .unwrap(),
        None
    );
    assert_eq!(graph.0.credentials(ada, deadline()).await.unwrap(), None);
    assert_eq!(graph.0.reader(ada, deadline()).await.unwrap(), None);
    assert_eq!(
        graph.0.followers_counts(&[ada, nobody()], deadline()).await.unwrap(),
        [0, 0]
    );
    let taken = graph.0.create_user(new_user("USER0"), deadline()).await;
    assert!(matches!(taken, Err(CreateUserError::HandleTaken)));
    for gone in [ada, nobody()] {
        let again = graph.0.delete_user(gone, deadline()).await;
        assert!(matches!(again, Err(AccountError::NoSuchUser)));
        let change = graph
            .0
            .change_password(gone, 1, "new".to_owned(), None, deadline())
            .await;
        assert!(matches!(change, Err(AccountError::NoSuchUser)));
    }
}

pub async fn a_new_password_raises_the_credential_version(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let ada = graph.user("ada").await;
    let before = graph.0.credentials(ada, deadline()).await.unwrap().unwrap();
    let seen = before.credential_version;
    let raised = graph
        .0
        .change_password(ada, seen, "new".to_owned(), None, deadline())
        .await
        .unwrap();
    assert!(raised > seen);
    let after = graph.0.credentials(ada, deadline()).await.unwrap().unwrap();
    assert_eq!(
        (after.credential_version, after.password_hash.as_deref()),
        (raised, Some("new"))
    );
}

pub async fn a_new_password_needs_the_current_version(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let ada = graph.user("ada").await;
    let seen = graph
        .0
        .credentials(ada, deadline())
        .await
        .unwrap()
        .unwrap()
        .credential_version;
    graph
        .0
        .change_password(ada, seen, "first".to_owned(), None, deadline())
        .await
        .unwrap();
    let stale = graph
        .0
        .change_password(ada, seen, "second".to_owned(), None, deadline())
        .await;
    assert!(matches!(stale, Err(AccountError::CredentialsChanged)));
    let kept = graph.0.credentials(ada, deadline()).await.unwrap().unwrap();
    assert_eq!(kept.password_hash.as_deref(), Some("first"));
}

pub async fn a_new_password_is_set_once_under_a_key(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let ada = graph.user("ada").await;
    let change = |seen, hash: &str, body| {
        let key = Some(key(ada, "k", body));
        graph.0.change_password(ada, seen, hash.to_owned(), key, deadline())
    };
    let raised = change(1, "first", 1).await.unwrap();
    assert_eq!(change(1, "again", 1).await.unwrap(), raised);
    assert_eq!(change(raised, "again", 1).await.unwrap(), raised);
    let conflict = change(raised, "other", 2).await;
    assert!(matches!(conflict, Err(AccountError::Idempotency(IdempotencyConflict))));
    let kept = graph.0.credentials(ada, deadline()).await.unwrap().unwrap();
    assert_eq!(kept.password_hash.as_deref(), Some("first"));
    let mut put = edge(model::EdgeKind::Mute, ada, graph.user("bob").await, true);
    put.idempotency = Some(storage::IdempotencyKey {
        operation: "PUT /elsewhere".to_owned(),
        ..key(ada, "k", 2)
    });
    assert!(graph.write(put).await.is_ok(), "another operation is another request");
}

pub async fn the_newest_tweet_count_wins(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    let tweets = |count, version| AuthorTweets { count, version };
    for (counts, expected) in [
        (
            vec![(ada, tweets(3, 3)), (bob, tweets(1, 1)), (nobody(), tweets(9, 9))],
            3,
        ),
        (vec![(ada, tweets(2, 2))], 3),
        (vec![(ada, tweets(7, 3))], 3),
        (vec![(ada, tweets(1, 5)), (ada, tweets(2, 4))], 1),
    ] {
        graph.0.set_tweet_counts(counts, deadline()).await.unwrap();
        assert_eq!(graph.get(ada).await.unwrap().tweets_count, expected);
    }
    assert_eq!(graph.get(bob).await.unwrap().tweets_count, 1);
}

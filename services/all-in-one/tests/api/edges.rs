//! Following, muting and blocking.

use std::collections::BTreeSet;

use model::UserId;
use test_support::client::{TweetPage, UserPage};

use crate::app::{Account, App, refused};

const KINDS: [&str; 3] = ["following", "muting", "blocking"];

fn edge(kind: &str, target: &Account) -> String {
    format!("/v1/users/me/{kind}/{}", target.id)
}

#[tokio::test]
async fn edges_are_made_and_removed_as_often_as_one_likes() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    for kind in KINDS {
        for _ in 0..2 {
            app.put(&edge(kind, &bob), &ada.token).await.expect(204).unwrap();
        }
        for _ in 0..2 {
            app.delete(&edge(kind, &bob), &ada.token).await.expect(204).unwrap();
        }
    }
}

#[tokio::test]
async fn edges_to_oneself_or_nobody_are_refused() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    for kind in KINDS {
        refused(app.put(&edge(kind, &ada), &ada.token).await, 422, "self-reference");
        refused(
            app.put(&format!("/v1/users/me/{kind}/4711"), &ada.token).await,
            404,
            "no-such-user",
        );
        refused(
            app.put(&format!("/v1/users/me/{kind}/x"), &ada.token).await,
            400,
            "invalid-path",
        );
    }
}

#[tokio::test]
async fn one_may_follow_only_so_many() {
    let app = App::with(&[("ROOKERY__FOLLOW_GRAPH__FOLLOWING_LIMIT", "2")]).await;
    let ada = app.account("ada").await;
    let others = [app.account("b").await, app.account("c").await, app.account("d").await];
    app.connect(&ada, "following", &others[0]).await;
    app.connect(&ada, "following", &others[1]).await;
    refused(
        app.put(&edge("following", &others[2]), &ada.token).await,
        422,
        "limit-reached",
    );
    app.connect(&ada, "following", &others[0]).await;
    app.delete(&edge("following", &others[0]), &ada.token)
        .await
        .expect(204)
        .unwrap();
    app.connect(&ada, "following", &others[2]).await;
}

#[tokio::test]
async fn a_block_forbids_new_follows_both_ways_and_keeps_standing_ones() {
    let app = App::start().await;
    let (ada, bob, cyd) = (
        app.account("ada").await,
        app.account("bob").await,
        app.account("cyd").await,
    );
    app.connect(&cyd, "following", &ada).await;
    app.connect(&ada, "blocking", &bob).await;
    app.connect(&ada, "blocking", &cyd).await;
    refused(app.put(&edge("following", &ada), &bob.token).await, 403, "blocked");
    refused(app.put(&edge("following", &bob), &ada.token).await, 403, "blocked");
    app.connect(&cyd, "following", &ada).await;
    let followers = app.client.edge_list(ada.id, "followers", 20).await.unwrap().unwrap();
    assert_eq!(
        followers.len(),
        1,
        "the refused follow was not made, the standing one is kept"
    );
    app.delete(&edge("blocking", &bob), &ada.token)
        .await
        .expect(204)
        .unwrap();
    app.connect(&bob, "following", &ada).await;
}

#[tokio::test]
async fn trap_20_mutes_and_blocks_filter_home_and_give_back() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&ada, "following", &bob).await;
    let id = app.tweet(&bob, "hello").await.id;
    app.settle(&[id]).await;
    for (actor, kind, target) in [
        (&ada, "muting", &bob),
        (&ada, "blocking", &bob),
        (&bob, "blocking", &ada),
    ] {
        assert_eq!(app.home_texts(&ada).await, ["hello"]);
        app.connect(actor, kind, target).await;
        assert_eq!(app.home_texts(&ada).await, [""; 0], "{} {kind}", actor.handle);
        app.delete(&edge(kind, target), &actor.token).await.expect(204).unwrap();
    }
    assert_eq!(app.home_texts(&ada).await, ["hello"]);
}

#[tokio::test]
async fn a_block_hides_tweets_in_lists_and_singly_but_not_profiles() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let tweet = app.tweet(&ada, "hello").await.id;
    app.connect(&ada, "blocking", &bob).await;
    for (author, viewer) in [(&ada, &bob), (&bob, &ada)] {
        let path = format!("/v1/timelines/users/{}", author.id);
        let page: TweetPage = app
            .get(&path, Some(&viewer.token))
            .await
            .expect(200)
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(page.tweets, []);
        app.get(&format!("/v1/users/{}", author.id), Some(&viewer.token))
            .await
            .expect(200)
            .unwrap();
    }
    let path = format!("/v1/tweets/{tweet}");
    refused(app.get(&path, Some(&bob.token)).await, 404, "no-such-tweet");
    app.get(&path, None).await.expect(200).unwrap();
    app.get(&path, Some(&ada.token)).await.expect(200).unwrap();
}

#[tokio::test]
async fn lists_come_in_pages_nobody_twice() {
    let app = App::start().await;
    let star = app.account("star").await;
    let mut fans = BTreeSet::new();
    for number in 0..5 {
        let fan = app.account(&format!("fan{number}")).await;
        app.connect(&fan, "following", &star).await;
        fans.insert(fan.id);
    }
    for page_size in [1, 2, 5, 100] {
        let users = app
            .client
            .edge_list(star.id, "followers", page_size)
            .await
            .unwrap()
            .unwrap();
        let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
        assert_eq!(ids.len(), 5);
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), fans);
    }
    let path = format!("/v1/users/{}/followers?limit=5", star.id);
    let whole: UserPage = app.get(&path, None).await.expect(200).unwrap().parse().unwrap();
    assert_eq!(
        (whole.users.len(), whole.next_cursor),
        (5, None),
        "the end is known at the end"
    );
}

#[tokio::test]
async fn counts_follow_within_seconds() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&ada, "following", &bob).await;
    app.tweets(&ada, 3).await;
    let expected = [(&ada, [0, 1, 3]), (&bob, [1, 0, 0])];
    for (account, counts) in expected {
        let mut last = [u64::MAX; 3];
        for _ in 0..300 {
            let body = app
                .get(&format!("/v1/users/{}", account.id), None)
                .await
                .expect(200)
                .unwrap()
                .body;
            last = ["followers_count", "following_count", "tweets_count"].map(|name| body[name].as_u64().unwrap());
            if last == counts {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(last, counts, "{}", account.handle);
    }
}

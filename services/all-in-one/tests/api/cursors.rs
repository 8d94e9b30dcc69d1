//! Cursors: positions that grant nothing, and that nobody can mangle unnoticed.

use std::time::Duration;

use model::TweetId;
use test_support::PageQuery;

use crate::app::{Account, App, refused};

/// One cursor of each kind, with the path that gave it and the parameter that takes it.
async fn cursors(app: &App, ada: &Account) -> Vec<(String, &'static str, String)> {
    let home = "/v1/timelines/home".to_owned();
    let mine = format!("/v1/timelines/users/{}", ada.id);
    let followers = format!("/v1/users/{}/followers", ada.id);
    let following = format!("/v1/users/{}/following", ada.id);
    let mut cursors = Vec::new();
    for (path, field, parameter) in [
        (&home, "next_cursor", "cursor"),
        (&home, "newest_cursor", "newer_than"),
        (&mine, "next_cursor", "cursor"),
        (&followers, "next_cursor", "cursor"),
        (&following, "next_cursor", "cursor"),
    ] {
        let answer = app
            .get(&format!("{path}?limit=1"), Some(&ada.token))
            .await
            .expect(200)
            .expect("a page");
        let cursor = answer.body[field]
            .as_str()
            .unwrap_or_else(|| panic!("{path} has no {field}: {}", answer.body));
        cursors.push((path.clone(), parameter, cursor.to_owned()));
    }
    cursors
}

/// An account with two of everything, so that each first page of one has a next.
async fn ada_with_two_of_everything(app: &App) -> Account {
    let ada = app.account("ada").await;
    for handle in ["bob", "cyd"] {
        let other = app.account(handle).await;
        app.connect(&ada, "following", &other).await;
        app.connect(&other, "following", &ada).await;
    }
    app.tweets(&ada, 2).await;
    ada
}

#[tokio::test]
async fn a_mangled_cursor_is_refused() {
    let app = App::start().await;
    let ada = ada_with_two_of_everything(&app).await;
    for (path, parameter, cursor) in cursors(&app, &ada).await {
        let ask = async |cursor: &str| app.get(&format!("{path}?{parameter}={cursor}"), Some(&ada.token)).await;
        ask(&cursor).await.expect(200).expect("the cursor as it was given");
        for at in 0..cursor.len() {
            let mut mangled = cursor.clone().into_bytes();
            mangled[at] = if mangled[at] == b'A' { b'B' } else { b'A' };
            refused(ask(&String::from_utf8_lossy(&mangled)).await, 400, "invalid-cursor");
        }
        for other in [
            "",
            "x",
            "!!",
            &cursor[1..],
            &format!("{cursor}A"),
            &format!("{cursor}="),
        ] {
            refused(ask(other).await, 400, "invalid-cursor");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let app = App::start().await;
    let ada = ada_with_two_of_everything(&app).await;
    let cursors = cursors(&app, &ada).await;
    let [home, mark, mine, followers, following] = cursors.as_slice() else {
        panic!("one of each")
    };
    for (into, from) in [
        (home, mark),
        (mark, home),
        (home, followers),
        (mine, mark),
        (mine, followers),
        (followers, mine),
        (followers, following),
        (following, followers),
    ] {
        let path = format!("{}?{}={}", into.0, into.1, from.2);
        refused(app.get(&path, Some(&ada.token)).await, 400, "invalid-cursor");
    }
    let eve = app.account("eve").await.id;
    for (path, cursor) in [
        (format!("/v1/timelines/users/{eve}"), &mine.2),
        (format!("/v1/users/{eve}/followers"), &followers.2),
        (format!("/v1/users/{eve}/following"), &following.2),
    ] {
        refused(
            app.get(&format!("{path}?cursor={cursor}"), None).await,
            400,
            "invalid-cursor",
        );
    }
}

#[tokio::test]
async fn anybody_s_cursor_is_a_position() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let mut expected = Vec::new();
    for author in [&ada, &bob, &ada, &bob] {
        expected.push((author.id, app.tweet(author, "hello").await.id));
    }
    // A scroll shows what its mark says was visible when it began: of others, what had been delivered by then.
    let page = loop {
        let first = app.home(&ada, &PageQuery::limit(1)).await;
        let query = PageQuery {
            cursor: first.next_cursor,
            ..PageQuery::default()
        };
        let page = app.home(&bob, &query).await;
        if !page.tweets.is_empty() {
            break page;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(page.tweets.len(), 1, "below the position, and one's own tweets alone");
    assert_eq!(page.tweets[0].id, expected[1].1);
}

#[tokio::test]
async fn trap_17_a_cursor_outlives_the_tweet_that_it_came_from() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let tweets = app.tweets(&ada, 4).await;
    let first = app.home(&ada, &PageQuery::limit(2)).await;
    for &tweet in &tweets[1..] {
        app.client
            .delete_tweet(&ada.token, tweet)
            .await
            .unwrap()
            .expect(204)
            .unwrap();
    }
    let query = PageQuery {
        cursor: first.next_cursor,
        ..PageQuery::limit(2)
    };
    let rest = app.home(&ada, &query).await;
    assert_eq!(
        rest.tweets.iter().map(|tweet| tweet.id).collect::<Vec<TweetId>>(),
        [tweets[0]]
    );
}

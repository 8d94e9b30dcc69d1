//! Home and user timelines, page by page.

use std::time::Duration;

use model::TweetId;
use test_support::PageQuery;
use test_support::client::{HomePage, TweetPage};

use crate::app::{App, refused};

fn ids(page: &HomePage) -> Vec<TweetId> {
    page.tweets.iter().map(|tweet| tweet.id).collect()
}

#[tokio::test]
async fn an_empty_home_is_complete_and_ends() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let page = app.home(&ada, &PageQuery::default()).await;
    assert_eq!((page.tweets.len(), page.next_cursor, page.complete), (0, None, true));
}

#[tokio::test]
async fn home_is_newest_first_under_every_strategy() {
    for strategy in ["pull", "push", "hybrid"] {
        let app = App::with(&[("ROOKERY__TIMELINE__STRATEGY", strategy)]).await;
        let (ada, bob, cyd) = (
            app.account("ada").await,
            app.account("bob").await,
            app.account("cyd").await,
        );
        app.connect(&ada, "following", &bob).await;
        let mut expected = Vec::new();
        for author in [&bob, &ada, &cyd, &bob] {
            let tweet = app.tweet(author, &format!("by {}", author.handle)).await.id;
            if author.id != cyd.id {
                expected.insert(0, tweet);
            }
        }
        app.settle(&expected).await;
        assert_eq!(
            ids(&app.home(&ada, &PageQuery::default()).await),
            expected,
            "{strategy}"
        );
    }
}

#[tokio::test]
async fn a_scroll_reaches_the_end_of_history_below_the_window() {
    let app = App::with(&[("ROOKERY__TIMELINE__WINDOW", "20")]).await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&ada, "following", &bob).await;
    let mut expected = app.tweets(&bob, 45).await;
    app.settle(&expected).await;
    expected.reverse();
    for page_size in [1, 7, 19, 20, 21, 45, 100] {
        assert_eq!(
            app.client.scroll(&ada.token, page_size).await.unwrap(),
            expected,
            "{page_size}"
        );
    }
}

#[tokio::test]
async fn a_follow_of_somebody_with_more_than_a_window_leaves_no_gap() {
    let app = App::with(&[("ROOKERY__TIMELINE__WINDOW", "20")]).await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let mut expected = app.tweets(&ada, 1).await;
    // The first reads have her timeline built.
    for _ in 0..20 {
        app.client.scroll(&ada.token, 7).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    expected.extend(app.tweets(&bob, 45).await);
    app.connect(&ada, "following", &bob).await;
    app.settle(&expected).await;
    expected.reverse();
    // Before bob's tweets are in her timeline, while they are put there, and after it.
    for _ in 0..50 {
        assert_eq!(app.client.scroll(&ada.token, 7).await.unwrap(), expected);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn pages_have_a_size() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    app.tweets(&ada, 25).await;
    let user_timeline = format!("/v1/timelines/users/{}", ada.id);
    for path in ["/v1/timelines/home", user_timeline.as_str()] {
        for (query, expected) in [("", 20), ("?limit=1", 1), ("?limit=100", 25)] {
            let answer = app
                .get(&format!("{path}{query}"), Some(&ada.token))
                .await
                .expect(200)
                .unwrap();
            assert_eq!(
                answer.body["tweets"].as_array().unwrap().len(),
                expected,
                "{path}{query}"
            );
        }
    }
    let followers = format!("/v1/users/{}/followers", ada.id);
    for path in ["/v1/timelines/home", &user_timeline, &followers] {
        for limit in ["0", "101", "-1", "x", "", "1.5", "99999999999999999999"] {
            let answer = app.get(&format!("{path}?limit={limit}"), Some(&ada.token)).await;
            refused(answer, 400, "invalid-limit");
        }
    }
}

#[tokio::test]
async fn a_scroll_is_not_disturbed_by_what_arrives() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let old = app.tweets(&ada, 6).await;
    let first = app.home(&ada, &PageQuery::limit(3)).await;
    app.tweets(&ada, 3).await;
    let query = PageQuery {
        cursor: first.next_cursor.clone(),
        ..PageQuery::limit(3)
    };
    let second = app.home(&ada, &query).await;
    let shown: Vec<TweetId> = ids(&first).into_iter().chain(ids(&second)).collect();
    assert_eq!(shown, old.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(second.next_cursor, None);
}

#[tokio::test]
async fn newer_than_answers_what_has_come_since_page_by_page() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&ada, "following", &bob).await;
    app.tweets(&ada, 2).await;
    let mark = app.home(&ada, &PageQuery::limit(1)).await.newest_cursor;
    let poll = async |limit, cursor: Option<String>| {
        let query = PageQuery {
            newer_than: Some(mark.clone()),
            cursor,
            ..PageQuery::limit(limit)
        };
        app.home(&ada, &query).await
    };
    assert_eq!(
        poll(20, None).await.tweets,
        [],
        "what was visible at the mark does not come again"
    );

    let mut new = app.tweets(&bob, 3).await;
    new.extend(app.tweets(&ada, 2).await);
    app.settle(&new).await;
    new.reverse();
    let first = poll(3, None).await;
    let second = poll(3, first.next_cursor.clone()).await;
    let shown: Vec<TweetId> = ids(&first).into_iter().chain(ids(&second)).collect();
    assert_eq!(shown, new);
    assert_eq!(
        (second.next_cursor, &second.newest_cursor),
        (None, &first.newest_cursor)
    );
    let query = PageQuery {
        newer_than: Some(first.newest_cursor),
        ..PageQuery::default()
    };
    assert_eq!(app.home(&ada, &query).await.tweets, []);
}

#[tokio::test]
async fn a_user_timeline_is_public_and_ends() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let mut expected = app.tweets(&ada, 5).await;
    expected.reverse();
    for page_size in [1, 2, 5, 100] {
        let tweets = app
            .client
            .user_timeline(ada.id, None, page_size)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(tweets.iter().map(|tweet| tweet.id).collect::<Vec<_>>(), expected);
    }
    let path = format!("/v1/timelines/users/{}?limit=5", ada.id);
    let whole: TweetPage = app.get(&path, None).await.expect(200).unwrap().parse().unwrap();
    assert_eq!(whole.next_cursor, None, "the end is known at the end");
    refused(app.get("/v1/timelines/users/4711", None).await, 404, "no-such-user");
}

#[tokio::test]
async fn home_needs_a_token() {
    let app = App::start().await;
    refused(app.get("/v1/timelines/home", None).await, 401, "unauthenticated");
}

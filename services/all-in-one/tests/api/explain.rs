//! `GET /admin/explain`: why a tweet is, or is not, in a home timeline.

use model::{TweetId, UserId};
use serde_json::Value;
use test_support::{Answer, Explanation};

use crate::app::{App, refused};

async fn explain(app: &App, query: &str) -> Answer {
    let operators = app.operators();
    operators
        .get(&format!("/admin/explain{query}"), None)
        .await
        .expect("an answer")
}

/// The explanation, and the verdict of a rule.
async fn verdict(app: &App, user: UserId, tweet: TweetId, rule: &str) -> (bool, String) {
    let answer = explain(app, &format!("?user={user}&tweet={tweet}")).await;
    let explanation: Explanation = answer.expect(200).expect("an explanation").parse().expect("its form");
    let step = explanation.steps.iter().find(|step| step.rule == rule);
    let step = step.unwrap_or_else(|| panic!("{rule} is not among {explanation:?}"));
    (explanation.visible, step.verdict.clone())
}

#[tokio::test]
async fn an_explanation_has_its_form() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&ada, "following", &bob).await;
    let tweet = app.tweet(&bob, "hello").await.id;
    app.settle(&[tweet]).await;
    let answer = explain(&app, &format!("?user={}&tweet={tweet}", ada.id)).await;
    let body = answer.expect(200).expect("an explanation").body;
    let fields = |value: &Value| {
        value
            .as_object()
            .map(|object| object.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(fields(&body).expect("an object"), ["steps", "visible"]);
    assert_eq!(body["visible"], true);
    let steps = body["steps"].as_array().expect("steps");
    for step in steps {
        assert_eq!(fields(step).expect("an object"), ["detail", "rule", "verdict"]);
        assert!(
            step["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{step}"
        );
    }
    let rules: Vec<&str> = steps.iter().filter_map(|step| step["rule"].as_str()).collect();
    let expected = [
        "reader", "tweet", "author", "follow", "mute", "block", "delivery", "timeline", "stored", "pulled", "aside",
        "reply",
    ];
    assert_eq!(rules, expected);
}

#[tokio::test]
async fn it_follows_what_the_reader_does() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let tweet = app.tweet(&bob, "hello").await.id;
    app.settle(&[tweet]).await;
    let follow = async || verdict(&app, ada.id, tweet, "follow").await;
    assert_eq!(follow().await, (false, "hide".to_owned()));
    app.connect(&ada, "following", &bob).await;
    assert_eq!(follow().await, (true, "pass".to_owned()));
    app.connect(&ada, "muting", &bob).await;
    assert_eq!(verdict(&app, ada.id, tweet, "mute").await, (false, "hide".to_owned()));
    app.delete(&format!("/v1/users/me/muting/{}", bob.id), &ada.token).await;
    app.connect(&bob, "blocking", &ada).await;
    assert_eq!(verdict(&app, ada.id, tweet, "block").await, (false, "hide".to_owned()));
    app.delete(&format!("/v1/users/me/blocking/{}", ada.id), &bob.token)
        .await;
    assert_eq!(follow().await, (true, "pass".to_owned()));
    app.delete(&format!("/v1/tweets/{tweet}"), &bob.token).await;
    assert_eq!(verdict(&app, ada.id, tweet, "tweet").await, (false, "hide".to_owned()));
}

#[tokio::test]
async fn any_pair_is_answered() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let largest = TweetId::MAX;
    for (user, rule) in [
        (ada.id, "tweet"),
        (UserId::new(4_711), "reader"),
        (UserId::MAX, "reader"),
    ] {
        for tweet in [TweetId::new(1), largest] {
            assert_eq!(
                verdict(&app, user, tweet, rule).await,
                (false, "hide".to_owned()),
                "{user} {tweet}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_no_pair_is_refused() {
    let app = App::start().await;
    for query in [
        "",
        "?user=1",
        "?tweet=1",
        "?user=1&tweet=x",
        "?user=0&tweet=1",
        "?user=-1&tweet=1",
        "?user=ada&tweet=1",
        "?user=&tweet=1",
        "?user=1&tweet=9223372036854775808",
        "?user=1&tweet=1&tweet=2",
        "?user=1&tweet=1&more=1",
    ] {
        refused(explain(&app, query).await, 400, "invalid-query");
    }
    refused(app.get("/admin/explain?user=1&tweet=1", None).await, 404, "not-found");
}

#[tokio::test]
async fn it_is_for_operators_alone() {
    let app = App::with(&[("ROOKERY__ADMIN__TOKEN", "open sesame, twice")]).await;
    let operators = app.operators();
    let ask = async |token| {
        let path = "/admin/explain?user=1&tweet=1";
        operators.get(path, token).await.expect("an answer")
    };
    for token in [None, Some("open sesame, once")] {
        refused(ask(token).await, 401, "admin-token-required");
    }
    ask(Some("open sesame, twice"))
        .await
        .expect(200)
        .expect("an explanation");
}

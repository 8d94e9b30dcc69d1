//! The operators' paths on the internal port.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, Client, Request, Stop};

use crate::app::{App, refused};
use crate::users::is_rfc3339_ms;

async fn put_rules(operators: &Client, body: Value) -> Answer {
    let request = Request::new(Method::PUT, "/admin/delivery").body(body);
    operators.send(request).await.expect("an answer")
}

async fn rules(operators: &Client) -> Value {
    let answer = operators.get("/admin/delivery", None).await.expect("an answer");
    answer.expect(200).expect("the rules").body
}

#[tokio::test]
async fn the_rules_are_shown_changed_and_kept() {
    let app = App::with(&[("ROOKERY__TIMELINE__PULL_THRESHOLD", "50")]).await;
    let operators = app.operators();
    let configured = json!({"strategy": "hybrid", "pull_threshold": 50, "push_threshold": 40});
    assert_eq!(rules(&operators).await, configured);
    let wanted = json!({"strategy": "push", "pull_threshold": 9, "push_threshold": 9});
    let answer = put_rules(&operators, wanted.clone()).await.expect(200).unwrap();
    assert_eq!(answer.body, wanted);
    app.process.end(Stop::Graceful).await.unwrap();
    app.process.launch().await.unwrap();
    assert_eq!(rules(&operators).await, wanted, "they win over the configuration");
    let log = std::fs::read_to_string(app.process.log()).unwrap();
    assert!(log.contains("push"), "the log says so");
}

#[tokio::test]
async fn bad_rules_are_refused_and_change_nothing() {
    let app = App::start().await;
    let operators = app.operators();
    let before = rules(&operators).await;
    let crossed = json!({"strategy": "hybrid", "pull_threshold": 5, "push_threshold": 6});
    refused(put_rules(&operators, crossed).await, 422, "invalid-rules");
    for body in [
        json!({"strategy": "hybrid"}),
        json!({"strategy": null, "pull_threshold": 5, "push_threshold": 4}),
        json!({"strategy": {"pull": null}, "pull_threshold": 5, "push_threshold": 4}),
        json!({"strategy": "hybrid", "pull_threshold": "5", "push_threshold": 4}),
        json!({"strategy": "hybrid", "pull_threshold": -5, "push_threshold": 4}),
        json!({"strategy": "hybrid", "pull_threshold": 5, "push_threshold": 4, "more": 1}),
    ] {
        refused(put_rules(&operators, body).await, 422, "invalid-body");
    }
    let unknown = put_rules(
        &operators,
        json!({"strategy": "teleport", "pull_threshold": 5, "push_threshold": 4}),
    )
    .await;
    assert_eq!(unknown.status, 422, "{}", unknown.body);
    assert_eq!(rules(&operators).await, before);
}

#[tokio::test]
async fn the_operators_token_is_asked_for_where_it_is_set() {
    let app = App::with(&[("ROOKERY__ADMIN__TOKEN", "open sesame, twice")]).await;
    let operators = app.operators();
    for token in [None, Some("open sesame, once"), Some("")] {
        let answer = operators.get("/admin/delivery", token).await.unwrap();
        refused(answer, 401, "admin-token-required");
    }
    operators
        .get("/admin/delivery", Some("open sesame, twice"))
        .await
        .unwrap()
        .expect(200)
        .unwrap();
    for open in ["/healthz", "/readyz", "/metrics"] {
        operators.get(open, None).await.unwrap().expect(200).unwrap();
    }
}

#[tokio::test]
async fn a_delivery_is_accounted_for() {
    for (strategy, mode, followers) in [("push", "push", 2), ("pull", "pull", 0)] {
        let app = App::with(&[("ROOKERY__TIMELINE__STRATEGY", strategy)]).await;
        let (ada, bob, cyd) = (
            app.account("ada").await,
            app.account("bob").await,
            app.account("cyd").await,
        );
        for fan in [&bob, &cyd] {
            app.connect(fan, "following", &ada).await;
        }
        app.home_texts(&bob).await;
        let tweet = app.tweet(&ada, "hello").await.id;
        app.settle(&[tweet]).await;
        let operators = app.operators();
        let record = operators
            .get(&format!("/admin/tweets/{tweet}/delivery"), None)
            .await
            .unwrap();
        let record = record.expect(200).unwrap().body;
        assert_eq!(record["tweet_id"], tweet.to_string());
        assert_eq!((&record["mode"], &record["state"]), (&json!(mode), &json!("done")));
        assert_eq!(record["expected"], followers, "{strategy}");
        let (written, skipped) = (record["written"].as_u64().unwrap(), record["skipped"].as_u64().unwrap());
        assert_eq!(written + skipped, followers, "{strategy}");
        for time in ["accepted_at", "finished_at"] {
            assert!(is_rfc3339_ms(record[time].as_str().unwrap()), "{record}");
        }
        refused(
            operators.get("/admin/tweets/4711/delivery", None).await.unwrap(),
            404,
            "no-such-tweet",
        );
        refused(
            operators.get("/admin/tweets/x/delivery", None).await.unwrap(),
            400,
            "invalid-path",
        );
    }
}

async fn post_audit(operators: &Client, body: Value) -> Answer {
    let request = Request::new(Method::POST, "/admin/audit").body(body);
    operators.send(request).await.expect("an answer")
}

#[tokio::test]
async fn an_audit_compares_stored_timelines() {
    let app = App::with(&[("ROOKERY__TIMELINE__STRATEGY", "push")]).await;
    let operators = app.operators();
    let nothing = json!({"compared": 0, "missing": 0, "extra": 0, "repaired": 0});
    assert_eq!(
        post_audit(&operators, json!({"users": 10}))
            .await
            .expect(200)
            .unwrap()
            .body,
        nothing
    );
    let (ada, bob, cyd) = (
        app.account("ada").await,
        app.account("bob").await,
        app.account("cyd").await,
    );
    for fan in [&bob, &cyd] {
        app.connect(fan, "following", &ada).await;
        app.home_texts(fan).await;
    }
    let tweets = app.tweets(&ada, 3).await;
    app.settle(&tweets).await;
    for users in [1, 2, 10_000] {
        let compared = json!({"compared": users.min(2), "missing": 0, "extra": 0, "repaired": 0});
        // The timelines are built behind the reads.
        let mut report = Value::Null;
        for _ in 0..200 {
            report = post_audit(&operators, json!({"users": users}))
                .await
                .expect(200)
                .unwrap()
                .body;
            if report == compared {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(report, compared);
    }
}

#[tokio::test]
async fn what_is_no_audit_is_refused() {
    let app = App::start().await;
    let operators = app.operators();
    for body in [
        json!({}),
        json!({"users": 0}),
        json!({"users": -1}),
        json!({"users": 10_001}),
        json!({"users": "10"}),
        json!({"users": 1.5}),
        json!({"users": null}),
        json!({"users": 10, "more": 1}),
    ] {
        refused(post_audit(&operators, body).await, 422, "invalid-body");
    }
    let get = operators.get("/admin/audit", None).await.unwrap();
    refused(get, 405, "method-not-allowed");
    let public = app
        .send(Request::new(Method::POST, "/admin/audit").body(json!({"users": 1})))
        .await;
    refused(public, 404, "not-found");
    let app = App::with(&[("ROOKERY__ADMIN__TOKEN", "open sesame, twice")]).await;
    refused(
        post_audit(&app.operators(), json!({"users": 1})).await,
        401,
        "admin-token-required",
    );
}

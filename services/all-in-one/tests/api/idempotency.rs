//! Writes under an idempotency key.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, Request};

use crate::app::{Account, App, PASSWORD, raw, raw_answer, refused};

async fn post(app: &App, account: &Account, key: &str, body: Value) -> Answer {
    let request = Request::new(Method::POST, "/v1/tweets").token(Some(&account.token));
    app.send(request.body(body).key(key)).await
}

#[tokio::test]
async fn the_same_request_is_done_once() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let body = json!({"text": "once"});
    let first = post(&app, &ada, "k1", body.clone()).await.expect(201).unwrap();
    let again = post(&app, &ada, "k1", body.clone()).await.expect(201).unwrap();
    assert_eq!(again.body, first.body);
    let others = post(&app, &bob, "k1", body.clone()).await.expect(201).unwrap();
    assert_ne!(others.body["id"], first.body["id"], "keys are an account's own");
    let another = post(&app, &ada, "k2", body.clone()).await.expect(201).unwrap();
    assert_ne!(another.body["id"], first.body["id"]);

    let path = format!("/v1/tweets/{}", first.body["id"].as_str().unwrap());
    app.delete(&path, &ada.token).await.expect(204).unwrap();
    let after = post(&app, &ada, "k1", body).await.expect(201).unwrap();
    assert_eq!(after.body, first.body, "the same answer, and no new tweet");
    assert_eq!(app.home_texts(&ada).await, ["once"]);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_a_conflict() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    post(&app, &ada, "k1", json!({"text": "one"}))
        .await
        .expect(201)
        .unwrap();
    refused(
        post(&app, &ada, "k1", json!({"text": "two"})).await,
        409,
        "idempotency-conflict",
    );
    assert_eq!(app.home_texts(&ada).await, ["one"]);
}

#[tokio::test]
async fn repeats_at_the_same_time_make_one_tweet() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let answers = join_all((0..16).map(|_| post(&app, &ada, "k1", json!({"text": "once"})))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body));
    }
    assert_eq!(app.home_texts(&ada).await, ["once"]);
}

#[tokio::test]
async fn a_refused_request_is_not_kept() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    refused(post(&app, &ada, "k1", json!({"text": ""})).await, 422, "invalid-text");
    let reply = json!({"text": "hello", "in_reply_to_id": "4711"});
    refused(post(&app, &ada, "k1", reply).await, 422, "no-such-original");
    post(&app, &ada, "k1", json!({"text": "hello"}))
        .await
        .expect(201)
        .unwrap();
}

#[tokio::test]
async fn edges_and_deletions_take_keys_too() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let tweet = app.tweet(&ada, "hello").await.id;
    for (method, path) in [
        (Method::PUT, format!("/v1/users/me/following/{}", bob.id)),
        (Method::DELETE, format!("/v1/users/me/following/{}", bob.id)),
        (Method::PUT, format!("/v1/users/me/muting/{}", bob.id)),
        (Method::PUT, format!("/v1/users/me/blocking/{}", bob.id)),
        (Method::DELETE, format!("/v1/tweets/{tweet}")),
    ] {
        for _ in 0..2 {
            let request = Request::new(method.clone(), path.clone()).token(Some(&ada.token));
            app.send(request.key("k1")).await.expect(204).unwrap();
        }
    }
}

#[tokio::test]
async fn an_unfollow_between_is_not_undone_by_a_repeated_follow() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let path = format!("/v1/users/me/following/{}", bob.id);
    let follow = || {
        Request::new(Method::PUT, path.clone())
            .token(Some(&ada.token))
            .key("k1")
    };
    app.send(follow()).await.expect(204).unwrap();
    app.delete(&path, &ada.token).await.expect(204).unwrap();
    app.send(follow()).await.expect(204).unwrap();
    let following = app.client.edge_list(ada.id, "following", 20).await.unwrap().unwrap();
    assert_eq!(following, [], "the repeat was answered, not done again");
}

async fn sign_up(app: &App, key: &str, body: Value) -> Answer {
    app.send(Request::new(Method::POST, "/v1/users").body(body).key(key))
        .await
}

#[tokio::test]
async fn a_repeated_sign_up_gets_the_account_that_it_made() {
    let app = App::start().await;
    let body = json!({"handle": "Ada", "display_name": "Ada L.", "password": PASSWORD});
    let answers = join_all((0..4).map(|_| sign_up(&app, "k1", body.clone()))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body));
        assert_eq!(answer.headers["location"], answers[0].headers["location"]);
    }
    for other in [
        json!({"handle": "Ada", "display_name": "Ada L.", "password": "battery staple"}),
        json!({"handle": "Ada", "display_name": "Another", "password": PASSWORD}),
        json!({"handle": "Ada", "password": PASSWORD}),
        json!({"handle": "ada", "display_name": "Ada L.", "password": PASSWORD}),
    ] {
        refused(sign_up(&app, "k1", other).await, 409, "idempotency-conflict");
    }
    let token = app.client.log_in("ada", PASSWORD).await.unwrap().token;
    let change = json!({"old": PASSWORD, "new": "battery staple"});
    let change = Request::new(Method::PUT, "/v1/users/me/password").body(change);
    app.send(change.token(Some(&token))).await.expect(204).unwrap();
    let again = sign_up(&app, "k1", body.clone()).await;
    assert_eq!(
        (again.status, &again.body),
        (201, &answers[0].body),
        "also after the password was changed"
    );
    refused(sign_up(&app, "k2", body.clone()).await, 409, "handle-taken");
    refused(app.post_json("/v1/users", None, body).await, 409, "handle-taken");
    let bob = json!({"handle": "bob", "password": PASSWORD});
    let bob = sign_up(&app, "k1", bob).await.expect(201).unwrap();
    assert_ne!(bob.body["id"], answers[0].body["id"], "a key belongs to a handle");
}

#[tokio::test]
async fn a_repeated_login_gets_a_token_of_its_own() {
    let app = App::start().await;
    app.account("ada").await;
    let log_in = async |key: &str| {
        let body = json!({"handle": "ada", "password": PASSWORD});
        let request = Request::new(Method::POST, "/v1/sessions").body(body);
        app.send(request.key(key)).await
    };
    let tokens = [log_in("k1").await, log_in("k1").await].map(|answer| {
        let token = &answer.expect(201).unwrap().body["token"];
        token.as_str().unwrap().to_owned()
    });
    assert_ne!(tokens[0], tokens[1]);
    app.delete("/v1/sessions/current", &tokens[0])
        .await
        .expect(204)
        .unwrap();
    app.get("/v1/users/me", Some(&tokens[1])).await.expect(200).unwrap();
    refused(log_in("with space").await, 400, "invalid-idempotency-key");
}

#[tokio::test]
async fn a_key_is_visible_and_short_and_one() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let (client, url) = raw(&app);
    let request = || {
        let request = client.post(format!("{url}/v1/tweets")).bearer_auth(&ada.token);
        request.json(&json!({"text": "hello"}))
    };
    let long = "k".repeat(129);
    for bad in ["", "with space", long.as_str()] {
        let answer = raw_answer(request().header("Idempotency-Key", bad)).await;
        refused(answer, 400, "invalid-idempotency-key");
    }
    let twice = request().header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    refused(raw_answer(twice).await, 400, "invalid-idempotency-key");
    assert_eq!(app.home_texts(&ada).await, [""; 0]);
    raw_answer(request().header("Idempotency-Key", &long[1..]))
        .await
        .expect(201)
        .unwrap();
}

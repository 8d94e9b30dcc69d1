//! `POST /v1/tweets`

use model::TweetId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Step, TestService, slug};

#[actix_web::test]
async fn a_tweet_is_answered_as_it_will_be_read() {
    let service = TestService::start();
    let answer = service.post(7, json!({"text": "Hello,\nworld \u{1F426}"})).await;
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let tweet: Value = answer.json().await.unwrap();
    let id: TweetId = tweet["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(location, format!("/v1/tweets/{id}"));
    assert_eq!(tweet["text"], "Hello,\nworld \u{1F426}");
    assert_eq!(tweet["in_reply_to_id"], Value::Null);
    assert_eq!(
        tweet["author"],
        json!({"id": "7", "handle": "user7", "display_name": "User 7"})
    );
    assert_eq!(service.get(id, None).await.json::<Value>().await.unwrap(), tweet);
    assert_eq!(service.take_steps(), [Step::Published(id)]);
}

#[actix_web::test]
async fn a_tweet_stands_though_the_log_is_down() {
    let service = TestService::start();
    *service.outside.log_is_down.lock().unwrap() = true;
    let id = service.posted(7, "durable").await;
    assert_eq!(service.get(id, None).await.status(), 200);
}

#[actix_web::test]
async fn what_cannot_be_a_tweet_is_refused() {
    let service = TestService::start();
    for (body, expected) in [
        (json!({"text": ""}), "invalid-text"),
        (json!({"text": " \n "}), "invalid-text"),
        (json!({"text": "a\tb"}), "invalid-text"),
        (json!({"text": "a".repeat(281)}), "invalid-text"),
        (json!({"text": "a".repeat(9_000)}), "invalid-text"),
        (json!({}), "invalid-body"),
        (json!({"text": 1}), "invalid-body"),
        (json!({"text": "a", "reply_to": "1"}), "invalid-body"),
        (json!({"text": "a", "in_reply_to_id": 1}), "invalid-body"),
        (json!({"text": "a", "in_reply_to_id": "x"}), "invalid-body"),
        (json!({"text": "a", "in_reply_to_id": "1"}), "no-such-original"),
    ] {
        let refused = service.post(7, body.clone()).await;
        assert_eq!(refused.status(), 422, "{body}");
        assert_eq!(slug(refused).await, expected, "{body}");
    }
    let anonymous = service
        .request(Method::POST, "/v1/tweets", None)
        .json(&json!({"text": "a"}));
    assert_eq!(slug(anonymous.send().await.unwrap()).await, "unauthenticated");
    assert!(service.take_steps().is_empty());
}

#[actix_web::test]
async fn a_reply_needs_an_original_that_its_author_may_see() {
    let service = TestService::start();
    let original = service.posted(1, "original").await;
    let reply = json!({"text": "reply", "in_reply_to_id": original});
    let answer: Value = service.post(2, reply.clone()).await.json().await.unwrap();
    assert_eq!(answer["in_reply_to_id"], original.to_string());

    service.block(1, 3);
    service.block(4, 1);
    for across in [3, 4] {
        assert_eq!(
            slug(service.post(across, reply.clone()).await).await,
            "no-such-original"
        );
    }
    service.delete(original, 1).await;
    assert_eq!(slug(service.post(2, reply).await).await, "no-such-original");
}

#[actix_web::test]
async fn a_repeat_under_the_same_key_is_the_same_tweet() {
    let service = TestService::start();
    let original = service.posted(1, "original").await;
    let send = async |account, key: &str, body: Value| {
        let request = service.request(Method::POST, "/v1/tweets", Some(account));
        request.header("idempotency-key", key).json(&body).send().await.unwrap()
    };
    let reply = json!({"text": "once", "in_reply_to_id": original});
    let first: Value = send(7, "k", reply.clone()).await.json().await.unwrap();
    service.take_steps();

    service.delete(original, 1).await;
    service.take_steps();
    let repeat = send(7, "k", reply.clone()).await;
    assert_eq!(repeat.status(), 201);
    assert_eq!(
        repeat.json::<Value>().await.unwrap(),
        first,
        "also after its original has gone"
    );
    assert!(service.take_steps().is_empty(), "it is announced once");

    let other = send(7, "k", json!({"text": "twice"})).await;
    assert_eq!(
        (other.status().as_u16(), slug(other).await),
        (409, "idempotency-conflict".to_owned())
    );
    let somebody_else: Value = send(8, "k", json!({"text": "mine"})).await.json().await.unwrap();
    assert_ne!(somebody_else["id"], first["id"]);
}

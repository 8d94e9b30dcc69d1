//! Posting, showing and deleting tweets.

use serde_json::json;
use test_support::client::TweetBody;

use crate::app::{Account, App, refused};
use crate::users::is_rfc3339_ms;

#[tokio::test]
async fn a_tweet_is_answered_as_it_will_be_shown() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let text = "Grüße \u{1f980}\n\"quoted\" \\ <b>&amp;</b> \u{2028}";
    let answer = app
        .post_json("/v1/tweets", Some(&ada.token), json!({"text": text}))
        .await
        .expect(201)
        .unwrap();
    let tweet: TweetBody = answer.parse().unwrap();
    assert_eq!((tweet.text.as_str(), tweet.in_reply_to_id), (text, None));
    assert_eq!((tweet.author.id, tweet.author.handle.as_str()), (ada.id, "ada"));
    assert!(is_rfc3339_ms(&tweet.created_at), "{}", tweet.created_at);
    assert_eq!(
        answer.headers["location"].to_str().unwrap(),
        format!("/v1/tweets/{}", tweet.id)
    );
    let shown = app
        .get(&format!("/v1/tweets/{}", tweet.id), None)
        .await
        .expect(200)
        .unwrap();
    assert_eq!(shown.body, answer.body);
    let by_null = json!({"text": "no reply", "in_reply_to_id": null});
    app.post_json("/v1/tweets", Some(&ada.token), by_null)
        .await
        .expect(201)
        .unwrap();
}

#[tokio::test]
async fn a_text_is_measured_as_the_field_measures() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let link = format!("https://example.com/{}", "x".repeat(300));
    for good in [
        "x".repeat(280),
        "\u{1f980}".repeat(140),
        "日".repeat(140),
        link,
        "two\nlines".to_owned(),
    ] {
        app.tweet(&ada, &good).await;
    }
    let combining = format!("e{}", "\u{301}".repeat(5_000));
    for bad in [
        String::new(),
        " \n ".to_owned(),
        "x".repeat(281),
        "\u{1f980}".repeat(141),
        "日".repeat(141),
        "bell\u{7}".to_owned(),
        "nul\0".to_owned(),
        "carriage\rreturn".to_owned(),
        "\u{200B}\u{3164} \u{3000}\u{2800}".to_owned(),
        "delete\u{7f}".to_owned(),
        combining,
    ] {
        let answer = app
            .post_json("/v1/tweets", Some(&ada.token), json!({"text": bad}))
            .await;
        refused(answer, 422, "invalid-text");
    }
    assert_eq!(app.home_texts(&ada).await.len(), 5, "what was refused was not posted");
}

#[tokio::test]
async fn lines_are_ended_by_newlines() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    assert_eq!(app.tweet(&ada, "two\r\nlines").await.text, "two\nlines");
    assert_eq!(app.home_texts(&ada).await, ["two\nlines"]);
}

#[tokio::test]
async fn a_reply_needs_its_original() {
    let app = App::start().await;
    let [ada, bob, cyd] = [
        app.account("ada").await,
        app.account("bob").await,
        app.account("cyd").await,
    ];
    let originals = [
        app.tweet(&ada, "there").await.id,
        app.tweet(&ada, "deleted").await.id,
        app.tweet(&cyd, "gone").await.id,
    ];
    let reply = async |author: &Account, original: &str| {
        let body = json!({"text": "a reply", "in_reply_to_id": original});
        app.post_json("/v1/tweets", Some(&author.token), body).await
    };
    let [there, deleted, gone] = originals.map(|id| id.to_string());
    app.client
        .delete_tweet(&ada.token, originals[1])
        .await
        .unwrap()
        .expect(204)
        .unwrap();
    app.client
        .delete_account(&cyd.token)
        .await
        .unwrap()
        .expect(204)
        .unwrap();
    let accepted = reply(&bob, &there).await.expect(201).unwrap();
    assert_eq!(accepted.body["in_reply_to_id"], there);
    for missing in [deleted.as_str(), gone.as_str(), "4711"] {
        refused(reply(&bob, missing).await, 422, "no-such-original");
    }
    for no_id in ["", "x", "0", "-1"] {
        refused(reply(&bob, no_id).await, 422, "invalid-body");
    }
    app.connect(&ada, "blocking", &bob).await;
    refused(reply(&bob, &there).await, 422, "no-such-original");
    assert_eq!(app.home_texts(&bob).await, ["a reply"]);
}

#[tokio::test]
async fn only_its_author_deletes_a_tweet() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let tweet = app.tweet(&ada, "hello").await.id;
    let path = format!("/v1/tweets/{tweet}");
    refused(app.delete(&path, &bob.token).await, 403, "not-author");
    app.get(&path, None).await.expect(200).unwrap();
    for _ in 0..2 {
        app.delete(&path, &ada.token).await.expect(204).unwrap();
    }
    refused(app.get(&path, None).await, 404, "no-such-tweet");
    refused(app.get(&path, Some(&ada.token)).await, 404, "no-such-tweet");
    refused(app.delete(&path, &bob.token).await, 404, "no-such-tweet");
    refused(app.delete("/v1/tweets/4711", &ada.token).await, 404, "no-such-tweet");
    refused(app.delete("/v1/tweets/x", &ada.token).await, 400, "invalid-path");

    let orphan = format!("/v1/tweets/{}", app.tweet(&ada, "goodbye").await.id);
    app.client
        .delete_account(&ada.token)
        .await
        .unwrap()
        .expect(204)
        .unwrap();
    refused(app.delete(&orphan, &bob.token).await, 404, "no-such-tweet");
}

#[tokio::test]
async fn a_deleted_tweet_is_gone_from_every_timeline() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&bob, "following", &ada).await;
    let tweets = app.tweets(&ada, 2).await;
    app.settle(&tweets).await;
    assert_eq!(app.home_texts(&bob).await, ["number 1", "number 0"]);
    app.client
        .delete_tweet(&ada.token, tweets[1])
        .await
        .unwrap()
        .expect(204)
        .unwrap();
    for reader in [&ada, &bob] {
        assert_eq!(app.home_texts(reader).await, ["number 0"]);
    }
    let left = app.client.user_timeline(ada.id, None, 20).await.unwrap().unwrap();
    assert_eq!(left.len(), 1);
}

#[tokio::test]
async fn writing_needs_a_token() {
    let app = App::start().await;
    let answer = app.post_json("/v1/tweets", None, json!({"text": "hello"})).await;
    refused(answer, 401, "unauthenticated");
}

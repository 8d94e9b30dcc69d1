//! Accounts: made, shown, deleted.

use reqwest::Method;
use serde_json::json;
use test_support::client::UserBody;
use test_support::{PageQuery, Request};

use crate::app::{App, PASSWORD, refused};

#[tokio::test]
async fn an_account_is_made_and_shown() {
    let app = App::start().await;
    let body = json!({"handle": "Ada_99", "display_name": "Ada Lovelace ✨", "password": PASSWORD});
    let made = app.post_json("/v1/users", None, body).await.expect(201).unwrap();
    let user: UserBody = made.parse().unwrap();
    assert_eq!(
        (user.handle.as_str(), user.display_name.as_str()),
        ("Ada_99", "Ada Lovelace ✨")
    );
    assert_eq!(
        (user.followers_count, user.following_count, user.tweets_count),
        (0, 0, 0)
    );
    assert!(is_rfc3339_ms(&user.created_at), "{}", user.created_at);

    let ada = app.log_in("ada_99", PASSWORD).await;
    for path in [
        format!("/v1/users/{}", user.id),
        "/v1/users/by-handle/ADA_99".to_owned(),
    ] {
        assert_eq!(app.get(&path, None).await.expect(200).unwrap().body, made.body);
        assert_eq!(
            app.get(&path, Some(&ada.token)).await.expect(200).unwrap().body,
            made.body
        );
    }
    assert_eq!(
        app.get("/v1/users/me", Some(&ada.token))
            .await
            .expect(200)
            .unwrap()
            .body,
        made.body
    );
    refused(app.get("/v1/users/me", None).await, 401, "unauthenticated");
}

#[tokio::test]
async fn the_display_name_is_the_handle_unless_given() {
    let app = App::start().await;
    let made = app
        .client
        .sign_up("plain", PASSWORD)
        .await
        .unwrap()
        .expect(201)
        .unwrap();
    assert_eq!(made.body["display_name"], "plain");
}

#[tokio::test]
async fn bad_accounts_are_refused_and_not_made() {
    let app = App::start().await;
    let long = "x".repeat(129);
    let cases = [
        (json!({"handle": "", "password": PASSWORD}), "invalid-handle"),
        (
            json!({"handle": "sixteen_letters_", "password": PASSWORD}),
            "invalid-handle",
        ),
        (json!({"handle": "a-b", "password": PASSWORD}), "invalid-handle"),
        (json!({"handle": "é", "password": PASSWORD}), "invalid-handle"),
        (json!({"handle": "fine", "password": "short12"}), "invalid-password"),
        (json!({"handle": "fine", "password": long}), "invalid-password"),
        (
            json!({"handle": "fine", "password": PASSWORD, "display_name": ""}),
            "invalid-display-name",
        ),
        (
            json!({"handle": "fine", "password": PASSWORD, "display_name": "x".repeat(51)}),
            "invalid-display-name",
        ),
        (
            json!({"handle": "fine", "password": PASSWORD, "display_name": "\u{3164}\u{200B} "}),
            "invalid-display-name",
        ),
        (
            json!({"handle": "fine", "password": PASSWORD, "display_name": "a\u{202E}b"}),
            "invalid-display-name",
        ),
        (
            json!({"handle": "fine", "password": PASSWORD, "display_name": "\u{2066}ab"}),
            "invalid-display-name",
        ),
        (json!({"handle": "fine"}), "invalid-body"),
        (json!({"password": PASSWORD}), "invalid-body"),
        (json!({"handle": 7, "password": PASSWORD}), "invalid-body"),
        (
            json!({"handle": "fine", "password": PASSWORD, "admin": true}),
            "invalid-body",
        ),
    ];
    for (body, slug) in cases {
        refused(app.post_json("/v1/users", None, body).await, 422, slug);
    }
    refused(app.get("/v1/users/by-handle/fine", None).await, 404, "no-such-user");
    app.account("fine").await;
}

#[tokio::test]
async fn a_handle_is_taken_once_without_regard_to_case_and_for_good() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    refused(app.client.sign_up("ADA", PASSWORD).await.unwrap(), 409, "handle-taken");
    app.client
        .delete_account(&ada.token)
        .await
        .unwrap()
        .expect(204)
        .unwrap();
    refused(app.client.sign_up("Ada", PASSWORD).await.unwrap(), 409, "handle-taken");
}

#[tokio::test]
async fn who_is_not_there_is_404_and_what_is_no_id_400() {
    let app = App::start().await;
    refused(app.get("/v1/users/4711", None).await, 404, "no-such-user");
    refused(app.get("/v1/users/by-handle/nobody", None).await, 404, "no-such-user");
    for list in ["followers", "following"] {
        refused(
            app.get(&format!("/v1/users/4711/{list}"), None).await,
            404,
            "no-such-user",
        );
    }
    for bad in ["a-b", "sixteen_letters_", "%C3%A9", "%20", "%FF"] {
        let path = format!("/v1/users/by-handle/{bad}");
        refused(app.get(&path, None).await, 400, "invalid-path");
    }
    for bad in ["0", "-1", "01", "x", "9223372036854775808"] {
        refused(app.get(&format!("/v1/users/{bad}"), None).await, 400, "invalid-path");
        refused(
            app.get(&format!("/v1/timelines/users/{bad}"), None).await,
            400,
            "invalid-path",
        );
    }
}

#[tokio::test]
async fn a_deleted_account_leaves_every_read() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&ada, "following", &bob).await;
    app.connect(&bob, "following", &ada).await;
    let tweet = app.tweet(&bob, "soon gone").await;
    app.settle(&[tweet.id]).await;
    assert_eq!(app.home_texts(&ada).await, ["soon gone"]);

    let gone = app
        .send(Request::new(Method::DELETE, "/v1/users/me").token(Some(&bob.token)))
        .await;
    gone.expect(204).unwrap();
    for path in [
        format!("/v1/users/{}", bob.id),
        "/v1/users/by-handle/bob".to_owned(),
        format!("/v1/users/{}/followers", bob.id),
        format!("/v1/timelines/users/{}", bob.id),
    ] {
        refused(app.get(&path, None).await, 404, "no-such-user");
    }
    refused(
        app.get(&format!("/v1/tweets/{}", tweet.id), None).await,
        404,
        "no-such-tweet",
    );
    assert_eq!(app.home(&ada, &PageQuery::default()).await.tweets, []);
    let follows = app.client.edge_list(ada.id, "following", 20).await.unwrap().unwrap();
    let followed_by = app.client.edge_list(ada.id, "followers", 20).await.unwrap().unwrap();
    assert_eq!((follows, followed_by), (vec![], vec![]));
    let path = format!("/v1/users/me/following/{}", bob.id);
    refused(app.put(&path, &ada.token).await, 404, "no-such-user");
    refused(app.get("/v1/users/me", Some(&bob.token)).await, 401, "revoked-token");
    let body = json!({"handle": "bob", "password": PASSWORD});
    refused(
        app.post_json("/v1/sessions", None, body).await,
        401,
        "wrong-credentials",
    );
}

/// `2026-11-23T09:46:00.123Z`
pub(crate) fn is_rfc3339_ms(text: &str) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(char, wanted)| match wanted {
            'd' => char.is_ascii_digit(),
            other => char == other,
        })
}

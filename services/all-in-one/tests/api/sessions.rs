//! Logging in, logging out, and changing one's password.

use reqwest::Method;
use serde_json::json;
use test_support::client::SessionBody;
use test_support::{Answer, Request};

use crate::app::{Account, App, PASSWORD, refused};
use crate::users::is_rfc3339_ms;

async fn change_password(app: &App, account: &Account, old: &str, new: &str) -> Answer {
    let request = Request::new(Method::PUT, "/v1/users/me/password").token(Some(&account.token));
    app.send(request.body(json!({"old": old, "new": new}))).await
}

#[tokio::test]
async fn a_session_is_a_token_for_the_account() {
    let app = App::start().await;
    app.account("ada").await;
    let body = json!({"handle": "ADA", "password": PASSWORD});
    let answer = app.post_json("/v1/sessions", None, body).await.expect(201).unwrap();
    let session: SessionBody = answer.parse().unwrap();
    assert!(is_rfc3339_ms(&session.expires_at), "{}", session.expires_at);
    assert_eq!(session.user.handle, "ada");
    let me = app.get("/v1/users/me", Some(&session.token)).await.expect(200).unwrap();
    assert_eq!(me.body, answer.body["user"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_handle_look_the_same() {
    let app = App::start().await;
    app.account("ada").await;
    let attempt = async |handle: &str, password: &str| {
        let body = json!({"handle": handle, "password": password});
        refused(
            app.post_json("/v1/sessions", None, body).await,
            401,
            "wrong-credentials",
        )
        .body
    };
    let wrong = attempt("ada", "not her password").await;
    for (handle, password) in [
        ("nobody", PASSWORD),
        ("not a handle!", PASSWORD),
        ("ada", "short"),
        ("ada", ""),
    ] {
        assert_eq!(attempt(handle, password).await, wrong, "{handle:?}");
    }
}

#[tokio::test]
async fn logging_out_revokes_this_token_alone() {
    let app = App::start().await;
    let here = app.account("ada").await;
    let there = app.log_in("ada", PASSWORD).await;
    app.delete("/v1/sessions/current", &here.token)
        .await
        .expect(204)
        .unwrap();
    refused(app.get("/v1/users/me", Some(&here.token)).await, 401, "revoked-token");
    refused(
        app.get(&format!("/v1/users/{}", here.id), Some(&here.token)).await,
        401,
        "revoked-token",
    );
    app.get("/v1/users/me", Some(&there.token)).await.expect(200).unwrap();
    refused(
        app.send(Request::new(Method::DELETE, "/v1/sessions/current")).await,
        401,
        "unauthenticated",
    );
}

#[tokio::test]
async fn a_new_password_revokes_all_tokens() {
    let app = App::start().await;
    let (here, there) = (app.account("ada").await, app.log_in("ada", PASSWORD).await);
    change_password(&app, &here, PASSWORD, "battery staple")
        .await
        .expect(204)
        .unwrap();
    for account in [&here, &there] {
        refused(
            app.get("/v1/users/me", Some(&account.token)).await,
            401,
            "revoked-token",
        );
    }
    let body = json!({"handle": "ada", "password": PASSWORD});
    refused(
        app.post_json("/v1/sessions", None, body).await,
        401,
        "wrong-credentials",
    );
    let again = app.log_in("ada", "battery staple").await;
    app.get("/v1/users/me", Some(&again.token)).await.expect(200).unwrap();
}

#[tokio::test]
async fn a_refused_change_of_password_changes_nothing() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    refused(
        change_password(&app, &ada, "not her password", "battery staple").await,
        403,
        "wrong-credentials",
    );
    refused(
        change_password(&app, &ada, PASSWORD, "short").await,
        422,
        "invalid-password",
    );
    app.get("/v1/users/me", Some(&ada.token)).await.expect(200).unwrap();
    app.log_in("ada", PASSWORD).await;
}

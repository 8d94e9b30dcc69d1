//! Requests that are wrong in themselves: each has a type of its own, and changes nothing.

use std::io::{Read, Write};
use std::net::TcpStream;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use test_support::Request;

use crate::app::{Account, App, raw, raw_answer, refused};

/// Sends a body as it stands.
async fn post_raw(
    app: &App,
    account: &Account,
    content_type: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> test_support::Answer {
    let (client, url) = raw(app);
    let mut request = client
        .post(format!("{url}/v1/tweets"))
        .bearer_auth(&account.token)
        .body(body);
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    raw_answer(request).await
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_told_apart() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let json = Some("application/json");
    for body in ["", "{", "{\"text\":", "{\"text\":\"a\"} x", "\u{feff}{}", "nonsense"] {
        refused(post_raw(&app, &ada, json, body).await, 400, "malformed-json");
    }
    refused(
        post_raw(&app, &ada, json, &b"{\"text\":\"\xff\"}"[..]).await,
        400,
        "malformed-json",
    );
    for body in [
        "{}",
        "[]",
        "null",
        "\"text\"",
        "{\"text\":7}",
        "{\"text\":null}",
        "{\"text\":\"a\",\"extra\":1}",
        "{\"text\":\"a\",\"text\":\"b\"}",
        "{\"text\":\"a\",\"in_reply_to_id\":7}",
    ] {
        refused(post_raw(&app, &ada, json, body).await, 422, "invalid-body");
    }
    let good = "{\"text\":\"hello\"}";
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=latin1"),
    ] {
        refused(
            post_raw(&app, &ada, content_type, good).await,
            415,
            "unsupported-media-type",
        );
    }
    let huge = format!("{{\"text\":\"{}\"}}", "x".repeat(70_000));
    refused(post_raw(&app, &ada, json, huge).await, 413, "body-too-large");
    assert_eq!(app.home_texts(&ada).await, [""; 0], "nothing of this was posted");
    post_raw(&app, &ada, Some("application/json; charset=utf-8"), good)
        .await
        .expect(201)
        .unwrap();
}

#[tokio::test]
async fn fields_for_what_takes_no_body_are_refused() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    let tweet = app.tweet(&ada, "stays").await.id;
    let edges = ["following", "muting", "blocking"].into_iter().flat_map(|kind| {
        [Method::PUT, Method::DELETE].map(|method| (method, format!("/v1/users/me/{kind}/{}", bob.id)))
    });
    let others = [
        (Method::DELETE, format!("/v1/tweets/{tweet}")),
        (Method::DELETE, "/v1/sessions/current".to_owned()),
        (Method::DELETE, "/v1/users/me".to_owned()),
    ];
    for (method, path) in edges.clone().chain(others) {
        let request = Request::new(method, path).token(Some(&ada.token));
        let answer = app.send(request.body(json!({"notify": true}))).await;
        refused(answer, 422, "invalid-body");
    }
    assert_eq!(app.home_texts(&ada).await, ["stays"], "nothing of this was done");
    let following = app.client.edge_list(ada.id, "following", 20).await.unwrap().unwrap();
    assert_eq!(following, []);
    for (method, path) in edges {
        let request = Request::new(method, path).token(Some(&ada.token));
        app.send(request.body(json!({}))).await.expect(204).unwrap();
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    for path in [
        "/v1/users/me".to_owned(),
        "/v1/openapi.json".to_owned(),
        "/v1/timelines/home".to_owned(),
        format!("/v1/timelines/users/{}", ada.id),
        format!("/v1/users/{}/followers", ada.id),
        format!("/v1/users/{}/following", ada.id),
    ] {
        for query in ["page=2", "limit=5&limit=6", "Limit=5"] {
            refused(
                app.get(&format!("{path}?{query}"), Some(&ada.token)).await,
                400,
                "invalid-query",
            );
        }
    }
    let post = Request::new(Method::POST, "/v1/tweets?dry_run=true").token(Some(&ada.token));
    refused(
        app.send(post.body(json!({"text": "posted"}))).await,
        400,
        "invalid-query",
    );
    assert_eq!(app.home_texts(&ada).await, [""; 0], "nothing of this was done");
}

#[tokio::test]
async fn unknown_paths_are_404() {
    let app = App::start().await;
    for path in [
        "/",
        "/v1",
        "/v2/users/me",
        "/v1/tweets/1/likes",
        "/v1/timelines",
        "/v1/users/me/liking/1",
    ] {
        refused(app.get(path, None).await, 404, "not-found");
    }
    for path in ["/admin/delivery", "/healthz", "/readyz", "/metrics"] {
        refused(app.get(path, None).await, 404, "not-found");
    }
}

#[tokio::test]
async fn other_methods_are_405_and_say_which_apply() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let (client, url) = raw(&app);
    for (path, wrong, allowed) in [
        ("/v1/users", "GET", vec!["POST"]),
        ("/v1/sessions", "GET", vec!["POST"]),
        ("/v1/sessions/current", "GET", vec!["DELETE"]),
        ("/v1/users/me", "POST", vec!["GET", "DELETE"]),
        ("/v1/users/me/password", "POST", vec!["PUT"]),
        ("/v1/users/1", "DELETE", vec!["GET"]),
        ("/v1/users/by-handle/ada", "PUT", vec!["GET"]),
        ("/v1/users/me/following/1", "GET", vec!["PUT", "DELETE"]),
        ("/v1/users/1/followers", "POST", vec!["GET"]),
        ("/v1/tweets", "GET", vec!["POST"]),
        ("/v1/tweets/1", "PUT", vec!["GET", "DELETE"]),
        ("/v1/timelines/home", "POST", vec!["GET"]),
        ("/v1/timelines/users/1", "PATCH", vec!["GET"]),
        ("/v1/openapi.json", "POST", vec!["GET"]),
    ] {
        let method = Method::from_bytes(wrong.as_bytes()).expect("a method");
        let request = client.request(method, format!("{url}{path}")).bearer_auth(&ada.token);
        let answer = refused(raw_answer(request).await, 405, "method-not-allowed");
        let allow = answer.headers["allow"].to_str().unwrap().to_owned();
        for method in allowed {
            assert!(allow.split(", ").any(|name| name == method), "{path}: {allow}");
        }
    }
}

/// The HTTP library answers these by itself; docs/problems.md says so.
#[tokio::test]
async fn what_is_not_http_is_refused_without_a_body() {
    let app = App::start().await;
    let url = app.url();
    let address = url.strip_prefix("http://").expect("an address");
    let many = "X: x\r\n".repeat(97);
    for (head, status) in [("GARBAGE\r\n", "400 "), ("GET / HTTP/1.1\r\n", "431 ")] {
        let mut connection = TcpStream::connect(address).expect("a connection");
        // In one piece: what is refused is not read on.
        let request = format!("{head}{many}\r\n");
        connection.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer, and the end");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = App::start().await;
    for path in ["/v1/openapi.json", "/v1/users/4711", "/nowhere"] {
        let answer = app.get(path, None).await;
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
    }
}

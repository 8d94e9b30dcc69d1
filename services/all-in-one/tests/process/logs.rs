//! What the log and the traces say, and what they don't.

use serde_json::{Value, json};
use test_support::OtlpReceiver;
use test_support::otlp::SpanRecord;

use crate::rookery::{Place, Rookery, run, text};

const TEXT: &str = "planted-text-7f3a";
const PASSWORD: &str = "planted-password-91bc";
const WRONG_PASSWORD: &str = "planted-wrong-password-55d0";
const FORGED_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.planted-token-20e4.planted-signature-6b11";
const ADDRESS: &str = "203.0.113.77";
const QUERY: &str = "planted-query-c8d2";
const KEY: &str = "planted-key-3ac9";

fn everything_logged(otlp: &OtlpReceiver) -> Place {
    Place::new()
        .with("ROOKERY__OTLP__ENDPOINT", otlp.endpoint())
        .with("ROOKERY__LOG__FORMAT", "json")
        .with("ROOKERY__LOG__FILTER", "trace")
        .with("ROOKERY__LIMITS__TRUSTED_PROXIES", "1")
        .with("ROOKERY__LIMITS__ENABLED", "true")
}

/// Asks for all sorts of things, in good ways and bad, with secrets wherever there is room for one. Answers the token that
/// was used.
fn use_secrets(rookery: &Rookery) -> String {
    let forwarded = format!("x-forwarded-for: {ADDRESS}");
    let key = format!("idempotency-key: {KEY}");
    let headers = [forwarded.as_str(), key.as_str()];
    let ask = |method: &str, path: &str, token: Option<&str>, body: Value| {
        let body = Some(body).filter(|body| !body.is_null());
        rookery.request_with(&headers, method, path, token, body.as_ref())
    };
    let credentials = json!({"handle": "ada", "password": PASSWORD});
    assert_eq!(ask("POST", "/v1/users", None, credentials.clone()).0, 201);
    let (status, session) = ask("POST", "/v1/sessions", None, credentials);
    assert_eq!(status, 201, "{session}");
    let token = text(&session["token"]);
    let wrong = json!({"handle": "ada", "password": WRONG_PASSWORD});
    assert_eq!(ask("POST", "/v1/sessions", None, wrong).0, 401);
    assert_eq!(ask("GET", "/v1/users/me", Some(FORGED_TOKEN), Value::Null).0, 401);
    let change = json!({"old": PASSWORD, "new": WRONG_PASSWORD, "more": TEXT});
    assert_eq!(ask("PUT", "/v1/users/me/password", Some(&token), change).0, 422);
    let (status, tweet) = ask("POST", "/v1/tweets", Some(&token), json!({"text": TEXT}));
    assert_eq!(status, 201, "{tweet}");
    let bad = json!({"text": TEXT, "no_such_field": TEXT});
    assert_eq!(ask("POST", "/v1/tweets", Some(&token), bad).0, 422);
    let cursor = format!("/v1/timelines/home?cursor={QUERY}");
    assert_eq!(ask("GET", &cursor, Some(&token), Value::Null).0, 400);
    assert_eq!(ask("GET", "/v1/timelines/home", Some(&token), Value::Null).0, 200);
    let tweet = format!("/v1/tweets/{}", text(&tweet["id"]));
    assert_eq!(ask("DELETE", &tweet, Some(&token), Value::Null).0, 204);
    token
}

#[test]
fn secrets_are_neither_logged_nor_traced() {
    let otlp = OtlpReceiver::start().unwrap();
    let place = everything_logged(&otlp);
    let rookery = place.start();
    let token = use_secrets(&rookery);
    let deleted = |spans: &[SpanRecord]| spans.iter().any(|span| span.name == "DELETE /v1/tweets/{id}");
    otlp.block_until(deleted);
    let log = rookery.log();
    rookery.terminate();
    assert_eq!(rookery.wait().code(), Some(0));
    let spans = serde_json::to_string(&otlp.spans()).unwrap();
    assert!(log.lines().count() > 100, "there is a log to look through: {log}");
    assert!(otlp.spans().len() > 10, "there are spans to look through: {spans}");
    let signature = token.rsplit_once('.').unwrap().1;
    let secrets = [
        TEXT,
        PASSWORD,
        WRONG_PASSWORD,
        "planted-token",
        "planted-signature",
        ADDRESS,
        QUERY,
        KEY,
        &token,
        signature,
    ];
    for secret in secrets {
        let told: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret} is logged: {told:#?}");
        assert!(!spans.contains(secret), "{secret} is traced: {spans}");
    }
}

#[test]
fn log_lines_of_a_request_say_which_request_and_which_span() {
    let otlp = OtlpReceiver::start().unwrap();
    let place = Place::new()
        .with("ROOKERY__OTLP__ENDPOINT", otlp.endpoint())
        .with("ROOKERY__LOG__FORMAT", "json")
        // Hardly ever is a password hashed in that time.
        .with("ROOKERY__HTTP__REQUEST_TIMEOUT_MS", "1");
    let rookery = place.start();
    let header = "x-request-id: from-the-client.1";
    let is_late = |number| {
        let credentials = json!({"handle": format!("ada_{number}"), "password": PASSWORD});
        let (status, answer) = rookery.request_with(&[header], "POST", "/v1/users", None, Some(&credentials));
        assert!(status == 503 || status == 201, "{status}: {answer}");
        status == 503
    };
    assert!((0..100).any(is_late), "some request takes longer");
    rookery.logs("a request failed");
    let log = rookery.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["message"] == "a request failed").unwrap();
    assert_eq!(line["request_id"], "from-the-client.1");
    let of_line = |span: &SpanRecord| {
        span.trace_id == line["trace_id"].as_str().unwrap() && span.span_id == line["span_id"].as_str().unwrap()
    };
    let spans = otlp.block_until(|spans| spans.iter().any(of_line));
    let span = spans.iter().find(|span| of_line(span)).unwrap();
    assert_eq!((&*span.name, span.is_error), ("POST /v1/users", true));
    assert_eq!(span.text("error.type"), "503");
}

/// The id that an answer carries.
fn answered_id(rookery: &Rookery, given: &str) -> String {
    let mut curl = std::process::Command::new("curl");
    let url = format!("{}/v1/openapi.json", rookery.url());
    curl.args([
        "-sS",
        "-D",
        "-",
        "-o",
        "/dev/null",
        "-H",
        &format!("x-request-id: {given}"),
        &url,
    ]);
    let head = run(&mut curl).succeeded();
    let mut lines = head.lines();
    let id = lines.find_map(|line| line.strip_prefix("x-request-id: "));
    id.unwrap_or_else(|| panic!("{head}")).to_owned()
}

#[test]
fn a_request_id_is_answered_as_it_was_given_if_it_is_fit_for_a_log() {
    let place = Place::new();
    let rookery = place.start();
    assert_eq!(answered_id(&rookery, "a-client.s_1"), "a-client.s_1");
    for bad in ["with a space", "\"quoted\"", &"long".repeat(17)] {
        let id = answered_id(&rookery, bad);
        assert!(
            id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
}

//! What each extractor refuses.

use actix_web::{HttpResponse, web};
use http_kit::{Endpoint, IdempotencyHeader, JsonBody, NoBody, PageQuery, PathId, Problem, QueryParams};
use model::TweetId;
use serde::Deserialize;
use serde_json::json;

use crate::support::{TestService, problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
    count: Option<u8>,
}

async fn echo(note: JsonBody<Note>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"text": note.0.text, "count": note.0.count}))
}

async fn page(query: QueryParams<PageQuery>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(json!({"limit": query.0.limit()?, "cursor": query.0.cursor})))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(Endpoint::new("/notes").post(echo))
        .service(Endpoint::new("/page").with_query().get(page))
        .service(Endpoint::new("/tweets/{id}").get(async |id: PathId<TweetId>| HttpResponse::Ok().json(id.0)))
        .service(Endpoint::new("/nothing").delete(async |_: NoBody| HttpResponse::NoContent()))
        .service(Endpoint::new("/key").put(async |key: IdempotencyHeader| HttpResponse::Ok().json(key.0)));
}

#[actix_web::test]
async fn what_takes_no_body_takes_no_fields() {
    let service = TestService::start(routes);
    let delete = async |body: &'static str, content_type: &str| {
        let request = service.client.delete(service.url("/nothing"));
        let request = request.header("content-type", content_type);
        request.body(body).send().await.unwrap()
    };
    for (body, content_type) in [("", "text/plain"), ("{}", "application/json")] {
        assert_eq!(delete(body, content_type).await.status(), 204, "{body}");
    }
    for (body, content_type, expected) in [
        ("{\"notify\": true}", "application/json", (422, "invalid-body")),
        ("null", "application/json", (422, "invalid-body")),
        ("{", "application/json", (400, "malformed-json")),
        ("{}", "text/plain", (415, "unsupported-media-type")),
    ] {
        let (status, slug) = problem(delete(body, content_type).await).await;
        assert_eq!((status, &*slug), expected, "{body}");
    }
}

#[actix_web::test]
async fn bodies() {
    let service = TestService::start(routes);
    let post = async |body: Vec<u8>, content_type: &str| {
        let request = service
            .client
            .post(service.url("/notes"))
            .header("content-type", content_type);
        request.body(body).send().await.unwrap()
    };
    for (body, expected) in [
        ("", (400, "malformed-json")),
        ("{", (400, "malformed-json")),
        ("{\"text\": \"a\"} x", (400, "malformed-json")),
        ("{\"text\": \"\\ud800\"}", (400, "malformed-json")),
        ("{\"unknown\": 1, ", (400, "malformed-json")),
        ("null", (422, "invalid-body")),
        ("[\"a\", 1]", (422, "invalid-body")),
        ("{}", (422, "invalid-body")),
        ("{\"text\": 5}", (422, "invalid-body")),
        ("{\"text\": null}", (422, "invalid-body")),
        ("{\"text\": \"a\", \"count\": 256}", (422, "invalid-body")),
        ("{\"text\": \"a\", \"text\": \"b\"}", (422, "invalid-body")),
        ("{\"text\": \"a\", \"extra\": 1}", (422, "invalid-body")),
    ] {
        let (status, slug) = problem(post(body.into(), "application/json").await).await;
        assert_eq!((status, &*slug), expected, "{body}");
    }
    let not_utf8 = post(b"{\"text\": \"\xff\"}".to_vec(), "application/json").await;
    assert_eq!(problem(not_utf8).await.1, "malformed-json");
    for good in ["application/json", "Application/JSON; charset=UTF-8"] {
        assert_eq!(post(b" {\"text\": \"a\"}\n".to_vec(), good).await.status(), 200);
    }
    for bad in [
        "text/plain",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded",
        "",
    ] {
        assert_eq!(
            problem(post(b"{\"text\": \"a\"}".to_vec(), bad).await).await.0,
            415,
            "{bad}"
        );
    }
    let largest = |extra: usize| format!("{{\"text\": \"{}\"}}", "a".repeat(64 * 1024 - 12 + extra));
    assert_eq!(post(largest(0).into(), "application/json").await.status(), 200);
    assert_eq!(
        problem(post(largest(1).into(), "application/json").await).await,
        (413, "body-too-large".to_owned())
    );
}

#[actix_web::test]
async fn queries() {
    let service = TestService::start(routes);
    assert_eq!(
        service.get("/page").await.text().await.unwrap(),
        "{\"cursor\":null,\"limit\":20}"
    );
    assert_eq!(
        service.get("/page?limit=100&cursor=x").await.text().await.unwrap(),
        "{\"cursor\":\"x\",\"limit\":100}"
    );
    for (query, expected) in [
        ("limit=0", "invalid-limit"),
        ("limit=101", "invalid-limit"),
        ("limit=", "invalid-limit"),
        ("limit=ten", "invalid-limit"),
        ("limit=1&limit=2", "invalid-query"),
        ("offset=3", "invalid-query"),
    ] {
        let (status, slug) = problem(service.get(&format!("/page?{query}")).await).await;
        assert_eq!((status, &*slug), (400, expected), "{query}");
    }
    let key = |query: &str| service.client.put(service.url(&format!("/key{query}")));
    assert_eq!(key("?").send().await.unwrap().status(), 200);
    let refused = key("?limit=1").send().await.unwrap();
    assert_eq!(problem(refused).await, (400, "invalid-query".to_owned()));
    let other_method = service.get("/key?limit=1").await;
    assert_eq!(problem(other_method).await, (405, "method-not-allowed".to_owned()));
}

#[actix_web::test]
async fn ids_in_paths() {
    let service = TestService::start(routes);
    assert_eq!(service.get("/tweets/42").await.text().await.unwrap(), "\"42\"");
    for bad in ["x", "0", "-1", "042", "1.5", "9223372036854775808", "%31%00"] {
        let refused = service.get(&format!("/tweets/{bad}")).await;
        assert_eq!(problem(refused).await, (400, "invalid-path".to_owned()), "{bad}");
    }
}

#[actix_web::test]
async fn idempotency_keys() {
    let service = TestService::start(routes);
    let put = async |keys: &[&str]| {
        let request = service.client.put(service.url("/key"));
        let request = keys
            .iter()
            .fold(request, |request, key| request.header("idempotency-key", *key));
        request.send().await.unwrap()
    };
    assert_eq!(put(&[]).await.text().await.unwrap(), "null");
    assert_eq!(put(&["a-1~!"]).await.text().await.unwrap(), "\"a-1~!\"");
    assert_eq!(put(&[&"k".repeat(128)]).await.status(), 200);
    for bad in [&[""][..], &["a b"], &["\u{e9}"], &[&"k".repeat(129)], &["a", "b"]] {
        assert_eq!(
            problem(put(bad).await).await,
            (400, "invalid-idempotency-key".to_owned()),
            "{bad:?}"
        );
    }
}

//! The description of the API: complete, and true of what is answered.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, Request};

use crate::app::{App, PASSWORD};
use crate::schema::Schemas;

/// The whole public API.
const ROUTES: [(&str, &[&str]); 16] = [
    ("/v1/users", &["post"]),
    ("/v1/sessions", &["post"]),
    ("/v1/sessions/current", &["delete"]),
    ("/v1/users/me", &["get", "delete"]),
    ("/v1/users/me/password", &["put"]),
    ("/v1/users/{id}", &["get"]),
    ("/v1/users/by-handle/{handle}", &["get"]),
    ("/v1/users/me/following/{id}", &["put", "delete"]),
    ("/v1/users/me/muting/{id}", &["put", "delete"]),
    ("/v1/users/me/blocking/{id}", &["put", "delete"]),
    ("/v1/users/{id}/followers", &["get"]),
    ("/v1/users/{id}/following", &["get"]),
    ("/v1/tweets", &["post"]),
    ("/v1/tweets/{id}", &["get", "delete"]),
    ("/v1/timelines/home", &["get"]),
    ("/v1/timelines/users/{id}", &["get"]),
];

async fn document(app: &App) -> Value {
    app.get("/v1/openapi.json", None)
        .await
        .expect(200)
        .expect("the description")
        .body
}

/// Every `$ref` of a document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// OpenAPI asks for it.
#[tokio::test]
async fn every_response_is_described() {
    let app = App::start().await;
    let document = document(&app).await;
    let operations = document["paths"].as_object().unwrap().values();
    for operation in operations.flat_map(|path| path.as_object().unwrap().values()) {
        let Some(responses) = operation["responses"].as_object() else {
            continue;
        };
        for (status, response) in responses {
            let described = response["description"].is_string() || response["$ref"].is_string();
            assert!(described, "{status} of {}", operation["operationId"]);
        }
    }
}

#[tokio::test]
async fn every_route_is_described_and_nothing_else() {
    let app = App::start().await;
    let document = document(&app).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for field in ["title", "version"] {
        assert!(document["info"][field].is_string());
    }
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in ROUTES {
        let described = paths.get(path).unwrap_or_else(|| panic!("{path} is not described"));
        let described: Vec<&String> = described
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
            .collect();
        assert_eq!(described.len(), methods.len(), "{path}: {described:?}");
        assert!(
            methods.iter().all(|method| described.iter().any(|name| name == method)),
            "{path}: {described:?}"
        );
    }
    let others = paths
        .keys()
        .filter(|path| !ROUTES.iter().any(|(route, _)| route == path));
    let others: Vec<&String> = others.filter(|path| *path != "/v1/openapi.json").collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn the_document_is_sound() {
    let app = App::start().await;
    let document = document(&app).await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        Schemas(&document).resolve(reference).unwrap();
    }
    let mut names = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "parameters")
        {
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
            names.push(
                operation["operationId"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{method} {path}"))
                    .to_owned(),
            );
            for segment in path
                .split('/')
                .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            {
                let parameters = operation["parameters"].as_array().unwrap();
                let described = parameters.iter().any(|parameter| {
                    parameter["name"] == segment && parameter["in"] == "path" && parameter["required"] == true
                });
                assert!(described, "{method} {path}: {segment}");
            }
        }
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "operation ids are unique");
}

/// The schema that the document promises for this answer.
fn check(document: &Value, route: &str, method: &Method, answer: &Answer) {
    let schemas = Schemas(document);
    let operation = &document["paths"][route][method.as_str().to_lowercase()];
    let responses = &operation["responses"];
    let response = responses
        .get(answer.status.to_string())
        .or_else(|| responses.get("default"));
    let mut response = response.unwrap_or_else(|| panic!("{} answers {} undescribed", answer.request, answer.status));
    if let Some(reference) = response["$ref"].as_str() {
        response = schemas.resolve(reference).expect("a response");
    }
    let content = response["content"].as_object();
    let Some(content) = content else {
        assert!(
            answer.body.is_null(),
            "{} has a body that is not described",
            answer.request
        );
        return;
    };
    let schema = content.get(answer.content_type());
    let schema = schema.unwrap_or_else(|| panic!("{} answers {}", answer.request, answer.content_type()));
    let checked = schemas.check(&schema["schema"], &answer.body, "");
    checked.unwrap_or_else(|wrong| panic!("{} ({}): {wrong}", answer.request, answer.status));
}

#[tokio::test]
async fn answers_are_as_described() {
    let app = App::start().await;
    let document = document(&app).await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.connect(&bob, "following", &ada).await;
    let tweet = app.tweet(&ada, "hello").await.id.to_string();
    let ids = [
        ("{id}", ada.id.to_string()),
        ("{tweet}", tweet.clone()),
        ("{handle}", "ada".to_owned()),
    ];
    let fill = |path: &str| {
        ids.iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    };
    let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
    let tour = [
        (&post, "/v1/users", json!({"handle": "cyd", "password": PASSWORD})),
        (&post, "/v1/users", json!({"handle": "cyd", "password": PASSWORD})),
        (&post, "/v1/users", json!({})),
        (&post, "/v1/sessions", json!({"handle": "cyd", "password": PASSWORD})),
        (
            &post,
            "/v1/sessions",
            json!({"handle": "cyd", "password": "wrong password"}),
        ),
        (&get, "/v1/users/{id}", Value::Null),
        (&get, "/v1/users/by-handle/{handle}", Value::Null),
        (&get, "/v1/users/me", Value::Null),
        (&put, "/v1/users/me/following/{id}", Value::Null),
        (&delete, "/v1/users/me/following/{id}", Value::Null),
        (&put, "/v1/users/me/muting/{id}", Value::Null),
        (&delete, "/v1/users/me/muting/{id}", Value::Null),
        (&put, "/v1/users/me/blocking/{id}", Value::Null),
        (&delete, "/v1/users/me/blocking/{id}", Value::Null),
        (&get, "/v1/users/{id}/followers", Value::Null),
        (&get, "/v1/users/{id}/following", Value::Null),
        (&post, "/v1/tweets", json!({"text": "a reply", "in_reply_to_id": tweet})),
        (&post, "/v1/tweets", json!({"text": ""})),
        (&get, "/v1/tweets/{tweet}", Value::Null),
        (&delete, "/v1/tweets/{tweet}", Value::Null),
        (&get, "/v1/timelines/home", Value::Null),
        (&get, "/v1/timelines/users/{id}", Value::Null),
        (
            &put,
            "/v1/users/me/password",
            json!({"old": PASSWORD, "new": "battery staple"}),
        ),
        (&delete, "/v1/users/me", Value::Null),
    ];
    for (method, path, body) in tour {
        let mut request = Request::new(method.clone(), fill(path)).token(Some(&bob.token));
        request.body = (!body.is_null()).then_some(body);
        let answer = app.send(request).await;
        check(&document, &path.replace("{tweet}", "{id}"), method, &answer);
    }
}

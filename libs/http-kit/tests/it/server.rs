//! What the server itself answers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use http_kit::{
    Admin, AdminToken, Endpoint, Limits, RateLimits, Readiness, RequestMetrics, ServerOptions, Viewer, internal_routes,
    starting_routes,
};
use reqwest::Method;
use secrecy::SecretString;
use telemetry::Metrics;
use tokio::sync::Notify;

use crate::support::{TestService, ada, problem};

async fn ok() -> HttpResponse {
    HttpResponse::Ok().body("ok")
}

#[actix_web::test]
async fn paths_and_methods_that_are_not_there() {
    let service = TestService::start(|config| {
        config.service(Endpoint::new("/thing").get(ok).put(ok));
    });
    for path in ["/", "/thing/", "/thing/1", "/THING"] {
        assert_eq!(
            problem(service.get(path).await).await,
            (404, "not-found".to_owned()),
            "{path}"
        );
    }
    for method in [Method::POST, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let refused = service
            .client
            .request(method, service.url("/thing"))
            .send()
            .await
            .unwrap();
        assert_eq!(refused.headers()["allow"], "GET, HEAD, PUT");
        assert_eq!(problem(refused).await, (405, "method-not-allowed".to_owned()));
    }
    let head = service.client.head(service.url("/thing")).send().await.unwrap();
    assert_eq!(
        (
            head.status().as_u16(),
            head.headers()["content-length"].to_str().unwrap()
        ),
        (200, "2")
    );
}

#[actix_web::test]
async fn a_panic_is_an_answer_and_the_next_request_is_served() {
    let service = TestService::start(|config| {
        config
            .service(Endpoint::new("/panic").get(async || -> HttpResponse { panic!("a secret detail") }))
            .service(Endpoint::new("/thing").get(ok));
    });
    let refused = service
        .client
        .get(service.url("/panic"))
        .header("x-request-id", "abc-1")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.headers()["x-request-id"], "abc-1");
    assert_eq!(problem(refused).await, (500, "internal".to_owned()));
    let served = service.get("/thing").await;
    assert_eq!(served.headers()["x-request-id"].len(), 16);
    assert_eq!(served.text().await.unwrap(), "ok");
}

#[actix_web::test]
async fn a_request_that_never_ends_is_ended() {
    let options = ServerOptions {
        request_timeout: Duration::from_millis(10),
        ..ServerOptions::default()
    };
    let service = TestService::start_with(options, |config| {
        config.service(Endpoint::new("/hang").get(async || -> HttpResponse { std::future::pending().await }));
    });
    let refused = service.get("/hang").await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await, (503, "timeout".to_owned()));
}

#[actix_web::test]
async fn a_stopping_server_finishes_what_it_has_begun() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (begun.clone(), go_on.clone());
    let service = TestService::start(move |config| {
        let (begun, go_on) = signals.clone();
        let slow = move || {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            async move {
                begun.notify_one();
                go_on.notified().await;
                "done"
            }
        };
        config
            .service(Endpoint::new("/slow").get(slow))
            .service(Endpoint::new("/thing").get(ok));
    });
    // Leaves an idle connection behind, which must not hold the server up.
    assert_eq!(service.get("/thing").await.text().await.unwrap(), "ok");
    let request = tokio::spawn(service.client.get(service.url("/slow")).send());
    begun.notified().await;
    service.shutdown.cancel();
    while reqwest::Client::new().get(service.url("/thing")).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "done");
    service.running.await.unwrap().unwrap();
}

/// A path that comes with the start must not be taken for one that there never is.
#[actix_web::test]
async fn before_its_start_a_process_asks_for_patience() {
    let readiness = Arc::new(Readiness::new());
    let shared = readiness.clone();
    let service = TestService::start(move |config| {
        config.configure(starting_routes(shared.clone(), Arc::default()));
    });
    assert_eq!(service.get("/healthz").await.status(), 200);
    for path in ["/readyz", "/admin/delivery", "/internal/anything/at/all"] {
        let answer = service.get(path).await;
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        assert_eq!(problem(answer).await, (503, "starting".to_owned()), "{path}");
    }
}

#[actix_web::test]
async fn the_internal_port() {
    let readiness = Arc::new(Readiness::new());
    let shared = readiness.clone();
    let counted = Arc::new(Metrics::new("thing", "1.2.3"));
    let service = TestService::start(move |config| {
        config
            .app_data(web::Data::new(AdminToken(Some(SecretString::from("s3cret")))))
            .configure(internal_routes(shared.clone(), counted.clone()))
            .service(Endpoint::new("/admin/thing").get(async |_: Admin| "done"));
    });
    assert_eq!(service.get("/healthz").await.status(), 200);
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("rookery_build_info{service=\"thing\",version=\"1.2.3\"} 1\n"),
        "{metrics}"
    );
    assert_eq!(
        problem(service.get("/readyz").await).await,
        (503, "starting".to_owned())
    );
    readiness.set_ready();
    assert_eq!(service.get("/readyz").await.status(), 200);
    readiness.set_draining();
    assert_eq!(
        problem(service.get("/readyz").await).await,
        (503, "draining".to_owned())
    );
    assert_eq!(
        problem(service.get("/admin/thing").await).await,
        (401, "admin-token-required".to_owned())
    );
    assert_eq!(problem(service.get_as("/admin/thing", "s3cret2").await).await.0, 401);
    assert_eq!(
        service.get_as("/admin/thing", "s3cret").await.text().await.unwrap(),
        "done"
    );
}

#[actix_web::test]
async fn limits_count_by_account_and_by_address() {
    let few = NonZeroU32::MIN.saturating_add(1);
    let limits = RateLimits {
        reads_per_second: NonZeroU32::MAX,
        writes_per_second: NonZeroU32::MAX,
        sign_ins_per_minute: few,
        trusted_proxies: 0,
    };
    let options = ServerOptions {
        limits: Some(Arc::new(Limits::new(limits))),
        ..ServerOptions::default()
    };
    let service = TestService::start_with(options, |config| {
        config
            .service(Endpoint::new("/v1/sessions").post(ok))
            .service(Endpoint::new("/read").get(async |_: Viewer| "read"));
    });
    let sign_in = || service.client.post(service.url("/v1/sessions")).send();
    for _ in 0..2 {
        assert_eq!(sign_in().await.unwrap().status(), 200);
    }
    let refused = sign_in().await.unwrap();
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await, (429, "rate-limited".to_owned()));
    let token = service.issuer.issue(&ada()).token;
    assert_eq!(service.get_as("/read", &token).await.text().await.unwrap(), "read");
}

#[actix_web::test]
async fn requests_are_counted_by_route() {
    let (requests, mut metrics) = (RequestMetrics::default(), Metrics::default());
    requests.register(&mut metrics);
    let options = ServerOptions {
        metrics: requests,
        request_timeout: Duration::from_millis(10),
        ..ServerOptions::default()
    };
    let service = TestService::start_with(options, |config| {
        config
            .service(Endpoint::new("/things/{id}").get(ok))
            .service(Endpoint::new("/hang").get(async || -> HttpResponse { std::future::pending().await }));
    });
    for path in ["/things/1", "/things/2", "/things/3?unknown=1", "/hang", "/nowhere"] {
        service.get(path).await;
    }
    service.client.post(service.url("/things/1")).send().await.unwrap();
    let text = metrics.render().unwrap();
    for (method, route, status, count) in [
        ("GET", "/things/{id}", 200, 2),
        ("GET", "/things/{id}", 400, 1),
        ("POST", "/things/{id}", 405, 1),
        ("GET", "/hang", 503, 1),
        ("GET", "other", 404, 1),
    ] {
        let line = format!(
            "http_server_request_duration_seconds_count{{http_request_method=\"{method}\",http_route=\"{route}\",\
             http_response_status_code=\"{status}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("http_server_active_requests 0\n"), "{text}");
}

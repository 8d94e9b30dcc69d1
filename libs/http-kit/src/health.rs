//! The internal port: health for the platform, and the guard of operators' paths.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use telemetry::Metrics;

use crate::{Endpoint, Problem, problems};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Whether this process can serve. Looks at nothing that it shares with others: an outage of a store must not take every
/// replica out at once.
#[derive(Debug, Default)]
pub struct Readiness {
    state: AtomicU8,
    /// What a start waits for.
    waits_for: Mutex<Option<String>>,
}

impl Readiness {
    /// Starting: not ready yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starting still, for this reason.
    pub fn waits_for(&self, reason: String) {
        *self.waits_for.lock() = Some(reason);
    }

    /// Ready from now on, unless it drains already.
    pub fn set_ready(&self) {
        // Losing means that draining has begun, which is final.
        let _ = self
            .state
            .compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Draining from now on, for good.
    pub fn set_draining(&self) {
        self.state.store(DRAINING, Ordering::Release);
    }

    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        self.state.load(Ordering::Acquire) == READY
    }

    fn check(&self) -> Result<(), Problem> {
        match self.state.load(Ordering::Acquire) {
            READY => Ok(()),
            DRAINING => Err(Problem::new(
                &problems::DRAINING,
                "Send requests elsewhere: this server is stopping.",
            )),
            _ => {
                let reason = self
                    .waits_for
                    .lock()
                    .as_ref()
                    .map(|reason| format!(" It waits: {reason}."));
                Err(Problem::starting(format!(
                    "Send requests elsewhere: this server has not started yet.{}",
                    reason.unwrap_or_default()
                )))
            }
        }
    }
}

/// `/healthz`, `/readyz` and `/metrics`. Who probes or scrapes may add parameters.
pub fn internal_routes(readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let (readiness, metrics) = (web::Data::from(readiness), web::Data::from(metrics));
    move |config| {
        config
            .app_data(readiness.clone())
            .app_data(metrics.clone())
            .service(Endpoint::new("/healthz").with_query().get(healthz))
            .service(Endpoint::new("/readyz").with_query().get(readyz))
            .service(Endpoint::new("/metrics").with_query().get(get_metrics));
    }
}

/// [`internal_routes`], and 503 on every other path: they come when the process has started.
pub fn starting_routes(readiness: Arc<Readiness>, metrics: Arc<Metrics>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let health = internal_routes(readiness, metrics);
    move |config| {
        config
            .configure(health.clone())
            .service(web::resource("/{path:.*}").to(not_started));
    }
}

async fn not_started(readiness: web::Data<Readiness>) -> Result<HttpResponse, Problem> {
    readiness.check()?;
    // It has started a moment ago; whoever asks again reaches the server that has this path.
    Err(Problem::starting("Repeat the request: this server has just started."))
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

async fn readyz(readiness: web::Data<Readiness>) -> Result<HttpResponse, Problem> {
    readiness.check()?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ready\n"))
}

async fn get_metrics(metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let text = metrics.render().map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().content_type(telemetry::CONTENT_TYPE).body(text))
}

/// The operators' token. Without one their paths are open, which is allowed on loopback alone.
#[derive(Debug, Clone)]
pub struct AdminToken(pub Option<SecretString>);

impl AdminToken {
    fn admits(&self, request: &HttpRequest) -> bool {
        let Some(expected) = &self.0 else {
            return true;
        };
        let given = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        given
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
            .is_some_and(|(_, token)| same_secret(token.trim(), expected.expose_secret()))
    }
}

/// Compares digests: how long that takes tells nothing of the secret itself.
fn same_secret(given: &str, expected: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(expected)
}

/// Lets operators through, and nobody else.
#[derive(Debug)]
pub struct Admin;

impl FromRequest for Admin {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.app_data::<web::Data<AdminToken>>() {
            Some(token) if token.admits(request) => Ok(Self),
            Some(_) => Err(Problem::new(
                &problems::ADMIN_TOKEN_REQUIRED,
                "Send `Authorization: Bearer <token>` with the token that the server was configured with (admin.token).",
            )
            .into()),
            None => Err(Problem::internal("no AdminToken among the application's data").into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn draining_is_final() {
        let readiness = Readiness::new();
        assert!(!readiness.is_ready());
        readiness.set_ready();
        assert!(readiness.is_ready());
        readiness.set_draining();
        readiness.set_ready();
        assert!(!readiness.is_ready());
    }

    #[test]
    fn only_the_very_token_is_admitted() {
        let token = AdminToken(Some(SecretString::from("s3cret")));
        let admits = |header: &str| {
            let request = TestRequest::get()
                .insert_header((AUTHORIZATION, header))
                .to_http_request();
            token.admits(&request)
        };
        assert!(admits("Bearer s3cret"));
        assert!(admits("bearer s3cret"));
        for bad in [
            "Bearer s3cre",
            "Bearer s3cret2",
            "Basic s3cret",
            "Bearer",
            "s3cret",
            "Bearer ",
        ] {
            assert!(!admits(bad), "{bad}");
        }
        assert!(!token.admits(&TestRequest::get().to_http_request()));
        assert!(AdminToken(None).admits(&TestRequest::get().to_http_request()));
    }
}

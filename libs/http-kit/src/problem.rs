//! A refusal, as it goes to a client: `application/problem+json` (RFC 9457).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde_json::json;
use storage::{BoxError, IdempotencyConflict, StoreError};

use crate::problems::{self, ProblemType};

/// How long a client is asked to wait when a store is in trouble.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A refusal of a request. The detail goes to the client; the cause stays here, for the log.
#[derive(Debug)]
pub struct Problem {
    kind: &'static ProblemType,
    status: StatusCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    cause: Option<BoxError>,
}

impl Problem {
    /// A problem of this type. The detail says what is wrong and what to do about it.
    pub fn new(kind: &'static ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            status: StatusCode::from_u16(kind.status).expect("the table holds HTTP statuses"),
            detail: detail.into(),
            retry_after: None,
            allow: None,
            cause: None,
        }
    }

    /// Answers with another status than its type has elsewhere.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Asks the client to wait so long, rounded up to seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Keeps what lies behind it, for the log alone.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Names the methods that do apply.
    #[must_use]
    pub(crate) fn allow(mut self, methods: impl Into<String>) -> Self {
        self.allow = Some(methods.into());
        self
    }

    /// A fault of ours that waiting won't mend.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::new(&problems::INTERNAL, "The fault is ours; it has been logged.").caused_by(cause)
    }

    /// The request was given up after the time that one may take.
    pub fn timeout() -> Self {
        Self::new(
            &problems::TIMEOUT,
            "The request took too long. A write may have been done: repeat it under the same Idempotency-Key.",
        )
        .retry_after(RETRY_AFTER)
    }

    /// The server has more to do than it can.
    pub fn overloaded(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(&problems::OVERLOADED, detail).retry_after(RETRY_AFTER)
    }

    /// 503: this process serves in a moment.
    pub fn starting(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(&problems::STARTING, detail).retry_after(RETRY_AFTER)
    }

    /// Its type.
    pub fn kind(&self) -> &'static ProblemType {
        self.kind
    }

    /// What the client is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What lies behind it.
    pub(crate) fn cause(&self) -> Option<&BoxError> {
        self.cause.as_ref()
    }

    fn body(&self) -> String {
        json!({
            "type": format_args!("urn:rookery:problem:{}", self.kind.slug).to_string(),
            "title": self.kind.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
        .to_string()
    }

    fn challenge(&self, response: &mut HttpResponseBuilder) {
        // RFC 6750: a request without a token is told no error code.
        let challenge = match self.kind.slug {
            "unauthenticated" | "wrong-credentials" | "admin-token-required" => "Bearer",
            _ => "Bearer error=\"invalid_token\"",
        };
        response.insert_header((header::WWW_AUTHENTICATE, challenge));
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.slug, self.detail)
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        if self.status == StatusCode::UNAUTHORIZED {
            self.challenge(&mut response);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        response.body(self.body())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::Timeout { .. } => Self::timeout(),
            StoreError::Overloaded { .. } => {
                Self::overloaded("There is more to do than can be done. Try again shortly.")
            }
            StoreError::Unavailable { .. } => Self::new(
                &problems::STORE_UNAVAILABLE,
                "What is needed to answer can't be reached. A write may have been done: repeat it under the same \
                 Idempotency-Key.",
            )
            .retry_after(RETRY_AFTER),
            StoreError::Corrupt { .. } => return Self::internal(error),
        };
        problem.caused_by(error)
    }
}

impl From<IdempotencyConflict> for Problem {
    fn from(_: IdempotencyConflict) -> Self {
        Self::new(
            &problems::IDEMPOTENCY_CONFLICT,
            "This Idempotency-Key came with another body within the last 24 hours. Use a new key for a new request.",
        )
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_problem_is_problem_json() {
        let problem = Problem::new(&problems::RATE_LIMITED, "Slow down.").retry_after(Duration::from_millis(1_200));
        let response = problem.error_response();
        assert_eq!(response.status(), 429);
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "application/problem+json"
        );
        assert_eq!(response.headers().get("retry-after").unwrap(), "2");
        let body: serde_json::Value = serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap();
        assert_eq!(
            body,
            json!({"type": "urn:rookery:problem:rate-limited", "title": "Too many requests", "status": 429,
                   "detail": "Slow down."})
        );
    }

    #[actix_web::test]
    async fn a_cause_stays_inside() {
        let problem = Problem::from(StoreError::unavailable("tweets", "disk on fire"));
        assert_eq!(problem.kind(), &problems::STORE_UNAVAILABLE);
        let response = problem.error_response();
        assert_eq!(response.headers().get("retry-after").unwrap(), "1");
        let body = to_bytes(response.into_body()).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("fire"));
    }

    #[test]
    fn every_401_carries_a_challenge() {
        for kind in problems::ALL.iter().filter(|kind| kind.status == 401) {
            let response = Problem::new(kind, "").error_response();
            assert!(response.headers().contains_key("www-authenticate"), "{}", kind.slug);
        }
    }
}

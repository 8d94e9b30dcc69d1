//! What surrounds every handler: a bound on time, panics as answers, the request's id, and the one place where failures
//! are logged.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use futures::FutureExt;
use telemetry::RequestId;

use crate::request_id::{X_REQUEST_ID, header, request_id};
use crate::request_metrics::MatchedRoute;
use crate::server_span::ServerSpan;
use crate::{Limits, Problem, RequestMetrics, RequestTimeout, problems};

/// What a handler gets beyond its deadline, so that its own, more precise answer wins.
const GRACE: Duration = Duration::from_millis(500);

/// What the log says of a request. The query is left out: cursors are long and say nothing.
struct Label {
    id: RequestId,
    method: Method,
    uri: Uri,
}

impl Label {
    fn of(request: &ServiceRequest) -> Self {
        Self {
            id: request_id(request.headers()),
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }

    fn log(&self, problem: &Problem) {
        let (slug, method, path) = (problem.kind().slug, self.method.as_str(), self.uri.path());
        let cause = problem.cause().map(tracing::field::display);
        match problem.kind() {
            kind if *kind == problems::INTERNAL => {
                tracing::error!(slug, method, path, cause, "a request failed");
            }
            // Under overload the log must not become the next bottleneck. Whether a process is ready is asked every second or
            // so; what it waits for is logged once, by whoever waits.
            kind if [problems::OVERLOADED, problems::STARTING, problems::DRAINING].contains(kind) => {
                tracing::debug!(slug, method, path, cause, "a request was refused");
            }
            kind if kind.status >= 500 => tracing::warn!(slug, method, path, cause, "a request failed"),
            _ => {}
        }
    }
}

/// The middleware.
pub(crate) async fn shell<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let label = Label::of(&request);
    let route = MatchedRoute::of(&request);
    let in_progress = request
        .app_data::<web::Data<RequestMetrics>>()
        .map(|metrics| metrics.begin(&request));
    let span = ServerSpan::begin(&request);
    let answer = span.cover(answer(&label, request, next));
    let answer = label.id.cover(answer).await;
    if let Some(in_progress) = in_progress {
        in_progress.end(&route, status(&answer));
    }
    span.end(&route, status(&answer));
    answer
}

fn status<B>(answer: &Result<ServiceResponse<B>, Error>) -> StatusCode {
    match answer {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    }
}

async fn answer<B: MessageBody + 'static>(
    label: &Label,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let bound = request
        .app_data::<web::Data<RequestTimeout>>()
        .map_or_else(RequestTimeout::default, |timeout| *timeout.get_ref())
        .0
        + GRACE;
    if let Some(limits) = request.app_data::<web::Data<Limits>>()
        && let Err(refused) = limits.check_sign_in(request.request())
    {
        return Err(refuse(label, refused));
    }
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
    match tokio::time::timeout(bound, answer).await {
        Ok(Ok(Ok(response))) => Ok(finish(label, response)),
        Ok(Ok(Err(error))) => Err(error),
        // The panic hook has logged where it happened.
        Ok(Err(_panic)) => Err(refuse(label, Problem::internal("a handler panicked"))),
        Err(_elapsed) => Err(refuse(label, Problem::timeout())),
    }
}

fn finish<B>(label: &Label, mut response: ServiceResponse<B>) -> ServiceResponse<B> {
    if let Some(problem) = response.response().error().and_then(Error::as_error::<Problem>) {
        label.log(problem);
    }
    response.headers_mut().insert(X_REQUEST_ID, header(&label.id));
    response
}

fn refuse(label: &Label, problem: Problem) -> Error {
    label.log(&problem);
    let mut response = problem.error_response();
    response.headers_mut().insert(X_REQUEST_ID, header(&label.id));
    InternalError::from_response(problem, response).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix_web::test::TestRequest;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    /// Counts warnings and errors.
    #[derive(Clone, Default)]
    struct Complaints(Arc<AtomicUsize>);

    impl Subscriber for Complaints {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::WARN
        }

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn what_is_asked_again_and_again_is_no_complaint() {
        let complaints = Complaints::default();
        let label = Label::of(&TestRequest::get().uri("/readyz").to_srv_request());
        let log = |problem: &Problem| {
            tracing::subscriber::with_default(complaints.clone(), || label.log(problem));
            complaints.0.swap(0, Ordering::Relaxed)
        };
        for expected in [&problems::STARTING, &problems::DRAINING, &problems::OVERLOADED] {
            assert_eq!(log(&Problem::new(expected, "")), 0, "{}", expected.slug);
        }
        assert_eq!(log(&Problem::timeout()), 1);
        assert_eq!(log(&Problem::internal("a defect")), 1);
    }
}

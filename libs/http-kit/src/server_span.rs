//! The span of a request, by the semantic conventions of OpenTelemetry.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::web;
use telemetry::trace::{Kind, Parent, Span, TRACEPARENT, TRACESTATE, is_on, names};

use crate::request_metrics::{MatchedRoute, known};

/// Whether a request that belongs to no trace begins one. What services ask of each other does not: it belongs to a trace
/// already, or to one that is not recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BeginsTraces(pub(crate) bool);

/// Ended spans wait in memory for their collector: what clients choose must not make them large.
const LONGEST_PATH: usize = 256;

/// A request, if its trace is recorded.
pub(crate) struct ServerSpan {
    span: Span,
    method: &'static str,
}

impl ServerSpan {
    pub(crate) fn begin(request: &ServiceRequest) -> Self {
        let method = known(request.method());
        let span = if is_on() { begin(request, method) } else { Span::none() };
        if span.is_recorded() {
            span.set(names::HTTP_REQUEST_METHOD, method);
            span.set(names::URL_PATH, bounded(request.path()));
            span.set(names::URL_SCHEME, "http");
        }
        Self { span, method }
    }

    pub(crate) fn cover<F: Future>(&self, answer: F) -> impl Future<Output = F::Output> + use<F> {
        self.span.cover(answer)
    }

    /// It is answered. One that is not, since its client has gone, ends without a status.
    pub(crate) fn end(self, route: &MatchedRoute, status: StatusCode) {
        let Self { span, method } = self;
        if !span.is_recorded() {
            return;
        }
        if let Some(route) = route.get() {
            span.rename(format!("{method} {route}"));
            span.set(names::HTTP_ROUTE, route);
        }
        span.set(names::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()));
        if status.is_server_error() {
            span.fail(status.as_u16().to_string());
        }
    }
}

fn bounded(path: &str) -> String {
    path[..path.floor_char_boundary(LONGEST_PATH)].to_owned()
}

fn begin(request: &ServiceRequest, method: &'static str) -> Span {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let parent = header(TRACEPARENT).and_then(|parent| Parent::read(parent, header(TRACESTATE)));
    match parent {
        Some(parent) => Span::within(&parent, Kind::Server, method),
        None if begins_traces(request) => Span::root(Kind::Server, method),
        None => Span::none(),
    }
}

fn begins_traces(request: &ServiceRequest) -> bool {
    let begins = request.app_data::<web::Data<BeginsTraces>>();
    begins.is_some_and(|begins| begins.0)
}

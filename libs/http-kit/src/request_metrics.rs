//! What a server counts of its requests, by the semantic conventions of OpenTelemetry.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use telemetry::{Histograms, Metrics, REQUEST_SECONDS};

/// The requests of all servers of a process.
#[derive(Debug, Clone)]
pub struct RequestMetrics {
    duration: Histograms<Labels>,
    active: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
#[expect(clippy::struct_field_names, reason = "the names of the conventions")]
struct Labels {
    http_request_method: &'static str,
    http_route: &'static str,
    http_response_status_code: u16,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            duration: Histograms::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            active: Gauge::default(),
        }
    }
}

impl RequestMetrics {
    /// Adds them to those of the process.
    pub fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "http_server_request_duration_seconds",
            "Requests, by `http_request_method`, `http_route` (`other` where no route matches) and \
             `http_response_status_code`",
            &self.duration,
        );
        metrics.add("http_server_active_requests", "Requests being answered", &self.active);
    }

    /// A request begins.
    pub(crate) fn begin(&self, request: &ServiceRequest) -> RequestInProgress {
        self.active.inc();
        RequestInProgress {
            metrics: self.clone(),
            method: known(request.method()),
            began: Instant::now(),
        }
    }
}

/// The pattern of the endpoint that a request came to. The endpoint sets it; the shell, which is around all of them, reads
/// it after the request is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct MatchedRoute(Rc<Cell<Option<&'static str>>>);

impl MatchedRoute {
    /// Of a request that has not been routed yet.
    pub(crate) fn of(request: &ServiceRequest) -> Self {
        let route = Self::default();
        request.extensions_mut().insert(route.clone());
        route
    }

    /// The pattern, if an endpoint has matched.
    pub(crate) fn get(&self) -> Option<&'static str> {
        self.0.get()
    }

    pub(crate) fn set(request: &ServiceRequest, route: &'static str) {
        if let Some(matched) = request.extensions().get::<Self>() {
            matched.0.set(Some(route));
        }
    }
}

/// A request that has begun. It counts as active until this is dropped, also when its client has gone.
pub(crate) struct RequestInProgress {
    metrics: RequestMetrics,
    method: &'static str,
    began: Instant,
}

impl RequestInProgress {
    /// It is answered.
    pub(crate) fn end(self, route: &MatchedRoute, status: StatusCode) {
        let labels = Labels {
            http_request_method: self.method,
            http_route: route.get().unwrap_or("other"),
            http_response_status_code: status.as_u16(),
        };
        let histogram = self.metrics.duration.get_or_create(&labels);
        histogram.observe(self.began.elapsed().as_secs_f64());
    }
}

impl Drop for RequestInProgress {
    fn drop(&mut self) {
        self.metrics.active.dec();
    }
}

/// Clients may send any word.
pub(crate) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

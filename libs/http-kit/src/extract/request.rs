//! What belongs to a request as a whole: its deadline and its trace.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use model::TraceContext;
use storage::Deadline;
use telemetry::trace::{self, Parent};

/// How long a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTimeout(pub Duration);

impl Default for RequestTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(3))
    }
}

/// Until when the answer is of use to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestDeadline(pub Deadline);

pub(crate) fn request_deadline(request: &HttpRequest) -> Deadline {
    let timeout = request.app_data::<web::Data<RequestTimeout>>();
    Deadline::after(timeout.map_or(RequestTimeout::default().0, |timeout| timeout.get_ref().0))
}

impl FromRequest for RequestDeadline {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(request_deadline(request))))
    }
}

/// What goes on because of this request goes on in its trace: within the span that is recorded of it. Where this process
/// records none at all, it hands on what it was given (`traceparent`).
pub fn trace_context(request: &HttpRequest) -> Option<TraceContext> {
    let parent = if trace::is_on() {
        trace::current()
    } else {
        let given = request.headers().get(trace::TRACEPARENT)?.to_str().ok()?;
        Parent::read(given, None)
    };
    parent.map(|parent| TraceContext(parent.to_string()))
}

//! `x-request-id`: joins a client's report to our log.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use telemetry::RequestId;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static(telemetry::X_REQUEST_ID);

/// The client's (or the load balancer's) own id where it is fit for a log line, a new one elsewhere.
pub(crate) fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get(X_REQUEST_ID);
    let given = given.and_then(|id| RequestId::given(id.as_bytes()));
    given.unwrap_or_else(RequestId::random)
}

/// To be answered.
pub(crate) fn header(id: &RequestId) -> HeaderValue {
    HeaderValue::from_str(id.as_str()).expect("letters and digits are visible")
}

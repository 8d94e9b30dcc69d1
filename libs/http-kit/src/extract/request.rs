//! What belongs to a request as a whole: its deadline and its trace.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use model::TraceContext;
use storage::Deadline;

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

/// The request's trace, when it carries a well-formed `traceparent` (W3C Trace Context, any version).
pub fn trace_context(request: &HttpRequest) -> Option<TraceContext> {
    let text = request.headers().get("traceparent")?.to_str().ok()?;
    is_traceparent(text).then(|| TraceContext(text.to_owned()))
}

fn is_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next_is = |length: usize, forbidden: u8| {
        parts.next().is_some_and(|part| {
            part.len() == length
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                && !(forbidden != 0 && part.bytes().all(|byte| byte == forbidden))
        })
    };
    let well_formed = next_is(2, b'f') && next_is(32, b'0') && next_is(16, b'0') && next_is(2, 0);
    well_formed && (parts.next().is_none() || !text.starts_with("00"))
}

#[cfg(test)]
mod tests {
    use super::is_traceparent;

    #[test]
    fn trace_parents() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        assert!(is_traceparent(&format!("00-{trace}-01")));
        assert!(is_traceparent(&format!("01-{trace}-01-more")));
        for bad in [
            format!("ff-{trace}-01"),
            format!("00-{trace}-01-more"),
            format!("00-{trace}"),
            format!("00-{}-01", trace.to_uppercase()),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            String::new(),
        ] {
            assert!(!is_traceparent(&bad), "{bad}");
        }
    }
}

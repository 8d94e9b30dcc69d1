//! The span of a request to follow-graph, by the semantic conventions of OpenTelemetry.

use reqwest::{RequestBuilder, StatusCode, Url};
use telemetry::trace::{Kind, Span, TRACEPARENT, TRACESTATE, names};
use telemetry::{RequestId, X_REQUEST_ID};

/// Where requests go, as spans tell it.
#[derive(Debug)]
pub(crate) struct Server {
    /// Without credentials.
    url: String,
    address: String,
    port: i64,
}

impl Server {
    /// What is no URL is told by whoever asks there.
    pub(crate) fn of(url: &str) -> Self {
        let mut parsed = Url::parse(url).ok();
        if let Some(url) = &mut parsed {
            // They fail for URLs that can have neither.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
        }
        let host = parsed.as_ref().and_then(Url::host_str).unwrap_or_default();
        let port = parsed.as_ref().and_then(Url::port_or_known_default);
        Self {
            address: host.to_owned(),
            port: port.unwrap_or_default().into(),
            url: parsed.as_ref().map_or("", Url::as_str).trim_end_matches('/').to_owned(),
        }
    }

    /// A request that is about to be sent, for the `attempt`-th time.
    pub(crate) fn span(&self, path: &str, attempt: u32) -> Span {
        let span = Span::child(Kind::Client, "POST");
        if span.is_recorded() {
            span.rename(format!("POST {path}"));
            span.set(names::HTTP_REQUEST_METHOD, "POST");
            span.set(names::URL_FULL, format!("{}{path}", self.url));
            span.set(names::SERVER_ADDRESS, self.address.clone());
            span.set(names::SERVER_PORT, self.port);
            if attempt > 1 {
                span.set(names::HTTP_REQUEST_RESEND_COUNT, i64::from(attempt - 1));
            }
        }
        span
    }
}

/// Has the trace, and the log of the request that this is asked for, go on there.
pub(crate) fn hand_on(mut request: RequestBuilder, span: &Span) -> RequestBuilder {
    if let Some(parent) = span.as_parent() {
        request = request.header(TRACEPARENT, parent.to_string());
        if let Some(state) = parent.tracestate() {
            request = request.header(TRACESTATE, state);
        }
    }
    match RequestId::current() {
        Some(id) => request.header(X_REQUEST_ID, id.as_str()),
        None => request,
    }
}

/// It was answered.
pub(crate) fn answered(span: &Span, status: StatusCode) {
    span.set(names::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()));
    if status.is_client_error() || status.is_server_error() {
        span.fail(status.as_u16().to_string());
    }
}

/// It was not, or not as was to be expected.
pub(crate) fn failed(span: &Span, error: &reqwest::Error) {
    span.fail(if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connection_failed"
    } else {
        "bad_answer"
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_told() {
        let server = Server::of("http://me:s3cret@follow-graph:8081/");
        assert_eq!(server.url, "http://follow-graph:8081");
        assert_eq!((&*server.address, server.port), ("follow-graph", 8081));
        assert_eq!(Server::of("http://[::1]").port, 80);
        assert_eq!(Server::of("no URL").url, "");
    }
}

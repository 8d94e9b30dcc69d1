//! `x-request-id`: joins a client's report to our log.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_CHARACTERS: usize = 64;

/// The client's (or the load balancer's) own id where it is fit for a log line, a new one elsewhere.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(given) if is_sane(given.as_bytes()) => given.clone(),
        _ => HeaderValue::try_from(format!("{:016x}", rand::random::<u64>())).expect("hexadecimal digits are visible"),
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_CHARACTERS).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("a.b-c_9"));
        assert_eq!(request_id(&headers), "a.b-c_9");
        for bad in ["", "a b", "<script>", &"x".repeat(65)] {
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(bad).unwrap());
            assert_eq!(request_id(&headers).len(), 16, "{bad:?}");
        }
    }
}

//! The id of a request: joins a client's report to our log, and the logs of the services that the request went through.

use std::fmt;
use std::io::Write as _;

/// The header that carries it.
pub const X_REQUEST_ID: &str = "x-request-id";

const MAX_CHARACTERS: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// 1 to 64 letters, digits, `-`, `_` and `.`: fit for a log line, whoever chose it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    text: [u8; MAX_CHARACTERS],
    length: usize,
}

impl RequestId {
    /// Somebody else's, if it is fit for a log line.
    pub fn given(text: &[u8]) -> Option<Self> {
        let is_sane = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        ((1..=MAX_CHARACTERS).contains(&text.len()) && text.iter().all(is_sane)).then(|| Self::of(text))
    }

    /// A new one.
    pub fn random() -> Self {
        let mut digits = [0; 16];
        write!(&mut digits[..], "{:016x}", rand::random::<u64>()).expect("16 digits are 64 bits");
        Self::of(&digits)
    }

    fn of(short: &[u8]) -> Self {
        let mut text = [0; MAX_CHARACTERS];
        text[..short.len()].copy_from_slice(short);
        Self {
            text,
            length: short.len(),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).expect("letters and digits are text")
    }

    /// That of the request that is being handled.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Handles a request of this id.
    pub fn cover<F: Future>(self, handling: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, handling)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fit_for_a_log_line_is_taken() {
        assert_eq!(RequestId::given(b"a.b-c_9").unwrap().as_str(), "a.b-c_9");
        assert!(RequestId::given(&[b'x'; 64]).is_some());
        for bad in ["", "a b", "<script>", "a\n", "é", &"x".repeat(65)] {
            assert_eq!(RequestId::given(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(RequestId::random().as_str().len(), 16);
        assert_ne!(RequestId::random(), RequestId::random());
    }

    #[tokio::test]
    async fn it_is_current_while_its_request_is_handled() {
        let (one, other) = (RequestId::random(), RequestId::random());
        assert_eq!(RequestId::current(), None);
        let inner = async {
            tokio::task::yield_now().await;
            RequestId::current()
        };
        let both = async { (RequestId::current(), other.cover(inner).await, RequestId::current()) };
        assert_eq!(one.cover(both).await, (Some(one), Some(other), Some(one)));
        assert_eq!(RequestId::current(), None);
    }
}

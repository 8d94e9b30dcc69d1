//! A client's patience while parts of the system are down.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::transport::{Answer, ClientError, Request, Transport};

/// How often a request is sent before its failure is an answer: for about a minute, in which everything can be restarted.
const TRIES: u32 = 600;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What a gateway answers when it does not know whether the request was done, and what a server answers that cannot do it now.
const PASSING: [u16; 3] = [502, 503, 504];

/// Sends a request again until it is answered by somebody who could do it.
pub struct Persistent(Arc<dyn Transport>);

impl Persistent {
    /// Sends requests through `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl Transport for Persistent {
    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let passes = |outcome: &Result<Answer, ClientError>| match outcome {
            Ok(answer) => PASSING.contains(&answer.status),
            Err(error) => matches!(error, ClientError::NoAnswer { .. }),
        };
        send_again(&*self.0, &request, TRIES, passes).await
    }
}

/// Sends a request, again while what comes of it `passes`, so many times at most.
pub(crate) async fn send_again(
    transport: &dyn Transport,
    request: &Request,
    tries: u32,
    passes: impl Fn(&Result<Answer, ClientError>) -> bool + Send,
) -> Result<Answer, ClientError> {
    let mut outcome = transport.send(request.clone()).await;
    for _ in 1..tries {
        if !passes(&outcome) {
            break;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
        let again = transport.send(request.clone()).await;
        outcome = again.map(|answer| Answer {
            repeated: true,
            ..answer
        });
    }
    outcome
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use reqwest::Method;
    use reqwest::header::HeaderMap;
    use serde_json::Value;

    use super::*;

    /// Answers these one after the other; `None` is no answer.
    struct Stub(Mutex<Vec<Option<u16>>>);

    #[async_trait]
    impl Transport for Stub {
        async fn send(&self, request: Request) -> Result<Answer, ClientError> {
            let (request, reason) = (request.path, "dead".to_owned());
            let Some(status) = self.0.lock().remove(0) else {
                return Err(ClientError::NoAnswer { request, reason });
            };
            Ok(Answer {
                request,
                status,
                headers: HeaderMap::new(),
                body: Value::Null,
                repeated: false,
            })
        }
    }

    async fn answer(outcomes: &[Option<u16>]) -> (u16, bool) {
        let stub = Stub(Mutex::new(outcomes.to_vec()));
        let persistent = Persistent::new(Arc::new(stub));
        let answer = persistent.send(Request::new(Method::GET, "/")).await.unwrap();
        (answer.status, answer.repeated)
    }

    #[tokio::test]
    async fn it_goes_on_until_somebody_could_do_it_and_tells() {
        assert_eq!(answer(&[Some(404)]).await, (404, false));
        assert_eq!(answer(&[None, Some(503), Some(502), Some(201)]).await, (201, true));
    }
}

//! Replicas of a service as one: whichever answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::transport::{Answer, ClientError, Request, Transport};

/// Asks one after the other, beginning with another each time, until one answers.
pub(super) struct Replicas {
    replicas: Vec<Arc<dyn Transport>>,
    next: AtomicUsize,
}

impl Replicas {
    pub(super) fn new(replicas: Vec<Arc<dyn Transport>>) -> Self {
        Self {
            replicas,
            next: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl Transport for Replicas {
    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.replicas.len().max(1);
        let (before, after) = self.replicas.split_at(first);
        let mut failed = ClientError::NoAnswer {
            request: format!("{} {}", request.method, request.path),
            reason: "there is no replica".to_owned(),
        };
        for replica in after.iter().chain(before) {
            match replica.send(request.clone()).await {
                Err(error @ ClientError::NoAnswer { .. }) => failed = error,
                answer => return answer,
            }
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use reqwest::header::HeaderMap;
    use serde_json::Value;

    use super::*;

    struct Stub(Option<u16>);

    #[async_trait]
    impl Transport for Stub {
        async fn send(&self, request: Request) -> Result<Answer, ClientError> {
            let request = request.path;
            let reason = "dead".to_owned();
            match self.0 {
                None => Err(ClientError::NoAnswer { request, reason }),
                Some(status) => Ok(Answer {
                    request,
                    status,
                    headers: HeaderMap::new(),
                    body: Value::Null,
                    repeated: false,
                }),
            }
        }
    }

    async fn statuses(replicas: &[Option<u16>], asks: usize) -> Vec<Option<u16>> {
        let stubs = replicas
            .iter()
            .map(|&status| Arc::new(Stub(status)) as Arc<dyn Transport>);
        let all = Replicas::new(stubs.collect());
        let mut statuses = Vec::new();
        for _ in 0..asks {
            let answer = all.send(Request::new(Method::GET, "/")).await;
            statuses.push(answer.ok().map(|answer| answer.status));
        }
        statuses
    }

    #[tokio::test]
    async fn everyone_takes_turns_and_the_dead_are_passed_over() {
        assert_eq!(statuses(&[Some(1), Some(2)], 3).await, [Some(1), Some(2), Some(1)]);
        assert_eq!(statuses(&[None, Some(2), None], 4).await, [Some(2); 4]);
        assert_eq!(statuses(&[None, None], 1).await, [None]);
        assert_eq!(statuses(&[], 1).await, [None]);
    }
}

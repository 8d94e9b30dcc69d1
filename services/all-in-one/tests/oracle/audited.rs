//! Stored timelines are audited all the time: none may ever differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;
use test_support::{Answer, ClientError, Request, Transport};

/// Everybody, at most.
const USERS: u64 = 10_000;

/// Passes requests on, and after each that changes or reads something has everybody's timeline compared.
pub(crate) struct Auditing {
    public: Arc<dyn Transport>,
    internal: Arc<dyn Transport>,
    compared: AtomicU64,
}

impl Auditing {
    /// Audits at the operators' port.
    pub(crate) fn new(public: Arc<dyn Transport>, internal: Arc<dyn Transport>) -> Self {
        Self {
            public,
            internal,
            compared: AtomicU64::new(0),
        }
    }

    /// How often a timeline was compared.
    pub(crate) fn compared(&self) -> u64 {
        self.compared.load(Ordering::Relaxed)
    }

    async fn audit(&self) -> Result<(), ClientError> {
        let request = Request::new(Method::POST, "/admin/audit").body(json!({"users": USERS}));
        let answer = self.internal.send(request).await?.expect(200)?;
        let count = |field: &str| answer.body[field].as_u64();
        if (count("missing"), count("extra"), count("repaired")) != (Some(0), Some(0), Some(0)) {
            return Err(ClientError::Form {
                request: answer.request,
                reason: "a stored timeline differs".to_owned(),
                body: answer.body,
            });
        }
        self.compared
            .fetch_add(count("compared").unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Transport for Auditing {
    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let answer = self.public.send(request).await?;
        self.audit().await?;
        Ok(answer)
    }
}

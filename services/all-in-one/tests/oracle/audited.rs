//! A system whose stored timelines are audited all the time: none may ever differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use model::{TweetId, UserId};
use reqwest::Method;
use serde_json::json;
use test_support::{Answer, ClientError, Explanation, Request, Rules, Stop, System, Transport};

/// Everybody, at most.
const USERS: u64 = 10_000;

/// Passes requests on, and after each that changes or reads something has everybody's timeline compared.
pub(crate) struct Audited<'a> {
    public: Arc<Auditing>,
    system: &'a dyn System,
}

impl<'a> Audited<'a> {
    /// Audits at the operators' port of `system`.
    pub(crate) fn new(system: &'a dyn System, internal: Arc<dyn Transport>) -> Self {
        let public = Arc::new(Auditing {
            public: system.public(),
            internal,
            compared: AtomicU64::new(0),
        });
        Self { public, system }
    }

    /// How often a timeline was compared.
    pub(crate) fn compared(&self) -> u64 {
        self.public.compared.load(Ordering::Relaxed)
    }
}

struct Auditing {
    public: Arc<dyn Transport>,
    internal: Arc<dyn Transport>,
    compared: AtomicU64,
}

impl Auditing {
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

#[async_trait]
impl System for Audited<'_> {
    fn public(&self) -> Arc<dyn Transport> {
        self.public.clone()
    }

    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        self.system.settle(tweets).await
    }

    fn hold_deliveries(&self, of: &[UserId]) {
        self.system.hold_deliveries(of);
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), ClientError> {
        self.system.set_rules(rules).await
    }

    async fn explain(&self, user: UserId, tweet: TweetId) -> Result<Explanation, ClientError> {
        self.system.explain(user, tweet).await
    }

    async fn restart(&self, stop: Stop) -> Result<(), ClientError> {
        self.system.restart(stop).await
    }
}

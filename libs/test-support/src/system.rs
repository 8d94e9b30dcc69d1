//! What a history needs of the system besides its public API.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{TweetId, UserId};
use reqwest::Method;
use serde_json::json;

use crate::explain::Explanation;
use crate::history::{Rules, Stop};
use crate::transport::{ClientError, Request, Transport};

/// A system under test: one process, or many behind a load balancer.
#[async_trait]
pub trait System: Send + Sync {
    /// Its public API.
    fn public(&self) -> Arc<dyn Transport>;

    /// Waits until these tweets are delivered.
    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError>;

    /// Changes the rules.
    async fn set_rules(&self, rules: Rules) -> Result<(), ClientError>;

    /// Stops it and starts it again on the same data.
    async fn restart(&self, stop: Stop) -> Result<(), ClientError>;

    /// Why a tweet is, or is not, in somebody's home timeline, as operators are told.
    async fn explain(&self, reader: UserId, tweet: TweetId) -> Result<Explanation, ClientError>;

    /// From now on what these post, and delete, is accepted and not delivered, and what others do is; an empty list
    /// delivers all again. A system that cannot be held goes on delivering: its histories are right all the same.
    fn hold_deliveries(&self, _of: &[UserId]) {}

    /// How long it may take until what somebody did (a block, a deletion) shows to somebody else. The history waits as
    /// long after each such step, and knows no leniency then.
    fn staleness(&self) -> Duration {
        Duration::ZERO
    }

    /// How many accounts one may follow.
    fn following_limit(&self) -> usize {
        5_000
    }
}

/// The operators' paths over HTTP.
pub struct Operator {
    /// The internal port where `/admin/delivery` is.
    pub follow_graph: Arc<dyn Transport>,
    /// The internal port where `/admin/tweets/{id}/delivery` is.
    pub fan_out: Arc<dyn Transport>,
    /// The internal port where `/admin/explain` is.
    pub timeline_read: Arc<dyn Transport>,
    /// The admin token, where one is set.
    pub token: Option<String>,
}

/// How long a delivery is waited for: far beyond what is promised, so that only what never comes is a fault.
const DELIVERY_TRIES: u32 = 3_000;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

impl Operator {
    /// Waits until these tweets are delivered; deleted ones need not be.
    pub async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        for &tweet in tweets {
            self.settle_one(tweet).await?;
        }
        Ok(())
    }

    /// Changes the rules.
    pub async fn set_rules(&self, rules: Rules) -> Result<(), ClientError> {
        let body = json!({
            "strategy": rules.strategy.as_str(),
            "pull_threshold": rules.pull_threshold,
            "push_threshold": rules.push_threshold,
        });
        let request = Request::new(Method::PUT, "/admin/delivery").token(self.token.as_deref());
        let answer = self.follow_graph.send(request.body(body.clone())).await?.expect(200)?;
        if answer.body == body {
            return Ok(());
        }
        Err(ClientError::Form {
            request: answer.request,
            reason: format!("these are not the rules that were set: {body}"),
            body: answer.body,
        })
    }

    async fn settle_one(&self, tweet: TweetId) -> Result<(), ClientError> {
        let path = format!("/admin/tweets/{tweet}/delivery");
        let mut tries = 0;
        loop {
            let request = Request::new(Method::GET, path.clone()).token(self.token.as_deref());
            let answer = self.fan_out.send(request).await?;
            if answer.status == 404 || (answer.status == 200 && answer.body["state"] == "done") {
                return Ok(());
            }
            tries += 1;
            if tries == DELIVERY_TRIES {
                return Err(ClientError::Form {
                    request: answer.request,
                    reason: "the tweet was never delivered".to_owned(),
                    body: answer.body,
                });
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

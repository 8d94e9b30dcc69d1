//! A system, with something between it and its clients.

use std::sync::Arc;

use async_trait::async_trait;
use model::{TweetId, UserId};
use test_support::{ClientError, Explanation, Rules, Stop, System, Transport};

/// The system, whose public port is reached through another transport.
pub(crate) struct Behind<'a> {
    pub(crate) public: Arc<dyn Transport>,
    pub(crate) system: &'a dyn System,
}

#[async_trait]
impl System for Behind<'_> {
    fn public(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.public)
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

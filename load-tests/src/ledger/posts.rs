//! Posting until everything is acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use test_support::{Answer, Request};
use tokio::task::JoinSet;

use super::report::is_cut;
use super::{Acknowledged, Ledger, moments};

/// How long one post is tried.
const PATIENCE: Duration = Duration::from_mins(3);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

impl Ledger {
    pub(super) async fn post_for(self: Arc<Self>, duration: Duration) -> Result<()> {
        let mut random = StdRng::seed_from_u64(self.options.seed ^ 0x7077);
        let mut posts = JoinSet::new();
        let first = self.acknowledged();
        for (number, moment) in moments(self.options.posts_per_second, duration).enumerate() {
            tokio::time::sleep_until(moment.into()).await;
            let author = random.random_range(0..self.accounts.len());
            posts.spawn(Arc::clone(&self).post(author, first + number, moment));
        }
        while let Some(ended) = posts.join_next().await {
            ended.context("a post has ended abnormally")??;
        }
        Ok(())
    }

    /// Posts one tweet, again under its key until it is acknowledged.
    async fn post(self: Arc<Self>, author: usize, number: usize, moment: Instant) -> Result<()> {
        let key = format!("{}-{number}", self.name);
        let request = Request::new(Method::POST, "/v1/tweets")
            .token(Some(&self.accounts[author].token))
            .body(json!({ "text": format!("tweet {key}") }))
            .key(&key);
        loop {
            match self.transport.send(request.clone()).await {
                Ok(answer) if answer.status == 201 => return self.note(&answer, author, moment),
                Ok(answer) if answer.status == 503 => self.report.lock().refused(&answer),
                Ok(answer) if is_cut(&answer) => self.report.lock().unanswered += 1,
                Ok(answer) => bail!("{} was answered {}: {}", answer.request, answer.status, answer.body),
                Err(_) => self.report.lock().unanswered += 1,
            }
            if moment.elapsed() > PATIENCE {
                bail!("the tweet {key} was not acknowledged within {PATIENCE:?}");
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    fn note(&self, answer: &Answer, author: usize, moment: Instant) -> Result<()> {
        let id = answer.body["id"].as_str().context("a tweet has an id")?;
        let tweet = id.parse().context("a tweet's id")?;
        self.acknowledged.lock().push(Acknowledged { tweet, author });
        self.report.lock().posts.add(moment.elapsed());
        Ok(())
    }
}

//! Reading while others post: what is answered must be in order, and each refusal must be one that says when to come again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use test_support::Request;
use test_support::client::HomePage;
use tokio::task::JoinSet;

use super::report::is_cut;
use super::{Ledger, moments};

impl Ledger {
    pub(super) async fn read_for(self: Arc<Self>, duration: Duration) -> Result<()> {
        let mut random = StdRng::seed_from_u64(self.options.seed ^ 0x7265);
        let mut reads = JoinSet::new();
        for moment in moments(self.options.reads_per_second, duration) {
            tokio::time::sleep_until(moment.into()).await;
            let reader = random.random_range(0..self.accounts.len());
            reads.spawn(Arc::clone(&self).read(reader, moment));
        }
        while let Some(ended) = reads.join_next().await {
            ended.context("a read has ended abnormally")??;
        }
        Ok(())
    }

    async fn read(self: Arc<Self>, reader: usize, moment: Instant) -> Result<()> {
        let request = Request::new(Method::GET, "/v1/timelines/home").token(Some(&self.accounts[reader].token));
        match self.transport.send(request).await {
            Ok(answer) if answer.status == 200 => {
                let page: HomePage = answer.parse()?;
                if !page.tweets.is_sorted_by(|newer, older| newer.id > older.id) {
                    bail!("a home timeline is not strictly newest first: {:?}", page.tweets);
                }
                self.report.lock().reads.add(moment.elapsed());
            }
            Ok(answer) if answer.status == 503 => self.report.lock().refused(&answer),
            Ok(answer) if is_cut(&answer) => self.report.lock().unanswered += 1,
            Ok(answer) => bail!("{} was answered {}: {}", answer.request, answer.status, answer.body),
            Err(_) => self.report.lock().unanswered += 1,
        }
        Ok(())
    }
}

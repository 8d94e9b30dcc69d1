//! Comparing every timeline with the ledger.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use model::TweetId;
use test_support::Client;

use super::Ledger;

const COMPARED_AT_ONCE: usize = 8;
const PAGE: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

impl Ledger {
    /// Waits until every timeline is as the ledger says, at most `within`; fails with the first that is not by then.
    /// Answers how long it took.
    pub async fn verify(&self, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            match self.compare().await {
                Ok(()) => return Ok(begun.elapsed()),
                Err(difference) if begun.elapsed() > within => return Err(difference),
                Err(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
        }
    }

    /// Compares every timeline with the ledger, once.
    pub async fn compare(&self) -> Result<()> {
        let acknowledged = self.acknowledged.lock().clone();
        let of = |authors: &BTreeSet<usize>| -> Vec<TweetId> {
            let seen = acknowledged.iter().filter(|known| authors.contains(&known.author));
            let newest_first: BTreeSet<TweetId> = seen.map(|known| known.tweet).collect();
            newest_first.into_iter().rev().collect()
        };
        let client = Client::new(self.transport.clone());
        stream::iter(0..self.accounts.len())
            .map(Ok)
            .try_for_each_concurrent(COMPARED_AT_ONCE, async |number| {
                let account = &self.accounts[number];
                let own = client.user_timeline(account.id, None, PAGE).await?.unwrap_or_default();
                let own: Vec<TweetId> = own.iter().map(|tweet| tweet.id).collect();
                same("user timeline", number, &own, &of(&BTreeSet::from([number])))?;
                let home = client.scroll(&account.token, PAGE).await?;
                same("home timeline", number, &home, &of(&account.sees))
            })
            .await
    }
}

fn same(what: &str, account: usize, found: &[TweetId], expected: &[TweetId]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (in_found, in_expected): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), expected.iter().collect());
    let missing: Vec<_> = in_expected.difference(&in_found).collect();
    let extra: Vec<_> = in_found.difference(&in_expected).collect();
    bail!(
        "the {what} of account {account} has {} tweets where {} were acknowledged; missing {missing:?}; extra {extra:?}; \
         {} twice",
        found.len(),
        expected.len(),
        found.len() - in_found.len()
    )
}

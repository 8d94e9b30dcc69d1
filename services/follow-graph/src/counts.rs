//! Tells the graph store how many tweets an author has.

use std::time::Duration;

use ahash::AHashMap;
use model::{AuthorTweets, EVENT_FORMAT, EventBody, UserId};
use storage::{Deadline, Group, Receipt, Received, StoreError};
use tokio_util::sync::CancellationToken;

use crate::service::Ports;

const BATCH: usize = 4_096;
const WAIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(1);
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Between two batches, so that a busy author's count is written once for many tweets. Counts may be 5 s old.
const GATHER: Duration = Duration::from_millis(500);

/// Takes over counts until `shutdown`.
pub(crate) async fn run(ports: &Ports, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let pause = match batch(ports, shutdown).await {
            Ok(()) => GATHER,
            Err(error) => {
                tracing::warn!(%error, "tweet counts wait for a store");
                PAUSE
            }
        };
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

async fn batch(ports: &Ports, shutdown: &CancellationToken) -> Result<(), StoreError> {
    loop {
        let receive = ports.log.receive(Group::TweetCounts, BATCH, WAIT);
        let Some(received) = shutdown.run_until_cancelled(receive).await else {
            return Ok(());
        };
        let received = received?;
        if received.is_empty() {
            return Ok(());
        }
        let counts = newest(&received);
        while let Err(error) = ports
            .store
            .set_tweet_counts(counts.clone(), Deadline::after(WRITE_WITHIN))
            .await
        {
            // What was received is not received again: it is tried until it is in, or the process ends.
            tracing::warn!(%error, "tweet counts wait for the graph store");
            if shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return Ok(());
            }
        }
        let receipts: Vec<Receipt> = received.iter().map(|received| received.receipt).collect();
        ports.log.acknowledge(Group::TweetCounts, &receipts).await?;
        if received.len() < BATCH {
            return Ok(());
        }
    }
}

/// The newest version of each author. Events that this build does not understand tell nothing.
fn newest(received: &[Received]) -> Vec<(UserId, AuthorTweets)> {
    let mut newest: AHashMap<UserId, AuthorTweets> = AHashMap::new();
    for event in received
        .iter()
        .map(|received| &received.event)
        .filter(|event| event.format == EVENT_FORMAT)
    {
        let (EventBody::TweetAccepted { author, tweets, .. } | EventBody::TweetDeleted { author, tweets, .. }) =
            event.body;
        let known = newest.entry(author).or_insert(tweets);
        if tweets.version > known.version {
            *known = tweets;
        }
    }
    newest.into_iter().collect()
}

//! Tweets that were recorded as left to readers, and are to be pushed after all: the rules had changed by the second look.
//!
//! The first page of their followers is written with the batch. Of those who have more, the rest is walked here, one page after
//! the other, so that small authors don't wait behind it. How far a walk has come is kept in memory alone: the tweet's event is
//! acknowledged when the walk is done, and whoever receives it anew begins anew, which changes nothing where it was. It is in
//! hand meanwhile as any other: one that fails for reasons of its own, or that processes die of, is set aside after some tries.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{TweetId, UserId};
use parking_lot::Mutex;
use storage::{FollowerPageRequest, PushBatch, Receipt, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::service::FanOut;
use crate::worker::Pause;

/// A tweet, and how far it has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LatePush {
    pub(crate) tweet: TweetId,
    pub(crate) author: UserId,
    pub(crate) receipt: Receipt,
    /// The last follower whose timeline was written.
    after: Option<UserId>,
}

impl LatePush {
    pub(crate) fn new(tweet: TweetId, author: UserId, receipt: Receipt) -> Self {
        Self {
            tweet,
            author,
            receipt,
            after: None,
        }
    }
}

/// Those that are under way. No more than the log admits.
#[derive(Default)]
pub(crate) struct LatePushes {
    under_way: Mutex<BTreeMap<Receipt, LatePush>>,
    added: Notify,
}

impl LatePushes {
    fn put(&self, push: LatePush) {
        self.under_way.lock().insert(push.receipt, push);
    }

    fn has(&self, receipt: Receipt) -> bool {
        self.under_way.lock().contains_key(&receipt)
    }

    /// Taking turns: the next after the one that was taken last.
    fn after(&self, last: Option<Receipt>) -> Option<LatePush> {
        let under_way = self.under_way.lock();
        let next = last.and_then(|last| under_way.range(last..).find(|(receipt, _)| **receipt != last));
        next.or_else(|| under_way.first_key_value()).map(|(_, push)| *push)
    }

    fn remove(&self, receipt: Receipt) {
        self.under_way.lock().remove(&receipt);
    }
}

/// Goes on with what is under way, until `shutdown`.
pub(crate) async fn work(fan_out: Arc<FanOut>, shutdown: CancellationToken) {
    let mut pause = Pause::new(fan_out.settings.longest_pause);
    let mut last = None;
    while !shutdown.is_cancelled() {
        let added = fan_out.late_pushes.added.notified();
        let Some(push) = fan_out.late_pushes.after(last) else {
            shutdown.run_until_cancelled(added).await;
            continue;
        };
        last = Some(push.receipt);
        match fan_out.go_on(push).await {
            Ok(()) => pause.reset(),
            Err(error) if error.is_transient() => pause.after(&error, &shutdown).await,
            Err(error) => {
                tracing::error!(%error, tweet = %push.tweet, "a late push can't be done");
                fan_out.late_pushes.remove(push.receipt);
                fan_out.ports.log.fail(&[push.receipt]).await;
            }
        }
    }
}

impl FanOut {
    /// Writes the first page of followers; answers whether that was all. The rest is under way then. In a batch that is tried
    /// again it may be already.
    pub(crate) async fn push_late(&self, push: LatePush) -> Result<bool, StoreError> {
        if self.late_pushes.has(push.receipt) {
            return Ok(false);
        }
        let rest = self.push_page(push).await?;
        if let Some(rest) = rest {
            self.late_pushes.put(rest);
            self.late_pushes.added.notify_one();
        }
        Ok(rest.is_none())
    }

    async fn go_on(&self, push: LatePush) -> Result<(), StoreError> {
        if let Some(rest) = self.push_page(push).await? {
            self.late_pushes.put(rest);
            return Ok(());
        }
        self.ports.log.acknowledge(&[push.receipt]).await?;
        self.late_pushes.remove(push.receipt);
        Ok(())
    }

    /// Writes the tweet into the timelines of the next page of followers; its record stays as it is. Answers what is left.
    async fn push_page(&self, push: LatePush) -> Result<Option<LatePush>, StoreError> {
        let request = FollowerPageRequest {
            author: push.author,
            after: push.after,
            limit: self.settings.chunk,
        };
        let pages = self.ports.graph.followers(&[request], self.deadline()).await?;
        let page = pages.into_iter().next().unwrap_or_default();
        let after = page.followers.last().copied();
        let mut pairs: Vec<_> = page
            .followers
            .into_iter()
            .map(|follower| (follower, push.tweet))
            .collect();
        self.push(&PushBatch::group(&mut pairs), pairs.len()).await?;
        Ok(page.more.then_some(LatePush { after, ..push }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_take_turns() {
        let pushes = LatePushes::default();
        assert!(pushes.after(None).is_none());
        for number in 1..=3 {
            pushes.put(LatePush::new(TweetId::new(number), UserId::new(9), Receipt(number)));
        }
        let mut last = None;
        let mut turns = Vec::new();
        for _ in 0..4 {
            last = pushes.after(last).map(|push| push.receipt);
            turns.extend(last);
        }
        assert_eq!(turns, [Receipt(1), Receipt(2), Receipt(3), Receipt(1)]);
        pushes.remove(Receipt(2));
        assert_eq!(
            pushes.after(Some(Receipt(2))).map(|push| push.receipt),
            Some(Receipt(3))
        );
    }
}

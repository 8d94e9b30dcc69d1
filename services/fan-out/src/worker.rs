//! The consumer loop: one batch after the other, each until it is done.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use model::{DeliveryRecord, DeliveryRules, EVENT_FORMAT, EventBody, Mode, TweetId, UserId};
use storage::{Deadline, FollowerPageRequest, Receipt, Received, StoreError};
use telemetry::trace::{Kind, Span};
use tokio_util::sync::CancellationToken;

use crate::batch::{Batch, Pending, record};
use crate::late_pushes::LatePush;
use crate::service::FanOut;
use crate::spans::BatchSpans;

const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Records that one commit drops, and the pause between passes.
const PRUNED_AT_ONCE: usize = 10_000;
const BETWEEN_PRUNES: Duration = Duration::from_mins(1);

/// Authors whose followers are held in memory at once.
const AUDIENCES_AT_ONCE: usize = 1_024;

/// Delivers batches until `shutdown`.
pub(crate) async fn run(fan_out: &Arc<FanOut>, shutdown: &CancellationToken) {
    let mut pause = Pause::new(fan_out.settings.longest_pause);
    loop {
        let receive = fan_out.ports.log.receive(fan_out.settings.batch, fan_out.settings.wait);
        let received = tokio::select! {
            () = shutdown.cancelled() => return,
            received = receive => received,
        };
        match received {
            Ok(received) => {
                fan_out.metrics.received(received.len());
                if !received.is_empty() && !until_done(fan_out, &received, &mut pause, shutdown).await {
                    return;
                }
            }
            Err(error) => pause.after(&error, shutdown).await,
        }
    }
}

/// Handles a batch, again and again while a store is away. Where waiting does not help, by halves, until the events that
/// fail are alone; the log sets them aside in the end. `false` when it was given up for a shutdown: what is not acknowledged
/// is received again.
async fn until_done(
    fan_out: &Arc<FanOut>,
    received: &[Received],
    pause: &mut Pause,
    shutdown: &CancellationToken,
) -> bool {
    let mut batches = vec![received];
    while let Some(batch) = batches.pop() {
        match (handle(fan_out, batch).await, batch) {
            (Ok(()), _) => pause.reset(),
            (Err(error), [failed]) if !error.is_transient() => {
                tracing::error!(%error, tweet = %failed.event.body.tweet(), "an event can't be handled");
                fan_out.ports.log.fail(&[failed.receipt]).await;
            }
            (Err(error), batch) if !error.is_transient() => {
                let (first, second) = batch.split_at(batch.len() / 2);
                batches.extend([second, first]);
            }
            (Err(error), batch) => {
                pause.after(&error, shutdown).await;
                batches.push(batch);
            }
        }
        if shutdown.is_cancelled() {
            return batches.is_empty();
        }
    }
    true
}

/// One attempt at a batch, in its traces.
async fn handle(fan_out: &Arc<FanOut>, received: &[Received]) -> Result<(), StoreError> {
    let spans = BatchSpans::begin(received);
    let handled = spans.cover(deliver(fan_out, received, &spans)).await;
    if handled.is_err() {
        spans.failed();
    }
    handled
}

/// Delivers a batch. Every step may be repeated: pushes are idempotent, records are kept once.
async fn deliver(fan_out: &Arc<FanOut>, received: &[Received], spans: &BatchSpans) -> Result<(), StoreError> {
    let ports = &fan_out.ports;
    let received = understood(received);
    let accepted = accepted(&received);
    let ids: Vec<TweetId> = accepted.iter().map(|(tweet, _, _)| *tweet).collect();
    let known = ports.deliveries.get(&ids, fan_out.deadline()).await?;
    let rules = ports.graph.delivery_rules(fan_out.deadline()).await?;

    let mut unfinished = Vec::new();
    let mut pulled = Vec::new();
    let mut left_to_readers = Vec::new();
    let mut pushed = Vec::new();
    for ((tweet, author, receipt), known) in accepted.into_iter().zip(known) {
        match known {
            Some(DeliveryRecord { mode: Mode::Pull, .. }) => {
                spans.outcome(tweet, "known");
                left_to_readers.push(LatePush::new(tweet, author, receipt));
            }
            Some(record) if record.finished_at_ms.is_some() => spans.outcome(tweet, "known"),
            Some(_) => {
                spans.planned(tweet, &fan_out.traces);
                unfinished.push((tweet, receipt));
            }
            None => {
                let pending = Pending {
                    tweet,
                    author,
                    mode: rules.settle(author, tweet),
                };
                if pending.mode.is_pushed() {
                    pushed.push((pending, receipt));
                } else {
                    left_to_readers.push(LatePush::new(tweet, author, receipt));
                    pulled.push(pending);
                }
            }
        }
    }
    let counted: Vec<UserId> = if rules.pushes_anything() {
        pulled.iter().map(|pending| pending.author).collect()
    } else {
        Vec::new()
    };
    record_pulled(fan_out, pulled, spans).await?;
    let under_way = look_again(fan_out, &left_to_readers).await?;
    unfinished.extend(push(fan_out, pushed, spans).await?);
    let in_chunks = unfinished.iter().map(|(_, receipt)| *receipt);
    let not_done: AHashSet<Receipt> = under_way.iter().copied().chain(in_chunks).collect();
    fan_out.acknowledge_later(unfinished).await;

    forget(fan_out, deleted(&received)).await;
    let done: Vec<Receipt> = received
        .iter()
        .map(|received| received.receipt)
        .filter(|receipt| !not_done.contains(receipt))
        .collect();
    let (acknowledged, ()) = tokio::join!(ports.log.acknowledge(&done), count_followers(fan_out, counted));
    acknowledged
}

/// Takes deleted tweets out of the cache. Whoever deleted them has done so before the answer, unless it died in between: so this
/// is tried once, and holds nothing up.
async fn forget(fan_out: &FanOut, deleted: Vec<TweetId>) {
    if deleted.is_empty() {
        return;
    }
    if let Err(error) = fan_out
        .ports
        .cache
        .remove(&deleted, Deadline::after(FORGET_WITHIN))
        .await
    {
        tracing::warn!(%error, tweets = deleted.len(), "deleted tweets were not taken out of the cache once more");
    }
}

/// The next batch waits for it.
const FORGET_WITHIN: Duration = Duration::from_secs(1);
const COUNT_WITHIN: Duration = Duration::from_millis(250);

/// Counts how many followers these authors have, who are pulled for having many. Those of pushed tweets are known anyway.
async fn count_followers(fan_out: &FanOut, authors: Vec<UserId>) {
    if authors.is_empty() {
        return;
    }
    let deadline = Deadline::after(COUNT_WITHIN);
    match fan_out.ports.graph.users(&authors, deadline).await {
        Ok(users) => {
            for user in users.into_iter().flatten() {
                fan_out.metrics.author(user.followers_count);
            }
        }
        Err(error) => tracing::debug!(%error, "how many followers some authors have is not counted"),
    }
}

/// What this build knows the format of. The rest is not acknowledged: it stays in the log for a build that does. (The streams
/// set it aside before it comes here.)
fn understood(received: &[Received]) -> Vec<&Received> {
    let is_understood = |received: &&Received| {
        let event = &received.event;
        let is_understood = event.format == EVENT_FORMAT;
        if !is_understood {
            tracing::error!(position = %event.position, format = event.format, "an event of an unknown format is left in the log");
        }
        is_understood
    };
    received.iter().filter(is_understood).collect()
}

/// The tweets that were deleted.
fn deleted(received: &[&Received]) -> Vec<TweetId> {
    let deleted = |received: &&Received| match received.event.body {
        EventBody::TweetDeleted { tweet, .. } => Some(tweet),
        EventBody::TweetAccepted { .. } => None,
    };
    received.iter().filter_map(deleted).collect()
}

/// The tweets to deliver.
fn accepted(received: &[&Received]) -> Vec<(TweetId, UserId, Receipt)> {
    let delivered = |received: &&Received| match received.event.body {
        EventBody::TweetAccepted { tweet, author } => Some((tweet, author, received.receipt)),
        EventBody::TweetDeleted { .. } => None,
    };
    received.iter().filter_map(delivered).collect()
}

/// Records tweets that readers pull.
async fn record_pulled(fan_out: &FanOut, pulled: Vec<Pending>, spans: &BatchSpans) -> Result<(), StoreError> {
    if pulled.is_empty() {
        return Ok(());
    }
    let now_ms = fan_out.clock.unix_ms();
    let records = pulled
        .into_iter()
        .map(|pending| record(pending, 0, 0, 0, now_ms))
        .collect();
    keep(fan_out, records, spans).await
}

/// Looks at the rules once more, after tweets have been recorded as left to readers, by whomever: those that are to be pushed
/// by now are pushed too. Answers those of which that is still under way.
async fn look_again(fan_out: &FanOut, left_to_readers: &[LatePush]) -> Result<Vec<Receipt>, StoreError> {
    if left_to_readers.is_empty() {
        return Ok(Vec::new());
    }
    let rules: Arc<DeliveryRules> = fan_out.ports.graph.delivery_rules(fan_out.deadline()).await?;
    let mut under_way = Vec::new();
    for push in left_to_readers {
        if rules.settle(push.author, push.tweet) != Mode::Pull && !fan_out.push_late(*push).await? {
            under_way.push(push.receipt);
        }
    }
    Ok(under_way)
}

/// Writes tweets into their followers' timelines and records them. Answers those that are delivered in chunks instead.
async fn push(
    fan_out: &Arc<FanOut>,
    pushed: Vec<(Pending, Receipt)>,
    spans: &BatchSpans,
) -> Result<Vec<(TweetId, Receipt)>, StoreError> {
    let mut huge = Vec::new();
    for some in pushed.chunks(AUDIENCES_AT_ONCE) {
        let audiences = audiences(fan_out, some).await?;
        let mut batch = Batch::default();
        for (pending, receipt) in some {
            match audiences.get(&pending.author) {
                Some(Audience::Small(followers)) => batch.add(*pending, followers),
                Some(Audience::Huge) => huge.push((*pending, *receipt)),
                None => batch.add(*pending, &[]),
            }
            if batch.pairs() >= fan_out.settings.pairs {
                write(fan_out, std::mem::take(&mut batch), spans).await?;
            }
        }
        write(fan_out, batch, spans).await?;
    }
    for (pending, _) in &huge {
        spans.planned(pending.tweet, &fan_out.traces);
    }
    fan_out.plan(huge.iter().map(|(pending, _)| *pending)).await?;
    Ok(huge
        .into_iter()
        .map(|(pending, receipt)| (pending.tweet, receipt))
        .collect())
}

enum Audience {
    Small(Vec<UserId>),
    Huge,
}

/// The followers of each author, asked for at once.
async fn audiences(fan_out: &FanOut, pushed: &[(Pending, Receipt)]) -> Result<AHashMap<UserId, Audience>, StoreError> {
    let mut authors: Vec<UserId> = pushed.iter().map(|(pending, _)| pending.author).collect();
    authors.sort_unstable();
    authors.dedup();
    let request = |author: &UserId| FollowerPageRequest {
        author: *author,
        after: None,
        limit: fan_out.settings.chunk,
    };
    let requests: Vec<_> = authors.iter().map(request).collect();
    let pages = fan_out.ports.graph.followers(&requests, fan_out.deadline()).await?;
    let audience = |(author, page): (UserId, storage::FollowerPage)| {
        (
            author,
            if page.more {
                Audience::Huge
            } else {
                Audience::Small(page.followers)
            },
        )
    };
    Ok(authors.into_iter().zip(pages).map(audience).collect())
}

async fn write(fan_out: &FanOut, mut batch: Batch, spans: &BatchSpans) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    let (pairs, grouped) = (batch.pairs(), batch.group());
    let exists = fan_out.push(&grouped, pairs).await?;
    let records = batch.records(&grouped, &exists, fan_out.clock.unix_ms());
    keep(fan_out, records, spans).await
}

/// Records deliveries that are done.
async fn keep(fan_out: &FanOut, records: Vec<DeliveryRecord>, spans: &BatchSpans) -> Result<(), StoreError> {
    let deliveries = &fan_out.ports.deliveries;
    let span = Span::child(Kind::Internal, "record deliveries");
    span.cover(deliveries.record(records.clone(), fan_out.deadline()))
        .await?;
    spans.recorded(&records);
    for record in records.iter().filter(|record| record.difference() > 0) {
        tracing::error!(?record, "some followers of a tweet are not accounted for");
    }
    fan_out.metrics.delivered(&records);
    Ok(())
}

/// Drops records that have been kept long enough, until `shutdown`.
pub(crate) async fn prune(fan_out: &FanOut, shutdown: &CancellationToken) {
    let kept_ms = u64::try_from(fan_out.settings.records_kept.as_millis()).unwrap_or(u64::MAX);
    while shutdown
        .run_until_cancelled(tokio::time::sleep(BETWEEN_PRUNES))
        .await
        .is_some()
    {
        loop {
            let before = fan_out.clock.unix_ms().saturating_sub(kept_ms);
            match fan_out
                .ports
                .deliveries
                .prune(before, PRUNED_AT_ONCE, fan_out.deadline())
                .await
            {
                Ok(PRUNED_AT_ONCE..) if !shutdown.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old delivery records were not pruned; the next pass tries again");
                    break;
                }
            }
        }
    }
}

/// Growing pauses with jitter while a store is away. The first failure is logged, and then each at the longest pause.
pub(crate) struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            next: FIRST_PAUSE,
            longest,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }

    pub(crate) async fn after(&mut self, error: &StoreError, shutdown: &CancellationToken) {
        if self.next == FIRST_PAUSE || self.next == self.longest {
            tracing::warn!(%error, "fan-out waits for a store; nothing is lost");
        }
        let jittered = self.next.mul_f64(rand::random_range(0.5..1.0));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(jittered) => {}
        }
        self.next = (self.next * 2).min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use model::{Event, Position};

    use super::*;

    #[test]
    fn an_event_of_another_format_is_neither_delivered_nor_acknowledged() {
        let received = [EVENT_FORMAT, EVENT_FORMAT + 1].map(|format| Received {
            receipt: Receipt(u64::from(format)),
            event: Event {
                position: Position(1),
                format,
                trace: None,
                body: EventBody::TweetAccepted {
                    tweet: TweetId::new(9),
                    author: UserId::new(4),
                },
            },
        });
        assert_eq!(understood(&received), [&received[0]]);
        assert_eq!(accepted(&understood(&received)).len(), 1);
    }
}

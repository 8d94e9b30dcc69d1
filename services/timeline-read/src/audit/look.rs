//! One look at a stored timeline: what it must hold, what it may hold, and what it holds.
//!
//! The order of the questions is part of it (`docs/crossing.md`). First comes the mark: what lies below it is delivered.
//! Then the rules, then the timeline as it lies there, then the reader's follows, then the tweets. So whatever the timeline
//! showed is explained by follows and tweets that were looked at later, since both are committed before anything is pushed.
//!
//! It **must** hold each tweet from its own mark up to where everything is settled, of each author who has been followed
//! since a version that the timeline holds, that no range of ids has readers pull, that is not set aside, and that is not
//! deleted, nor its author.
//!
//! It **may** hold much besides: what is not settled yet, what readers pull as well, what followed from follows younger than
//! its version, and what deletions and unfollows have left behind. Reads take care of all of that. Tombstones tell these from
//! what can't have come there; where they may be forgotten by now, an entry has the benefit of the doubt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashSet;
use model::{AuthorRange, Coverage, DeliveryRules, IdRange, ReaderView, TweetId, UserId};
use storage::{Deadline, Settled, StoreError, TOMBSTONES_KEPT, TimelineSlice};

use super::difference::{Difference, Kind};
use crate::service::TimelineRead;

/// How often rules are asked for that may be believed when they come.
const ATTEMPTS: usize = 3;

/// A tombstone may be younger than its tweet's id, but not by more than the time that a late push may take.
const DOUBT: Duration = Duration::from_hours(24);

/// What a look found.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) user: UserId,
    pub(crate) differences: Vec<Difference>,
    /// What it went by.
    pub(crate) settled: TweetId,
    pub(crate) coverage: Coverage,
    /// From here up to `settled` all tweets were compared: the timeline's mark, unless far more lies above it than a
    /// timeline can hold.
    pub(crate) compared_from: TweetId,
    pub(crate) entries: usize,
    pub(crate) actor_version: model::ActorVersion,
    pub(crate) rules_version: u64,
}

impl Look {
    /// What it found, and an earlier look too.
    pub(crate) fn in_both(&self, earlier: &[Difference]) -> Vec<Difference> {
        let earlier: AHashSet<_> = earlier.iter().map(|found| (found.tweet, found.kind)).collect();
        let both = |found: &&Difference| earlier.contains(&(found.tweet, found.kind));
        self.differences.iter().filter(both).copied().collect()
    }
}

/// Looks at a user's timeline; `None` when there is none, or no such account.
pub(crate) async fn look(service: &TimelineRead, user: UserId, deadline: Deadline) -> Result<Option<Look>, StoreError> {
    let ports = &service.ports;
    let settled = ports.log.settled().await?;
    let rules = believed_rules(service, deadline).await?;
    let Some(stored) = ports.timelines.inspect(user, deadline).await? else {
        return Ok(None);
    };
    let Some(view) = ports.graph.reader(user, None, deadline).await? else {
        return Ok(None);
    };
    let basis = LookBasis {
        service,
        settled,
        rules,
        stored,
        view,
        deadline,
    };
    Ok(Some(basis.compare().await?))
}

/// A process that was stopped after it had made sure of its rules may have them from long ago.
async fn believed_rules(service: &TimelineRead, deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
    let graph = &service.ports.graph;
    for _ in 0..ATTEMPTS {
        let rules = graph.delivery_rules(deadline).await?;
        if graph.believable_until().is_none_or(|until| Instant::now() <= until) {
            return Ok(rules);
        }
    }
    Err(StoreError::Timeout {
        store: "the follow graph",
    })
}

/// What a look goes by.
struct LookBasis<'a> {
    service: &'a TimelineRead,
    settled: Settled,
    rules: Arc<DeliveryRules>,
    stored: TimelineSlice,
    view: Arc<ReaderView>,
    deadline: Deadline,
}

/// The tweets that must be entries.
struct Expected {
    /// Newest first, each with its author.
    tweets: Vec<(TweetId, UserId)>,
    /// Down to here all of them.
    low: TweetId,
}

impl LookBasis<'_> {
    async fn compare(self) -> Result<Look, StoreError> {
        let expected = self.expected().await?;
        let entries: AHashSet<TweetId> = self.stored.ids.iter().copied().collect();
        let is_missing = |(tweet, _): &&(TweetId, UserId)| !entries.contains(tweet);
        let missing = expected
            .tweets
            .iter()
            .filter(is_missing)
            .map(|(tweet, author)| Difference {
                tweet: *tweet,
                author: Some(*author),
                kind: Kind::Missing,
            });
        let mut differences: Vec<Difference> = missing.collect();
        differences.extend(misplaced(&self.stored));
        differences.extend(self.unexplained(&expected).await?);
        once_each(&mut differences);
        Ok(Look {
            user: self.view.reader,
            differences,
            settled: self.settled.below,
            coverage: self.stored.coverage,
            compared_from: expected.low,
            entries: self.stored.ids.len(),
            actor_version: self.view.version,
            rules_version: self.rules.version,
        })
    }

    /// What the timeline must hold. One page of the tweets is enough: it has room for all that the timeline has and more, so
    /// whatever mark is too low shows on it.
    async fn expected(&self) -> Result<Expected, StoreError> {
        let (floor, end) = (self.stored.coverage.complete_from, self.settled.below);
        let sources = pushed_sources(&self.view, &self.rules, self.stored.coverage, end);
        if sources.is_empty() {
            let tweets = Vec::new();
            return Ok(Expected { tweets, low: floor });
        }
        let ports = &self.service.ports;
        let limit = self.stored.ids.len() + self.service.auditor.window;
        let page = ports.tweets.page(&sources, end, limit, self.deadline).await?;
        let low = page.next_below.map_or(floor, |next| next.max(floor));
        let mut authors: Vec<UserId> = page.entries.iter().map(|entry| entry.author).collect();
        authors.sort_unstable();
        authors.dedup();
        let deleted = ports.graph.deleted_among(&authors, self.deadline).await?;
        let aside: AHashSet<TweetId> = self.settled.aside.iter().map(|aside| aside.tweet).collect();
        let must_be_there = page.entries.iter().filter(|entry| {
            entry.id >= low && entry.id < end && !aside.contains(&entry.id) && !deleted.contains(&entry.author)
        });
        Ok(Expected {
            tweets: must_be_there.map(|entry| (entry.id, entry.author)).collect(),
            low,
        })
    }

    /// Entries that nothing explains. Most are expected, and not even looked at.
    async fn unexplained(&self, expected: &Expected) -> Result<Vec<Difference>, StoreError> {
        let ports = &self.service.ports;
        let expected: AHashSet<TweetId> = expected.tweets.iter().map(|(tweet, _)| *tweet).collect();
        let others: Vec<TweetId> = self
            .stored
            .ids
            .iter()
            .copied()
            .filter(|id| !expected.contains(id) && !self.is_forgotten(*id))
            .collect();
        let fates = ports.tweets.fates(&others, self.deadline).await?;
        let mut unexplained = Vec::new();
        let mut unfollowed = Vec::new();
        for (tweet, fate) in others.into_iter().zip(fates) {
            match fate {
                None => unexplained.push(Difference {
                    tweet,
                    author: None,
                    kind: Kind::NoSuchTweet,
                }),
                Some(fate) if self.view.followee(fate.author).is_none() => unfollowed.push((tweet, fate.author)),
                Some(_) => {}
            }
        }
        unexplained.extend(self.never_followed(unfollowed).await?);
        Ok(unexplained)
    }

    /// Those of the tweets whose authors the reader has never followed.
    async fn never_followed(&self, tweets: Vec<(TweetId, UserId)>) -> Result<Vec<Difference>, StoreError> {
        let mut authors: Vec<UserId> = tweets.iter().map(|(_, author)| *author).collect();
        authors.sort_unstable();
        authors.dedup();
        let follows = &self.service.ports.edges;
        let ever = follows.ever_followed(self.view.reader, &authors, self.deadline).await?;
        let never: AHashSet<UserId> = authors
            .into_iter()
            .zip(ever)
            .filter(|(_, ever)| !ever)
            .map(|(author, _)| author)
            .collect();
        let unexplained = tweets.into_iter().filter(|(_, author)| never.contains(author));
        Ok(unexplained
            .map(|(tweet, author)| Difference {
                tweet,
                author: Some(author),
                kind: Kind::NeverFollowed,
            })
            .collect())
    }

    /// Whether a deletion of the tweet, or an unfollow after it, may have been forgotten by now.
    fn is_forgotten(&self, tweet: TweetId) -> bool {
        let kept = TOMBSTONES_KEPT.saturating_sub(DOUBT);
        let now = Duration::from_millis(self.service.auditor.clock.unix_ms());
        Duration::from_millis(tweet.unix_ms()) + kept < now
    }
}

/// Entries where none should be.
fn misplaced(stored: &TimelineSlice) -> Vec<Difference> {
    let unknown = |tweet, kind| Difference {
        tweet,
        author: None,
        kind,
    };
    let below = stored.ids.iter().filter(|id| **id < stored.coverage.complete_from);
    let disordered = stored.ids.windows(2).filter(|pair| pair[0] <= pair[1]);
    below
        .map(|id| unknown(*id, Kind::BelowMark))
        .chain(disordered.map(|pair| unknown(pair[1], Kind::OutOfOrder)))
        .collect()
}

/// What else may be wrong with a tweet is not told: it is one entry.
fn once_each(differences: &mut Vec<Difference>) {
    let mut told = AHashSet::new();
    differences.retain(|difference| told.insert(difference.tweet));
}

/// Whose tweets a stored timeline must hold, over which ids: from its mark up to `end`, without what readers pull.
fn pushed_sources(view: &ReaderView, rules: &DeliveryRules, stored: Coverage, end: TweetId) -> Vec<AuthorRange> {
    let held = view.followees.iter().filter(|followee| followee.since <= stored.holds);
    held.flat_map(|followee| {
        let pulled = rules.pulled_ranges(followee.id).collect();
        gaps(pulled, stored.complete_from, end)
            .into_iter()
            .map(|range| AuthorRange {
                author: followee.id,
                range,
            })
    })
    .collect()
}

/// What lies from `from` up to `end` and in none of these ranges, which may overlap.
fn gaps(mut ranges: Vec<IdRange>, from: TweetId, end: TweetId) -> Vec<IdRange> {
    ranges.sort_unstable_by_key(|range| range.from);
    let mut gaps = Vec::new();
    let mut open = from;
    for range in ranges {
        let range_end = range.until.unwrap_or(TweetId::MAX);
        if range_end <= range.from {
            continue;
        }
        let until = range.from.min(end);
        if open < until {
            gaps.push(IdRange {
                from: open,
                until: Some(until),
            });
        }
        open = open.max(range_end);
    }
    if open < end {
        gaps.push(IdRange {
            from: open,
            until: Some(end),
        });
    }
    gaps
}

#[cfg(test)]
mod tests {
    use model::ActorVersion;
    use proptest::prelude::*;

    use super::*;

    fn range(from: u64, until: Option<u64>) -> IdRange {
        IdRange {
            from: TweetId::new(from),
            until: until.map(TweetId::new),
        }
    }

    proptest! {
        #[test]
        fn gaps_are_all_that_the_ranges_leave_out(
            ranges in prop::collection::vec((0_u64..40, prop::option::of(0_u64..40)), 0..6),
            from in 0_u64..40,
            end in 0_u64..40,
        ) {
            let ranges: Vec<IdRange> = ranges.into_iter().map(|(from, until)| range(from, until)).collect();
            let gaps = gaps(ranges.clone(), TweetId::new(from), TweetId::new(end));
            for id in (0..45).map(TweetId::new) {
                let is_left_out = id.get() >= from && id.get() < end && !ranges.iter().any(|range| range.contains(id));
                prop_assert_eq!(gaps.iter().filter(|gap| gap.contains(id)).count(), usize::from(is_left_out), "{}", id);
            }
        }
    }

    #[test]
    fn what_lies_below_the_mark_or_out_of_order_is_misplaced() {
        let stored = TimelineSlice {
            ids: [90, 70, 80, 80, 40].map(TweetId::new).to_vec(),
            more: false,
            coverage: Coverage {
                complete_from: TweetId::new(50),
                holds: ActorVersion(1),
            },
        };
        let mut found = misplaced(&stored);
        let told = |found: &[Difference]| -> Vec<_> { found.iter().map(|one| (one.tweet.get(), one.kind)).collect() };
        let (below, disordered) = ((40, Kind::BelowMark), (80, Kind::OutOfOrder));
        assert_eq!(told(&found), [below, disordered, disordered]);
        once_each(&mut found);
        assert_eq!(told(&found), [below, disordered]);
    }
}

//! Where the ids of a home timeline come from: its stored part, and the tweet store.
//!
//! A stored timeline holds, down to its mark, what was pushed. The rest is pulled from the tweet store:
//!
//! | ids | pulled |
//! |---|---|
//! | at or above the mark | the reader's own tweets; authors over the ranges in which they are pulled; accounts that were followed after the version whose follows the timeline holds |
//! | below the mark, or all where nothing is stored | everybody the reader follows, and the reader |
//!
//! A page merged from several sources is complete only down to the highest of their lower bounds.

use model::{ActorVersion, AuthorRange, Coverage, DeliveryRules, IdRange, ReaderView, TweetId, UserId};
use storage::{Deadline, StoreError, TimelineSlice, TimelineStore, TweetStore};

use crate::metrics::ReadMetrics;

/// Ids of a home timeline, before filters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Candidates {
    /// Newest first, none twice.
    pub(crate) ids: Vec<TweetId>,
    /// Everything from here up to where the fetch began is among them; [`TweetId::MIN`] at the end of history.
    pub(crate) low: TweetId,
}

/// What looking for a stored timeline came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// There is none (or not yet).
    Absent,
    /// This part of it.
    Present(TimelineSlice),
    /// The store of timelines is away. Timelines are a cache: everything is pulled meanwhile.
    Unreachable,
}

impl Lookup {
    /// How far what was found can be trusted.
    pub(crate) fn coverage(&self) -> Option<Coverage> {
        match self {
            Self::Present(slice) => Some(slice.coverage),
            Self::Absent | Self::Unreachable => None,
        }
    }
}

/// Looks for the stored timeline; answers also which version of the reader must show, where that is known.
pub(crate) async fn look_up(
    timelines: &dyn TimelineStore,
    reader: UserId,
    below: TweetId,
    want: usize,
    deadline: Deadline,
) -> Result<(Option<ActorVersion>, Lookup), StoreError> {
    match timelines.read(reader, below, want, deadline).await {
        Ok(stored) => Ok((
            stored.actor_version,
            stored.slice.map_or(Lookup::Absent, Lookup::Present),
        )),
        Err(error) if error.is_transient() => {
            tracing::debug!(%reader, %error, "a stored timeline cannot be reached");
            Ok((None, Lookup::Unreachable))
        }
        Err(error) => {
            // It is a cache: what cannot be read is not there, and the build that is asked for takes its place.
            tracing::error!(%reader, %error, "a stored timeline is none");
            Ok((None, Lookup::Absent))
        }
    }
}

/// Fetches ids for one reader.
pub(crate) struct Sources<'a> {
    pub(crate) tweets: &'a dyn TweetStore,
    pub(crate) view: &'a ReaderView,
    pub(crate) rules: &'a DeliveryRules,
    pub(crate) metrics: &'a ReadMetrics,
    pub(crate) deadline: Deadline,
}

impl Sources<'_> {
    /// The newest ids below `below`, `want` or more where there are as many above the next border between sources.
    pub(crate) async fn fetch(&self, lookup: Lookup, below: TweetId, want: usize) -> Result<Candidates, StoreError> {
        let sources = pulled_from(self.view, self.rules, lookup.coverage(), below);
        let Lookup::Present(slice) = lookup else {
            return self.pull(&sources, below, want).await;
        };
        let mark = slice.coverage.complete_from;
        if below <= mark {
            return self.pull(&sources, below, want).await;
        }
        let stored_low = if slice.more {
            slice.ids.last().copied().unwrap_or(mark)
        } else {
            mark
        };
        let pulled = self.pull(&sources, below, want).await?;
        let low = pulled.low.max(stored_low);
        Ok(Candidates {
            ids: merge(slice.ids, pulled.ids, low),
            low,
        })
    }

    async fn pull(&self, sources: &[AuthorRange], below: TweetId, want: usize) -> Result<Candidates, StoreError> {
        self.metrics.pulled(sources.len());
        let page = self.tweets.page(sources, below, want, self.deadline).await?;
        let ids = page.entries.iter().map(|entry| entry.id).collect();
        Ok(Candidates {
            ids,
            low: page.next_below.unwrap_or(TweetId::MIN),
        })
    }
}

/// What is pulled of the ids right below `below`, beside a stored timeline or in place of it.
pub(crate) fn pulled_from(
    view: &ReaderView,
    rules: &DeliveryRules,
    stored: Option<Coverage>,
    below: TweetId,
) -> Vec<AuthorRange> {
    match stored {
        Some(coverage) if below > coverage.complete_from => beside_stored(view, rules, coverage),
        Some(_) | None => everybody(view),
    }
}

/// Everybody the reader follows, and the reader, over all ids.
fn everybody(view: &ReaderView) -> Vec<AuthorRange> {
    let followees = view.followees.iter().map(|followee| followee.id);
    followees
        .chain([view.reader])
        .map(|author| AuthorRange {
            author,
            range: IdRange::ALL,
        })
        .collect()
}

/// What must be pulled at or above the mark of a stored timeline.
pub fn beside_stored(view: &ReaderView, rules: &DeliveryRules, coverage: Coverage) -> Vec<AuthorRange> {
    let above_mark = |range: IdRange| {
        let open = range.until.is_none_or(|until| until > coverage.complete_from);
        open.then(|| IdRange {
            from: range.from.max(coverage.complete_from),
            until: range.until,
        })
    };
    let whole = |author| AuthorRange {
        author,
        range: IdRange {
            from: coverage.complete_from,
            until: None,
        },
    };
    let mut sources = vec![whole(view.reader)];
    sources.extend(
        view.followees
            .iter()
            .filter(|followee| followee.since > coverage.holds)
            .map(|f| whole(f.id)),
    );
    for range in rules.everyone.pulled.iter().copied().filter_map(above_mark) {
        sources.extend(view.followees.iter().map(|followee| AuthorRange {
            author: followee.id,
            range,
        }));
    }
    let mut add_own = |author: UserId, ranges: &[IdRange]| {
        sources.extend(
            ranges
                .iter()
                .copied()
                .filter_map(above_mark)
                .map(|range| AuthorRange { author, range }),
        );
    };
    // Whichever is fewer is walked: those the reader follows, or the authors that ever crossed.
    if rules.authors.len() < view.followees.len() {
        for (author, state) in rules
            .authors
            .iter()
            .filter(|(author, _)| view.followee(**author).is_some())
        {
            add_own(*author, &state.pulled);
        }
    } else {
        for followee in &view.followees {
            if let Some(state) = rules.authors.get(&followee.id) {
                add_own(followee.id, &state.pulled);
            }
        }
    }
    sources
}

/// Two descending lists as one, without repeats and without what lies below `low`.
fn merge(stored: Vec<TweetId>, pulled: Vec<TweetId>, low: TweetId) -> Vec<TweetId> {
    let mut merged = stored;
    let in_order = merged.is_sorted_by(|a, b| a > b);
    if !pulled.is_empty() || !in_order {
        merged.extend(pulled);
        merged.sort_unstable_by(|a, b| b.cmp(a));
        merged.dedup();
    }
    merged.truncate(merged.partition_point(|id| *id >= low));
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use model::{DeliveryState, Followee, RulesInForce, Strategy, Thresholds};

    use super::*;

    fn t(id: u64) -> TweetId {
        TweetId::new(id)
    }

    fn view() -> ReaderView {
        let followee = |id, since| Followee {
            id: UserId::new(id),
            since: ActorVersion(since),
        };
        ReaderView {
            reader: UserId::new(1),
            version: ActorVersion(9),
            followees: vec![followee(2, 3), followee(3, 8)],
            muted: vec![],
            blocked: vec![],
        }
    }

    fn rules(authors: HashMap<UserId, Arc<DeliveryState>>) -> DeliveryRules {
        let thresholds = Thresholds::new(100, 80).unwrap();
        let in_force = RulesInForce {
            strategy: Strategy::Hybrid,
            thresholds,
        };
        DeliveryRules {
            version: 1,
            in_force,
            everyone: DeliveryState::pushed(),
            authors,
        }
    }

    fn pulled(sources: &[AuthorRange]) -> Vec<(u64, u64, Option<u64>)> {
        let plain = |s: &AuthorRange| (s.author.get(), s.range.from.get(), s.range.until.map(TweetId::get));
        let mut all: Vec<_> = sources.iter().map(plain).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn beside_a_stored_timeline_stand_oneself_new_follows_and_pulled_ranges() {
        let mut state = DeliveryState::pushed();
        state.open(t(10), 0);
        state.close(t(20), 0);
        state.open(t(200), 0);
        let rules = rules(HashMap::from([(UserId::new(2), Arc::new(state))]));
        let coverage = Coverage {
            complete_from: t(100),
            holds: ActorVersion(5),
        };
        let sources = beside_stored(&view(), &rules, coverage);
        assert_eq!(pulled(&sources), [(1, 100, None), (2, 200, None), (3, 100, None)]);
    }

    #[test]
    fn a_pulled_everyone_is_everybody() {
        let mut rules = rules(HashMap::new());
        rules.everyone.open(t(150), 0);
        let coverage = Coverage {
            complete_from: t(100),
            holds: ActorVersion(9),
        };
        assert_eq!(
            pulled(&beside_stored(&view(), &rules, coverage)),
            [(1, 100, None), (2, 150, None), (3, 150, None)]
        );
    }

    #[test]
    fn trap_18_a_merge_ends_at_the_highest_lower_bound() {
        let merged = merge(vec![t(9), t(7), t(3)], vec![t(8), t(7), t(5)], t(5));
        assert_eq!(merged, [t(9), t(8), t(7), t(5)]);
    }
}

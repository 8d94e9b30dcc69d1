//! A page of a home timeline.
//!
//! 1. Take the mark: below it nothing can arrive late. Then take how authors are delivered, the stored timeline, and whom
//!    the reader follows.
//! 2. Fetch ids from all sources, newest first ([`crate::sources`]), look the tweets up, drop what the reader does not
//!    follow, or mutes, or is across a block from, or what is deleted. Again, further down, until the page is full.
//! 3. On the first page go down at least to the mark, and note every visible id above it: with the mark they say exactly
//!    what was visible now. That is the `newest_cursor`, and it travels with the scroll too, so that later pages show
//!    what was visible at its start and nothing newer.
//! 4. A reply that is shown shows its original, though that may not have been delivered yet.

use std::cmp::Reverse;
use std::sync::Arc;

use model::{TweetId, UserId};
use storage::{Deadline, RenderedTweet, StoreError};
use telemetry::trace::{Kind, Span, names};

use crate::build::{Job, followed_since};
use crate::mark::{HomeCursor, Mark};
use crate::service::{Basis, ReadError, TimelineRead};
use crate::sources::{Lookup, Sources, look_up};

/// How many ids a mark may list. More are visible above it only when fan-out lags far behind; then the newest are held
/// back until it has caught up, and the answer says that it is incomplete.
const MAX_SEEN: usize = 1_500;

/// How often a page may look further down for tweets that the filters leave. Then it ends where it has got to.
const MAX_FETCHES: usize = 32;

/// How often a page is put together anew because what it rests on has become too old meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct HomeRequest {
    pub(crate) reader: UserId,
    pub(crate) limit: usize,
    /// Where the scroll goes on.
    pub(crate) cursor: Option<HomeCursor>,
    /// Only what was not visible at this mark.
    pub(crate) newer_than: Option<Mark>,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct HomePage {
    pub(crate) tweets: Vec<Arc<RenderedTweet>>,
    pub(crate) next: Option<HomeCursor>,
    pub(crate) newest: Mark,
    pub(crate) complete: bool,
}

impl TimelineRead {
    /// A page of the reader's home timeline.
    pub(crate) async fn home(&self, request: HomeRequest, deadline: Deadline) -> Result<HomePage, ReadError> {
        for _ in 0..MAX_ATTEMPTS {
            let below = request.cursor.as_ref().map_or(TweetId::MAX, |cursor| cursor.below);
            let basis = self.basis(request.reader, below, request.limit + 1, deadline);
            let span = Span::child(Kind::Internal, "look up timeline");
            let (basis, lookup) = span.cover(basis).await?;
            span.end();
            self.ask_for_what_is_missing(&basis, &lookup);
            let stored = lookup.label();
            let mut scan = Scan::new(self, &basis, &request, deadline);
            let span = Span::child(Kind::Internal, "gather tweets");
            span.cover(scan.down(lookup)).await?;
            span.count(names::TWEETS, scan.visible.len() as u64);
            span.end();
            let page = match &request.cursor {
                Some(cursor) => scan.later_page(cursor.mark.clone()),
                None => scan.first_page().await?,
            };
            if basis.is_believable() {
                self.metrics.home_page(stored, page.complete);
                return Ok(page);
            }
        }
        // What it rests on was outdated each time before it was ready.
        Err(StoreError::Timeout {
            store: "the follow graph",
        }
        .into())
    }

    fn ask_for_what_is_missing(&self, basis: &Basis, lookup: &Lookup) {
        let reader = basis.view.reader;
        match lookup {
            Lookup::Absent if basis.rules.pushes_anything() => self.builder.request(reader, Job::Build),
            Lookup::Present(slice)
                if slice.coverage.holds < basis.view.version
                    && followed_since(&basis.view, slice.coverage.holds).next().is_some() =>
            {
                self.builder.request(reader, Job::Backfill(slice.coverage));
            }
            Lookup::Absent | Lookup::Present(_) | Lookup::Unreachable => {}
        }
    }
}

/// One way down a home timeline.
pub(crate) struct Scan<'a> {
    service: &'a TimelineRead,
    basis: &'a Basis,
    request: &'a HomeRequest,
    deadline: Deadline,
    /// Visible tweets found so far, newest first.
    pub(crate) visible: Vec<Arc<RenderedTweet>>,
    /// All visible tweets from here up to where the scan began are found.
    low: TweetId,
    /// Where the scan must get to at least: the first page lists all that is visible above the mark.
    depth: TweetId,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(
        service: &'a TimelineRead,
        basis: &'a Basis,
        request: &'a HomeRequest,
        deadline: Deadline,
    ) -> Self {
        let (low, depth) = match &request.cursor {
            Some(cursor) => (cursor.below, cursor.below),
            None => (TweetId::MAX, basis.settled),
        };
        Self {
            service,
            basis,
            request,
            deadline,
            visible: Vec::new(),
            low,
            depth,
        }
    }

    /// Where the answer ends: a poll has nothing to say of what lies below the mark that it polls from.
    fn end(&self) -> TweetId {
        self.request
            .newer_than
            .as_ref()
            .map_or(TweetId::MIN, |mark| mark.settled)
    }

    /// Goes down until the page is full (one more tells whether another follows) or nothing is left.
    pub(crate) async fn down(&mut self, lookup: Lookup) -> Result<(), ReadError> {
        let want = self.request.limit + 1;
        let mut looked_up = Some(lookup);
        for _ in 0..MAX_FETCHES {
            let full = self
                .visible
                .iter()
                .filter(|tweet| self.answers(tweet.id))
                .take(want)
                .count()
                == want;
            if (full && self.low <= self.depth) || self.low <= self.end().min(self.depth) {
                break;
            }
            let lookup = match looked_up.take() {
                Some(lookup) => lookup,
                None => self.look_up(want).await?,
            };
            let ids = self.candidates(lookup, want).await?;
            let found = self.filtered(&ids).await?;
            self.visible.extend(found);
        }
        Ok(())
    }

    /// The next ids on the way down, from all sources, before filters.
    pub(crate) async fn candidates(&mut self, lookup: Lookup, want: usize) -> Result<Vec<TweetId>, StoreError> {
        let candidates = self.sources().fetch(lookup, self.low, want).await?;
        let ids = self.with_aside(candidates.ids, candidates.low);
        let ids = self.with_seen(ids, candidates.low);
        self.low = candidates.low;
        Ok(ids)
    }

    pub(crate) async fn look_up(&self, want: usize) -> Result<Lookup, StoreError> {
        let timelines = &*self.service.ports.timelines;
        let (_, lookup) = look_up(timelines, self.request.reader, self.low, want, self.deadline).await?;
        Ok(lookup)
    }

    fn sources(&self) -> Sources<'a> {
        Sources {
            tweets: &*self.service.ports.tweets,
            view: &self.basis.view,
            rules: &self.basis.rules,
            metrics: &self.service.metrics,
            deadline: self.deadline,
        }
    }

    /// With what was set aside, wherever it is now.
    fn with_aside(&self, mut ids: Vec<TweetId>, low: TweetId) -> Vec<TweetId> {
        let before = ids.len();
        ids.extend(self.basis.set_aside(low..self.low));
        if ids.len() > before {
            ids.sort_unstable_by(|a, b| b.cmp(a));
            ids.dedup();
        }
        ids
    }

    /// On later pages: without what arrived since the scroll began, and with what was visible then, wherever it is now.
    fn with_seen(&self, mut ids: Vec<TweetId>, low: TweetId) -> Vec<TweetId> {
        if let Some(HomeCursor { mark, .. }) = &self.request.cursor {
            ids.retain(|id| mark.covers(*id));
            let seen = mark.seen.iter().copied().filter(|id| (low..self.low).contains(id));
            if mark.seen.last().is_some_and(|newest| *newest >= low) {
                ids.extend(seen);
                ids.sort_unstable_by(|a, b| b.cmp(a));
                ids.dedup();
            }
        }
        ids
    }

    /// The tweets that the reader may see.
    pub(crate) async fn filtered(&self, ids: &[TweetId]) -> Result<Vec<Arc<RenderedTweet>>, ReadError> {
        let mut tweets = self.service.hydrator.hydrate(ids, self.deadline).await?;
        tweets.retain(|tweet| self.basis.view.shows(tweet.author));
        let mut authors: Vec<UserId> = tweets.iter().map(|tweet| tweet.author).collect();
        authors.sort_unstable();
        authors.dedup();
        let deleted = self.service.ports.graph.deleted_among(&authors, self.deadline).await?;
        if !deleted.is_empty() {
            tweets.retain(|tweet| !deleted.contains(&tweet.author));
        }
        Ok(tweets)
    }

    /// Whether a visible tweet belongs into the answer: a poll leaves out what was visible at its mark.
    fn answers(&self, id: TweetId) -> bool {
        self.request.newer_than.as_ref().is_none_or(|mark| !mark.covers(id))
    }

    async fn first_page(mut self) -> Result<HomePage, ReadError> {
        self.add_originals().await?;
        let settled = self.basis.settled;
        let above = self.visible.partition_point(|tweet| tweet.id >= settled);
        let (seen, all) = bounded_seen(&self.visible[..above], self.request.reader);
        let mut mark = Mark { settled, seen };
        if !all {
            self.visible.retain(|tweet| mark.covers(tweet.id));
        }
        // Where fan-out lags so far behind that the way down ended above the mark, nothing is known of what lies between:
        // the scroll goes on there, and a poll from the mark shows it once more.
        let scroll = Mark {
            settled: settled.max(self.low),
            seen: mark.seen[mark.seen.partition_point(|id| *id < self.low)..].to_vec(),
        };
        if let Some(polled) = &self.request.newer_than {
            mark.remember(polled, MAX_SEEN);
        }
        Ok(self.cut(mark, &scroll, all))
    }

    fn later_page(self, mark: Mark) -> HomePage {
        let scroll = mark.clone();
        self.cut(mark, &scroll, true)
    }

    /// Adds originals of replies that are shown and that are not delivered yet, and their originals in turn.
    pub(crate) async fn add_originals(&mut self) -> Result<(), ReadError> {
        let mut from = self.visible.clone();
        loop {
            let missing: Vec<TweetId> = from
                .iter()
                .filter_map(|tweet| tweet.in_reply_to)
                .filter(|original| *original >= self.basis.settled && *original >= self.low)
                .filter(|original| self.visible.binary_search_by(|tweet| original.cmp(&tweet.id)).is_err())
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            from = self.filtered(&missing).await?;
            self.visible.extend(from.iter().cloned());
            self.visible.sort_unstable_by_key(|tweet| Reverse(tweet.id));
            self.visible.dedup_by_key(|tweet| tweet.id);
            if from.is_empty() {
                return Ok(());
            }
        }
    }

    fn cut(self, mark: Mark, scroll: &Mark, complete: bool) -> HomePage {
        let limit = self.request.limit;
        let mut tweets: Vec<_> = self
            .visible
            .iter()
            .filter(|tweet| self.answers(tweet.id))
            .cloned()
            .collect();
        let more = tweets.len() > limit;
        tweets.truncate(limit);
        let below = match tweets.last() {
            Some(last) if more => Some(last.id),
            _ => Some(self.low).filter(|low| *low > self.end()),
        };
        let next = below.map(|below| HomeCursor {
            below,
            mark: scroll.clone(),
        });
        HomePage {
            tweets,
            next,
            newest: mark,
            complete,
        }
    }
}

/// The ids of what is visible above the mark, oldest first: all, or, where they are too many, the reader's own and the
/// oldest, and `false`.
fn bounded_seen(newest_first: &[Arc<RenderedTweet>], reader: UserId) -> (Vec<TweetId>, bool) {
    let complete = newest_first.len() <= MAX_SEEN;
    let mut seen: Vec<TweetId> = if complete {
        newest_first.iter().map(|tweet| tweet.id).collect()
    } else {
        let own = newest_first
            .iter()
            .filter(|tweet| tweet.author == reader)
            .take(MAX_SEEN / 3);
        let oldest = newest_first.iter().rev().take(MAX_SEEN - MAX_SEEN / 3);
        own.chain(oldest).map(|tweet| tweet.id).collect()
    };
    seen.sort_unstable();
    seen.dedup();
    (seen, complete)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn tweet(id: u64, author: u64) -> Arc<RenderedTweet> {
        let (id, author) = (TweetId::new(id), UserId::new(author));
        Arc::new(RenderedTweet {
            id,
            author,
            in_reply_to: None,
            json: Bytes::new(),
        })
    }

    #[test]
    fn few_are_all_seen() {
        let (seen, complete) = bounded_seen(&[tweet(9, 1), tweet(7, 2)], UserId::new(1));
        assert_eq!((seen, complete), (vec![TweetId::new(7), TweetId::new(9)], true));
    }

    #[test]
    fn of_too_many_ones_own_and_the_oldest_are_seen() {
        let mut newest_first: Vec<_> = (0..5_000).rev().map(|id| tweet(id + 1, 2)).collect();
        newest_first.insert(0, tweet(9_999, 1));
        let (seen, complete) = bounded_seen(&newest_first, UserId::new(1));
        assert!(!complete);
        assert_eq!(seen.len(), 1_001);
        assert_eq!((seen[0], seen[1_000]), (TweetId::new(1), TweetId::new(9_999)));
    }
}

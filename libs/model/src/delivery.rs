//! How tweets travel: the three strategies, and the rules that every reader and every worker decides by.
//!
//! `docs/crossing.md` argues why these rules lose nothing while they change.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{TweetId, UserId};

/// The three approaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Strategy {
    /// Nothing is written at posting; a read merges the tweets of those the reader follows.
    Pull,
    /// Every tweet is written into every follower's home timeline.
    Push,
    /// Authors with few followers are pushed, those with many are pulled.
    Hybrid,
}

impl Strategy {
    /// Its name in configuration and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Hybrid => "hybrid",
        }
    }
}

/// From JSON and configuration its name is read, and nothing else that an enum could be written as.
impl TryFrom<String> for Strategy {
    type Error = InvalidRules;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl FromStr for Strategy {
    type Err = InvalidRules;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pull" => Ok(Self::Pull),
            "push" => Ok(Self::Push),
            "hybrid" => Ok(Self::Hybrid),
            _ => Err(InvalidRules::UnknownStrategy),
        }
    }
}

/// Rules that make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRules {
    /// The push threshold lies above the pull threshold.
    #[error("push_threshold must not be above pull_threshold")]
    PushAbovePull,
    /// No such strategy.
    #[error("a strategy is one of pull, push and hybrid")]
    UnknownStrategy,
}

/// Numbers of followers at which `hybrid` changes its mind. Two, so that an author at the border does not flap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// At this many followers or more an author is pulled.
    pub pull: u64,
    /// Below this many an author is pushed; from here up to `pull` it stays as it was.
    pub push: u64,
}

impl Thresholds {
    /// Checks that they do not cross.
    pub const fn new(pull: u64, push: u64) -> Result<Self, InvalidRules> {
        if push > pull {
            Err(InvalidRules::PushAbovePull)
        } else {
            Ok(Self { pull, push })
        }
    }
}

/// How one tweet travelled. Settled once, by fan-out, in the delivery record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Written into the followers' timelines.
    Push,
    /// Left in the store, for readers to pull.
    Pull,
    /// Both, while its author (or the strategy) was crossing.
    Both,
}

impl Mode {
    /// Whether fan-out writes it into timelines.
    pub const fn is_pushed(self) -> bool {
        matches!(self, Self::Push | Self::Both)
    }

    /// Its name in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::Both => "both",
        }
    }
}

/// The ids from `from` up to, not including, `until`; without `until` it is open: it grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdRange {
    /// The first id in it.
    pub from: TweetId,
    /// The first id above it.
    pub until: Option<TweetId>,
}

impl IdRange {
    /// All ids.
    pub const ALL: Self = Self {
        from: TweetId::MIN,
        until: None,
    };

    /// Whether `id` lies in it.
    pub fn contains(&self, id: TweetId) -> bool {
        self.from <= id && self.until.is_none_or(|until| id < until)
    }
}

/// Tweets of one author within a range: one source that a read merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorRange {
    /// The author.
    pub author: UserId,
    /// Which of its tweets.
    pub range: IdRange,
}

/// Where a subject stands between pushed and pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Pushed; readers pull closed ranges alone.
    Pushed,
    /// Crossing, in either direction: readers pull an open range, and it is pushed as well.
    Both,
    /// Pulled over an open range, not pushed.
    Pulled,
}

/// Whose delivery a state describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// Every author: how a change of strategy is carried out.
    Everyone,
    /// One author: how it crosses the threshold.
    Author(UserId),
}

/// How a subject's tweets are delivered. Changes by four steps alone, each of which is safe by itself:
/// `Pushed -> Both` ([`DeliveryState::open`]), `Both -> Pulled` ([`DeliveryState::stop_pushing`]),
/// `Pulled -> Both` ([`DeliveryState::resume_pushing`]), `Both -> Pushed` ([`DeliveryState::close`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeliveryState {
    /// Where it stands.
    pub phase: Phase,
    /// The ranges over which readers pull, oldest first, disjoint; the last one is open unless the phase is `Pushed`.
    pub pulled: Vec<IdRange>,
    /// When the last step was committed, in milliseconds since 1970.
    pub changed_at_ms: u64,
}

impl DeliveryState {
    /// How many closed ranges are kept apart; beyond it the oldest are joined (pulling more than needed is harmless).
    const MAX_RANGES: usize = 8;

    /// Pushed, and never anything else.
    pub const fn pushed() -> Self {
        Self {
            phase: Phase::Pushed,
            pulled: Vec::new(),
            changed_at_ms: 0,
        }
    }

    /// Readers begin to pull, from `from` on. It is still pushed.
    pub fn open(&mut self, from: TweetId, now_ms: u64) {
        debug_assert_eq!(self.phase, Phase::Pushed);
        // The last range may have been closed at an id that is yet to come. It stays closed there: readers will always pull it.
        let last = self.pulled.last().and_then(|last| last.until);
        let from = last.map_or(from, |until| from.max(until));
        self.pulled.push(IdRange { from, until: None });
        while self.pulled.len() > Self::MAX_RANGES {
            let oldest = self.pulled.remove(0);
            self.pulled[0].from = oldest.from;
        }
        self.step(Phase::Both, now_ms);
    }

    /// Every reader pulls by now: pushing ends.
    pub fn stop_pushing(&mut self, now_ms: u64) {
        debug_assert_eq!(self.phase, Phase::Both);
        self.step(Phase::Pulled, now_ms);
    }

    /// Pushing begins again. Readers still pull.
    pub fn resume_pushing(&mut self, now_ms: u64) {
        debug_assert_eq!(self.phase, Phase::Pulled);
        self.step(Phase::Both, now_ms);
    }

    /// Every worker pushes by now: readers stop pulling at `until`, which must lie above every id drawn so far.
    pub fn close(&mut self, until: TweetId, now_ms: u64) {
        debug_assert_eq!(self.phase, Phase::Both);
        if let Some(last) = self.pulled.last_mut() {
            last.until = Some(until);
        }
        self.step(Phase::Pushed, now_ms);
    }

    fn step(&mut self, phase: Phase, now_ms: u64) {
        self.phase = phase;
        self.changed_at_ms = now_ms;
    }

    fn left_to_readers(&self) -> &[IdRange] {
        if self.phase == Phase::Both { &[] } else { &self.pulled }
    }

    /// Whether the tweet is not pushed: readers pull it, and have done so for long enough.
    fn leaves(&self, id: TweetId) -> bool {
        self.phase == Phase::Pulled && self.pulls(id)
    }

    fn pulls(&self, id: TweetId) -> bool {
        self.pulled.iter().rev().any(|range| range.contains(id))
    }
}

/// What an operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesInForce {
    /// The strategy.
    pub strategy: Strategy,
    /// The thresholds of `hybrid`.
    pub thresholds: Thresholds,
}

/// How every author's tweets are delivered, at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRules {
    /// Counts up with each change.
    pub version: u64,
    /// What an operator asked for; the states are on their way to it.
    pub in_force: RulesInForce,
    /// The state of [`Subject::Everyone`].
    pub everyone: DeliveryState,
    /// The authors that ever crossed on their own.
    pub authors: HashMap<UserId, Arc<DeliveryState>>,
}

impl DeliveryRules {
    /// How a tweet is to travel by these rules: never not at all.
    pub fn settle(&self, author: UserId, tweet: TweetId) -> Mode {
        let own = self.authors.get(&author);
        let any = |holds: fn(&DeliveryState, TweetId) -> bool| {
            holds(&self.everyone, tweet) || own.is_some_and(|state| holds(state, tweet))
        };
        if any(DeliveryState::leaves) {
            Mode::Pull
        } else if any(DeliveryState::pulls) {
            Mode::Both
        } else {
            Mode::Push
        }
    }

    /// The ranges over which readers pull this author.
    pub fn pulled_ranges(&self, author: UserId) -> impl Iterator<Item = IdRange> + '_ {
        let own = self.authors.get(&author).map_or(&[][..], |state| &state.pulled);
        self.everyone.pulled.iter().chain(own).copied()
    }

    /// The ranges of an author that a build may leave out, since all readers pull them, and always will. In phase `Both`
    /// that is not so. The step that closes the open range may have been decided already, at an id below what is pushed by
    /// now; and a range that has just been opened, or joined to another, is one that not every reader knows.
    pub fn left_to_readers(&self, author: UserId) -> impl Iterator<Item = IdRange> + '_ {
        let own = self.authors.get(&author).map(|state| state.left_to_readers());
        self.everyone
            .left_to_readers()
            .iter()
            .chain(own.unwrap_or_default())
            .copied()
    }

    /// Whether new tweets are written into timelines at all, so that keeping a timeline is worth it.
    pub fn pushes_anything(&self) -> bool {
        self.everyone.phase != Phase::Pulled
    }
}

/// The books of one tweet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The tweet.
    pub tweet: TweetId,
    /// Its author.
    pub author: UserId,
    /// How it travels.
    pub mode: Mode,
    /// Followers in the snapshot that was fixed with the first chunk; 0 for pull.
    pub expected: u64,
    /// Timelines that it was written into.
    pub written: u64,
    /// Followers without a timeline, or no longer following.
    pub skipped: u64,
    /// Those of `skipped` that follow no longer.
    pub unfollowed: u64,
    /// When the tweet was accepted, in milliseconds since 1970.
    pub accepted_at_ms: u64,
    /// When its last chunk was finished.
    pub finished_at_ms: Option<u64>,
}

impl DeliveryRecord {
    /// Followers who were neither written to nor skipped for a reason that is known, or more of these than there were: 0
    /// once it is finished, where nothing is wrong.
    pub const fn difference(&self) -> u64 {
        self.expected.abs_diff(self.written + self.skipped)
    }
}

/// Part of a huge author's followers: a job of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlan {
    /// Its number, from 0.
    pub number: u32,
    /// Followers above this one, if any …
    pub after: Option<UserId>,
    /// … up to and including this one.
    pub last: UserId,
    /// How many there were when the plan was made.
    pub expected: u64,
}

impl ChunkPlan {
    /// All followers above `after`, who are still to be cut into chunks.
    pub const fn rest(number: u32, after: Option<UserId>) -> Self {
        Self {
            number,
            after,
            last: UserId::MAX,
            expected: 0,
        }
    }

    /// Whether it is still to be cut into chunks.
    pub fn is_rest(&self) -> bool {
        self.last == UserId::MAX
    }
}

/// A tweet of a huge author, which is delivered in chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPlan {
    /// The tweet.
    pub tweet: TweetId,
    /// Its author.
    pub author: UserId,
    /// How it travels.
    pub mode: Mode,
    /// When the tweet was accepted, in milliseconds since 1970.
    pub accepted_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: UserId = UserId::new(7);

    fn rules() -> DeliveryRules {
        let thresholds = Thresholds::new(100, 80).unwrap();
        DeliveryRules {
            version: 1,
            in_force: RulesInForce {
                strategy: Strategy::Hybrid,
                thresholds,
            },
            everyone: DeliveryState::pushed(),
            authors: HashMap::new(),
        }
    }

    fn id(n: u64) -> TweetId {
        TweetId::new(n)
    }

    #[test]
    fn a_crossing_up_and_down_settles_every_tweet() {
        let mut state = DeliveryState::pushed();
        let mode = |state: &DeliveryState, tweet| {
            let mut rules = rules();
            rules.authors.insert(AUTHOR, Arc::new(state.clone()));
            rules.settle(AUTHOR, id(tweet))
        };
        assert_eq!(mode(&state, 5), Mode::Push);
        state.open(id(10), 1);
        assert_eq!((mode(&state, 9), mode(&state, 10)), (Mode::Push, Mode::Both));
        state.stop_pushing(2);
        assert_eq!(
            (mode(&state, 9), mode(&state, 10)),
            (Mode::Push, Mode::Pull),
            "what is not pulled is pushed"
        );
        state.resume_pushing(3);
        assert_eq!(mode(&state, 20), Mode::Both);
        state.close(id(30), 4);
        assert_eq!((mode(&state, 29), mode(&state, 30)), (Mode::Both, Mode::Push));
        assert_eq!(
            state.pulled,
            [IdRange {
                from: id(10),
                until: Some(id(30))
            }]
        );
    }

    #[test]
    fn what_is_pushed_as_well_is_not_left_to_readers() {
        let left = |rules: &DeliveryRules| rules.left_to_readers(AUTHOR).collect::<Vec<_>>();
        let range = |from, until: Option<u64>| IdRange {
            from: id(from),
            until: until.map(id),
        };
        let mut rules = rules();
        let mut own = DeliveryState::pushed();
        let mut with = |own: &DeliveryState| {
            rules.authors.insert(AUTHOR, Arc::new(own.clone()));
            left(&rules)
        };
        own.open(id(10), 1);
        assert_eq!(with(&own), []);
        own.stop_pushing(2);
        assert_eq!(with(&own), [range(10, None)]);
        own.resume_pushing(3);
        assert_eq!(with(&own), []);
        own.close(id(30), 4);
        assert_eq!(with(&own), [range(10, Some(30))]);
        own.open(id(50), 4);
        assert_eq!(with(&own), [], "not every reader knows what was joined");
        own.close(id(60), 4);
        rules.everyone.open(id(40), 5);
        rules.everyone.stop_pushing(6);
        rules.authors.insert(AUTHOR, Arc::new(own));
        assert_eq!(
            left(&rules),
            [range(40, None), range(10, Some(30)), range(50, Some(60))]
        );
    }

    #[test]
    fn what_one_subject_has_just_begun_to_pull_is_not_left_to_readers_for_the_others_sake() {
        let mut rules = rules();
        let mut own = DeliveryState::pushed();
        own.open(id(20), 1);
        own.stop_pushing(2);
        rules.authors.insert(AUTHOR, Arc::new(own));
        rules.everyone.open(id(10), 3);
        assert_eq!(rules.settle(AUTHOR, id(9)), Mode::Push);
        assert_eq!(
            rules.settle(AUTHOR, id(15)),
            Mode::Both,
            "not every reader pulls it yet"
        );
        assert_eq!(rules.settle(AUTHOR, id(20)), Mode::Pull);
        rules.everyone.stop_pushing(4);
        assert_eq!(rules.settle(AUTHOR, id(15)), Mode::Pull);
    }

    #[test]
    fn opening_again_before_the_close_has_come_goes_on() {
        let mut state = DeliveryState::pushed();
        state.open(id(10), 1);
        state.close(id(30), 2);
        state.open(id(20), 3);
        let closed = IdRange {
            from: id(10),
            until: Some(id(30)),
        };
        let open = IdRange {
            from: id(30),
            until: None,
        };
        assert_eq!(state.pulled, [closed, open]);
    }

    #[test]
    fn many_crossings_keep_few_ranges_and_cover_all() {
        let mut state = DeliveryState::pushed();
        for round in 1..=20 {
            state.open(id(round * 10), 1);
            state.close(id(round * 10 + 3), 1);
        }
        assert_eq!(state.pulled.len(), 8);
        assert!((1..=20).all(|round| state.pulls(id(round * 10 + 2))));
    }

    #[test]
    fn a_strategy_applies_to_all() {
        let mut rules = rules();
        rules.everyone.open(id(10), 1);
        rules.everyone.stop_pushing(2);
        assert_eq!(
            (rules.settle(AUTHOR, id(9)), rules.settle(AUTHOR, id(10))),
            (Mode::Push, Mode::Pull)
        );
        assert!(!rules.pushes_anything());
        assert_eq!(rules.pulled_ranges(AUTHOR).count(), 1);
    }

    #[test]
    fn thresholds_do_not_cross() {
        assert_eq!(Thresholds::new(10, 11), Err(InvalidRules::PushAbovePull));
        assert!(Thresholds::new(10, 10).is_ok());
    }
}

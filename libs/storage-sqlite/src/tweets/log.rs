//! The event log of one process, over the outbox table.
//!
//! Two groups consume it: fan-out, and whoever is told how many tweets authors have. Each event goes to both.
//!
//! Committed events are kept in memory until every group has taken them, up to a bound; a group that lags further behind
//! reads from the table. A group's acknowledgements may come in any order; its position is the highest place up to which
//! all of them are in. Positions are made durable now and then: what is lost with the process is received once more.
//!
//! [`Log::settled_below`] is what a reader's mark hangs on. It only ever rises, and it never lies above the last
//! tweet whose commit has taken full effect: a tweet that is being committed has a higher id than that.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::TweetId;
use parking_lot::Mutex;
use storage::Receipt;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::outbox::Logged;

/// Who consumes the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Fan-out.
    FanOut,
    /// Whoever is told how many tweets authors have.
    TweetCounts,
}

impl Group {
    pub(super) const ALL: [Self; 2] = [Self::FanOut, Self::TweetCounts];

    /// Its name in the table.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::TweetCounts => "tweet-counts",
        }
    }
}

/// An event, handed to a group.
pub(super) struct Handed {
    pub(super) receipt: Receipt,
    pub(super) logged: Logged,
}

/// How many events memory keeps for a group that lags.
const KEPT_IN_MEMORY: usize = 65_536;

/// How often a position is made durable, at most.
const PERSIST_INTERVAL: Duration = Duration::from_millis(200);

/// Where a group stood when the log was opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OpenedGroup {
    /// Up to where everything was acknowledged.
    pub(super) position: u64,
    /// How many events lie above.
    pub(super) unacknowledged: u64,
}

/// What the table said when the log was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub(super) last_position: u64,
    pub(super) last_tweet: TweetId,
    /// The first tweet that fan-out has not acknowledged.
    pub(super) first_unsettled: Option<TweetId>,
    /// In the order of [`Group::ALL`].
    pub(super) groups: [OpenedGroup; Group::ALL.len()],
}

/// What a group is to do next.
pub(super) enum Next {
    /// Handle these; none if it has taken everything.
    Handle(Vec<Handed>),
    /// Read from the table what lies above `after`, up to `last`.
    Read { after: u64, last: u64 },
}

/// The oldest event that a group has not acknowledged.
pub(super) enum Oldest {
    /// When it happened; `None` if there is none.
    At(Option<u64>),
    /// It is the first in the table above this position.
    Above(u64),
}

/// An event that a group has taken and that its position has not passed.
struct Taken {
    position: u64,
    accepted: Option<TweetId>,
    at_ms: u64,
    acknowledged: bool,
}

struct GroupState {
    /// Up to where it has taken events.
    taken_up_to: u64,
    taken: VecDeque<Taken>,
    /// Up to where it has acknowledged everything.
    position: u64,
    durable_position: u64,
    persisted_at: Option<Instant>,
    /// Committed and not acknowledged.
    unacknowledged: u64,
}

struct State {
    recent: VecDeque<Logged>,
    /// Everything committed above it is in `recent`.
    recent_above: u64,
    last_position: u64,
    last_tweet: TweetId,
    groups: [GroupState; Group::ALL.len()],
}

/// The log.
pub(super) struct Log {
    state: Mutex<State>,
    arrived: Notify,
    settled_below: AtomicU64,
    fan_out_backlog: AtomicU64,
}

impl Log {
    pub(super) fn new(opened: Opened) -> Self {
        let groups = opened.groups.map(|group| GroupState {
            taken_up_to: group.position,
            taken: VecDeque::new(),
            position: group.position,
            durable_position: group.position,
            persisted_at: None,
            unacknowledged: group.unacknowledged,
        });
        let settled_below = opened.first_unsettled.unwrap_or(opened.last_tweet.next());
        Self {
            fan_out_backlog: AtomicU64::new(groups[index(Group::FanOut)].unacknowledged),
            settled_below: AtomicU64::new(settled_below.get()),
            arrived: Notify::new(),
            state: Mutex::new(State {
                recent: VecDeque::new(),
                recent_above: opened.last_position,
                last_position: opened.last_position,
                last_tweet: opened.last_tweet,
                groups,
            }),
        }
    }

    /// An event was committed, after all that was committed before it.
    pub(super) fn committed(&self, logged: Logged) {
        {
            let state = &mut *self.state.lock();
            state.last_position = logged.position();
            state.last_tweet = logged.accepted().unwrap_or(state.last_tweet);
            state.recent.push_back(logged);
            state.groups.iter_mut().for_each(|group| group.unacknowledged += 1);
            state.trim();
            self.publish_backlog(state);
        }
        self.arrived.notify_waiters();
    }

    /// Resolves with the next commit after it was enabled.
    pub(super) fn arrival(&self) -> Notified<'_> {
        self.arrived.notified()
    }

    /// Takes at most `max` events for a group.
    pub(super) fn take(&self, group: Group, max: usize) -> Next {
        let state = &mut *self.state.lock();
        let GroupState { taken_up_to, taken, .. } = &mut state.groups[index(group)];
        if *taken_up_to < state.recent_above {
            return Next::Read {
                after: *taken_up_to,
                last: state.recent_above,
            };
        }
        let first = state.recent.partition_point(|logged| logged.position() <= *taken_up_to);
        let received = state
            .recent
            .range(first..)
            .take(max)
            .map(|logged| hand_out(taken, logged))
            .collect::<Vec<_>>();
        *taken_up_to = received.last().map_or(*taken_up_to, |last| last.receipt.0);
        state.trim();
        Next::Handle(received)
    }

    /// Takes for a group what [`Next::Read`] asked for. One at a time: the caller sees to it.
    pub(super) fn take_read(&self, group: Group, read: &[Logged], last: u64) -> Vec<Handed> {
        let state = &mut *self.state.lock();
        let group = &mut state.groups[index(group)];
        let received = read
            .iter()
            .map(|logged| hand_out(&mut group.taken, logged))
            .collect::<Vec<_>>();
        // Nothing read: the places up to `last` were drawn by writes that failed.
        group.taken_up_to = received.last().map_or(last, |last| last.receipt.0);
        received
    }

    /// A group is done with these. Places that it has not taken are passed over: it receives them yet.
    pub(super) fn acknowledge(&self, group: Group, receipts: &[Receipt]) {
        let state = &mut *self.state.lock();
        let last_tweet = state.last_tweet;
        let of_group = &mut state.groups[index(group)];
        for receipt in receipts {
            of_group.mark(*receipt);
        }
        let passed = of_group.pass();
        if group == Group::FanOut {
            let settled_below = of_group.settled_below(passed, last_tweet);
            self.settled_below.fetch_max(settled_below.get(), Ordering::AcqRel);
            self.publish_backlog(state);
        }
    }

    /// The position of a group, if it is time to make it durable: now and then, or because the log is `closing`.
    pub(super) fn to_persist(&self, group: Group, closing: bool) -> Option<u64> {
        let state = &mut *self.state.lock();
        let group = &mut state.groups[index(group)];
        let rested = group.persisted_at.is_none_or(|at| at.elapsed() >= PERSIST_INTERVAL);
        if group.position == group.durable_position || !(rested || closing) {
            return None;
        }
        group.persisted_at = Some(Instant::now());
        Some(group.position)
    }

    /// A position was committed.
    pub(super) fn persisted(&self, group: Group, position: u64) {
        self.state.lock().groups[index(group)].durable_position = position;
    }

    /// How many events a group has not acknowledged, and the oldest of them.
    pub(super) fn unacknowledged(&self, group: Group) -> (u64, Oldest) {
        let state = &*self.state.lock();
        let group = &state.groups[index(group)];
        let oldest = match (group.taken.front(), group.unacknowledged) {
            (_, 0) => Oldest::At(None),
            (Some(oldest), _) => Oldest::At(Some(oldest.at_ms)),
            (None, _) if group.taken_up_to < state.recent_above => Oldest::Above(group.taken_up_to),
            (None, _) => {
                let next = state.recent.iter().find(|logged| logged.position() > group.taken_up_to);
                Oldest::At(next.map(|logged| logged.at_ms))
            }
        };
        (group.unacknowledged, oldest)
    }

    /// How many events fan-out has not acknowledged. Asked with each post.
    pub(super) fn fan_out_backlog(&self) -> u64 {
        self.fan_out_backlog.load(Ordering::Relaxed)
    }

    /// See [`storage::Settled::below`]. Asked with each read.
    pub(super) fn settled_below(&self) -> TweetId {
        TweetId::new(self.settled_below.load(Ordering::Acquire))
    }

    /// The last tweet that was accepted.
    pub(super) fn last_tweet(&self) -> TweetId {
        self.state.lock().last_tweet
    }

    fn publish_backlog(&self, state: &State) {
        let unacknowledged = state.groups[index(Group::FanOut)].unacknowledged;
        self.fan_out_backlog.store(unacknowledged, Ordering::Relaxed);
    }
}

impl State {
    /// Drops from memory what every group has taken, and what is too much.
    fn trim(&mut self) {
        let taken_by_all = self.groups.iter().map(|group| group.taken_up_to).min().unwrap_or(0);
        while let Some(oldest) = self.recent.front().map(Logged::position) {
            if oldest > taken_by_all && self.recent.len() <= KEPT_IN_MEMORY {
                break;
            }
            self.recent.pop_front();
            self.recent_above = oldest;
        }
    }
}

impl GroupState {
    fn mark(&mut self, receipt: Receipt) {
        let Ok(at) = self.taken.binary_search_by_key(&receipt.0, |taken| taken.position) else {
            return;
        };
        if !std::mem::replace(&mut self.taken[at].acknowledged, true) {
            self.unacknowledged -= 1;
        }
    }

    /// Moves the position over what is acknowledged; answers the last accepted tweet that it passed.
    fn pass(&mut self) -> Option<TweetId> {
        let mut passed = None;
        while let Some(taken) = self.taken.pop_front_if(|taken| taken.acknowledged) {
            self.position = taken.position;
            passed = taken.accepted.or(passed);
        }
        passed
    }

    /// Ids rise with positions, so everything up to the last tweet passed is settled, and everything below the next.
    fn settled_below(&self, passed: Option<TweetId>, last_tweet: TweetId) -> TweetId {
        if self.unacknowledged == 0 {
            return last_tweet.next();
        }
        let next = self.taken.front().and_then(|taken| taken.accepted);
        next.or(passed.map(TweetId::next)).unwrap_or(TweetId::MIN)
    }
}

fn hand_out(taken: &mut VecDeque<Taken>, logged: &Logged) -> Handed {
    taken.push_back(Taken {
        position: logged.position(),
        accepted: logged.accepted(),
        at_ms: logged.at_ms,
        acknowledged: false,
    });
    Handed {
        receipt: Receipt(logged.position()),
        logged: logged.clone(),
    }
}

/// A group's place in arrays.
pub(super) const fn index(group: Group) -> usize {
    match group {
        Group::FanOut => 0,
        Group::TweetCounts => 1,
    }
}

#[cfg(test)]
mod tests {
    use model::{AuthorTweets, EVENT_FORMAT, Event, EventBody, Position, UserId};

    use super::*;

    fn logged(position: u64) -> Logged {
        let body = EventBody::TweetAccepted {
            tweet: TweetId::new(position * 10),
            author: UserId::new(1),
        };
        let event = Event {
            format: EVENT_FORMAT,
            position: Position(position),
            trace: None,
            body,
        };
        Logged {
            event,
            at_ms: position,
            tweets: AuthorTweets { count: 1, version: 1 },
        }
    }

    fn log() -> Log {
        Log::new(Opened {
            last_position: 0,
            last_tweet: TweetId::MIN,
            first_unsettled: None,
            groups: Default::default(),
        })
    }

    fn receipts(next: Next) -> Vec<u64> {
        match next {
            Next::Handle(received) => received.into_iter().map(|received| received.receipt.0).collect(),
            Next::Read { after, last } => panic!("memory holds it, and yet reads {after}..={last}"),
        }
    }

    #[test]
    fn a_group_that_lags_beyond_memory_reads_the_table_and_catches_up() {
        const COMMITTED: u64 = KEPT_IN_MEMORY as u64 + 10;
        let log = log();
        (1..=COMMITTED).for_each(|position| log.committed(logged(position)));
        let Next::Read { after, last } = log.take(Group::FanOut, 6) else {
            panic!("memory is bounded");
        };
        assert_eq!((after, last), (0, 10));
        let read: Vec<_> = (1..=6).map(logged).collect();
        assert_eq!(log.take_read(Group::FanOut, &read, last).len(), 6);
        assert!(matches!(log.take(Group::FanOut, 6), Next::Read { after: 6, last: 10 }));
        let read: Vec<_> = (7..=10).map(logged).collect();
        log.take_read(Group::FanOut, &read, last);
        assert_eq!(receipts(log.take(Group::FanOut, 3)), [11, 12, 13]);
        assert_eq!(log.unacknowledged(Group::FanOut).0, COMMITTED);
        let all: Vec<_> = (1..=13).map(Receipt).collect();
        log.acknowledge(Group::FanOut, &all);
        assert_eq!(log.settled_below(), TweetId::new(131));
        assert_eq!(log.to_persist(Group::FanOut, false), Some(13));
    }

    #[test]
    fn places_that_were_drawn_in_vain_are_passed_over() {
        let log = log();
        log.committed(logged(2));
        log.committed(logged(5));
        assert_eq!(receipts(log.take(Group::FanOut, 10)), [2, 5]);
        log.acknowledge(Group::FanOut, &[Receipt(5), Receipt(3), Receipt(99)]);
        assert_eq!((log.settled_below(), log.fan_out_backlog()), (TweetId::new(20), 1));
        log.acknowledge(Group::FanOut, &[Receipt(2)]);
        assert_eq!((log.settled_below(), log.fan_out_backlog()), (TweetId::new(51), 0));
        assert!(receipts(log.take(Group::FanOut, 10)).is_empty());
    }

    #[test]
    fn memory_is_let_go_of_when_all_have_taken_it() {
        let log = log();
        (1..=10).for_each(|position| log.committed(logged(position)));
        for group in Group::ALL {
            assert_eq!(receipts(log.take(group, 10)).len(), 10);
        }
        assert!(log.state.lock().recent.is_empty());
        log.committed(logged(11));
        assert_eq!(receipts(log.take(Group::TweetCounts, 10)), [11]);
    }
}

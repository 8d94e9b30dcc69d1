//! fan-out: the steps of a worker with one event (`services/fan-out/src/worker.rs`).

use model::{Mode, TweetId};

use crate::{AUTHOR, Edge, Fault, Rules, State};

/// How far a worker has come. Between two steps it may stop for any time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Worker {
    /// Without an event.
    Idle,
    /// It has the event, and has looked whether a mode is recorded.
    Received(TweetId, Option<Mode>),
    /// It has settled that the tweet is left to readers.
    Leaves(TweetId),
    /// That is recorded; now it looks at the rules once more.
    LooksAgain(TweetId),
    /// It is to ask for the followers. With a mode that is to be recorded, or besides one that is.
    Asks(TweetId, Option<Mode>),
    /// The reader is among the followers: it is to write.
    Writes(TweetId, Option<Mode>),
    /// It is to record and acknowledge.
    Records(TweetId, Option<Mode>),
}

/// A step of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Receives the event of a tweet, and looks for its record.
    Receive(TweetId),
    /// Decides by these rules.
    Decide(Rules),
    /// Asks for the followers, and gets them as they were with this edge.
    Ask(Edge),
    /// Writes or records: what needs nothing from elsewhere.
    GoOn,
    /// Dies. The event will be received again.
    Die,
}

impl Worker {
    /// The steps that it may take.
    pub(crate) fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = match self {
            Self::Idle => {
                let open = state.tweets.iter().filter(|tweet| tweet.committed && !tweet.done);
                return open.map(|tweet| Step::Receive(tweet.id)).collect();
            }
            Self::Received(..) | Self::LooksAgain(_) => {
                let rules = state.rules.believable(state.now);
                rules.map(|rules| Step::Decide(rules.value)).collect()
            }
            Self::Asks(..) => {
                let edges = state.edge.believable(state.now);
                edges.map(|edge| Step::Ask(edge.value)).collect()
            }
            Self::Leaves(_) | Self::Writes(..) | Self::Records(..) => vec![Step::GoOn],
        };
        if state.crashes_left > 0 {
            steps.push(Step::Die);
        }
        steps
    }

    /// Takes a step; answers how far it has come then.
    pub(crate) fn take(self, step: Step, state: &mut State, window: usize, fault: Option<Fault>) -> Self {
        match (self, step) {
            (_, Step::Die) => {
                state.crashes_left -= 1;
                Self::Idle
            }
            (Self::Idle, Step::Receive(tweet)) => Self::Received(tweet, state.tweet(tweet).mode),
            (Self::Received(tweet, Some(Mode::Pull)), Step::Decide(rules)) => {
                Self::look_again(tweet, &rules, state, fault)
            }
            (Self::Received(tweet, Some(_)), Step::Decide(_)) => Self::done(tweet, state),
            (Self::Received(tweet, None), Step::Decide(rules)) => {
                match rules.delivery(state.asked).settle(AUTHOR, tweet) {
                    Mode::Pull => Self::Leaves(tweet),
                    mode => Self::Asks(tweet, Some(mode)),
                }
            }
            (Self::Leaves(tweet), Step::GoOn) => {
                state.tweet_mut(tweet).mode.get_or_insert(Mode::Pull);
                Self::LooksAgain(tweet)
            }
            (Self::LooksAgain(tweet), Step::Decide(rules)) => Self::look_again(tweet, &rules, state, fault),
            (Self::Asks(tweet, mode), Step::Ask(edge)) if edge.follows => Self::Writes(tweet, mode),
            (Self::Asks(tweet, mode), Step::Ask(_)) => Self::Records(tweet, mode),
            (Self::Writes(tweet, mode), Step::GoOn) => {
                state.timeline.push(tweet, window, fault);
                Self::Records(tweet, mode)
            }
            (Self::Records(tweet, mode), Step::GoOn) => {
                let recorded = &mut state.tweet_mut(tweet).mode;
                *recorded = recorded.or(mode);
                Self::done(tweet, state)
            }
            (worker, step) => unreachable!("{worker:?} cannot take {step:?}"),
        }
    }

    fn look_again(tweet: TweetId, rules: &Rules, state: &mut State, fault: Option<Fault>) -> Self {
        let left = rules.delivery(state.asked).settle(AUTHOR, tweet) == Mode::Pull;
        if left || fault == Some(Fault::DoesNotLookAgain) {
            Self::done(tweet, state)
        } else {
            Self::Asks(tweet, None)
        }
    }

    fn done(tweet: TweetId, state: &mut State) -> Self {
        state.tweet_mut(tweet).done = true;
        Self::Idle
    }
}

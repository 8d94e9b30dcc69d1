//! The model as the checker takes it.

use model::{Coverage, TweetId};
use stateright::{Model, Property};

use crate::build::{Build, Job, Progress};
use crate::fan_out::Worker;
use crate::history::History;
use crate::timeline::{Built, Timeline};
use crate::{Asked, Bounds, Edge, Fault, Rules, Scenario, State, Tweet, build, fan_out, read, tweet_id};

/// A scenario, within bounds, with or without a fault.
#[derive(Debug, Clone)]
pub struct CrossingModel {
    scenario: Scenario,
    bounds: Bounds,
    fault: Option<Fault>,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Time passes.
    Tick,
    /// An operator, or the author's audience, asks for something else.
    Ask(Asked),
    /// follow-graph asks for the highest id.
    LookToCross,
    /// It decides which steps are due.
    Decide,
    /// It commits them.
    Cross,
    /// The author posts: an id is drawn, by a clock that is ahead by so many ticks.
    Draw(u8),
    /// A tweet is committed.
    Commit(TweetId),
    /// The reader follows, or unfollows.
    ChangeEdge,
    /// A worker goes on.
    FanOut(usize, fan_out::Step),
    /// A build begins.
    BeginBuild,
    /// A backfill begins.
    BeginBackfill(Coverage),
    /// A build or backfill goes on.
    Build(usize, build::Step),
    /// The store of timelines loses what it has.
    Lose,
    /// The reader's read goes on.
    Read(read::Step),
}

impl CrossingModel {
    /// A scenario within its bounds.
    pub fn new(scenario: Scenario, bounds: Bounds, fault: Option<Fault>) -> Self {
        Self {
            scenario,
            bounds,
            fault,
        }
    }

    fn may_backfill(state: &State) -> Option<Coverage> {
        let coverage = state.timeline.built.as_ref()?.coverage;
        let edge = state.edge.current();
        (edge.follows && edge.actor_version() > coverage.holds).then_some(coverage)
    }
}

impl Model for CrossingModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let edge = Edge {
            version: u8::from(self.scenario.follows),
            follows: self.scenario.follows,
        };
        // Nothing was posted yet: an empty timeline is a built one.
        let built = Built {
            ids: Vec::new(),
            coverage: Coverage {
                complete_from: TweetId::MIN,
                holds: edge.actor_version(),
            },
        };
        let absent = Timeline::default();
        let present = Timeline {
            built: Some(built),
            ..absent.clone()
        };
        let start = |timeline| State {
            now: 0,
            asked: self.scenario.asked[0],
            asks_left: self.bounds.asks,
            rules: History::new(Rules::PUSHED),
            looked: None,
            step: None,
            edge: History::new(edge),
            edges_left: self.bounds.edges,
            tweets: Vec::new(),
            workers: vec![Worker::Idle; self.bounds.workers],
            crashes_left: self.bounds.crashes,
            timeline,
            builds: Vec::new(),
            builds_left: self.bounds.builds,
            losses_left: self.bounds.losses,
            read: None,
            broken: None,
        };
        vec![start(present), start(absent)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        if state.now < self.bounds.ticks {
            actions.push(Action::Tick);
        }
        if state.asks_left > 0 {
            let others = self.scenario.asked.iter().filter(|asked| **asked != state.asked);
            actions.extend(others.map(|asked| Action::Ask(*asked)));
        }
        actions.push(match (&state.looked, &state.step) {
            (_, Some(_)) => Action::Cross,
            (Some(_), None) => Action::Decide,
            (None, None) => Action::LookToCross,
        });
        let drawn = state.tweets.iter().filter(|tweet| !tweet.committed);
        actions.extend(drawn.map(|tweet| Action::Commit(tweet.id)));
        if state.tweets.len() < self.bounds.tweets {
            actions.extend((0..=self.bounds.ahead).map(Action::Draw));
        }
        if state.edges_left > 0 {
            actions.push(Action::ChangeEdge);
        }
        for (at, worker) in state.workers.iter().enumerate() {
            // Idle workers are the same: the first one receives.
            let is_another = *worker == Worker::Idle && state.workers[..at].contains(worker);
            if !is_another {
                actions.extend(worker.steps(state).into_iter().map(|step| Action::FanOut(at, step)));
            }
        }
        if state.builds_left > 0 {
            actions.push(Action::BeginBuild);
            actions.extend(Self::may_backfill(state).map(Action::BeginBackfill));
        }
        for (at, build) in state.builds.iter().enumerate() {
            let steps = build.steps(state, self.fault).into_iter();
            actions.extend(steps.map(|step| Action::Build(at, step)));
        }
        if state.losses_left > 0 {
            actions.push(Action::Lose);
        }
        if self.bounds.reads {
            actions.extend(read::steps(state).into_iter().map(Action::Read));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let (window, fault) = (self.bounds.window, self.fault);
        match action {
            Action::Tick => {
                state.now += 1;
                state.rules.forget(state.now);
                state.edge.forget(state.now);
            }
            Action::Ask(asked) => {
                state.asked = asked;
                state.asks_left -= 1;
            }
            Action::LookToCross => {
                if state.rules.current().is_there(state.asked) {
                    return None;
                }
                state.looked = Some((state.now, state.highest()));
            }
            Action::Decide => {
                let (looked, highest) = state.looked.take()?;
                let rules = state.rules.current();
                state.step = rules.stepped(state.asked, looked, state.now, highest, fault);
            }
            Action::Cross => {
                let stepped = state.step.take()?.committed(state.rules.current(), state.now);
                state.rules.commit(stepped, state.now);
            }
            Action::Draw(ahead) => {
                let id = tweet_id(state.now + ahead, state.tweets.len());
                state.tweets.push(Tweet {
                    id,
                    committed: false,
                    mode: None,
                    done: false,
                    seen: false,
                });
                state.tweets.sort_unstable_by_key(|tweet| tweet.id);
            }
            Action::Commit(id) => state.tweet_mut(id).committed = true,
            Action::ChangeEdge => {
                let edge = *state.edge.current();
                let changed = Edge {
                    version: edge.version + 1,
                    follows: !edge.follows,
                };
                state.edge.commit(changed, state.now);
                state.edges_left -= 1;
            }
            Action::FanOut(at, step) => {
                let worker = std::mem::replace(&mut state.workers[at], Worker::Idle);
                state.workers[at] = worker.take(step, &mut state, window, fault);
                state.workers.sort_unstable_by_key(|worker| format!("{worker:?}"));
            }
            Action::BeginBuild => {
                state.builds_left -= 1;
                let job = Job::Build(if fault == Some(Fault::BuildsWithoutBeginning) {
                    0
                } else {
                    state.timeline.begin_build()
                });
                state.builds.push(Build {
                    job,
                    progress: Progress::Begun,
                });
            }
            Action::BeginBackfill(held) => {
                state.builds_left -= 1;
                state.builds.push(Build {
                    job: Job::Backfill(held),
                    progress: Progress::Begun,
                });
            }
            Action::Build(at, step) => {
                let build = state.builds.remove(at);
                if let Some(left) = build.take(step, &mut state, window, fault) {
                    state.builds.insert(at, left);
                }
            }
            Action::Lose => {
                state.losses_left -= 1;
                state.timeline.lose();
            }
            Action::Read(step) => read::take(step, &mut state, fault),
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no tweet falls between", |_, state: &State| state.broken.is_none()),
            Property::sometimes("an author or everyone is pulled", |model: &Self, state: &State| {
                model.bounds.asks == 0 || state.rules.current() != &Rules::PUSHED
            }),
            Property::sometimes("a reader has seen every tweet", |model: &Self, state: &State| {
                state.tweets.len() == model.bounds.tweets && state.tweets.iter().all(|tweet| tweet.seen)
            }),
            Property::sometimes("every tweet is delivered", |model: &Self, state: &State| {
                state.tweets.len() == model.bounds.tweets && state.tweets.iter().all(|tweet| tweet.done)
            }),
        ]
    }
}

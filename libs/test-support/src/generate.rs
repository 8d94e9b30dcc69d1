//! Random histories.

use model::{EdgeKind, Strategy};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::history::{History, Label, Rules, Seat, Step, Stop};

/// What a history may hold.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many steps.
    pub steps: usize,
    /// How many accounts at most.
    pub seats: u8,
    /// Whether rules change.
    pub rules_change: bool,
    /// Whether the system is restarted.
    pub restarts: bool,
    /// Whether deliveries are held back, so that marks are taken while tweets are accepted and not delivered, and newer
    /// tweets overtake older ones.
    pub holds: bool,
}

/// The history of this seed: always the same for the same plan.
pub fn generate(seed: u64, plan: Plan) -> History {
    let mut generator = Generator::new(seed, plan);
    let mut steps = generator.prelude();
    while steps.len() < plan.steps {
        let step = generator.step();
        steps.push(step);
    }
    History { seed, steps }
}

struct Generator {
    rng: StdRng,
    plan: Plan,
    tweets: u32,
    scrolls: u32,
    marks: u32,
    /// Percentage of steps that change the graph: some histories churn, others post.
    churn: u32,
}

impl Generator {
    fn new(seed: u64, plan: Plan) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let churn = rng.random_range(5..35);
        Self {
            rng,
            plan,
            tweets: 0,
            scrolls: 0,
            marks: 0,
            churn,
        }
    }

    /// Some accounts that follow each other, so that there is something to read from the start.
    fn prelude(&mut self) -> Vec<Step> {
        let there = self.plan.seats.saturating_sub(1).max(1);
        let mut steps: Vec<Step> = (0..there).map(|seat| Step::SignUp(Seat(seat))).collect();
        for actor in (0..there).map(Seat) {
            for target in (0..there).map(Seat) {
                if actor != target && self.rng.random_bool(0.4) {
                    steps.push(edge(EdgeKind::Follow, actor, target, true));
                }
            }
        }
        if self.plan.holds {
            steps.push(self.hold());
        }
        steps
    }

    fn hold(&mut self) -> Step {
        let of = self.rng.random_range(0..=3);
        Step::HoldDeliveries {
            of: (0..of).map(|_| self.seat()).collect(),
        }
    }

    fn step(&mut self) -> Step {
        if self.plan.holds && self.rng.random_bool(0.03) {
            return self.hold();
        }
        let dice = self.rng.random_range(0..100);
        if dice < self.churn {
            return self.change_of_graph();
        }
        match self.rng.random_range(0..100) {
            0..=39 => self.tweet(),
            40..=92 => self.read(),
            93..=95 => Step::Settle,
            _ => self.operation(),
        }
    }

    fn change_of_graph(&mut self) -> Step {
        let (actor, target) = (self.seat(), self.seat());
        match self.rng.random_range(0..100) {
            0..=44 => edge(EdgeKind::Follow, actor, target, true),
            45..=69 => edge(EdgeKind::Follow, actor, target, false),
            70..=76 => edge(EdgeKind::Mute, actor, target, true),
            77..=84 => edge(EdgeKind::Mute, actor, target, false),
            85..=88 => edge(EdgeKind::Block, actor, target, true),
            89..=95 => edge(EdgeKind::Block, actor, target, false),
            96..=98 => Step::SignUp(actor),
            _ => Step::DeleteAccount(actor),
        }
    }

    fn tweet(&mut self) -> Step {
        match self.rng.random_range(0..100) {
            0..=59 => self.post(None),
            60..=74 => {
                let original = self.tweet_label();
                self.post(original)
            }
            75..=84 => self.race(),
            _ => match self.tweet_label() {
                Some(tweet) => Step::DeleteTweet { by: self.seat(), tweet },
                None => self.post(None),
            },
        }
    }

    fn post(&mut self, reply_to: Option<Label>) -> Step {
        Step::Post {
            by: self.seat(),
            tweet: self.new_tweet(),
            reply_to,
            repeat: self.rng.random_bool(0.1),
        }
    }

    fn race(&mut self) -> Step {
        let (posts, readers) = (self.rng.random_range(1..=5), self.rng.random_range(1..=4));
        Step::Race {
            posts: (0..posts).map(|_| (self.seat(), self.new_tweet())).collect(),
            readers: (0..readers).map(|_| self.seat()).collect(),
        }
    }

    fn read(&mut self) -> Step {
        let (reader, limit) = (self.seat(), self.limit());
        // Late arrivals show in marks.
        let from = if self.plan.holds { 55 } else { 0 };
        match self.rng.random_range(from..100) {
            0..=24 => Step::ReadHome { reader, limit },
            25..=39 => {
                let scroll = next(&mut self.scrolls);
                Step::StartScroll { scroll, reader, limit }
            }
            40..=59 => match self.recent(self.scrolls) {
                Some(scroll) => Step::ScrollOn { scroll, limit },
                None => Step::ReadHome { reader, limit },
            },
            60..=66 => {
                let mark = next(&mut self.marks);
                Step::TakeMark { mark, reader, limit }
            }
            67..=84 => match self.recent(self.marks) {
                Some(mark) => Step::Poll { mark, limit },
                None => Step::ReadHome { reader, limit },
            },
            _ => self.other_read(),
        }
    }

    fn other_read(&mut self) -> Step {
        let viewer = self.rng.random_bool(0.7).then(|| self.seat());
        let (user, limit) = (self.seat(), self.limit());
        match (self.rng.random_range(0..3), self.tweet_label()) {
            (0, Some(tweet)) => Step::ReadTweet { tweet, viewer },
            (1, _) => Step::ReadEdges { user, limit },
            _ => Step::ReadUser { user, viewer, limit },
        }
    }

    fn operation(&mut self) -> Step {
        let restart = self.plan.restarts && self.rng.random_bool(0.25);
        if restart {
            let graceful = self.rng.random_bool(0.5);
            return Step::Restart(if graceful { Stop::Graceful } else { Stop::Abrupt });
        }
        if self.plan.rules_change && self.rng.random_bool(0.7) {
            return Step::SetRules(self.rules());
        }
        Step::Wait {
            ms: self.rng.random_range(1..150),
        }
    }

    fn rules(&mut self) -> Rules {
        let strategies = [Strategy::Pull, Strategy::Push, Strategy::Hybrid, Strategy::Hybrid];
        let pull_threshold = self.rng.random_range(1..=4);
        Rules {
            strategy: strategies[self.rng.random_range(0..strategies.len())],
            pull_threshold,
            push_threshold: self.rng.random_range(1..=pull_threshold),
        }
    }

    fn seat(&mut self) -> Seat {
        Seat(self.rng.random_range(0..self.plan.seats))
    }

    /// Mostly small pages, so that marks and edges of pages matter, and now and then any.
    fn limit(&mut self) -> usize {
        match self.rng.random_range(0..10) {
            0..=6 => self.rng.random_range(1..=7),
            7 | 8 => self.rng.random_range(8..=30),
            _ => self.rng.random_range(31..=100),
        }
    }

    fn new_tweet(&mut self) -> Label {
        next(&mut self.tweets)
    }

    /// A tweet, more likely a recent one.
    fn tweet_label(&mut self) -> Option<Label> {
        if self.rng.random_bool(0.6) {
            self.recent(self.tweets)
        } else {
            (self.tweets > 0).then(|| Label(self.rng.random_range(0..self.tweets)))
        }
    }

    fn recent(&mut self, made: u32) -> Option<Label> {
        (made > 0).then(|| Label(self.rng.random_range(made.saturating_sub(4)..made)))
    }
}

fn next(counter: &mut u32) -> Label {
    *counter += 1;
    Label(*counter - 1)
}

fn edge(kind: EdgeKind, actor: Seat, target: Seat, present: bool) -> Step {
    Step::Edge {
        kind,
        actor,
        target,
        present,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_history() {
        let plan = Plan {
            steps: 80,
            seats: 5,
            rules_change: true,
            restarts: true,
            holds: true,
        };
        assert_eq!(generate(7, plan), generate(7, plan));
        assert_ne!(generate(7, plan).steps, generate(8, plan).steps);
        assert_eq!(generate(7, plan).steps.len(), 80);
    }
}

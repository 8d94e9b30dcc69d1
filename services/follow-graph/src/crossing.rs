//! The crossing: which step each subject takes next, towards what the rules in force ask for.
//!
//! A pure function, so that `libs/crossing-model` can enumerate what comes of it. What makes the steps safe, whatever is
//! asked for and however often that changes:
//!
//! - **Everyone who decides by the rules holds rules that were in force within the last `settle` time.** So a step that
//!   takes something away (`Both -> Pulled` ends pushing, `Both -> Pushed` ends pulling) is taken only when the subject
//!   has been at `Both` for that long: by then every worker pushes and every reader pulls.
//! - **A range may be opened anywhere.** A tweet below it is settled as pushed by whatever rules; one within it is left to
//!   readers only by a phase of the same subject.
//! - **A range is closed above every id that was accepted when it was asked for** ([`Situation::drawn_below`]), which is
//!   after every worker was back at `Both`: a tweet that was left to be pulled was accepted before, so it stays inside. It
//!   is also closed above the start of every open range: a tweet that another subject keeps from being pushed is then in
//!   that subject's own range.
//! - **Coming from `pull`, authors first reach `Pulled` on their own, then everyone is pushed again.** That order is for
//!   the cost alone: a huge author would be pushed for a moment.
//!
//! A change of mind in the middle needs no care: `Both` goes either way.

mod delivery;
#[cfg(test)]
mod safety;

use std::collections::HashMap;
use std::sync::Arc;

use model::{DeliveryRules, DeliveryState, Phase, Strategy, Subject, Thresholds, TweetId, UserId};

pub use delivery::apply;
pub(crate) use delivery::{Delivery, Timing};

/// Steps to be committed together.
pub type Steps = Vec<(Subject, DeliveryState)>;

/// What the next steps depend on.
pub struct Situation<'a> {
    /// The rules, with the state of every subject.
    pub rules: &'a DeliveryRules,
    /// Followers of every author that has at least the push threshold. Whoever is missing has fewer.
    pub followers: &'a HashMap<UserId, u64>,
    /// The present, in milliseconds since 1970.
    pub now_ms: u64,
    /// Above every id that was accepted when the look began.
    pub drawn_below: TweetId,
    /// Whether a subject's last step had been in force for the settle time when the look began.
    pub settled: &'a dyn Fn(Subject) -> bool,
}

/// What the rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Pushed,
    Pulled,
}

/// The steps that are due, and whether some subject is still on its way after them.
pub fn decide(situation: &Situation<'_>) -> (Steps, bool) {
    let close_at = situation.close_at();
    let mut steps = Steps::new();
    let mut all_pulled = true;
    let mut under_way = false;
    for (author, state, goal) in situation.authors() {
        let step = situation.step(Subject::Author(author), &state, goal, close_at);
        let phase = step.as_ref().map_or(state.phase, |next| next.phase);
        all_pulled &= goal != Goal::Pulled || phase == Phase::Pulled;
        under_way |= !goal.is_reached_by(phase);
        steps.extend(step.map(|next| (Subject::Author(author), next)));
    }

    let everyone = &situation.rules.everyone;
    let goal = situation.goal_of_everyone();
    let waits = everyone.phase == Phase::Pulled && !all_pulled;
    let step = if waits {
        None
    } else {
        situation.step(Subject::Everyone, everyone, goal, close_at)
    };
    under_way |= !goal.is_reached_by(step.as_ref().map_or(everyone.phase, |next| next.phase));
    steps.extend(step.map(|next| (Subject::Everyone, next)));
    (steps, under_way)
}

impl Goal {
    fn is_reached_by(self, phase: Phase) -> bool {
        matches!(
            (self, phase),
            (Self::Pushed, Phase::Pushed) | (Self::Pulled, Phase::Pulled)
        )
    }
}

impl Situation<'_> {
    fn goal_of_everyone(&self) -> Goal {
        match self.rules.in_force.strategy {
            Strategy::Push | Strategy::Hybrid => Goal::Pushed,
            Strategy::Pull => Goal::Pulled,
        }
    }

    /// The authors that the rules ask something of, with what they ask.
    fn authors(&self) -> Vec<(UserId, Arc<DeliveryState>, Goal)> {
        let goal: &dyn Fn(UserId, Phase) -> Goal = match self.rules.in_force.strategy {
            // Everyone is pulled: authors stay as they are, until another strategy asks.
            Strategy::Pull => return Vec::new(),
            Strategy::Push => &|_, _| Goal::Pushed,
            Strategy::Hybrid => &|author, phase| self.hybrid_goal(author, phase),
        };
        let own = self
            .rules
            .authors
            .iter()
            .map(|(author, state)| (*author, Arc::clone(state)));
        let never_crossed = self
            .followers
            .keys()
            .filter(|author| !self.rules.authors.contains_key(author));
        let pushed = Arc::new(DeliveryState::pushed());
        own.chain(never_crossed.map(|author| (*author, Arc::clone(&pushed))))
            .map(|(author, state)| {
                let goal = goal(author, state.phase);
                (author, state, goal)
            })
            .filter(|(_, state, goal)| !goal.is_reached_by(state.phase))
            .collect()
    }

    fn hybrid_goal(&self, author: UserId, phase: Phase) -> Goal {
        let Thresholds { pull, push } = self.rules.in_force.thresholds;
        let followers = self.followers.get(&author).copied().unwrap_or(0);
        if followers >= pull {
            Goal::Pulled
        } else if followers < push {
            Goal::Pushed
        } else {
            self.as_it_was(phase)
        }
    }

    /// Between the thresholds. Who was on the way ends up pulled; who was pulled with everyone stays so on its own.
    fn as_it_was(&self, phase: Phase) -> Goal {
        if phase == Phase::Pushed && self.rules.everyone.phase != Phase::Pulled {
            Goal::Pushed
        } else {
            Goal::Pulled
        }
    }

    fn step(&self, subject: Subject, state: &DeliveryState, goal: Goal, close_at: TweetId) -> Option<DeliveryState> {
        let mut next = state.clone();
        match (state.phase, goal) {
            (Phase::Pushed, Goal::Pulled) => next.open(TweetId::first_at(self.now_ms), self.now_ms),
            (Phase::Pulled, Goal::Pushed) => next.resume_pushing(self.now_ms),
            (Phase::Both, Goal::Pulled) if (self.settled)(subject) => next.stop_pushing(self.now_ms),
            (Phase::Both, Goal::Pushed) if (self.settled)(subject) => next.close(close_at, self.now_ms),
            _ => return None,
        }
        Some(next)
    }

    /// Where ranges that are closed now end. It looks at every author: once for all steps.
    fn close_at(&self) -> TweetId {
        let states = self
            .rules
            .authors
            .values()
            .map(Arc::as_ref)
            .chain([&self.rules.everyone]);
        let open = states.filter_map(|state| state.pulled.last()).map(|range| range.from);
        open.fold(self.drawn_below, TweetId::max)
    }
}

#[cfg(test)]
mod tests {
    use model::{IdRange, RulesInForce};

    use super::*;

    const HUGE: UserId = UserId::new(1);
    const BETWEEN: UserId = UserId::new(2);
    const NOW: u64 = model::EPOCH_MS + 1_000_000;

    fn rules(strategy: Strategy) -> DeliveryRules {
        let thresholds = Thresholds::new(100, 80).unwrap();
        DeliveryRules {
            version: 1,
            in_force: RulesInForce { strategy, thresholds },
            everyone: DeliveryState::pushed(),
            authors: HashMap::new(),
        }
    }

    /// Applies the due steps at `now_ms`; answers who took one, and whether something is under way.
    fn tick(rules: &mut DeliveryRules, settled: bool, now_ms: u64) -> (Vec<(Subject, Phase)>, bool) {
        let (steps, under_way) = decide(&Situation {
            rules,
            followers: &HashMap::from([(HUGE, 100), (BETWEEN, 99)]),
            now_ms,
            drawn_below: TweetId::first_at(now_ms + 500),
            settled: &|_| settled,
        });
        let mut taken: Vec<_> = steps.iter().map(|(subject, state)| (*subject, state.phase)).collect();
        taken.sort_by_key(|(subject, _)| *subject);
        super::delivery::apply(rules, steps);
        (taken, under_way)
    }

    fn author(id: UserId, phase: Phase) -> (Subject, Phase) {
        (Subject::Author(id), phase)
    }

    #[test]
    fn an_author_goes_up_in_two_steps_and_waits_between_them() {
        let mut rules = rules(Strategy::Hybrid);
        assert_eq!(tick(&mut rules, true, NOW), (vec![author(HUGE, Phase::Both)], true));
        assert_eq!(tick(&mut rules, false, NOW), (vec![], true));
        assert_eq!(tick(&mut rules, true, NOW), (vec![author(HUGE, Phase::Pulled)], false));
        assert_eq!(tick(&mut rules, true, NOW), (vec![], false));
        assert_eq!(
            rules.authors[&HUGE].pulled,
            [IdRange {
                from: TweetId::first_at(NOW),
                until: None
            }]
        );
    }

    #[test]
    fn a_change_of_strategy_takes_everyone_there_and_back() {
        let mut rules = rules(Strategy::Pull);
        assert_eq!(tick(&mut rules, true, NOW).0, [(Subject::Everyone, Phase::Both)]);
        assert_eq!(tick(&mut rules, true, NOW).0, [(Subject::Everyone, Phase::Pulled)]);
        rules.in_force.strategy = Strategy::Push;
        assert_eq!(tick(&mut rules, false, NOW + 10).0, [(Subject::Everyone, Phase::Both)]);
        assert_eq!(tick(&mut rules, false, NOW + 20), (vec![], true));
        assert_eq!(
            tick(&mut rules, true, NOW + 30),
            (vec![(Subject::Everyone, Phase::Pushed)], false)
        );
        assert_eq!(rules.everyone.pulled[0].until, Some(TweetId::first_at(NOW + 530)));
    }

    #[test]
    fn from_pull_to_hybrid_big_authors_are_pulled_before_everyone_is_pushed() {
        let mut rules = rules(Strategy::Pull);
        tick(&mut rules, true, NOW);
        tick(&mut rules, true, NOW);
        rules.in_force.strategy = Strategy::Hybrid;
        let both = |phase| vec![author(HUGE, phase), author(BETWEEN, phase)];
        assert_eq!(
            tick(&mut rules, true, NOW),
            (both(Phase::Both), true),
            "who was pulled with everyone stays so"
        );
        assert_eq!(tick(&mut rules, false, NOW), (vec![], true));
        let last = [vec![(Subject::Everyone, Phase::Both)], both(Phase::Pulled)].concat();
        assert_eq!(tick(&mut rules, true, NOW), (last, true));
        assert_eq!(
            tick(&mut rules, true, NOW),
            (vec![(Subject::Everyone, Phase::Pushed)], false)
        );
    }

    #[test]
    fn a_change_of_mind_goes_the_other_way() {
        let mut rules = rules(Strategy::Pull);
        tick(&mut rules, true, NOW);
        rules.in_force.strategy = Strategy::Push;
        assert_eq!(tick(&mut rules, true, NOW).0, [(Subject::Everyone, Phase::Pushed)]);
    }

    #[test]
    fn under_pull_authors_stay_as_they_are() {
        let mut rules = rules(Strategy::Hybrid);
        tick(&mut rules, true, NOW);
        rules.in_force.strategy = Strategy::Pull;
        tick(&mut rules, true, NOW);
        assert_eq!(
            tick(&mut rules, true, NOW),
            (vec![(Subject::Everyone, Phase::Pulled)], false)
        );
        assert_eq!(rules.authors[&HUGE].phase, Phase::Both);
    }

    #[test]
    fn a_range_is_closed_above_the_start_of_every_other() {
        let mut rules = rules(Strategy::Pull);
        tick(&mut rules, true, NOW);
        rules.in_force.strategy = Strategy::Hybrid;
        let ahead = NOW + 60_000;
        tick(&mut rules, false, ahead);
        tick(&mut rules, true, NOW);
        assert_eq!(
            rules.everyone.pulled[0].until,
            Some(TweetId::first_at(ahead)),
            "the clock was set back"
        );
    }
}

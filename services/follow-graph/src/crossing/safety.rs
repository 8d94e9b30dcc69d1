//! Whatever is asked for, and whenever: no tweet is neither pushed nor pulled, for workers and readers that go by rules as
//! old as the settle time allows.

use std::collections::HashMap;
use std::sync::Arc;

use model::{
    DeliveryRules, DeliveryState, EPOCH_MS, Mode, RulesInForce, Strategy, Subject, Thresholds, TweetId, UserId,
};
use proptest::prelude::{Just, ProptestConfig, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy as Generated;

use super::delivery::apply;
use super::{Situation, decide};

const SETTLE_MS: u64 = 500;
const MARGIN_MS: u64 = 500;
const STEP_MS: u64 = 100;
const AUTHOR: UserId = UserId::new(1);

/// The rules and when they came into force.
type History = Vec<(u64, Arc<DeliveryRules>)>;

#[derive(Debug, Clone, Copy)]
enum Happening {
    Ask(Strategy),
    Followers(u64),
    Nothing,
}

fn happening() -> impl Generated<Value = Happening> {
    prop_oneof![
        1 => prop_oneof![Just(Strategy::Pull), Just(Strategy::Push), Just(Strategy::Hybrid)].prop_map(Happening::Ask),
        1 => prop_oneof![Just(10), Just(90), Just(200)].prop_map(Happening::Followers),
        4 => Just(Happening::Nothing),
    ]
}

fn run(happenings: &[Happening]) -> (History, u64) {
    let thresholds = Thresholds::new(100, 80).expect("they don't cross");
    let mut rules = DeliveryRules {
        version: 1,
        in_force: RulesInForce {
            strategy: Strategy::Hybrid,
            thresholds,
        },
        everyone: DeliveryState::pushed(),
        authors: HashMap::new(),
    };
    let mut last_step: HashMap<Subject, u64> = HashMap::new();
    let mut followers = 10;
    let mut now_ms = EPOCH_MS + 1_000_000;
    let mut history = vec![(now_ms, Arc::new(rules.clone()))];
    for happening in happenings {
        now_ms += STEP_MS;
        match happening {
            Happening::Ask(strategy) => rules.in_force.strategy = *strategy,
            Happening::Followers(count) => followers = *count,
            Happening::Nothing => {}
        }
        let audience = if followers >= 80 {
            HashMap::from([(AUTHOR, followers)])
        } else {
            HashMap::new()
        };
        let (steps, _) = decide(&Situation {
            rules: &rules,
            followers: &audience,
            now_ms,
            drawn_below: TweetId::first_at(now_ms + MARGIN_MS),
            settled: &|subject| last_step.get(&subject).is_none_or(|at| now_ms - at >= SETTLE_MS),
        });
        last_step.extend(steps.iter().map(|(subject, _)| (*subject, now_ms)));
        apply(&mut rules, steps);
        history.push((now_ms, Arc::new(rules.clone())));
    }
    (history, now_ms)
}

/// The rules that somebody at `now_ms` may go by.
fn believable(history: &History, now_ms: u64) -> impl Iterator<Item = &DeliveryRules> {
    let replaced_at = |at: usize| history.get(at + 1).map_or(u64::MAX, |(since, _)| *since);
    let old_enough = now_ms.saturating_sub(SETTLE_MS - STEP_MS);
    history
        .iter()
        .enumerate()
        .filter(move |(at, (since, _))| *since <= now_ms && replaced_at(*at) > old_enough)
        .map(|(_, (_, rules))| &**rules)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_tweet_falls_between(happenings in proptest::collection::vec(happening(), 1..80)) {
        let (history, end_ms) = run(&happenings);
        let times: Vec<u64> = history.iter().map(|(since, _)| *since).collect();
        for drawn_ms in &times {
            let tweet = TweetId::first_at(*drawn_ms);
            for handled_ms in times.iter().filter(|handled_ms| *handled_ms >= drawn_ms) {
                let left = believable(&history, *handled_ms).any(|rules| rules.settle(AUTHOR, tweet) == Mode::Pull);
                if !left {
                    continue;
                }
                for read_ms in times.iter().filter(|read_ms| *read_ms >= handled_ms) {
                    for rules in believable(&history, *read_ms) {
                        let pulled = rules.pulled_ranges(AUTHOR).any(|range| range.contains(tweet));
                        prop_assert!(pulled, "drawn {drawn_ms}, left to readers {handled_ms}, not pulled {read_ms} of {end_ms}");
                    }
                }
            }
        }
    }
}

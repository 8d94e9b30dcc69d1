//! How authors are delivered.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use std::sync::Arc;

use model::{DeliveryRules, DeliveryState, Phase, RulesInForce, Strategy, Subject, Thresholds, TweetId, UserId};

use super::{Graph, GraphBackend};
use crate::support::deadline;

fn rules(strategy: Strategy, pull: u64, push: u64) -> RulesInForce {
    let thresholds = Thresholds::new(pull, push).unwrap();
    RulesInForce { strategy, thresholds }
}

async fn load(graph: &Graph) -> DeliveryRules {
    graph
        .0
        .delivery_rules(rules(Strategy::Push, 7, 7), deadline())
        .await
        .unwrap()
}

pub async fn what_is_configured_is_in_force_until_rules_are_set(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let found = load(&graph).await;
    assert_eq!((found.version, found.in_force), (0, rules(Strategy::Push, 7, 7)));
    graph
        .0
        .set_delivery(vec![(Subject::Everyone, DeliveryState::pushed())], 0, deadline())
        .await
        .unwrap();
    let found = load(&graph).await;
    assert_eq!(
        (found.version, found.in_force),
        (1, rules(Strategy::Push, 7, 7)),
        "steps set no rules"
    );
    graph
        .0
        .set_rules(rules(Strategy::Hybrid, 100, 80), deadline())
        .await
        .unwrap();
    let found = load(&graph).await;
    assert_eq!((found.everyone, found.authors.len()), (DeliveryState::pushed(), 0));
}

pub async fn rules_are_as_they_were_set_last(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    for strategy in [Strategy::Pull, Strategy::Push, Strategy::Hybrid] {
        let wanted = rules(strategy, 10_000, 0);
        graph.0.set_rules(wanted, deadline()).await.unwrap();
        assert_eq!(load(&graph).await.in_force, wanted);
    }
    drop(graph);
    let graph = Graph::open(&backend).await;
    assert_eq!(load(&graph).await.in_force, rules(Strategy::Hybrid, 10_000, 0));
}

pub async fn rules_and_steps_count_one_version(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let mut last = 0;
    for round in 1..4 {
        let version = graph
            .0
            .set_rules(rules(Strategy::Hybrid, round, 0), deadline())
            .await
            .unwrap();
        assert!(version > last);
        assert_eq!(load(&graph).await.version, version);
        let state = vec![(Subject::Everyone, DeliveryState::pushed())];
        let outdated = graph.0.set_delivery(state.clone(), last, deadline()).await.unwrap();
        assert_eq!(outdated, None, "steps are not taken over newer rules");
        last = graph.0.set_delivery(state, version, deadline()).await.unwrap().unwrap();
        assert!(last > version);
        assert_eq!(load(&graph).await.version, last);
    }
}

pub async fn states_are_read_as_they_were_written(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    graph
        .0
        .set_rules(rules(Strategy::Hybrid, 100, 80), deadline())
        .await
        .unwrap();
    let mut everyone = DeliveryState::pushed();
    everyone.open(TweetId::MIN, 1);
    let mut crossing = DeliveryState::pushed();
    let mut states = Vec::new();
    for step in 0..4 {
        match step {
            0 => crossing.open(TweetId::new(500), 10),
            1 => crossing.stop_pushing(11),
            2 => crossing.resume_pushing(12),
            _ => crossing.close(TweetId::MAX, 13),
        }
        states.push(crossing.clone());
    }
    for (author, state) in (7..).map(UserId::new).zip(&states) {
        let steps = vec![
            (Subject::Author(author), state.clone()),
            (Subject::Everyone, everyone.clone()),
        ];
        let version = load(&graph).await.version;
        graph.0.set_delivery(steps, version, deadline()).await.unwrap().unwrap();
    }
    let last = vec![(Subject::Author(UserId::new(7)), states[1].clone())];
    let version = load(&graph).await.version;
    graph.0.set_delivery(last, version, deadline()).await.unwrap().unwrap();
    drop(graph);
    let found = load(&Graph::open(&backend).await).await;
    assert_eq!((found.everyone.phase, &found.everyone), (Phase::Both, &everyone));
    assert_eq!(found.authors.len(), 4);
    states[0] = states[1].clone();
    for (author, state) in (7..).map(UserId::new).zip(states) {
        assert_eq!(found.authors[&author], Arc::new(state));
    }
}

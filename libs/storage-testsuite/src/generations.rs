//! The contract of `Generations`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use model::Generation;
use storage::Generations;

use crate::support::deadline;

/// An adapter with an empty store of its own.
pub trait GenerationsBackend {
    /// Opens the store.
    fn open(&self) -> impl Future<Output = Arc<dyn Generations>>;
}

/// Runs the contract of `Generations` against an adapter. `$make` is an async function that answers a fresh
/// [`GenerationsBackend`](crate::GenerationsBackend).
#[macro_export]
macro_rules! generations_contract {
    ($make:path) => {
        $crate::contract! { $make, generations:
            a_life_has_one_number,
            another_life_has_a_higher_number,
            whoever_sees_a_life_at_the_same_time_gets_the_same_number,
            no_two_nodes_share_a_number,
            the_highest_number_of_a_name_stays,
            the_highest_of_those_who_give_one_at_the_same_time_stays,
        }
    };
}

const NODES: usize = 64;

async fn current(generations: &dyn Generations, node: &str, life: &str) -> Generation {
    generations.current(node, life, deadline()).await.unwrap()
}

pub async fn a_life_has_one_number(backend: impl GenerationsBackend) {
    let generations = backend.open().await;
    let first = current(&*generations, "a", "1").await;
    current(&*generations, "b", "1").await;
    assert_eq!(current(&*generations, "a", "1").await, first);
}

pub async fn another_life_has_a_higher_number(backend: impl GenerationsBackend) {
    let generations = backend.open().await;
    let mut last = current(&*generations, "a", "1").await;
    for life in ["2", "3", "2", "1"] {
        let next = current(&*generations, "a", life).await;
        assert!(next > last, "{next:?} after {last:?}");
        last = next;
    }
}

pub async fn whoever_sees_a_life_at_the_same_time_gets_the_same_number(backend: impl GenerationsBackend) {
    let generations = backend.open().await;
    for life in ["1", "2", "3"] {
        let all = (0..8).map(|_| current(&*generations, "a", life));
        let numbers: BTreeSet<Generation> = futures::future::join_all(all).await.into_iter().collect();
        assert_eq!(numbers.len(), 1, "{numbers:?}");
    }
}

pub async fn no_two_nodes_share_a_number(backend: impl GenerationsBackend) {
    let generations = backend.open().await;
    let mut numbers = BTreeSet::new();
    for life in ["1", "2"] {
        let nodes: Vec<String> = (0..NODES).map(|node| format!("node {node}")).collect();
        let all = nodes.iter().map(|node| current(&*generations, node, life));
        numbers.extend(futures::future::join_all(all).await);
    }
    assert_eq!(numbers.len(), 2 * NODES);
}

async fn highest(generations: &dyn Generations, name: &str, number: u64) -> u64 {
    generations.highest(name, number, deadline()).await.unwrap()
}

pub async fn the_highest_number_of_a_name_stays(backend: impl GenerationsBackend) {
    let generations = backend.open().await;
    assert_eq!(highest(&*generations, "a", 0).await, 0);
    for (given, highest_then) in [(3, 3), (2, 3), (0, 3), (7, 7), (7, 7), (1, 7)] {
        assert_eq!(highest(&*generations, "a", given).await, highest_then, "{given}");
    }
    assert_eq!(highest(&*generations, "b", 0).await, 0);
    let life = current(&*generations, "a", "1").await;
    assert_eq!(
        highest(&*generations, "a", 0).await,
        7,
        "a node of this name is something else"
    );
    assert_eq!(current(&*generations, "a", "1").await, life);
}

pub async fn the_highest_of_those_who_give_one_at_the_same_time_stays(backend: impl GenerationsBackend) {
    let generations = backend.open().await;
    let all = (1..=8).map(|number| highest(&*generations, "a", number));
    let told = futures::future::join_all(all).await;
    assert!((1..=8).zip(&told).all(|(given, told)| *told >= given), "{told:?}");
    assert_eq!(highest(&*generations, "a", 0).await, 8);
}

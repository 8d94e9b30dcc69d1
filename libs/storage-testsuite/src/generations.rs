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

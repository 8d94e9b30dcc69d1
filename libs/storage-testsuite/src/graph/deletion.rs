//! What deleted accounts leave behind.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use std::collections::BTreeSet;

use model::{EdgeKind, GraphChangeKind, UserId};
use storage::EdgeDirection;

use super::{Graph, GraphBackend, KINDS};
use crate::support::deadline;

pub async fn a_deleted_account_makes_no_changes(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    for kind in KINDS {
        graph.put(kind, ada, bob).await;
        graph.put(kind, bob, ada).await;
        graph.remove(EdgeKind::Block, ada, bob).await;
        graph.remove(EdgeKind::Block, bob, ada).await;
    }
    let before = graph.reader(ada).await.version;
    graph.0.delete_user(ada, deadline()).await.unwrap();
    let last = *graph.changes().await.last().unwrap();
    assert_eq!(
        (last.actor, last.kind, last.target),
        (ada, GraphChangeKind::AccountDeleted, ada)
    );
    assert!(last.version > before, "nothing of before counts any more");
    assert_eq!(graph.0.purge_deleted(10, deadline()).await.unwrap(), [bob]);
    assert_eq!(graph.reader(bob).await.followees, []);
}

pub async fn a_purge_removes_edges_in_slices_and_answers_the_others(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let users: [UserId; 12] = graph.users().await;
    let (gone, others) = users.split_first().unwrap();
    for other in others {
        graph.follow(*other, *gone).await;
    }
    for other in &others[1..] {
        graph.follow(*other, others[0]).await;
    }
    for other in &others[..4] {
        graph.follow(*gone, *other).await;
    }
    let versions_before: Vec<_> = versions(&graph, others).await;
    graph.0.delete_user(*gone, deadline()).await.unwrap();
    let touched = graph.purge(4).await;
    assert!(touched.len() >= others.len());
    let touched: BTreeSet<_> = touched.into_iter().collect();
    assert_eq!(touched, others.iter().copied().collect());
    assert_eq!(graph.following(others[0]).await, []);
    for other in &others[1..] {
        assert_eq!(graph.following(*other).await, others[..1]);
        assert!(graph.reader(*other).await.followee(*gone).is_none());
    }
    for direction in [EdgeDirection::Followers, EdgeDirection::Following] {
        assert_eq!(graph.page(direction, *gone, None, 100).await.followers, []);
    }
    graph.expect_counts(others[1], 0, 1).await;
    assert_eq!(
        versions(&graph, others).await,
        versions_before,
        "the others have changed nothing themselves"
    );
}

async fn versions(graph: &Graph, users: &[UserId]) -> Vec<model::ActorVersion> {
    let mut versions = Vec::new();
    for user in users {
        versions.push(graph.reader(*user).await.version);
    }
    versions
}

pub async fn a_purge_without_work_answers_nobody(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let users: [UserId; 6] = graph.users().await;
    assert_eq!(graph.0.purge_deleted(10, deadline()).await.unwrap(), []);
    // Accounts without edges are no work, and do not hide those with some.
    graph.follow(users[5], users[0]).await;
    for user in &users[1..] {
        graph.0.delete_user(*user, deadline()).await.unwrap();
    }
    assert_eq!(graph.0.purge_deleted(1, deadline()).await.unwrap(), [users[0]]);
    assert_eq!(graph.0.purge_deleted(1, deadline()).await.unwrap(), []);
    assert_eq!(graph.followers(users[0]).await, []);
    graph.expect_counts(users[0], 0, 0).await;
}

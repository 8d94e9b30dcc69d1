//! Follows, mutes and blocks.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use std::collections::BTreeSet;

use model::{ActorVersion, EdgeKind, GraphChangeKind, Position, ReaderView, UserId};
use storage::{EdgeError, EdgeRecord, EdgeWrite, EdgeWritten, IdempotencyConflict};

use super::{Graph, GraphBackend, KINDS, edge, key, nobody};
use crate::support::deadline;

fn next(version: ActorVersion) -> ActorVersion {
    ActorVersion(version.0 + 1)
}

/// Whom an edge of this kind leads to.
fn targets(view: &ReaderView, kind: EdgeKind) -> Vec<UserId> {
    match kind {
        EdgeKind::Follow => view.followees.iter().map(|followee| followee.id).collect(),
        EdgeKind::Mute => view.muted.clone(),
        EdgeKind::Block => view.blocked.clone(),
    }
}

pub async fn a_change_raises_the_actors_version_alone(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    let others = graph.reader(bob).await.version;
    let mut version = graph.reader(ada).await.version;
    for kind in KINDS {
        for present in [true, false] {
            let written = graph.write(edge(kind, ada, bob, present)).await.unwrap();
            version = next(version);
            assert_eq!(written.version, version);
            assert_eq!(graph.reader(ada).await.version, version);
        }
    }
    assert_eq!(graph.reader(bob).await.version, others);
}

pub async fn every_kind_of_edge_is_made_and_removed(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    for kind in KINDS {
        graph.put(kind, bob, cyd).await;
        graph.put(kind, bob, ada).await;
        assert_eq!(targets(&graph.reader(bob).await, kind), [ada, cyd], "{kind:?}: by id");
        graph.remove(kind, bob, ada).await;
        assert_eq!(targets(&graph.reader(bob).await, kind), [cyd], "{kind:?}");
        graph.remove(kind, bob, cyd).await;
        assert_eq!(targets(&graph.reader(bob).await, kind), [], "{kind:?}");
    }
    graph.put(EdgeKind::Block, bob, cyd).await;
    graph.put(EdgeKind::Block, ada, cyd).await;
    graph.put(EdgeKind::Block, cyd, ada).await;
    assert_eq!(
        graph.reader(cyd).await.blocked,
        [ada, bob],
        "in either direction, each once"
    );
    assert_eq!(graph.reader(cyd).await.muted, []);
}

pub async fn edges_between_two_are_told_with_their_tombstones(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    let mut expected = Vec::new();
    for kind in KINDS {
        let made = graph.put(kind, ada, bob).await.version;
        graph.put(kind, bob, ada).await;
        let removed = graph.remove(kind, bob, ada).await.version;
        graph.put(kind, ada, cyd).await;
        for (actor, target, version, present) in [(ada, bob, made, true), (bob, ada, removed, false)] {
            expected.push(EdgeRecord {
                kind,
                actor,
                target,
                version,
                present,
            });
        }
    }
    for (one, other) in [(ada, bob), (bob, ada)] {
        let found = graph.0.edges_between(one, other, deadline()).await.unwrap();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(expected.iter().all(|edge| found.contains(edge)), "{found:?}");
    }
    assert_eq!(graph.0.edges_between(bob, cyd, deadline()).await.unwrap(), []);
}

pub async fn what_is_as_asked_already_changes_nothing(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    for kind in KINDS {
        let version = graph.reader(ada).await.version;
        let changed = false;
        let nothing = EdgeWritten { version, changed };
        assert_eq!(graph.remove(kind, ada, bob).await, nothing, "{kind:?}");
        let made = graph.put(kind, ada, bob).await;
        let nothing = EdgeWritten { changed, ..made };
        assert_eq!(graph.put(kind, ada, bob).await, nothing, "{kind:?}");
        graph.remove(kind, ada, bob).await;
    }
    assert_eq!(graph.changes().await.len(), 6);
}

pub async fn an_edge_needs_both_accounts(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, gone] = graph.users().await;
    graph.0.delete_user(gone, deadline()).await.unwrap();
    for kind in KINDS {
        for (actor, target) in [(ada, gone), (ada, nobody()), (gone, ada), (nobody(), ada)] {
            let refused = graph.write(edge(kind, actor, target, true)).await;
            assert!(
                matches!(refused, Err(EdgeError::NoSuchUser)),
                "{kind:?} {actor} {target}"
            );
        }
    }
}

pub async fn a_new_follow_needs_no_block_between(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    graph.put(EdgeKind::Block, ada, bob).await;
    for (actor, target) in [(ada, bob), (bob, ada)] {
        let refused = graph.write(edge(EdgeKind::Follow, actor, target, true)).await;
        assert!(matches!(refused, Err(EdgeError::Blocked)), "either way");
        graph.put(EdgeKind::Mute, actor, target).await;
    }
    graph.follow(ada, cyd).await;
    graph.remove(EdgeKind::Block, ada, bob).await;
    assert!(graph.follow(bob, ada).await.changed);
}

pub async fn mutes_and_blocks_leave_follows_as_they_are(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    graph.follow(ada, bob).await;
    graph.put(EdgeKind::Mute, ada, bob).await;
    graph.put(EdgeKind::Block, bob, ada).await;
    assert_eq!(graph.following(ada).await, [bob]);
    assert_eq!(graph.followers(bob).await, [ada]);
    assert!(!graph.follow(ada, bob).await.changed, "a standing follow stays");
    graph.expect_counts(bob, 1, 0).await;
}

pub async fn a_limit_holds_for_each_kind_by_itself(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd, dan] = graph.users().await;
    let limited = |kind, target| {
        let limit = 2;
        graph.write(EdgeWrite {
            limit,
            ..edge(kind, ada, target, true)
        })
    };
    for kind in KINDS.into_iter().rev().filter(|kind| *kind != EdgeKind::Block) {
        limited(kind, bob).await.unwrap();
        limited(kind, cyd).await.unwrap();
        assert!(
            matches!(limited(kind, dan).await, Err(EdgeError::LimitReached { limit: 2 })),
            "{kind:?}"
        );
        let again = limited(kind, bob).await.unwrap();
        assert!(!again.changed, "one that stands is no more");
        graph.remove(kind, ada, bob).await;
        limited(kind, dan).await.unwrap();
        assert!(
            matches!(limited(kind, bob).await, Err(EdgeError::LimitReached { .. })),
            "{kind:?}"
        );
    }
    for target in [bob, cyd] {
        limited(EdgeKind::Block, target).await.unwrap();
    }
    assert!(matches!(
        limited(EdgeKind::Block, dan).await,
        Err(EdgeError::LimitReached { .. })
    ));
}

pub async fn a_write_is_done_once_under_a_key(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    let put = EdgeWrite {
        idempotency: Some(key(ada, "put", 1)),
        ..edge(EdgeKind::Follow, ada, bob, true)
    };
    assert!(graph.write(put.clone()).await.unwrap().changed);
    graph.remove(EdgeKind::Follow, ada, bob).await;
    let version = graph.follow(ada, cyd).await.version;
    let changed = false;
    assert_eq!(graph.write(put).await.unwrap(), EdgeWritten { version, changed });
    assert_eq!(graph.following(ada).await, [cyd], "the repeat did not follow again");
}

pub async fn a_key_belongs_to_one_body_for_a_day(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    let put = |account, body| EdgeWrite {
        idempotency: Some(key(account, "k", body)),
        ..edge(EdgeKind::Mute, account, if account == ada { bob } else { ada }, true)
    };
    graph.write(put(ada, 1)).await.unwrap();
    let conflict = graph.write(put(ada, 2)).await;
    assert!(matches!(conflict, Err(EdgeError::Idempotency(IdempotencyConflict))));
    assert!(graph.write(put(bob, 2)).await.is_ok(), "keys of others are others");
    backend.clock().advance(24 * 3_600_000 - 1);
    assert!(graph.write(put(ada, 2)).await.is_err());
    backend.clock().advance(2);
    assert!(graph.write(put(ada, 2)).await.is_ok());
    assert!(
        graph.write(put(ada, 1)).await.is_err(),
        "the key is the newer request's"
    );
}

pub async fn a_refused_write_is_not_kept(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    graph.put(EdgeKind::Block, bob, ada).await;
    let put = EdgeWrite {
        idempotency: Some(key(ada, "k", 1)),
        ..edge(EdgeKind::Follow, ada, bob, true)
    };
    let before = (graph.reader(ada).await, graph.changes().await);
    assert!(matches!(graph.write(put.clone()).await, Err(EdgeError::Blocked)));
    assert_eq!(
        (graph.reader(ada).await, graph.changes().await),
        before,
        "it has changed nothing"
    );
    graph.remove(EdgeKind::Block, bob, ada).await;
    assert!(graph.write(put).await.unwrap().changed);
}

pub async fn trap_06_a_followee_carries_the_version_of_its_follow(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    let since = graph.follow(ada, cyd).await.version;
    graph.put(EdgeKind::Mute, ada, bob).await;
    let again = graph.follow(ada, bob).await.version;
    let since_of = |view: ReaderView| view.followees.iter().map(|followee| followee.since).collect::<Vec<_>>();
    assert_eq!(since_of(graph.reader(ada).await), [again, since]);
    graph.remove(EdgeKind::Follow, ada, cyd).await;
    let newer = graph.follow(ada, cyd).await.version;
    assert_eq!(since_of(graph.reader(ada).await), [again, newer]);
}

pub async fn changes_come_in_commit_order(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    let mut expected = Vec::new();
    for kind in KINDS {
        expected.push((GraphChangeKind::Added(kind), graph.put(kind, ada, bob).await.version));
        expected.push((
            GraphChangeKind::Removed(kind),
            graph.remove(kind, ada, bob).await.version,
        ));
    }
    let changes = graph.changes().await;
    let told: Vec<_> = changes.iter().map(|change| (change.kind, change.version)).collect();
    assert_eq!(told, expected);
    assert!(changes.iter().all(|change| (change.actor, change.target) == (ada, bob)));
    assert!(changes.is_sorted_by(|a, b| a.position < b.position));
    let middle = graph.0.changes_after(changes[1].position, 2, deadline()).await.unwrap();
    assert_eq!(middle, changes[2..4]);
    let beyond = graph
        .0
        .changes_after(changes[5].position, usize::MAX, deadline())
        .await
        .unwrap();
    assert_eq!(beyond, []);
    assert_eq!(
        graph.0.changes_after(Position(u64::MAX), 1, deadline()).await.unwrap(),
        []
    );
}

pub async fn concurrent_writes_of_an_actor_get_versions_of_their_own(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let users: [UserId; 30] = graph.users().await;
    let tasks: Vec<_> = users[1..]
        .iter()
        .map(|target| {
            let (store, write) = (graph.0.clone(), edge(EdgeKind::Follow, users[0], *target, true));
            tokio::spawn(async move { store.write_edge(write, deadline()).await.unwrap() })
        })
        .collect();
    let mut written = BTreeSet::new();
    for task in tasks {
        let EdgeWritten { version, changed } = task.await.unwrap();
        assert!(changed && written.insert(version), "a version of its own");
    }
    let changes = graph.changes().await;
    assert!(
        changes.is_sorted_by(|a, b| a.version < b.version),
        "positions and versions agree"
    );
    let versions: BTreeSet<_> = changes.iter().map(|change| change.version).collect();
    assert_eq!((versions.len(), &versions), (29, &written));
    graph.expect_counts(users[0], 0, 29).await;
}

pub async fn who_was_ever_followed_is_known(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [reader, followed, left, gone, other] = graph.users().await;
    for author in [followed, left, gone] {
        graph.follow(reader, author).await;
    }
    graph.remove(EdgeKind::Follow, reader, left).await;
    graph.put(EdgeKind::Mute, reader, other).await;
    graph.follow(other, reader).await;
    graph.0.delete_user(gone, deadline()).await.unwrap();
    graph.purge(10).await;
    let asked = [other, gone, followed, nobody(), left, followed];
    let ever = graph.0.ever_followed(reader, &asked, deadline()).await.unwrap();
    assert_eq!(ever, [false, true, true, false, true, true]);
    assert!(graph.0.ever_followed(reader, &[], deadline()).await.unwrap().is_empty());
}

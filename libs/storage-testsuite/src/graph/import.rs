//! Graphs that are brought along.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use model::{ActorVersion, EdgeKind, GraphChangeKind, UserId};
use storage::ImportCounts;

use super::{Graph, GraphBackend};
use crate::support::deadline;

impl Graph {
    async fn import(&self, edges: &[(u64, u64)]) -> (u64, u64) {
        let ImportCounts { accounts, edges, .. } = self.counted(edges, false).await;
        (accounts, edges)
    }

    async fn counted(&self, edges: &[(u64, u64)], attach: bool) -> ImportCounts {
        self.0.import(edges.to_vec(), attach, deadline()).await.unwrap()
    }

    /// The account of a number.
    async fn numbered(&self, number: u64) -> UserId {
        let handle = format!("u{number}").parse().unwrap();
        self.0.user_by_handle(&handle, deadline()).await.unwrap().unwrap().id
    }
}

pub async fn an_import_makes_accounts_and_edges(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    assert_eq!(graph.import(&[]).await, (0, 0));
    assert_eq!(graph.import(&[(900, 4), (4, 900), (7, 4), (900, 4)]).await, (3, 3));
    let [a, b, c] = [
        graph.numbered(900).await,
        graph.numbered(4).await,
        graph.numbered(7).await,
    ];
    let mut all = [a, b, c];
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3].map(UserId::new), "accounts are numbered densely");
    assert_eq!(graph.following(a).await, [b]);
    let mut followers = [a, c];
    followers.sort_unstable();
    assert_eq!(graph.followers(b).await, followers);
    graph.expect_counts(b, 2, 1).await;
    let made = graph.0.credentials(a, deadline()).await.unwrap().unwrap();
    assert_eq!(
        (made.user.handle.as_str(), made.user.display_name.as_str()),
        ("u900", "u900")
    );
    assert_eq!(made.password_hash, None);
}

pub async fn an_import_leaves_what_stands(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    graph.import(&[(1, 2), (2, 3)]).await;
    let follower = graph.numbered(1).await;
    let before = (graph.reader(follower).await, graph.changes().await.len());
    assert_eq!(graph.import(&[(1, 2), (2, 3)]).await, (0, 0));
    assert_eq!((graph.reader(follower).await, graph.changes().await.len()), before);
    assert_eq!(graph.import(&[(1, 2), (1, 3), (4, 1)]).await, (1, 2));
    graph.expect_counts(follower, 1, 2).await;
}

pub async fn an_import_attaches_to_who_has_signed_up_only_when_told(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let ada = graph.user("U5").await;
    let expected = ImportCounts {
        accounts: 2,
        edges: 1,
        signed_up: 2,
        ..ImportCounts::default()
    };
    assert_eq!(graph.counted(&[(1, 5), (1, 2), (5, 2)], false).await, expected);
    assert_eq!(graph.followers(ada).await, []);
    let expected = ImportCounts {
        edges: 2,
        standing: 1,
        ..ImportCounts::default()
    };
    assert_eq!(graph.counted(&[(1, 5), (1, 2), (5, 2)], true).await, expected);
    assert_eq!(graph.followers(ada).await, [graph.numbered(1).await]);
    assert_eq!(graph.get(ada).await.unwrap().display_name, "The U5");
}

pub async fn an_import_counts_each_refusal(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let gone = graph.user("u6").await;
    graph.0.delete_user(gone, deadline()).await.unwrap();
    graph.import(&[(1, 2), (3, 4)]).await;
    let (a, b) = (graph.numbered(1).await, graph.numbered(3).await);
    graph.put(EdgeKind::Block, a, b).await;
    let pairs = [(1, 2), (1, 6), (6, 1), (1, 3), (3, 1), (1, 4), (1, 4), (2, 2)];
    let expected = ImportCounts {
        accounts: 0,
        edges: 1,
        standing: 1,
        deleted: 2,
        blocked: 2,
        signed_up: 0,
    };
    for attach in [false, true] {
        let expected = if attach {
            ImportCounts {
                edges: 0,
                standing: 2,
                ..expected
            }
        } else {
            expected
        };
        assert_eq!(graph.counted(&pairs, attach).await, expected, "{attach}");
    }
    assert_eq!(graph.followers(gone).await, []);
}

pub async fn an_import_makes_removed_edges_again(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    graph.import(&[(1, 2)]).await;
    let (a, b) = (graph.numbered(1).await, graph.numbered(2).await);
    let removed = graph.remove(EdgeKind::Follow, a, b).await;
    assert_eq!(graph.import(&[(1, 2)]).await, (0, 1));
    let view = graph.reader(a).await;
    assert!(
        view.followee(b).unwrap().since > removed.version,
        "a follow is newer than its tombstone"
    );
    graph.expect_counts(b, 1, 0).await;
}

pub async fn an_import_keeps_the_rules(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    graph.import(&[(1, 9), (2, 9), (3, 9)]).await;
    let (a, b, c) = (
        graph.numbered(1).await,
        graph.numbered(2).await,
        graph.numbered(3).await,
    );
    graph.put(EdgeKind::Block, a, b).await;
    assert_eq!(graph.import(&[(1, 1), (1, 2), (2, 1), (1, 3)]).await, (0, 1));
    assert_eq!((graph.followers(a).await, graph.followers(b).await), (vec![], vec![]));
    assert_eq!(
        graph.followers(c).await,
        [a],
        "nobody follows itself, or across a block"
    );
}

pub async fn an_import_raises_a_follower_once(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    graph.import(&[(1, 2), (1, 3)]).await;
    let (follower, followed) = (graph.numbered(1).await, graph.numbered(2).await);
    let version = graph.reader(follower).await.version;
    graph.import(&[(1, 4), (1, 5), (1, 6)]).await;
    let view = graph.reader(follower).await;
    assert_eq!(view.version, ActorVersion(version.0 + 1));
    let since: Vec<_> = view
        .followees
        .iter()
        .filter(|followee| followee.since > version)
        .collect();
    assert_eq!(since.len(), 3);
    assert_eq!(
        graph.reader(followed).await.version,
        ActorVersion(0),
        "who is followed has changed nothing"
    );
    let changes = graph.changes().await;
    let added = GraphChangeKind::Added(EdgeKind::Follow);
    assert_eq!(
        changes
            .iter()
            .filter(|change| change.actor == follower && change.kind == added)
            .count(),
        5
    );
    assert!(changes.iter().all(|change| change.version <= view.version));
}

pub async fn an_import_that_never_ended_is_known(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    for source in ["a.txt", "b.txt", "a.txt"] {
        graph.0.begin_import(source, deadline()).await.unwrap();
    }
    graph.0.end_import("b.txt", deadline()).await.unwrap();
    graph.0.end_import("c.txt", deadline()).await.unwrap();
    drop(graph);
    let graph = Graph::open(&backend).await;
    assert_eq!(graph.0.unfinished_imports(deadline()).await.unwrap(), ["a.txt"]);
}

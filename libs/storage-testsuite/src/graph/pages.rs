//! Lists of followers and followees.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use model::{ChunkPlan, UserId};
use storage::{ChunksRequest, EdgeDirection, FollowerPage, FollowerPageRequest};

use super::{Graph, GraphBackend, nobody};
use crate::support::deadline;

impl Graph {
    async fn chunks(&self, author: UserId, after: Option<UserId>, limit: usize, size: usize) -> Vec<ChunkPlan> {
        let request = ChunksRequest {
            author,
            after,
            limit,
            size,
        };
        self.0.chunks(request, deadline()).await.unwrap()
    }
}

/// The accounts of a star: the first is followed by all others, and follows them.
async fn star(graph: &Graph, others: u64) -> (UserId, Vec<UserId>) {
    let out = (1..=others).map(|n| (n, 0));
    let back = (1..=others).map(|n| (0, n));
    graph
        .0
        .import(out.chain(back).collect(), false, deadline())
        .await
        .unwrap();
    let center = graph
        .0
        .user_by_handle(&"u0".parse().unwrap(), deadline())
        .await
        .unwrap()
        .unwrap()
        .id;
    let mut others = graph.followers(center).await;
    others.sort_unstable();
    (center, others)
}

pub async fn pages_go_up_by_id_in_both_directions(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let (center, others) = star(&graph, 25).await;
    assert_eq!(others.len(), 25);
    for direction in [EdgeDirection::Followers, EdgeDirection::Following] {
        for limit in [1, 7, 24, 25, 26, usize::MAX] {
            let mut found = Vec::new();
            let mut more = true;
            while more {
                let page = graph.page(direction, center, found.last().copied(), limit).await;
                assert!(
                    page.followers.len() == limit || !page.more,
                    "a page is full unless it is the last"
                );
                found.extend(page.followers);
                more = page.more;
            }
            assert_eq!(found, others, "{direction:?} by {limit}");
        }
    }
}

pub async fn pages_are_answered_in_the_order_asked_for(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    graph.follow(ada, bob).await;
    graph.follow(cyd, bob).await;
    graph.follow(cyd, ada).await;
    let asked = [bob, nobody(), cyd, ada, bob].map(|author| FollowerPageRequest {
        author,
        after: None,
        limit: 10,
    });
    for (direction, expected) in [
        (
            EdgeDirection::Followers,
            [vec![ada, cyd], vec![], vec![], vec![cyd], vec![ada, cyd]],
        ),
        (
            EdgeDirection::Following,
            [vec![], vec![], vec![ada, bob], vec![bob], vec![]],
        ),
    ] {
        let expected = expected.map(|followers| FollowerPage { followers, more: false });
        assert_eq!(
            graph.0.edges(direction, &asked, deadline()).await.unwrap(),
            expected,
            "{direction:?}"
        );
    }
}

pub async fn a_page_may_start_anywhere(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let (center, others) = star(&graph, 9).await;
    let all = [
        UserId::new(0),
        center,
        others[3],
        nobody(),
        UserId::new(i64::MAX as u64),
    ];
    for direction in [EdgeDirection::Followers, EdgeDirection::Following] {
        for after in all {
            let page = graph.page(direction, center, Some(after), 3).await;
            let expected: Vec<_> = others.iter().copied().filter(|other| *other > after).collect();
            assert_eq!(
                page.followers,
                expected[..expected.len().min(3)],
                "{direction:?} after {after}"
            );
            assert_eq!(page.more, expected.len() > 3);
        }
        let unheard_of = graph.page(direction, UserId::new(i64::MAX as u64), None, 3).await;
        assert_eq!(unheard_of, FollowerPage::default());
    }
}

pub async fn chunks_cover_all_followers_once(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let (author, others) = star(&graph, 5_000).await;
    for size in [1, 700, 4_999, 5_000, 5_001] {
        let chunks = graph.chunks(author, None, usize::MAX, size).await;
        assert_eq!(chunks.len(), 5_000_usize.div_ceil(size));
        let mut expected = others.chunks(size);
        let mut after = None;
        for (number, chunk) in (0..).zip(&chunks) {
            let of_chunk = expected.next().unwrap();
            assert_eq!(
                (chunk.number, chunk.after, chunk.expected),
                (number, after, of_chunk.len() as u64)
            );
            assert_eq!(Some(&chunk.last), of_chunk.last());
            after = Some(chunk.last);
        }
    }
}

pub async fn chunks_come_in_pages(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let (author, others) = star(&graph, 100).await;
    let all = graph.chunks(author, None, usize::MAX, 30).await;
    let first = graph.chunks(author, None, 2, 30).await;
    assert_eq!(first, all[..2]);
    let rest = graph.chunks(author, Some(first[1].last), 2, 30).await;
    let renumbered = (0..)
        .zip(&all[2..])
        .map(|(number, chunk)| ChunkPlan { number, ..*chunk });
    assert_eq!(rest, renumbered.collect::<Vec<_>>(), "the last one is not full");
    assert_eq!(graph.chunks(author, others.last().copied(), 2, 30).await, []);
    assert_eq!(graph.chunks(author, Some(UserId::MAX), 2, 30).await, []);
    assert_eq!(graph.chunks(author, None, 0, 30).await, []);
}

pub async fn an_account_without_followers_has_no_chunks(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    graph.follow(ada, bob).await;
    graph.remove(model::EdgeKind::Follow, ada, bob).await;
    for author in [ada, bob, nobody()] {
        assert_eq!(graph.chunks(author, None, 9, 10).await, []);
    }
}

pub async fn authors_are_found_by_their_followers(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    // The author `1000 + n` has n followers.
    let sizes = [1, 2, 63, 64, 65, 200];
    let pairs = sizes
        .iter()
        .flat_map(|size| (0..*size).map(move |follower| (follower, 1_000 + size)));
    graph.0.import(pairs.collect(), false, deadline()).await.unwrap();
    let mut authors = Vec::new();
    for size in sizes {
        let handle = format!("u{}", 1_000 + size).parse().unwrap();
        let author = graph.0.user_by_handle(&handle, deadline()).await.unwrap().unwrap().id;
        graph.expect_counts(author, usize::try_from(size).unwrap(), 0).await;
        authors.push((author, size));
    }
    authors.sort_unstable();
    for least in [1, 2, 3, 63, 64, 65, 66, 200, 201, u64::MAX] {
        let mut found = graph.0.authors_with(least, deadline()).await.unwrap();
        found.sort_unstable();
        let expected: Vec<_> = authors.iter().copied().filter(|(_, size)| *size >= least).collect();
        assert_eq!(found, expected, "at least {least}");
    }
    let (author, size) = *authors.iter().find(|(_, size)| *size == 200).unwrap();
    let counts = graph.0.followers_counts(&[nobody(), author], deadline()).await.unwrap();
    assert_eq!(counts, [0, size]);
    graph.0.delete_user(author, deadline()).await.unwrap();
    assert_eq!(graph.0.authors_with(200, deadline()).await.unwrap(), []);
}

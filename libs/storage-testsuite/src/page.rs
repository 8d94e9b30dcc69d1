//! The contract of `TweetStore::page`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeMap;

use model::{AuthorRange, IdRange, TweetId, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{IdPage, SourcedId};

use crate::support::{TweetBackend, TweetPorts, all_of, deadline};

/// Runs the contract of `TweetStore::page` against an adapter. `$make` is an async function that answers a fresh
/// [`TweetBackend`](crate::TweetBackend).
#[macro_export]
macro_rules! tweet_page_contract {
    ($make:path) => {
        $crate::contract! { $make, page:
            nothing_is_an_empty_last_page,
            a_page_is_newest_first_over_all_sources,
            a_page_starts_below_its_mark,
            a_range_bounds_what_is_seen_of_an_author,
            overlapping_ranges_show_a_tweet_once,
            deleted_tweets_leave_no_gap,
            a_scroll_reaches_the_end_of_a_long_history,
            many_sources_are_merged,
            posts_and_deletes_show_in_pages_that_were_read_before,
            random_histories_page_like_the_model,
            random_histories_page_like_the_model_after_a_restart,
            what_is_committed_before_the_call_is_seen,
        }
    };
}

/// What is visible, by id.
type Model = BTreeMap<TweetId, UserId>;

/// Pages of the sources from `below` down to the end, each checked against the model.
async fn scroll(ports: &TweetPorts, model: &Model, sources: &[AuthorRange], mut below: TweetId, limits: &mut StdRng) {
    let shown = |id: TweetId, author: UserId| {
        sources
            .iter()
            .any(|source| source.author == author && source.range.contains(id))
    };
    loop {
        let limit = limits.random_range(1..40);
        let page = ports.tweets.page(sources, below, limit, deadline()).await.unwrap();
        let lower = page.next_below.unwrap_or(TweetId::MIN);
        let expected: Vec<_> = (model.range(lower..below).rev())
            .filter(|(id, author)| shown(**id, **author))
            .map(|(id, author)| SourcedId {
                id: *id,
                author: *author,
            })
            .collect();
        assert_eq!(
            page.entries, expected,
            "sources {sources:?} below {below} limit {limit}"
        );
        let Some(next_below) = page.next_below else { return };
        assert!(page.entries.len() >= limit, "a page before the end is full");
        assert!(next_below < below, "a scroll moves on");
        below = next_below;
    }
}

/// A page's ids, and whether it says that it is the last.
fn ids(page: &IdPage) -> Vec<TweetId> {
    page.entries.iter().map(|entry| entry.id).collect()
}

fn between(author: u64, from: TweetId, until: Option<TweetId>) -> AuthorRange {
    AuthorRange {
        author: UserId::new(author),
        range: IdRange { from, until },
    }
}

pub async fn nothing_is_an_empty_last_page(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    for sources in [
        &[][..],
        &[all_of(2)],
        &[between(1, TweetId::new(5), Some(TweetId::new(5)))],
    ] {
        let page = ports.tweets.page(sources, TweetId::MAX, 20, deadline()).await.unwrap();
        assert_eq!(page, IdPage::default());
    }
}

pub async fn a_page_is_newest_first_over_all_sources(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut posted = Vec::new();
    for n in 0..30 {
        posted.push((ports.post(1 + n % 4).await, UserId::new(1 + n % 4)));
    }
    posted.reverse();
    let sources = [all_of(4), all_of(1), all_of(2)];
    let page = ports
        .tweets
        .page(&sources, TweetId::MAX, 100, deadline())
        .await
        .unwrap();
    let expected: Vec<_> = posted.into_iter().filter(|(_, author)| author.get() != 3).collect();
    let found: Vec<_> = page.entries.iter().map(|entry| (entry.id, entry.author)).collect();
    assert_eq!((found, page.next_below), (expected, None));
}

pub async fn a_page_starts_below_its_mark(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let (a, b, c) = (ports.post(1).await, ports.post(1).await, ports.post(1).await);
    let page = |below| ports.tweets.page(&SOURCE, below, 20, deadline());
    assert_eq!(ids(&page(c).await.unwrap()), [b, a]);
    assert_eq!(ids(&page(c.next()).await.unwrap()), [c, b, a]);
    assert_eq!(page(a).await.unwrap(), IdPage::default());
}

const SOURCE: [AuthorRange; 1] = [AuthorRange {
    author: UserId::new(1),
    range: IdRange::ALL,
}];

pub async fn a_range_bounds_what_is_seen_of_an_author(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let (a, b, c, d) = (
        ports.post(1).await,
        ports.post(1).await,
        ports.post(1).await,
        ports.post(1).await,
    );
    let open = ports
        .tweets
        .page(&[between(1, b, None)], TweetId::MAX, 20, deadline())
        .await
        .unwrap();
    assert_eq!((ids(&open), open.next_below), (vec![d, c, b], None));
    let closed = ports
        .tweets
        .page(&[between(1, a, Some(c))], TweetId::MAX, 20, deadline())
        .await
        .unwrap();
    assert_eq!((ids(&closed), closed.next_below), (vec![b, a], None));
    let both = [between(1, a, Some(b)), between(1, d, None)];
    let both = ports.tweets.page(&both, TweetId::MAX, 20, deadline()).await.unwrap();
    assert_eq!(ids(&both), [d, a]);
}

pub async fn overlapping_ranges_show_a_tweet_once(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut posted = Vec::new();
    for _ in 0..12 {
        posted.push(ports.post(1).await);
    }
    posted.reverse();
    let sources = [
        all_of(1),
        between(1, posted[8], Some(posted[2])),
        between(1, posted[5], None),
        all_of(1),
    ];
    let whole = ports.tweets.page(&sources, TweetId::MAX, 12, deadline()).await.unwrap();
    assert_eq!(ids(&whole), posted);
    let page = ports.tweets.page(&sources, TweetId::MAX, 5, deadline()).await.unwrap();
    assert!(page.entries.len() >= 5, "doubles do not count towards the limit");
    assert_eq!(ids(&page), posted[..page.entries.len()]);
}

pub async fn deleted_tweets_leave_no_gap(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut kept = Vec::new();
    for n in 0..60 {
        let id = ports.post(1).await;
        if n % 10 == 0 {
            kept.push(id);
        } else {
            ports.delete(1, id).await.unwrap();
        }
    }
    kept.reverse();
    let page = ports.tweets.page(&SOURCE, TweetId::MAX, 4, deadline()).await.unwrap();
    assert_eq!(ids(&page), kept[..page.entries.len()]);
    assert!(page.entries.len() >= 4);
    assert_eq!(ports.timeline(&[1]).await, kept);
}

pub async fn a_scroll_reaches_the_end_of_a_long_history(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut model = Model::new();
    for n in 0..700 {
        // One author writes far more than the other.
        let of = if n % 50 == 0 { 2 } else { 1 };
        model.insert(ports.post(of).await, UserId::new(of));
    }
    let mut limits = StdRng::seed_from_u64(1);
    scroll(&ports, &model, &[all_of(1), all_of(2)], TweetId::MAX, &mut limits).await;
    scroll(&ports, &model, &[all_of(2)], TweetId::MAX, &mut limits).await;
}

pub async fn many_sources_are_merged(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut model = Model::new();
    for n in 0..300_u64 {
        let of = 1 + n * n % 997;
        model.insert(ports.post(of).await, UserId::new(of));
    }
    let sources: Vec<_> = (1..=5_001).map(all_of).collect();
    scroll(&ports, &model, &sources, TweetId::MAX, &mut StdRng::seed_from_u64(2)).await;
}

pub async fn posts_and_deletes_show_in_pages_that_were_read_before(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let first = ports.post(1).await;
    assert_eq!(ports.timeline(&[1, 2]).await, [first]);
    let second = ports.post(2).await;
    assert_eq!(ports.timeline(&[1, 2]).await, [second, first]);
    ports.delete(1, first).await.unwrap();
    assert_eq!(ports.timeline(&[1, 2]).await, [second]);
}

/// Posts and deletes at random; some authors write a great deal, some hardly ever.
async fn random_history(ports: &TweetPorts, backend: &impl TweetBackend, dice: &mut StdRng, model: &mut Model) {
    for _ in 0..500 {
        if dice.random_range(0..5) > 0 || model.is_empty() {
            let of = 1 + dice.random_range(0..8_u64) * dice.random_range(0..3_u64) / 2;
            model.insert(ports.post(of).await, UserId::new(of));
        } else {
            let back = dice.random_range(0..model.len().min(100));
            let (&id, &author) = model.iter().rev().nth(back).unwrap();
            ports.delete(author.get(), id).await.unwrap();
            model.remove(&id);
        }
        backend.clock().advance(dice.random_range(0..3));
    }
}

fn random_sources(dice: &mut StdRng, model: &Model) -> Vec<AuthorRange> {
    let posted: Vec<_> = model.keys().copied().collect();
    let some_id = |dice: &mut StdRng| posted[dice.random_range(0..posted.len())];
    (0..dice.random_range(1..12))
        .map(|_| {
            let author = dice.random_range(1..10);
            match dice.random_range(0..4) {
                0 => between(author, some_id(dice), None),
                1 => between(author, some_id(dice), Some(some_id(dice))),
                2 => between(author, TweetId::MIN, Some(some_id(dice))),
                _ => all_of(author),
            }
        })
        .collect()
}

async fn scroll_at_random(ports: &TweetPorts, dice: &mut StdRng, model: &Model) {
    for _ in 0..10 {
        let sources = random_sources(dice, model);
        let below = match dice.random_range(0..3) {
            0 => *model.keys().nth(dice.random_range(0..model.len())).unwrap(),
            _ => TweetId::MAX,
        };
        scroll(ports, model, &sources, below, dice).await;
    }
}

pub async fn random_histories_page_like_the_model(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let mut dice = StdRng::seed_from_u64(3);
    let mut model = Model::new();
    for _ in 0..6 {
        random_history(&ports, &backend, &mut dice, &mut model).await;
        scroll_at_random(&ports, &mut dice, &model).await;
    }
}

pub async fn random_histories_page_like_the_model_after_a_restart(backend: impl TweetBackend) {
    let mut dice = StdRng::seed_from_u64(4);
    let mut model = Model::new();
    for _ in 0..4 {
        let ports = backend.open().await;
        if !model.is_empty() {
            scroll_at_random(&ports, &mut dice, &model).await;
        }
        random_history(&ports, &backend, &mut dice, &mut model).await;
        scroll_at_random(&ports, &mut dice, &model).await;
    }
}

pub async fn what_is_committed_before_the_call_is_seen(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let authors: Vec<u64> = (1..=8).collect();
    let posting = authors.iter().map(|&of| {
        let ports = ports.clone();
        let authors = authors.clone();
        tokio::spawn(async move {
            for _ in 0..40 {
                let id = ports.post(of).await;
                assert!(
                    ports.timeline(&authors).await.contains(&id),
                    "one's own tweet is in one's own next read"
                );
                if id.get() % 3 == 0 {
                    ports.delete(of, id).await.unwrap();
                    assert!(
                        !ports.timeline(&authors).await.contains(&id),
                        "and gone when it is deleted"
                    );
                }
            }
        })
    });
    for posting in posting.collect::<Vec<_>>() {
        posting.await.unwrap();
    }
}

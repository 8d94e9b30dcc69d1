//! Random histories, checked against a plain model after each step.
//!
//! The model never trims: it is all that was ever pushed to a timeline since its build began. A store that trims must
//! answer the model's ids from its own mark on, and must not move its mark without need.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use model::{ActorVersion, Coverage, TweetId, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{BuildTicket, Built, PushBatch, TimelineSlice, TimelineStore};

use super::TimelineBackend;
use crate::support::deadline;

const USERS: RangeInclusive<u64> = 1..=6;
const STEPS: usize = 600;

/// A timeline as it would be without a window.
#[derive(Clone, Default)]
struct Plain {
    ids: BTreeSet<u64>,
    complete_from: u64,
    holds: u64,
}

#[derive(Default)]
struct PlainUser {
    built: Option<Plain>,
    building: Option<(BuildTicket, BTreeSet<u64>)>,
    superseded: Vec<BuildTicket>,
}

struct History {
    store: Arc<dyn TimelineStore>,
    window: usize,
    random: StdRng,
    users: HashMap<u64, PlainUser>,
    newest: u64,
}

/// The same history of pushes, late arrivals, builds, backfills and removals, on the store and on the model.
pub async fn random_histories_agree_with_a_plain_model(backend: impl TimelineBackend) {
    for (seed, window) in [(1, 1), (2, 2), (3, 3), (4, 8), (5, 8), (6, 40), (7, 800)] {
        let mut history = History {
            store: backend.fresh(window).await,
            window,
            random: StdRng::seed_from_u64(seed),
            users: USERS.map(|user| (user, PlainUser::default())).collect(),
            newest: 1_000,
        };
        for step in 0..STEPS {
            history.step().await;
            history
                .check(&format!("seed {seed}, window {window}, step {step}"))
                .await;
        }
    }
}

impl History {
    async fn step(&mut self) {
        match self.random.random_range(0..20) {
            0..10 => self.push().await,
            10..13 => self.begin_build().await,
            13..16 => self.install().await,
            16..18 => self.backfill().await,
            18 => self.install_superseded().await,
            _ => self.remove().await,
        }
    }

    fn user(&mut self) -> u64 {
        self.random.random_range(USERS)
    }

    /// Mostly a new id, at times one from some while ago, or from long ago.
    fn id(&mut self) -> u64 {
        self.newest += 1;
        let back = match self.random.random_range(0..10) {
            0..7 => 0,
            7..9 => self.random.random_range(0..10),
            _ => self.random.random_range(0..1_000),
        };
        self.newest - back
    }

    fn ids(&mut self, most: usize) -> Vec<u64> {
        let count = self.random.random_range(0..=most);
        (0..count).map(|_| self.id()).collect()
    }

    async fn push(&mut self) {
        let count = self.random.random_range(1..30);
        let mut pairs: Vec<_> = (0..count)
            .map(|_| (UserId::new(self.user()), TweetId::new(self.id())))
            .collect();
        let batch = PushBatch::group(&mut pairs);
        let answers = self.store.push(&batch, deadline()).await.unwrap();
        assert_eq!(answers.len(), batch.len());
        for ((user, ids), exists) in batch.iter().zip(answers) {
            let plain = self.users.get_mut(&user.get()).expect("a known user");
            assert_eq!(exists, plain.built.is_some() || plain.building.is_some());
            if let Some(built) = &mut plain.built {
                built.add(ids.iter().map(|id| id.get()));
            }
            if let Some((_, pushed)) = &mut plain.building {
                pushed.extend(ids.iter().map(|id| id.get()));
            }
        }
    }

    async fn begin_build(&mut self) {
        let user = self.user();
        let ticket = self.store.begin_build(UserId::new(user), deadline()).await.unwrap();
        let plain = self.users.get_mut(&user).expect("a known user");
        let before = plain.building.replace((ticket, BTreeSet::new()));
        plain.superseded.extend(before.map(|(ticket, _)| ticket));
    }

    async fn install(&mut self) {
        let user = self.user();
        let Some((ticket, pushed)) = self.users.get_mut(&user).and_then(|plain| plain.building.take()) else {
            return;
        };
        let mut rebuilt = Plain {
            ids: BTreeSet::new(),
            complete_from: self.random.random_range(0..self.newest),
            holds: self.random.random_range(0..3),
        };
        let found = self.ids(60);
        assert!(
            self.store
                .install(ticket, rebuilt.as_built(&found), deadline())
                .await
                .unwrap()
        );
        rebuilt.add(found.into_iter().chain(pushed));
        self.users.get_mut(&user).expect("a known user").built = Some(rebuilt);
    }

    async fn install_superseded(&mut self) {
        let user = self.user();
        let Some(ticket) = self.users.get_mut(&user).and_then(|plain| plain.superseded.pop()) else {
            return;
        };
        let built = Plain::default().as_built(&[1, 2, 3]);
        assert!(!self.store.install(ticket, built, deadline()).await.unwrap());
    }

    async fn backfill(&mut self) {
        let (user, held) = (self.user(), self.random.random_range(0..3));
        let slice = self
            .store
            .read(UserId::new(user), TweetId::MAX, 0, deadline())
            .await
            .unwrap()
            .slice;
        let mark = slice.map(|slice| slice.coverage.complete_from.get());
        let (ids, holds) = (self.ids(30), held + self.random.random_range(0..2));
        let given: Vec<_> = ids.iter().copied().map(TweetId::new).collect();
        // Mostly for a timeline that reaches as far down as ever, at times for one that does not.
        let complete_from = self.random.random_range(0..4) * self.newest / 6;
        let gathered_for = Coverage {
            complete_from: TweetId::new(complete_from),
            holds: ActorVersion(held),
        };
        let merged = self
            .store
            .backfill(UserId::new(user), &given, gathered_for, ActorVersion(holds), deadline())
            .await
            .unwrap();
        let plain = self.users.get_mut(&user).and_then(|plain| plain.built.as_mut());
        let expected = plain.filter(|built| built.holds == held && mark.is_some_and(|mark| mark >= complete_from));
        assert_eq!(merged, expected.is_some());
        if let Some(built) = expected {
            built.add(ids);
            built.holds = holds;
        }
    }

    async fn remove(&mut self) {
        let user = self.user();
        self.store.remove(&[UserId::new(user)], deadline()).await.unwrap();
        let plain = self.users.get_mut(&user).expect("a known user");
        plain.superseded.extend(plain.building.take().map(|(ticket, _)| ticket));
        plain.built = None;
    }

    async fn check(&mut self, when: &str) {
        for user in USERS {
            let slice = self
                .store
                .read(UserId::new(user), TweetId::MAX, usize::MAX >> 1, deadline())
                .await
                .unwrap()
                .slice;
            let plain = self.users.get_mut(&user).and_then(|plain| plain.built.as_mut());
            let (Some(slice), Some(plain)) = (&slice, &plain) else {
                assert_eq!(slice.is_some(), plain.is_some(), "{when}, user {user}");
                continue;
            };
            let stored: Vec<u64> = slice.ids.iter().rev().map(|id| id.get()).collect();
            let mark = slice.coverage.complete_from.get();
            let expected: Vec<u64> = plain.ids.range(mark..).copied().collect();
            assert_eq!(stored, expected, "{when}, user {user}: everything from {mark} on");
            assert_eq!(slice.coverage.holds.0, plain.holds, "{when}, user {user}");
            let needless = mark > plain.complete_from && stored.len() < self.window;
            assert!(!needless, "{when}, user {user}: the mark rose to {mark} without need");
            assert!(
                mark >= plain.complete_from,
                "{when}, user {user}: the mark fell to {mark}"
            );
            self.check_first_page(user, slice, when).await;
        }
    }

    /// Part of it looks like the whole.
    async fn check_first_page(&self, user: u64, whole: &TimelineSlice, when: &str) {
        let limit = whole.ids.len() / 2 % 70;
        let page = self
            .store
            .read(UserId::new(user), TweetId::MAX, limit, deadline())
            .await
            .unwrap()
            .slice
            .expect("it was there just now");
        assert_eq!(page.ids, whole.ids[..limit], "{when}, user {user}: the newest {limit}");
        assert_eq!(page.coverage, whole.coverage, "{when}, user {user}");
        assert_eq!(page.more, whole.ids.len() > limit, "{when}, user {user}");
    }
}

impl Plain {
    fn add(&mut self, ids: impl IntoIterator<Item = u64>) {
        self.ids.extend(ids.into_iter().filter(|id| *id >= self.complete_from));
    }

    fn as_built(&self, found: &[u64]) -> Built {
        Built {
            ids: found.iter().copied().map(TweetId::new).collect(),
            coverage: Coverage {
                complete_from: TweetId::new(self.complete_from),
                holds: ActorVersion(self.holds),
            },
        }
    }
}

//! Random histories against a plain model of the rules.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use std::collections::{BTreeMap, BTreeSet};

use model::{ActorVersion, EdgeKind, Followee, GraphChangeKind, Position, ReaderView, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{EdgeDirection, EdgeError, EdgeWrite};

use super::{Graph, GraphBackend, KINDS, edge};
use crate::support::deadline;

const USERS: usize = 14;
const LIMIT: u64 = 5;

/// A standing edge, and the version that it was made at.
type Edges = BTreeMap<(UserId, UserId), ActorVersion>;

/// What should be so.
struct Model {
    users: Vec<UserId>,
    /// Of those that are not deleted.
    versions: BTreeMap<UserId, ActorVersion>,
    edges: [Edges; 3],
    /// What happened before.
    since: Position,
}

impl Model {
    /// With accounts of its own.
    async fn new(graph: &Graph, seed: u64) -> Self {
        let mut users = Vec::new();
        for number in 0..USERS {
            users.push(graph.user(&format!("s{seed}n{number}")).await);
        }
        Self {
            versions: users.iter().map(|user| (*user, ActorVersion(0))).collect(),
            users,
            edges: Default::default(),
            since: graph
                .changes()
                .await
                .last()
                .map_or(Position(0), |change| change.position),
        }
    }

    fn of(&self, kind: EdgeKind) -> &Edges {
        &self.edges[KINDS.iter().position(|known| *known == kind).unwrap()]
    }

    fn of_mut(&mut self, kind: EdgeKind) -> &mut Edges {
        &mut self.edges[KINDS.iter().position(|known| *known == kind).unwrap()]
    }

    fn targets(&self, kind: EdgeKind, actor: UserId) -> impl Iterator<Item = (UserId, ActorVersion)> + '_ {
        let edges = self.of(kind).iter().filter(move |((by, _), _)| *by == actor);
        edges.map(|((_, target), version)| (*target, *version))
    }

    fn followers(&self, author: UserId) -> Vec<UserId> {
        let edges = self.of(EdgeKind::Follow).keys();
        edges
            .filter(|(_, followee)| *followee == author)
            .map(|(follower, _)| *follower)
            .collect()
    }

    fn is_blocked(&self, a: UserId, b: UserId) -> bool {
        let blocks = self.of(EdgeKind::Block);
        blocks.contains_key(&(a, b)) || blocks.contains_key(&(b, a))
    }

    fn view(&self, reader: UserId) -> Option<ReaderView> {
        let version = *self.versions.get(&reader)?;
        let followees = self
            .targets(EdgeKind::Follow, reader)
            .map(|(id, since)| Followee { id, since });
        let across = self.of(EdgeKind::Block).keys().filter_map(|(a, b)| match reader {
            _ if *a == reader => Some(*b),
            _ if *b == reader => Some(*a),
            _ => None,
        });
        Some(ReaderView {
            reader,
            version,
            followees: followees.collect(),
            muted: self.targets(EdgeKind::Mute, reader).map(|(id, _)| id).collect(),
            blocked: across.collect::<BTreeSet<_>>().into_iter().collect(),
        })
    }

    /// Without mutes and blocks of deleted accounts, which a store may keep or drop.
    fn live(&self, mut view: ReaderView) -> ReaderView {
        view.muted.retain(|muted| self.versions.contains_key(muted));
        view.blocked.retain(|blocked| self.versions.contains_key(blocked));
        view
    }

    /// What a write should come to: the version after it and whether it is a change.
    fn write(&mut self, write: &EdgeWrite) -> Result<(ActorVersion, bool), &'static str> {
        let (edge, kind) = ((write.actor, write.target), write.kind);
        if !self.versions.contains_key(&write.actor) || !self.versions.contains_key(&write.target) {
            return Err("no such user");
        }
        let version = self.versions[&write.actor];
        if self.of(kind).contains_key(&edge) == write.present {
            return Ok((version, false));
        }
        if write.present && kind == EdgeKind::Follow && self.is_blocked(edge.0, edge.1) {
            return Err("blocked");
        }
        if write.present && self.targets(kind, write.actor).count() as u64 >= write.limit {
            return Err("limit");
        }
        let version = ActorVersion(version.0 + 1);
        self.versions.insert(write.actor, version);
        if write.present {
            self.of_mut(kind).insert(edge, version);
        } else {
            self.of_mut(kind).remove(&edge);
        }
        Ok((version, true))
    }

    /// Deletes and purges; answers whom that touches. Mutes and blocks may stay for ever.
    fn delete(&mut self, user: UserId) -> BTreeSet<UserId> {
        self.versions.remove(&user);
        let mut touched = BTreeSet::new();
        self.of_mut(EdgeKind::Follow).retain(|(follower, followee), _| {
            let stays = *follower != user && *followee != user;
            if !stays {
                touched.insert(if *follower == user { *followee } else { *follower });
            }
            stays
        });
        touched
    }
}

async fn write(graph: &Graph, model: &mut Model, write: EdgeWrite) {
    let expected = model.write(&write);
    let found = match graph.write(write.clone()).await {
        Ok(written) => Ok((written.version, written.changed)),
        Err(EdgeError::NoSuchUser) => Err("no such user"),
        Err(EdgeError::Blocked) => Err("blocked"),
        Err(EdgeError::LimitReached { .. }) => Err("limit"),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(found, expected, "{write:?}");
}

async fn delete(graph: &Graph, model: &mut Model, user: UserId, slice: usize) {
    let known = model.versions.contains_key(&user);
    assert_eq!(graph.0.delete_user(user, deadline()).await.is_ok(), known);
    let touched: BTreeSet<_> = graph.purge(slice).await.into_iter().collect();
    assert_eq!(touched, model.delete(user));
}

async fn compare(graph: &Graph, model: &Model, page: usize) {
    for user in &model.users {
        let live = |view: ReaderView| model.live(view);
        let found = graph.0.reader(*user, deadline()).await.unwrap().map(live);
        let expected = model.view(*user).map(live);
        assert_eq!(found, expected);
        let following = expected
            .iter()
            .flat_map(|view| &view.followees)
            .map(|followee| followee.id)
            .collect();
        let followers = model.followers(*user);
        for (direction, expected) in [
            (EdgeDirection::Followers, followers),
            (EdgeDirection::Following, following),
        ] {
            let mut found: Vec<UserId> = Vec::new();
            loop {
                let next = graph.page(direction, *user, found.last().copied(), page).await;
                found.extend(next.followers);
                if !next.more {
                    break;
                }
            }
            assert_eq!(found, expected, "{direction:?} of {user}");
        }
        if let Some(view) = expected {
            graph
                .expect_counts(*user, model.followers(*user).len(), view.followees.len())
                .await;
        }
    }
    compare_changes(graph, model).await;
}

/// Who replays the changes has the same edges.
async fn compare_changes(graph: &Graph, model: &Model) {
    let mut replayed: [Edges; 3] = Default::default();
    let changes = graph.0.changes_after(model.since, 10_000, deadline()).await.unwrap();
    assert!(changes.is_sorted_by(|a, b| a.position < b.position));
    for change in changes {
        let edge = (change.actor, change.target);
        for (kind, edges) in KINDS.into_iter().zip(&mut replayed) {
            if change.kind == GraphChangeKind::Added(kind) {
                assert_eq!(edges.insert(edge, change.version), None);
            } else if change.kind == GraphChangeKind::Removed(kind) {
                assert!(edges.remove(&edge).is_some_and(|older| older < change.version));
            } else if change.kind == GraphChangeKind::AccountDeleted && kind == EdgeKind::Follow {
                edges.retain(|(a, b), _| *a != change.actor && *b != change.actor);
            }
        }
    }
    assert_eq!(replayed, model.edges);
}

/// One step: mostly follows, now and then a deletion.
async fn step(graph: &Graph, model: &mut Model, random: &mut StdRng) {
    let mut pick = || model.users[random.random_range(0..USERS)];
    let (actor, target) = (pick(), pick());
    if random.random_range(0..80) == 0 {
        delete(graph, model, target, random.random_range(1..6)).await;
    } else if actor != target {
        let kind = KINDS[[0, 0, 0, 0, 1, 2][random.random_range(0..6)]];
        let limit = if kind == EdgeKind::Follow { LIMIT } else { u64::MAX };
        let wanted = edge(kind, actor, target, random.random_range(0..3) > 0);
        write(graph, model, EdgeWrite { limit, ..wanted }).await;
    }
}

pub async fn random_histories_agree_with_a_plain_model(backend: impl GraphBackend) {
    let mut graph = Graph::open(&backend).await;
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new(&graph, seed).await;
        for number in 1..=400 {
            step(&graph, &mut model, &mut random).await;
            if number % 130 == 0 {
                drop(graph);
                graph = Graph::open(&backend).await;
            }
            if number % 40 == 0 {
                compare(&graph, &model, random.random_range(1..4)).await;
            }
        }
    }
}

pub async fn what_was_written_is_there_after_a_restart(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, cyd] = graph.users().await;
    graph.follow(ada, bob).await;
    graph.put(EdgeKind::Mute, ada, cyd).await;
    graph.put(EdgeKind::Block, cyd, bob).await;
    graph.0.delete_user(cyd, deadline()).await.unwrap();
    let before = (graph.reader(ada).await, graph.get(bob).await, graph.changes().await);
    drop(graph);
    let graph = Graph::open(&backend).await;
    assert_eq!(
        (graph.reader(ada).await, graph.get(bob).await, graph.changes().await),
        before
    );
    assert_eq!(graph.followers(bob).await, [ada]);
    assert_eq!(graph.get(cyd).await, None);
    graph.follow(bob, ada).await;
    let last = graph.changes().await.pop().unwrap();
    assert_eq!((last.actor, last.target), (bob, ada));
    assert!(last.position > before.2.last().unwrap().position);
}

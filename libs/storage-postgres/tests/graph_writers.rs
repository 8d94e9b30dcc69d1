//! Several processes that write the graph at the same time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{
    ActorVersion, Clock, DeliveryState, EPOCH_MS, EdgeKind, Epoch, GraphChange, GraphChangeKind, ManualClock, Position,
    Session, Subject, UserId,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{
    AccountError, Deadline, EdgeDirection, EdgeError, EdgeWrite, FollowerPageRequest, GraphFeed, GraphStore,
    IdempotencyKey, NewUser,
};
use storage_postgres::PostgresGraph;
use support::TestDatabase;

const HOUR_MS: u64 = 3_600_000;

/// A database, and the graph as each of a few processes has it open.
struct Graphs {
    database: TestDatabase,
    clock: Arc<ManualClock>,
    all: Vec<Arc<PostgresGraph>>,
}

impl Graphs {
    async fn open(processes: usize) -> Option<Self> {
        let database = TestDatabase::migrated(support::server_url()?).await;
        let clock = Arc::new(ManualClock::new(EPOCH_MS + 500_000_000_000));
        let mut all = Vec::new();
        for _ in 0..processes {
            all.push(PostgresGraph::new(database.pool().await, clock.clone()));
        }
        Some(Self { database, clock, all })
    }

    fn one(&self) -> &PostgresGraph {
        &self.all[0]
    }

    async fn users<const N: usize>(&self) -> [UserId; N] {
        let mut users = [UserId::new(0); N];
        for (number, user) in users.iter_mut().enumerate() {
            let new = NewUser {
                handle: format!("user{number}").parse().unwrap(),
                display_name: "A name".parse().unwrap(),
                password_hash: None,
                idempotency: None,
            };
            *user = self.one().create_user(new, deadline()).await.unwrap().id;
        }
        users
    }

    /// Both directions hold the same edges, and counts are those of the edges, folded or not.
    async fn assert_consistent(&self) {
        let client = self.database.client().await;
        let edges = "SELECT count(*) FROM (
            (SELECT follower, followee FROM follows WHERE present EXCEPT SELECT follower, followee FROM followers)
            UNION ALL
            (SELECT follower, followee FROM followers EXCEPT SELECT follower, followee FROM follows WHERE present)
        ) AS difference";
        assert_eq!(client.query_one(edges, &[]).await.unwrap().get::<_, i64>(0), 0);
        let blocks = "SELECT count(*) FROM (
            (SELECT actor, target FROM blocks WHERE present EXCEPT SELECT actor, target FROM blocked_by)
            UNION ALL
            (SELECT actor, target FROM blocked_by EXCEPT SELECT actor, target FROM blocks WHERE present)
        ) AS difference";
        assert_eq!(client.query_one(blocks, &[]).await.unwrap().get::<_, i64>(0), 0);
        let counts = "SELECT FROM users LEFT JOIN user_counts ON user_id = id WHERE deleted_at_ms IS NULL AND (
            following_count <> (SELECT count(*) FROM follows WHERE follower = users.id AND present)
            OR coalesce(followers, 0)
                + (SELECT coalesce(sum(delta), 0) FROM follower_count_deltas WHERE user_id = users.id)
                <> (SELECT count(*) FROM followers WHERE followee = users.id))";
        let wrong = client.query(counts, &[]).await.unwrap();
        assert!(wrong.is_empty(), "counts of {} accounts are wrong", wrong.len());
    }

    async fn followers(&self, author: UserId) -> Vec<UserId> {
        let request = FollowerPageRequest {
            author,
            after: None,
            limit: 100_000,
        };
        let pages = self.one().edges(EdgeDirection::Followers, &[request], deadline()).await;
        pages.unwrap().remove(0).followers
    }
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

fn follow(actor: UserId, target: UserId, present: bool) -> EdgeWrite {
    EdgeWrite {
        kind: EdgeKind::Follow,
        actor,
        target,
        present,
        limit: 5_000,
        idempotency: None,
    }
}

macro_rules! graphs {
    ($processes:literal) => {
        match Graphs::open($processes).await {
            Some(graphs) => graphs,
            None => return,
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_exactly_whoever_writes() {
    let graphs = graphs!(3);
    let users: [UserId; 40] = graphs.users().await;
    for kind in [EdgeKind::Follow, EdgeKind::Mute, EdgeKind::Block] {
        let writes = users[1..].iter().enumerate().map(|(number, target)| {
            let write = EdgeWrite {
                kind,
                limit: 10,
                ..follow(users[0], *target, true)
            };
            graphs.all[number % 3].write_edge(write, deadline())
        });
        let mut made = 0;
        for outcome in futures::future::join_all(writes).await {
            match outcome {
                Ok(_) => made += 1,
                Err(EdgeError::LimitReached { limit: 10 }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(made, 10, "{kind:?}");
    }
    let view = graphs.one().reader(users[0], deadline()).await.unwrap().unwrap();
    assert_eq!(
        (view.followees.len(), view.muted.len(), view.blocked.len()),
        (10, 10, 10)
    );
    assert_eq!(view.version, ActorVersion(30));
}

/// Writes edges of accounts of its own, and after each change looks that whoever asks is told of it. Answers the changes.
async fn write_and_look(graphs: &[Arc<PostgresGraph>], me: usize, users: &[UserId]) -> Vec<(UserId, ActorVersion)> {
    let mut random = StdRng::seed_from_u64(me as u64);
    let mut written = Vec::new();
    for number in 0..60 {
        let actor = users[me * 2 + random.random_range(0..2)];
        let target = users[random.random_range(0..users.len())];
        if actor == target {
            continue;
        }
        let write = follow(actor, target, random.random_range(0..4) > 0);
        let other = &graphs[number % graphs.len()];
        let before = other.latest(deadline()).await.unwrap();
        let edge = graphs[me].write_edge(write, deadline()).await.unwrap();
        if edge.changed {
            let told = other.pulse(before, 10_000, deadline()).await.unwrap().changes;
            let is_it = |change: &GraphChange| (change.actor, change.version) == (actor, edge.version);
            assert!(told.iter().any(is_it), "{actor} {:?}", edge.version);
            written.push((actor, edge.version));
        }
    }
    written
}

/// Asks for everything, a few at a time, until all has been told that was committed before `over`.
async fn ask_on(graph: Arc<PostgresGraph>, limit: usize, over: Arc<AtomicBool>) -> Vec<GraphChange> {
    let (mut position, mut told) = (Position(0), Vec::new());
    loop {
        let is_over = over.load(Ordering::SeqCst);
        let changes = graph.changes_after(position, limit, deadline()).await.unwrap();
        assert!(changes.is_sorted_by(|a, b| a.position < b.position));
        assert!(changes.first().is_none_or(|change| change.position > position));
        let is_all = changes.len() < limit;
        position = changes.last().map_or(position, |change| change.position);
        told.extend(changes);
        if is_over && is_all {
            return told;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_again_and_again_is_told_everything_once_and_in_order() {
    let graphs = graphs!(4);
    let users: [UserId; 8] = graphs.users().await;
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|number| tokio::spawn(ask_on(graphs.all[number].clone(), 1 + number * 7, over.clone())))
        .collect();
    let writers = (0..4).map(|me| write_and_look(&graphs.all, me, &users));
    let written = futures::future::join_all(writers).await;
    let written: BTreeSet<_> = written.into_iter().flatten().collect();
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        let told = reader.await.unwrap();
        let mut versions = BTreeMap::new();
        for change in &told {
            let before = versions.insert(change.actor, change.version);
            assert!(before < Some(change.version), "versions and positions agree");
        }
        let told_of: BTreeSet<_> = told.iter().map(|change| (change.actor, change.version)).collect();
        assert_eq!((told.len(), told_of), (written.len(), written.clone()));
    }
    graphs.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_later_is_told_later() {
    let graphs = graphs!(1);
    let users: [UserId; 3] = graphs.users().await;
    let mut client = graphs.database.client().await;
    let slow = client.transaction().await.unwrap();
    let early = "INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) VALUES (77, 1, 8, 77, $1)";
    let now_ms = i64::try_from(graphs.clock.unix_ms()).unwrap();
    slow.execute(early, &[&now_ms]).await.unwrap();
    graphs
        .one()
        .write_edge(follow(users[0], users[1], true), deadline())
        .await
        .unwrap();
    let told = graphs.one().pulse(Position(0), 10, deadline()).await.unwrap();
    assert_eq!(told.changes.len(), 1, "nobody waits for what is not committed");
    let last = told.changes[0].position;
    slow.commit().await.unwrap();
    let told = graphs.one().pulse(last, 10, deadline()).await.unwrap();
    assert_eq!(told.changes.len(), 1);
    assert_eq!(
        (told.changes[0].actor, told.changes[0].kind),
        (UserId::new(77), GraphChangeKind::SessionsRevoked)
    );
    let nothing = graphs
        .one()
        .pulse(told.changes[0].position, 10, deadline())
        .await
        .unwrap();
    assert!(nothing.changes.is_empty() && !nothing.gap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_from_before_what_was_dropped_is_told_so() {
    let graphs = graphs!(1);
    let users: [UserId; 6] = graphs.users().await;
    let graph = graphs.one();
    for target in &users[1..4] {
        graph
            .write_edge(follow(users[0], *target, true), deadline())
            .await
            .unwrap();
    }
    let old = graph.changes_after(Position(0), 10, deadline()).await.unwrap();
    graphs.clock.advance(2 * HOUR_MS);
    graph
        .write_edge(follow(users[0], users[4], true), deadline())
        .await
        .unwrap();
    assert_eq!(graph.prune_changes(2, deadline()).await.unwrap(), 2);
    let gap = |after| async move { graph.pulse(after, 10, deadline()).await.unwrap() };
    assert!(gap(Position(0)).await.gap && gap(old[0].position).await.gap);
    let rest = gap(old[1].position).await;
    assert_eq!((rest.gap, rest.changes.len()), (false, 2));
    assert_eq!(
        graph.prune_changes(10, deadline()).await.unwrap(),
        1,
        "what is new stays"
    );
    assert_eq!(graph.prune_changes(10, deadline()).await.unwrap(), 0);
    assert!(gap(old[1].position).await.gap);
    graphs.clock.advance(2 * HOUR_MS);
    assert_eq!(
        graph.prune_changes(10, deadline()).await.unwrap(),
        0,
        "positions go on from the newest"
    );
    let last = graph.latest(deadline()).await.unwrap();
    assert!(last > old[2].position && !gap(last).await.gap);
    let newest = gap(old[2].position).await;
    assert_eq!((newest.gap, newest.changes.len()), (false, 1));
    let told = graph.pulse(old[0].position, 0, deadline()).await.unwrap();
    assert!(
        told.gap && told.changes.is_empty(),
        "who asks for no changes is told of the gap"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_into_a_server_that_has_counted_fewer_transactions_hides_no_change() {
    let graphs = graphs!(1);
    let users: [UserId; 3] = graphs.users().await;
    let graph = graphs.one();
    graph
        .write_edge(follow(users[0], users[1], true), deadline())
        .await
        .unwrap();
    let before = graph.latest(deadline()).await.unwrap();
    let client = graphs.database.client().await;
    let elsewhere = "UPDATE graph_changes SET settled = '123456789012'";
    client.execute(elsewhere, &[]).await.unwrap();
    for target in [users[2], users[1]] {
        graph
            .write_edge(follow(users[0], target, target == users[2]), deadline())
            .await
            .unwrap();
        let told = graph.pulse(before, 10, deadline()).await.unwrap();
        assert_eq!(told.changes.last().unwrap().target, target);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_while_several_fold() {
    let graphs = graphs!(3);
    let users: [UserId; 12] = graphs.users().await;
    let over = AtomicBool::new(false);
    let fold = |number: usize| {
        let (graphs, over) = (&graphs, &over);
        async move {
            while !over.load(Ordering::SeqCst) {
                graphs.all[number].fold_counts(3, deadline()).await.unwrap();
            }
        }
    };
    let write = async {
        for round in 0..20 {
            for follower in &users[1..] {
                let write = follow(*follower, users[0], round % 2 == 0);
                graphs.all[2].write_edge(write, deadline()).await.unwrap();
            }
            let expected = if round % 2 == 0 { 11 } else { 0 };
            let counts = graphs.all[2].followers_counts(&users[..1], deadline()).await.unwrap();
            assert_eq!(counts, [expected]);
            let most = graphs.all[2].authors_with(11, deadline()).await.unwrap();
            assert_eq!(most.len(), usize::from(expected > 0), "{most:?}");
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(fold(0), fold(1), write);
    while graphs.one().fold_counts(100, deadline()).await.unwrap() > 0 {}
    graphs.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_to_a_deleted_account_however_it_raced() {
    let graphs = graphs!(4);
    let users: [UserId; 24] = graphs.users().await;
    let over = AtomicBool::new(false);
    let write = |number: usize| {
        let (graphs, over) = (&graphs, &over);
        async move {
            let mut random = StdRng::seed_from_u64(number as u64);
            while !over.load(Ordering::SeqCst) {
                let mut pick = || users[random.random_range(0..24)];
                let (actor, target) = (pick(), pick());
                if actor == target {
                    continue;
                }
                let present = random.random_range(0..4) > 0;
                match graphs.all[number]
                    .write_edge(follow(actor, target, present), deadline())
                    .await
                {
                    Ok(_) | Err(EdgeError::NoSuchUser) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let delete = async {
        for user in &users[..16] {
            tokio::time::sleep(Duration::from_millis(60)).await;
            graphs.all[2].delete_user(*user, deadline()).await.unwrap();
            let again = graphs.all[2].delete_user(*user, deadline()).await;
            assert!(matches!(again, Err(AccountError::NoSuchUser)));
            let purges = graphs.all[2..].iter().map(|graph| graph.purge_deleted(5, deadline()));
            for purged in futures::future::join_all(purges).await {
                purged.unwrap();
            }
        }
        over.store(true, Ordering::SeqCst);
    };
    let fold = async {
        while !over.load(Ordering::SeqCst) {
            graphs.all[3].fold_counts(10, deadline()).await.unwrap();
        }
    };
    tokio::join!(write(0), write(1), delete, fold);
    while !graphs.one().purge_deleted(100, deadline()).await.unwrap().is_empty() {}
    for user in &users[..16] {
        assert_eq!(graphs.followers(*user).await, []);
    }
    graphs.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_was_made_while_its_target_was_deleted_is_purged_too() {
    let graphs = graphs!(1);
    let [slow, gone, late] = graphs.users().await;
    let graph = graphs.one();
    // As one process does it that has seen the target alive, and is stopped before it writes.
    let mut client = graphs.database.client().await;
    let writing = client.transaction().await.unwrap();
    let id = |user: UserId| i64::try_from(user.get()).unwrap();
    let lock = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE";
    writing.execute(lock, &[&id(slow)]).await.unwrap();
    graph.delete_user(gone, deadline()).await.unwrap();
    graph.delete_user(late, deadline()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(graph.purge_deleted(10, deadline()).await.unwrap(), []);
    }
    let edge = "WITH edge AS (INSERT INTO follows (follower, followee, version, present) VALUES ($1, $2, 1, true)),
        mirrored AS (INSERT INTO followers (follower, followee) VALUES ($1, $2)),
        counted AS (INSERT INTO follower_count_deltas (user_id, delta) VALUES ($2, 1))
        UPDATE users SET following_count = 1, actor_version = 1 WHERE id = $1";
    writing.execute(edge, &[&id(slow), &id(gone)]).await.unwrap();
    writing.commit().await.unwrap();
    assert_eq!(graph.purge_deleted(10, deadline()).await.unwrap(), [slow]);
    graphs.assert_consistent().await;
    // Other tests on the same server may have transactions under way.
    let left = "SELECT FROM users WHERE deleted_at_ms IS NOT NULL AND NOT purged";
    for _ in 0..600 {
        assert_eq!(graph.purge_deleted(10, deadline()).await.unwrap(), []);
        if client.query(left, &[]).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("an account without edges is looked at for ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_that_follow_each_other_are_purged_by_several_at_once() {
    let graphs = graphs!(4);
    let users: [UserId; 16] = graphs.users().await;
    for actor in users {
        for target in users {
            if actor != target {
                graphs
                    .one()
                    .write_edge(follow(actor, target, true), deadline())
                    .await
                    .unwrap();
            }
        }
    }
    for user in &users[..12] {
        graphs.one().delete_user(*user, deadline()).await.unwrap();
    }
    let purge = |graph: Arc<PostgresGraph>| async move {
        while !graph.purge_deleted(7, deadline()).await.unwrap().is_empty() {}
    };
    futures::future::join_all(graphs.all.iter().cloned().map(purge)).await;
    for user in &users[12..] {
        assert_eq!(graphs.followers(*user).await.len(), 3);
    }
    graphs.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_of_the_same_edges_make_each_once() {
    let graphs = graphs!(4);
    let mut random = StdRng::seed_from_u64(5);
    let edges: Vec<(u64, u64)> = (0..4_000)
        .map(|_| (random.random_range(1..200), random.random_range(1..200)))
        .collect();
    let distinct: BTreeSet<_> = edges.iter().filter(|(a, b)| a != b).copied().collect();
    let import = |number: usize| {
        let (graphs, edges) = (&graphs, &edges);
        async move {
            let mut made = (0, 0);
            for chunk in edges.chunks(500 + number * 100) {
                // On a busy machine one may wait for the others longer than for any lock: it made nothing then, and tries again.
                let counts = 'tries: {
                    for _ in 0..10 {
                        match graphs.all[number].import(chunk.to_vec(), false, deadline()).await {
                            Err(error) if error.is_transient() => {}
                            done => break 'tries done.unwrap(),
                        }
                    }
                    panic!("a chunk is never imported");
                };
                made = (made.0 + counts.accounts, made.1 + counts.edges);
            }
            made
        }
    };
    let over = AtomicBool::new(false);
    let fold = async {
        while !over.load(Ordering::SeqCst) {
            graphs.all[3].fold_counts(1_000, deadline()).await.unwrap();
        }
    };
    let imports = async {
        let made = tokio::join!(import(0), import(1), import(2));
        over.store(true, Ordering::SeqCst);
        (made.0.0 + made.1.0 + made.2.0, made.0.1 + made.1.1 + made.2.1)
    };
    let (made, ()) = tokio::join!(imports, fold);
    assert_eq!(made, (199, distinct.len() as u64));
    graphs.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_who_try_the_same_step_one_takes_it() {
    let graphs = graphs!(4);
    for version in 0..10 {
        let step = |graph: Arc<PostgresGraph>| async move {
            let steps = vec![(Subject::Everyone, DeliveryState::pushed())];
            graph.set_delivery(steps, version, deadline()).await.unwrap()
        };
        let taken = futures::future::join_all(graphs.all.iter().cloned().map(step)).await;
        let taken: Vec<u64> = taken.into_iter().flatten().collect();
        assert_eq!(taken, [version + 1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_tokens_and_tombstones_go_when_their_time_has_come() {
    const DAY_MS: u64 = 24 * HOUR_MS;
    let graphs = graphs!(1);
    let graph = graphs.one();
    let [ada, bob, cat] = graphs.users().await;
    let write = |kind, target, present, key: Option<&str>| EdgeWrite {
        kind,
        idempotency: key.map(|key| IdempotencyKey {
            account: ada,
            operation: "PUT".into(),
            key: key.into(),
            body_digest: [0; 32],
        }),
        ..follow(ada, target, present)
    };
    let write =
        async |kind, target, present, key| graph.write_edge(write(kind, target, present, key), deadline()).await;
    write(EdgeKind::Follow, cat, true, Some("a key")).await.unwrap();
    for kind in [EdgeKind::Follow, EdgeKind::Mute, EdgeKind::Block] {
        write(kind, bob, true, None).await.unwrap();
        write(kind, bob, false, None).await.unwrap();
    }
    let session = Session {
        user: ada,
        token_id: "of a token".into(),
        credential_version: 1,
        epoch: Epoch(0),
        expires_at_s: (graphs.clock.unix_ms() + 2 * DAY_MS) / 1_000,
    };
    graph.revoke(&session, deadline()).await.unwrap();
    let prune = async || graph.prune(100, deadline()).await.unwrap();

    graphs.clock.advance(DAY_MS - 1);
    assert_eq!(prune().await, 0);
    graphs.clock.advance(1);
    assert_eq!(prune().await, 1, "the key");
    graphs.clock.advance(DAY_MS);
    assert_eq!(prune().await, 1, "the token");
    graphs.clock.advance(28 * DAY_MS);
    assert_eq!(prune().await, 0);
    graphs.clock.advance(1);
    assert_eq!(
        graph.prune(1, deadline()).await.unwrap(),
        3,
        "a tombstone of each kind, and no more than asked for"
    );
    assert_eq!(prune().await, 0);
    assert_eq!(graphs.followers(cat).await, [ada], "who is followed stays so");
}

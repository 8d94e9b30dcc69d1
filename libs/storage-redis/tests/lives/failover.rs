//! A cluster one of whose primaries has a replica, which takes over while timelines, versions and tweets are used.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model::{ActorVersion, TweetId, UserId};
use storage::{ActorVersions, StoreError, TweetCache};
use storage_redis::HOLDS;

use crate::cluster::{cluster_that_waits, has_slot, meet, node, numbers_of_the_first, slot_of, url};
use crate::server::{Server, programs};
use crate::world::{World, deadline};

/// Who does not answer for so many milliseconds is taken for dead.
const TIMEOUT_MS: &str = "2000";

/// What a node of a cluster tells the others, as it numbers it.
const PONG: &str = "1";

const OLD: usize = 0;
const OTHER: usize = 1;
const NEW: usize = 3;

/// Three primaries, and a replica of the first.
async fn with_a_replica(program: &str) -> Vec<Server> {
    let mut nodes = cluster_that_waits(program, TIMEOUT_MS).await;
    let replica = node(program, TIMEOUT_MS).await;
    meet(&replica, &nodes).await;
    let primary: String = nodes[OLD].ask("CLUSTER", &["MYID"]).await;
    nodes.push(replica);
    until(async || {
        nodes[NEW]
            .try_ask::<String>("CLUSTER", &["REPLICATE", &primary])
            .await
            .is_ok()
    })
    .await;
    until(async || {
        let info: String = nodes[NEW].ask("INFO", &["replication"]).await;
        info.contains("master_link_status:up")
    })
    .await;
    let of_it = format!("slave {primary}");
    until(async || {
        let told = nodes.iter().map(|node| node.ask::<String>("CLUSTER", &["NODES"]));
        join_all(told).await.iter().all(|nodes| nodes.contains(&of_it))
    })
    .await;
    nodes
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the cluster does not come so far");
}

/// The replica takes over, and the others know.
async fn has_taken_over(nodes: &[Server], slot: u16) {
    let new: String = nodes[NEW].ask("CLUSTER", &["MYID"]).await;
    until(async || {
        let told: String = nodes[OTHER].ask("CLUSTER", &["NODES"]).await;
        has_slot(&told, &new, slot)
    })
    .await;
}

/// The replica takes over, and the old primary does not hear of it.
async fn take_over_unnoticed(nodes: &[Server], slot: u16) {
    let old: String = nodes[OLD].ask("CLUSTER", &["MYID"]).await;
    for node in nodes {
        // Nobody is taken for dead meanwhile.
        let set = ["SET", "cluster-node-timeout", "60000"];
        let _: String = node.ask("CONFIG", &set).await;
    }
    let _: String = nodes[OLD].ask("DEBUG", &["DROP-CLUSTER-PACKET-FILTER", PONG]).await;
    nodes[OLD].signal("STOP");
    for node in &nodes[OTHER..NEW] {
        forget(node, &old).await;
    }
    let _: String = nodes[NEW].ask("CLUSTER", &["FAILOVER", "TAKEOVER"]).await;
    forget(&nodes[NEW], &old).await;
    has_taken_over(nodes, slot).await;
    nodes[OLD].signal("CONT");
    let info: String = nodes[OLD].ask("INFO", &["replication"]).await;
    assert!(info.contains("role:master"), "it has not heard of it");
}

/// A node may have done so already, since it has heard of it from another.
async fn forget(node: &Server, id: &str) {
    until(async || {
        let _ = node.try_ask::<String>("CLUSTER", &["FORGET", id]).await;
        let known: String = node.ask("CLUSTER", &["NODES"]).await;
        known.lines().all(|line| !line.starts_with(id))
    })
    .await;
}

/// It goes on answering for its slots.
#[tokio::test]
async fn an_old_primary_that_still_answers_is_not_used() {
    for program in programs() {
        let nodes = with_a_replica(&program).await;
        let [number] = numbers_of_the_first(&nodes).await;
        let (user, tweet) = (UserId::new(number), TweetId::new(number));
        let old = World::new(&url(&nodes[OLD])).await;
        old.build(user, [1, 2]).await;
        let (_, epoch) = old.cached(number).await;
        old.put(number, epoch).await;
        assert!(old.cached(number).await.0);

        take_over_unnoticed(&nodes, slot_of(&nodes[NEW], number).await).await;
        let new = World::sharing(&url(&nodes[OTHER]), Arc::clone(&old.lives)).await;
        assert_eq!(new.read(user).await.unwrap().slice, None, "of another life");
        assert!(!new.cached(number).await.0, "of another life");
        new.build(user, [1, 2]).await;
        assert!(new.push(user, &[3]).await.unwrap());
        new.tweets.remove(&[tweet], deadline()).await.unwrap();
        let pause = HOLDS / 5;
        for _ in 0..10 {
            let stored = old.read(user).await;
            assert!(matches!(stored, Err(StoreError::Unavailable { .. })), "{stored:?}");
            old.push(user, &[4]).await.unwrap_err();
            old.tweets.get(&[tweet], deadline()).await.unwrap_err();
            tokio::time::sleep(pause).await;
        }
        let old = old.running();
        let stored = old.read_when_back(user).await;
        assert_eq!(stored.slice.unwrap().ids, [3, 2, 1].map(TweetId::new));
        assert!(old.push(user, &[4]).await.unwrap());
        assert_eq!(new.all(user).await.0, [1, 2, 3, 4]);
    }
}

/// It was made a primary by a reset, and has taken over from nobody.
#[tokio::test]
async fn a_primary_whose_replica_was_given_slots_of_its_own_is_used() {
    for program in programs() {
        let nodes = with_a_replica(&program).await;
        let [kept, given] = numbers_of_the_first(&nodes).await;
        let slot = slot_of(&nodes[OLD], given).await;
        let world = World::new(&url(&nodes[OTHER])).await.running();
        let _: String = nodes[NEW].ask("CLUSTER", &["RESET", "SOFT"]).await;
        meet(&nodes[NEW], &nodes[..NEW]).await;
        let [old, new] = [OLD, NEW].map(|node| nodes[node].ask::<String>("CLUSTER", &["MYID"]));
        let (old, new, number) = (old.await, new.await, slot.to_string());
        until(async || {
            let told: String = nodes[NEW].ask("CLUSTER", &["NODES"]).await;
            told.contains(&old)
        })
        .await;
        let importing = ["SETSLOT", &number, "IMPORTING", &old];
        let _: String = nodes[NEW].ask("CLUSTER", &importing).await;
        for node in [NEW, OLD] {
            let _: String = nodes[node].ask("CLUSTER", &["SETSLOT", &number, "NODE", &new]).await;
        }
        has_taken_over(&nodes, slot).await;

        for number in [given, kept] {
            world.build_when_back(UserId::new(number), [1, 2]).await;
            assert_eq!(world.all(UserId::new(number)).await.0, [1, 2]);
        }
        // Long enough for both to be confirmed again and again.
        tokio::time::sleep(HOLDS * 2).await;
        assert_eq!(world.all(UserId::new(kept)).await.0, [1, 2], "it goes on");
    }
}

/// How the replica comes to take over.
#[derive(Clone, Copy)]
enum Failover {
    /// It is told to, and the old primary hands over.
    Asked,
    /// `kill -9` of the old primary.
    Killed,
    /// The old primary stands still, as a machine does whose memory is copied: its connections stay, and when it goes on, it
    /// does not know at first.
    Stopped,
}

#[tokio::test]
async fn a_replica_that_is_told_to_takes_over_while_all_is_used() {
    for program in programs() {
        use_through(&program, Failover::Asked).await;
    }
}

#[tokio::test]
async fn a_replica_takes_over_from_one_that_died_while_all_is_used() {
    for program in programs() {
        use_through(&program, Failover::Killed).await;
    }
}

#[tokio::test]
async fn a_replica_takes_over_from_one_that_stands_still_while_all_is_used() {
    for program in programs() {
        use_through(&program, Failover::Stopped).await;
    }
}

/// Uses all over a cluster of which one part gets another primary; and then once more, when the old one is back.
async fn use_through(program: &str, failover: Failover) {
    let mut nodes = with_a_replica(program).await;
    let [number, idle] = numbers_of_the_first(&nodes).await;
    let slot = slot_of(&nodes[OLD], number).await;
    let here = World::new(&url(&nodes[OLD])).await.running();
    let there = World::sharing(&url(&nodes[OTHER]), Arc::clone(&here.lives))
        .await
        .running();
    here.build(UserId::new(idle), [1, 2]).await;
    let mut used = Used::new(number, here, there);
    used.until(async {}).await;
    let lives = used.here.lives.count();
    let taking_over = async {
        match failover {
            Failover::Asked => {
                let _: String = nodes[NEW].ask("CLUSTER", &["FAILOVER"]).await;
            }
            Failover::Killed => nodes[OLD].kill(),
            Failover::Stopped => nodes[OLD].signal("STOP"),
        }
        has_taken_over(&nodes, slot).await;
    };
    used.until(taking_over).await;
    used.until(async {}).await;
    assert!(used.here.lives.count() > lives);
    let of_before = used.here.read_when_back(UserId::new(idle)).await;
    assert_eq!(of_before.slice, None, "what the old one held counts as absent");

    match failover {
        Failover::Asked => {}
        Failover::Killed => nodes[OLD].restart().await,
        Failover::Stopped => nodes[OLD].signal("CONT"),
    }
    let lives = used.here.lives.count();
    let is_replica = until(async || {
        let info: String = nodes[OLD].ask("INFO", &["replication"]).await;
        info.contains("role:slave")
    });
    used.until(is_replica).await;
    used.until(async {}).await;
    assert_eq!(used.here.lives.count(), lives, "it is not used");
    // But that of the address that one of them was configured with.
    until(async || {
        let clients: String = nodes[OLD].ask("CLIENT", &["LIST", "TYPE", "normal"]).await;
        // This test's own: the one that asks, and one that has seen the server start.
        let is_own = |client: &&str| ["cmd=client|list", "cmd=ping"].iter().any(|own| client.contains(own));
        let others = clients.lines().filter(|client| !is_own(client));
        others.count() <= 1
    })
    .await;
}

/// One who changes things, and one who must find them changed, with numbers that only grow.
struct Used {
    user: UserId,
    here: World,
    there: World,
    number: u64,
}

impl Used {
    fn new(user: u64, here: World, there: World) -> Self {
        let user = UserId::new(user);
        Self {
            user,
            here,
            there,
            number: 0,
        }
    }

    /// Uses all while this goes on, and twice after that.
    async fn until(&mut self, done: impl Future<Output = ()>) {
        let mut done = std::pin::pin!(done);
        let mut is_done = false;
        let mut left = 2;
        while left > 0 {
            let step = self.step();
            tokio::pin!(step);
            if is_done {
                step.await;
                left -= 1;
                continue;
            }
            tokio::select! {
                () = &mut done => {
                    is_done = true;
                    step.await;
                }
                () = &mut step => {}
            }
        }
    }

    async fn step(&mut self) {
        self.number += 1;
        self.push().await;
        self.announce().await;
        self.remove().await;
    }

    async fn push(&self) {
        let exists = again(async || self.here.push(self.user, &[self.number]).await).await;
        if !exists {
            self.here.build_when_back(self.user, 1..=self.number).await;
        }
        for world in [&self.here, &self.there] {
            let stored = world.read_when_back(self.user).await;
            let newest = stored.slice.map(|slice| slice.ids[0].get());
            assert!(newest.is_none_or(|newest| newest == self.number), "{newest:?} is stale");
        }
    }

    async fn announce(&self) {
        let version = ActorVersion(self.number);
        again(async || self.here.timelines.announce(self.user, version, deadline()).await).await;
        let known = self.there.read_when_back(self.user).await.actor_version;
        assert!(known.is_none_or(|known| known == version), "{known:?} is stale");
    }

    /// A tweet that lies where the timeline does.
    async fn remove(&self) {
        let tweet = [TweetId::new(self.user.get())];
        if let Ok(cached) = self.there.tweets.get(&tweet, deadline()).await {
            let _ = self.there.put_tweet(tweet[0], cached.epoch).await;
        }
        again(async || self.here.tweets.remove(&tweet, deadline()).await).await;
        for world in [&self.here, &self.there] {
            let cached = again(async || world.tweets.get(&tweet, deadline()).await).await;
            assert_eq!(cached.tweets, [None], "it was removed");
        }
    }
}

/// The first answer; until then nobody can say.
async fn again<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

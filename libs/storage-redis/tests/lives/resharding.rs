//! A slot that one node has taken over, while another does not know of that yet and goes on sending to the first.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model::{TweetId, UserId};
use storage::TweetCache;
use storage_redis::HOLDS;

use crate::cluster::{cluster_that_waits, numbers_of_the_first, slot_of, url};
use crate::server::{Server, programs};
use crate::world::{World, deadline};

/// What a node of a cluster tells the others, as it numbers it.
const PONG: &str = "1";

/// Two nodes, one of which gives slots to the other.
struct Nodes {
    all: Vec<Server>,
    ids: Vec<String>,
}

const SOURCE: usize = 0;
const TARGET: usize = 1;
const THIRD: usize = 2;

impl Nodes {
    async fn start(program: &str) -> Self {
        let all = cluster_that_waits(program, "60000").await;
        let ids = join_all(all.iter().map(|node| node.ask("CLUSTER", &["MYID"]))).await;
        Self { all, ids }
    }

    async fn slot(&self, number: u64) -> String {
        slot_of(&self.all[SOURCE], number).await.to_string()
    }

    async fn set_slot(&self, at: usize, number: u64, state: &str, node: usize) {
        let slot = self.slot(number).await;
        let set = ["SETSLOT", &*slot, state, &*self.ids[node]];
        let _: String = self.all[at].ask("CLUSTER", &set).await;
    }

    /// All of it but the last step: that the target has the slot.
    async fn move_keys(&self, number: u64) {
        self.set_slot(TARGET, number, "IMPORTING", SOURCE).await;
        self.set_slot(SOURCE, number, "MIGRATING", TARGET).await;
        let (slot, port) = (self.slot(number).await, self.all[TARGET].port.to_string());
        let keys: Vec<String> = self.all[SOURCE].ask("CLUSTER", &["GETKEYSINSLOT", &slot, "100"]).await;
        for key in keys {
            let migrate = ["127.0.0.1", &*port, &*key, "0", "5000"];
            let _: String = self.all[SOURCE].ask("MIGRATE", &migrate).await;
        }
    }

    /// From now on the first does not hear of what becomes of its slots.
    async fn cut_off_the_source(&self) {
        let _: String = self.all[SOURCE]
            .ask("DEBUG", &["DROP-CLUSTER-PACKET-FILTER", PONG])
            .await;
        for other in [TARGET, THIRD] {
            let _: String = self.all[other].ask("CLUSTER", &["FORGET", &self.ids[SOURCE]]).await;
        }
    }
}

/// A target that has the highest epoch of the cluster from an earlier slot takes the next one without a new life. Whoever is
/// sent to it by the source, and whoever asks it by himself, find what the other was told.
#[tokio::test]
async fn a_slot_is_asked_for_in_two_ways() {
    for program in programs() {
        let nodes = Nodes::start(&program).await;
        let [first, number] = numbers_of_the_first(&nodes.all).await;
        let (user, tweet) = (UserId::new(number), TweetId::new(number));
        let sent = World::new(&url(&nodes.all[SOURCE])).await;
        nodes.move_keys(first).await;
        nodes.set_slot(TARGET, first, "NODE", TARGET).await;
        nodes.set_slot(SOURCE, first, "NODE", TARGET).await;
        sent.build(UserId::new(first), [1]).await;
        sent.build(user, [1, 2]).await;
        let (_, epoch) = sent.cached(number).await;
        sent.put(number, epoch).await;
        assert!(sent.cached(number).await.0);

        nodes.move_keys(number).await;
        assert!(sent.push(user, &[3]).await.unwrap(), "it has moved");
        assert!(sent.cached(number).await.0, "it has moved");
        nodes.cut_off_the_source().await;
        let lives = sent.lives.count();
        nodes.set_slot(TARGET, number, "NODE", TARGET).await;
        let other = World::sharing(&url(&nodes.all[TARGET]), Arc::clone(&sent.lives)).await;
        // No lease is left before.
        tokio::time::sleep(HOLDS + Duration::from_millis(50)).await;
        let (is_found, epoch) = other.cached(number).await;
        assert!(!is_found);
        assert_eq!(sent.lives.count(), lives, "its life goes on");

        sent.tweets.remove(&[tweet], deadline()).await.unwrap();
        other.put(number, epoch).await;
        assert!(!other.cached(number).await.0, "removed by who was sent");
        assert!(
            !sent.cached(number).await.0,
            "removed, and it was there under another key"
        );

        other.build(user, 1..=3).await;
        assert_eq!(sent.all(user).await.0, [1, 2, 3]);
        assert!(sent.push(user, &[4]).await.unwrap());
        assert!(other.push(user, &[5]).await.unwrap());
        for world in [&sent, &other] {
            assert_eq!(world.all(user).await.0, [1, 2, 3, 4, 5]);
        }
        let (_, epoch) = sent.cached(number).await;
        other.tweets.remove(&[tweet], deadline()).await.unwrap();
        sent.put(number, epoch).await;
        assert!(!sent.cached(number).await.0, "removed by who was not sent");
    }
}

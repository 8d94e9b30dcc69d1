//! A cluster: nodes that die, and slots that move while timelines are used.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model::UserId;
use storage::{TimelineStore, WalkPlace};

use crate::server::{Server, programs};
use crate::world::{World, deadline};

const USERS: u64 = 60;
const NODES: u16 = 3;

/// Nodes that share the slots evenly, and don't mind when one of them is slow.
async fn cluster(program: &str) -> Vec<Server> {
    cluster_that_waits(program, "60000").await
}

/// Nodes that share the slots evenly, and take one for dead that does not answer for so many milliseconds.
pub(crate) async fn cluster_that_waits(program: &str, timeout_ms: &str) -> Vec<Server> {
    let nodes = join_all((0..NODES).map(|_| node(program, timeout_ms))).await;
    let share = 16_384 / NODES;
    for (number, node) in (0..NODES).zip(&nodes) {
        let last = if number + 1 == NODES {
            16_383
        } else {
            (number + 1) * share - 1
        };
        let range = [(number * share).to_string(), last.to_string()];
        let _: String = node.ask("CLUSTER", &["ADDSLOTSRANGE", &range[0], &range[1]]).await;
        let _: String = node
            .ask("CLUSTER", &["SET-CONFIG-EPOCH", &(number + 1).to_string()])
            .await;
    }
    for (number, node) in nodes.iter().enumerate() {
        meet(node, &nodes[..number]).await;
    }
    for node in &nodes {
        wait_for_slots(node).await;
    }
    nodes
}

/// A node gets to know others at once: else it hears of each from another, by and by.
pub(crate) async fn meet(node: &Server, others: &[Server]) {
    for other in others {
        let _: String = node
            .ask("CLUSTER", &["MEET", "127.0.0.1", &other.port.to_string()])
            .await;
    }
}

/// A node of a cluster that is yet to be met by others.
pub(crate) async fn node(program: &str, timeout_ms: &str) -> Server {
    let options = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        timeout_ms,
        "--cluster-announce-ip",
        "127.0.0.1",
        "--cluster-require-full-coverage",
        "no",
        "--repl-diskless-sync-delay",
        "0",
    ];
    Server::start(program, &options).await
}

/// So many numbers whose keys the first node has, each in a slot of its own.
pub(crate) async fn numbers_of_the_first<const N: usize>(nodes: &[Server]) -> [u64; N] {
    let mut numbers = Vec::new();
    for number in 1.. {
        if numbers.len() == N {
            break;
        }
        if slot_of(&nodes[0], number).await < 16_384 / NODES {
            numbers.push(number);
        }
    }
    numbers.try_into().unwrap()
}

pub(crate) async fn slot_of(node: &Server, number: u64) -> u16 {
    node.ask("CLUSTER", &["KEYSLOT", &number.to_string()]).await
}

async fn wait_for_slots(node: &Server) {
    loop {
        let state: String = node.ask("CLUSTER", &["INFO"]).await;
        let slots: Vec<fred::types::Value> = node.ask("CLUSTER", &["SLOTS"]).await;
        if state.contains("cluster_state:ok")
            && state.contains("cluster_slots_ok:16384")
            && slots.len() >= usize::from(NODES)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn url(node: &Server) -> String {
    node.url().replace("redis://", "redis-cluster://")
}

async fn build_all(world: &World) {
    for user in 1..=USERS {
        world.build_when_back(UserId::new(user), [1, 2]).await;
    }
}

/// The users who have a timeline.
async fn built(world: &World) -> Vec<u64> {
    let mut built = Vec::new();
    for user in 1..=USERS {
        if world.read_when_back(UserId::new(user)).await.slice.is_some() {
            built.push(user);
        }
    }
    built
}

#[tokio::test]
async fn a_node_that_restarts_takes_only_its_own_timelines_with_it() {
    for program in programs() {
        let mut nodes = cluster(&program).await;
        let world = World::new(&url(&nodes[0])).await;
        build_all(&world).await;
        assert_eq!(built(&world).await.len() as u64, USERS);
        nodes[1].save().await;
        nodes[1].kill();
        nodes[1].restart().await;
        wait_for_slots(&nodes[1]).await;
        let lost = USERS - built(&world).await.len() as u64;
        assert!((1..USERS).contains(&lost), "{lost}");
        build_all(&world).await;
        assert_eq!(built(&world).await.len() as u64, USERS);
    }
}

/// On whichever node they are.
#[tokio::test]
async fn everybody_who_has_a_timeline_is_found() {
    for program in programs() {
        let nodes = cluster(&program).await;
        let world = World::new(&url(&nodes[0])).await;
        build_all(&world).await;
        let everybody: BTreeSet<u64> = (1..=USERS).collect();
        let timelines = &world.timelines;
        let sampled = timelines.sample(1_000, deadline()).await.unwrap();
        assert_eq!(numbers(&sampled), everybody);
        assert_eq!(timelines.sample(7, deadline()).await.unwrap().len(), 7);
        let (mut met, mut from, mut pages) = (BTreeSet::new(), WalkPlace::default(), 0);
        loop {
            let page = timelines.walk(from, 1, deadline()).await.unwrap();
            met.extend(numbers(&page.users));
            pages += 1;
            let Some(next) = page.next else { break };
            from = next;
        }
        assert_eq!(met, everybody);
        assert!(pages >= u32::from(NODES), "{pages} pages of so many nodes");
        let elsewhere = WalkPlace {
            part: from.part + (1 << 32),
            ..from
        };
        assert!(
            timelines.walk(elsewhere, 1, deadline()).await.is_err(),
            "of another cluster"
        );
    }
}

fn numbers(users: &[UserId]) -> BTreeSet<u64> {
    users.iter().map(|user| user.get()).collect()
}

/// While each key is moved, and after, whoever has a timeline has all of it.
#[tokio::test]
async fn slots_move_while_tweets_are_pushed() {
    for program in programs() {
        let nodes = cluster(&program).await;
        let world = World::new(&url(&nodes[0])).await;
        let other = World::sharing(&url(&nodes[2]), Arc::clone(&world.lives)).await;
        build_all(&world).await;
        let mut next = 3;
        for user in [7_u64, 8, 9] {
            let slot: u64 = nodes[0].ask("CLUSTER", &["KEYSLOT", &user.to_string()]).await;
            for (from, to) in [(0, 1), (1, 0)] {
                next = move_slot(&nodes, slot, from, to, &[&world, &other], next).await;
            }
        }
    }
}

/// Moves a slot key by key to another node, if this node has it, and pushes and reads at each step.
async fn move_slot(nodes: &[Server], slot: u64, from: usize, to: usize, worlds: &[&World], mut next: u64) -> u64 {
    let (source, target, slot) = (&nodes[from], &nodes[to], slot.to_string());
    let ids: Vec<String> = join_all(nodes.iter().map(|node| node.ask::<String>("CLUSTER", &["MYID"]))).await;
    let mine: String = source.ask("CLUSTER", &["NODES"]).await;
    if !has_slot(&mine, &ids[from], slot.parse().unwrap()) {
        return next;
    }
    let set = async |node: &Server, state: &str, of: usize| {
        let _: String = node.ask("CLUSTER", &["SETSLOT", &slot, state, &ids[of]]).await;
    };
    set(target, "IMPORTING", from).await;
    set(source, "MIGRATING", to).await;
    next = use_all(worlds, next).await;
    let keys: Vec<String> = source.ask("CLUSTER", &["GETKEYSINSLOT", &slot, "100"]).await;
    for key in keys {
        let port = target.port.to_string();
        let _: String = source.ask("MIGRATE", &["127.0.0.1", &port, &key, "0", "5000"]).await;
        next = use_all(worlds, next).await;
    }
    for node in [target, source] {
        set(node, "NODE", to).await;
    }
    use_all(worlds, next).await
}

/// Whether a node has a slot, by what one says of its cluster.
pub(crate) fn has_slot(nodes: &str, node: &str, slot: u16) -> bool {
    let its = nodes.lines().find(|line| line.starts_with(node)).unwrap();
    its.split(' ')
        .skip(8)
        .filter(|range| !range.starts_with('['))
        .any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (first.parse().unwrap()..=last.parse::<u16>().unwrap()).contains(&slot)
        })
}

/// Pushes a tweet to everybody by one process, and reads it by all.
async fn use_all(worlds: &[&World], id: u64) -> u64 {
    for user in 1..=USERS {
        let user = UserId::new(user);
        let exists = loop {
            match worlds[0].push(user, &[id]).await {
                Ok(exists) => break exists,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        };
        for world in worlds {
            let stored = world.read_when_back(user).await;
            assert!(
                !exists || stored.slice.is_none_or(|slice| slice.ids[0].get() == id),
                "{user} lacks {id}"
            );
        }
        if !exists {
            worlds[0].build_when_back(user, 1..=id).await;
        }
    }
    id + 1
}

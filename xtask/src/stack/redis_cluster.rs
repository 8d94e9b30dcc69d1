//! Redis as a cluster of nodes without replicas.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::describe::Process;
use crate::redis::ask;

/// Nodes, as few as a cluster can have.
pub(super) const NODES: u32 = 3;
const SLOTS: u32 = 16_384;
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Where a node listens for clients and for other nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) bus_port: u16,
}

impl Node {
    /// A process of Redis that was started with [`options`].
    pub(super) fn of(process: &Process) -> Result<Self> {
        let mut pairs = process.restart.args.windows(2);
        let bus_port = pairs.find(|pair| pair[0] == BUS_PORT).map(|pair| pair[1].parse());
        Ok(Self {
            address: process.internal_host().parse().with_context(|| process.to_string())?,
            bus_port: bus_port.context("a node has no port for the others")??,
        })
    }
}

const BUS_PORT: &str = "--cluster-port";

/// What makes a server a node. When one is lost, the others go on to serve what they hold.
pub(super) const fn options(bus_port: &str) -> [(&str, &str); 5] {
    [
        ("--cluster-enabled", "yes"),
        (BUS_PORT, bus_port),
        ("--cluster-config-file", "nodes.conf"),
        ("--cluster-node-timeout", "3000"),
        ("--cluster-require-full-coverage", "no"),
    ]
}

/// Makes one cluster of nodes that know nothing of each other yet; leaves one that is there as it is.
pub(super) fn form(nodes: &[Node]) -> Result<()> {
    for (number, node) in (0..).zip(nodes) {
        if !info(node)?.contains("cluster_slots_assigned:0\r") {
            continue;
        }
        let (first, last) = slots(number);
        expect_ok(node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"))?;
        expect_ok(node, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1))?;
        let meet = format!(
            "CLUSTER MEET {} {} {}",
            nodes[0].address.ip(),
            nodes[0].address.port(),
            nodes[0].bus_port
        );
        if number > 0 {
            expect_ok(node, &meet)?;
        }
    }
    wait(nodes)
}

/// The slots of one node.
fn slots(number: u32) -> (u32, u32) {
    (number * SLOTS / NODES, (number + 1) * SLOTS / NODES - 1)
}

/// Until every node knows all slots.
fn wait(nodes: &[Node]) -> Result<()> {
    let begin = Instant::now();
    let complete = |node: &Node| {
        info(node).is_ok_and(|info| {
            info.contains("cluster_state:ok\r") && info.contains(&format!("cluster_slots_ok:{SLOTS}\r"))
        })
    };
    while !nodes.iter().all(complete) {
        if begin.elapsed() > PATIENCE {
            bail!("the nodes of Redis do not become one cluster: {}", info(&nodes[0])?);
        }
        thread::sleep(BETWEEN_TRIES);
    }
    Ok(())
}

fn info(node: &Node) -> Result<String> {
    ask(node.address, "CLUSTER INFO")
}

fn expect_ok(node: &Node, command: &str) -> Result<()> {
    let answer = ask(node.address, command)?;
    if !answer.starts_with("+OK") {
        bail!("{command}: {answer}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_one_node() {
        let all: Vec<u32> = (0..NODES).map(slots).flat_map(|(first, last)| first..=last).collect();
        assert_eq!(all, (0..SLOTS).collect::<Vec<_>>());
    }
}

//! Ports that nobody uses.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use rand::RngExt;

/// Below the range that systems give to outgoing connections: a server that is started again gets its port again.
const RANGE: std::ops::Range<u16> = 20_000..29_000;
const TRIES: usize = 1_000;

/// As many ports as asked for, all different and none in use at the moment.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    let mut held = Vec::new();
    for _ in 0..TRIES {
        if held.len() == count {
            break;
        }
        held.extend(bind(rand::rng().random_range(RANGE)));
    }
    if held.len() < count {
        bail!("there are no {count} free ports");
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// Whether nobody listens there.
pub(crate) fn is_free(port: u16) -> bool {
    bind(port).is_some()
}

fn bind(port: u16) -> Option<(u16, TcpListener)> {
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
    Some((port, everywhere))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ports_are_different_and_free() {
        let ports = free(50).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 50);
        assert!(ports.iter().all(|port| RANGE.contains(port)));
    }
}

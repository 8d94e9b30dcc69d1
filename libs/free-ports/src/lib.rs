//! Ports that nobody uses, for servers that tests and tools start.
//!
//! They lie below the range that systems give to outgoing connections (on Linux from 32,768 on, see `ip(7)`): a server
//! that is started again gets its port again. Of that range it may not: while it is away a connection may have been given
//! its port, even one that was to go to it, and is then connected to itself.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt;

/// Those 10,000 above are below that range too: nodes of a Redis Cluster talk to each other there.
const RANGE: std::ops::Range<u16> = 12_000..22_000;
const TRIES: usize = 1_000;

/// As many ports as asked for, all different and none in use at the moment.
pub fn free(count: usize) -> io::Result<Vec<u16>> {
    let mut held = Vec::new();
    for _ in 0..TRIES {
        if held.len() == count {
            break;
        }
        held.extend(bind(rand::rng().random_range(RANGE)));
    }
    if held.len() < count {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("there are no {count} free ports"),
        ));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// Whether nobody listens there.
pub fn is_free(port: u16) -> bool {
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

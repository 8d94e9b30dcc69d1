//! What a server says of itself.

use std::sync::Arc;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::types::Value;

use crate::request::{Request, send};

/// Of a server that stands alone. Whatever address leads to it, it is the one that all processes share: were it named by
/// its address, two that spell it differently would count its lives apart.
const ALONE: &str = "timelines";

const REPLICA: &str = "it is a replica";

/// Whether a server has said so.
pub(super) fn is_replica(error: &Error) -> bool {
    error.details() == REPLICA
}

/// Who a server is at present.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Stays for as long as it is set up.
    pub(super) name: String,
    /// Changes with each restart, each change of role, and when it is given parts of a cluster that others held.
    pub(super) incarnation: Arc<str>,
    /// Its clock, in milliseconds since 1970.
    pub(super) server_ms: u64,
}

/// Asks a server who it is.
pub(super) async fn identify(client: &Client, is_clustered: bool) -> Result<Identity, Error> {
    let info = |section: &str| Request::new("INFO", vec![Value::from(section)]);
    let mut requests = vec![info("server"), info("replication"), Request::new("TIME", Vec::new())];
    if is_clustered {
        let cluster = |what: &str| Request::new("CLUSTER", vec![Value::from(what)]);
        requests.extend([cluster("MYID"), cluster("INFO")]);
    }
    let answers: Result<Vec<Value>, Error> = send(client, &requests).await.into_iter().collect();
    let mut answers = answers?.into_iter();
    let mut text = || answers.next().and_then(Value::into_string).unwrap_or_default();
    let (server, replication) = (text(), text());
    let server_ms = milliseconds(answers.next())?;
    let mut text = || answers.next().and_then(Value::into_string).unwrap_or_default();
    let (node, cluster) = (text(), text());
    identity(
        &server,
        &replication,
        server_ms,
        is_clustered.then_some((&node, &cluster)),
    )
}

fn identity(server: &str, replication: &str, server_ms: u64, cluster: Option<(&str, &str)>) -> Result<Identity, Error> {
    if field(replication, "role")? != "master" {
        return Err(Error::new(ErrorKind::Routing, REPLICA));
    }
    // Another replication id without another process: it was a replica in between, and holds what its primary held.
    let life = format!("{}/{}", field(server, "run_id")?, field(replication, "master_replid")?);
    let (name, incarnation) = match cluster {
        None => (ALONE.to_owned(), life),
        // A node that takes a slot from another raises its epoch. What it held of that slot before, if it ever did, must
        // not be found again.
        Some((node, cluster)) => (
            node.to_owned(),
            format!("{life}/{}", field(cluster, "cluster_my_epoch")?),
        ),
    };
    Ok(Identity {
        name,
        incarnation: incarnation.into(),
        server_ms,
    })
}

/// Of the whole cluster, by what a node says of it.
pub(super) fn current_epoch(cluster: &str) -> Result<u64, Error> {
    let epoch = field(cluster, "cluster_current_epoch")?.parse();
    epoch.map_err(|_| Error::new(ErrorKind::Protocol, "an epoch that is no number"))
}

fn field<'t>(text: &'t str, name: &str) -> Result<&'t str, Error> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .map(str::trim)
        .ok_or_else(|| Error::new(ErrorKind::Protocol, format!("it does not tell its {name}")))
}

fn milliseconds(time: Option<Value>) -> Result<u64, Error> {
    let parts: (u64, u64) = time.unwrap_or(Value::Null).convert()?;
    Ok(parts.0 * 1_000 + parts.1 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n";
    const REPLICATION: &str = "# Replication\r\nrole:master\r\nmaster_replid:def\r\n";

    #[test]
    fn a_life_is_the_process_and_whose_data_it_holds() {
        let alone = identity(SERVER, REPLICATION, 7, None).unwrap();
        assert_eq!(
            (alone.name.as_str(), &*alone.incarnation, alone.server_ms),
            (ALONE, "abc/def", 7)
        );
        let member = identity(SERVER, REPLICATION, 7, Some(("n1", "cluster_my_epoch:3\r\n"))).unwrap();
        assert_eq!((member.name.as_str(), &*member.incarnation), ("n1", "abc/def/3"));
    }

    #[test]
    fn a_replica_is_not_asked() {
        let replica = REPLICATION.replace("master\r", "slave\r");
        assert!(is_replica(&identity(SERVER, &replica, 7, None).unwrap_err()));
        assert!(identity("", REPLICATION, 7, None).is_err());
    }
}

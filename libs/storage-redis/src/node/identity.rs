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
    /// Whose place it takes, where it is part of a cluster.
    pub(super) succession: Option<Succession>,
}

/// By what a primary of a cluster and the replica that took over from it know each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Succession {
    /// Under which it has its slots: of two that claim the same ones, the higher is right.
    pub(super) epoch: u64,
    /// What its own replicas follow.
    pub(super) replication: String,
    /// What it followed itself, before it became a primary.
    pub(super) followed: Option<String>,
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
    let replid = field(replication, "master_replid")?;
    let life = format!("{}/{replid}", field(server, "run_id")?);
    let Some((node, cluster)) = cluster else {
        return Ok(Identity {
            name: ALONE.to_owned(),
            incarnation: life.into(),
            server_ms,
            succession: None,
        });
    };
    let epoch = epoch(cluster, "cluster_my_epoch")?;
    let followed = field(replication, "master_replid2")
        .ok()
        .filter(|id| id.bytes().any(|byte| byte != b'0'));
    Ok(Identity {
        name: node.to_owned(),
        // A node that takes a slot from another raises its epoch. What it held of that slot before, if it ever did, must
        // not be found again.
        incarnation: format!("{life}/{epoch}").into(),
        server_ms,
        succession: Some(Succession {
            epoch,
            replication: replid.to_owned(),
            followed: followed.map(str::to_owned),
        }),
    })
}

/// Of the whole cluster, by what a node says of it.
pub(super) fn current_epoch(cluster: &str) -> Result<u64, Error> {
    epoch(cluster, "cluster_current_epoch")
}

fn epoch(cluster: &str, name: &str) -> Result<u64, Error> {
    // The store has numbers with a sign.
    let epoch = field(cluster, name)?.parse().ok();
    epoch
        .and_then(|epoch: i64| u64::try_from(epoch).ok())
        .ok_or_else(|| Error::new(ErrorKind::Protocol, format!("{name} is no number")))
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
        assert_eq!(alone.succession, None);
        let member = identity(SERVER, REPLICATION, 7, Some(("n1", "cluster_my_epoch:3\r\n"))).unwrap();
        assert_eq!((member.name.as_str(), &*member.incarnation), ("n1", "abc/def/3"));
    }

    #[test]
    fn who_took_over_tells_from_whom() {
        let followed = |replication: &str| {
            let member = identity(SERVER, replication, 7, Some(("n1", "cluster_my_epoch:3\r\n")));
            let succession = member.unwrap().succession.unwrap();
            assert_eq!((succession.epoch, &*succession.replication), (3, "def"));
            succession.followed
        };
        assert_eq!(followed(REPLICATION), None);
        assert_eq!(followed(&format!("{REPLICATION}master_replid2:0000\r\n")), None);
        let of_another = format!("{REPLICATION}master_replid2:00ab\r\n");
        assert_eq!(followed(&of_another).as_deref(), Some("00ab"));
    }

    #[test]
    fn a_replica_is_not_asked() {
        let replica = REPLICATION.replace("master\r", "slave\r");
        assert!(is_replica(&identity(SERVER, &replica, 7, None).unwrap_err()));
        assert!(identity("", REPLICATION, 7, None).is_err());
    }
}

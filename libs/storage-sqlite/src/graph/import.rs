//! Edges by the ten thousand.
//!
//! An operator's import makes what could have been made by hand: nobody follows itself, a deleted account, or across a
//! block. The limit of follows does not bind it. All new edges of a follower in one call carry one version, and each has
//! a place of its own among the changes. Rows are written in key order.

mod accounts;

use std::collections::BTreeMap;

use model::{ActorVersion, EdgeKind, GraphChangeKind, UserId};
use rusqlite::Connection;
use storage::ImportCounts;

use super::{changes, edges};
use crate::sql;
use accounts::{Account, Accounts, Gain};

/// What an import did.
pub(super) struct Imported {
    /// In numbers.
    pub(super) counts: ImportCounts,
    /// New edges: follower and followee.
    pub(super) edges: Vec<(UserId, UserId)>,
}

/// Makes accounts and edges that are missing.
pub(super) fn import(
    connection: &Connection,
    pairs: &[(u64, u64)],
    attach: bool,
    now_ms: u64,
) -> rusqlite::Result<Imported> {
    let accounts = Accounts::find(connection, pairs, attach)?;
    let mut counts = ImportCounts {
        accounts: accounts.made(),
        ..ImportCounts::default()
    };
    let wanted = counts.sort_out(pairs, |number| accounts.get(number));
    let new = follow_all(connection, &wanted, &mut counts, now_ms)?;
    mirror(connection, &new)?;
    let mut gains = BTreeMap::<_, Gain>::new();
    for (follower, followee) in &new {
        gains.entry(*follower).or_default().following += 1;
        gains.entry(*followee).or_default().followers += 1;
    }
    accounts.write(connection, gains, now_ms)?;
    changes::prune(connection, now_ms, pairs.len())?;
    Ok(Imported { counts, edges: new })
}

/// Makes those of the edges that are missing, and answers them; counts all.
fn follow_all(
    connection: &Connection,
    wanted: &[(Account, Account)],
    counts: &mut ImportCounts,
    now_ms: u64,
) -> rusqlite::Result<Vec<(UserId, UserId)>> {
    let any_block = "SELECT EXISTS (SELECT 1 FROM blocks WHERE present = 1)";
    let any_block: bool = connection.query_row(any_block, [], |row| row.get(0))?;
    let mut new = Vec::with_capacity(wanted.len());
    for (Account { id, version }, Account { id: followee, .. }) in wanted {
        let version = ActorVersion(version.0 + 1);
        if edges::is_present(connection, EdgeKind::Follow, *id, *followee)? {
            counts.standing += 1;
        } else if any_block && is_blocked(connection, *id, *followee)? {
            counts.blocked += 1;
        } else {
            follow(connection, *id, *followee, version)?;
            let kind = GraphChangeKind::Added(EdgeKind::Follow);
            changes::insert(connection, *id, version, kind, *followee, now_ms)?;
            new.push((*id, *followee));
        }
    }
    counts.edges = new.len() as u64;
    Ok(new)
}

fn is_blocked(connection: &Connection, follower: UserId, followee: UserId) -> rusqlite::Result<bool> {
    Ok(edges::is_present(connection, EdgeKind::Block, follower, followee)?
        || edges::is_present(connection, EdgeKind::Block, followee, follower)?)
}

/// Makes an edge; `false` when it stands already.
fn follow(
    connection: &Connection,
    follower: UserId,
    followee: UserId,
    version: ActorVersion,
) -> rusqlite::Result<bool> {
    let written = connection
        .prepare_cached(
            "INSERT INTO following (follower, followee, version, present) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT DO UPDATE SET present = 1, version = excluded.version WHERE present = 0",
        )?
        .execute((
            sql::column(follower.get()),
            sql::column(followee.get()),
            sql::column(version.0),
        ))?;
    Ok(written > 0)
}

/// The other direction, in its own key order.
fn mirror(connection: &Connection, edges: &[(UserId, UserId)]) -> rusqlite::Result<()> {
    let mut turned: Vec<_> = edges
        .iter()
        .map(|(follower, followee)| (*followee, *follower))
        .collect();
    turned.sort_unstable();
    for (followee, follower) in turned {
        edges::mirror(connection, follower, followee, true)?;
    }
    Ok(())
}

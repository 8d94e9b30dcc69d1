//! Edges by the ten thousand.
//!
//! An operator's import makes what could have been made by hand: nobody follows itself, a deleted account, or across a
//! block. The limit of follows does not bind it. All new edges of a follower in one call carry one version, and each has
//! a place of its own among the changes.

use ahash::AHashMap;
use model::{ActorVersion, EdgeKind, GraphChangeKind, UserId};
use rusqlite::{Connection, OptionalExtension};
use storage::ImportCounts;

use super::{accounts, changes, edges};
use crate::sql;

/// What an import did.
pub(super) struct Imported {
    /// In numbers.
    pub(super) counts: ImportCounts,
    /// New edges: follower and followee.
    pub(super) edges: Vec<Edge>,
}

/// Follower and followee.
type Edge = (UserId, UserId);

/// Makes accounts and edges that are missing. Edges are written in key order, each follower's version is raised once.
pub(super) fn import(connection: &Connection, pairs: &[(u64, u64)], now_ms: u64) -> rusqlite::Result<Imported> {
    let mut accounts = Accounts {
        connection,
        known: AHashMap::new(),
        made: 0,
        now_ms,
    };
    let mut wanted = Vec::with_capacity(pairs.len());
    for (follower, followee) in pairs {
        let ends = (accounts.find_or_make(*follower)?, accounts.find_or_make(*followee)?);
        if let (Some(follower), Some(followee)) = ends
            && follower != followee
        {
            wanted.push((follower, followee));
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let new = follow_all(connection, &wanted, now_ms)?;
    mirror(connection, &new)?;
    let counts = ImportCounts {
        accounts: accounts.made,
        edges: new.len() as u64,
    };
    Ok(Imported { counts, edges: new })
}

/// The accounts of one call, by their numbers.
struct Accounts<'a> {
    connection: &'a Connection,
    /// `None` for deleted ones.
    known: AHashMap<u64, Option<UserId>>,
    made: u64,
    now_ms: u64,
}

impl Accounts<'_> {
    fn find_or_make(&mut self, number: u64) -> rusqlite::Result<Option<UserId>> {
        if let Some(id) = self.known.get(&number) {
            return Ok(*id);
        }
        let handle = format!("u{number}");
        let found: Option<Option<i64>> = self
            .connection
            .prepare_cached("SELECT iif(deleted_at_ms IS NULL, id, NULL) FROM users WHERE handle_folded = ?1")?
            .query_row([&handle], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(live) => live.map(sql::user),
            None => Some(self.make(&handle)?),
        };
        self.known.insert(number, id);
        Ok(id)
    }

    fn make(&mut self, handle: &str) -> rusqlite::Result<UserId> {
        self.made += 1;
        self.connection
            .prepare_cached(
                "INSERT INTO users (handle, handle_folded, display_name, created_at_ms) VALUES (?1, ?1, ?1, ?2)",
            )?
            .insert((handle, sql::column(self.now_ms)))
            .map(sql::user)
    }
}

/// Makes those of the edges that are missing, and answers them.
fn follow_all(connection: &Connection, wanted: &[Edge], now_ms: u64) -> rusqlite::Result<Vec<Edge>> {
    let any_block: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM blocks WHERE present = 1)", [], |row| {
            row.get(0)
        })?;
    let mut new = Vec::with_capacity(wanted.len());
    for of_one_follower in wanted.chunk_by(|a, b| a.0 == b.0) {
        let follower = of_one_follower[0].0;
        let Some(ActorVersion(version)) = accounts::version(connection, follower)? else {
            continue;
        };
        let version = ActorVersion(version + 1);
        let first_new = new.len();
        for edge in of_one_follower {
            if !(any_block && is_blocked(connection, *edge)?) && follow(connection, *edge, version, now_ms)? {
                new.push(*edge);
            }
        }
        if new.len() > first_new {
            count_new(connection, follower, version, new.len() - first_new)?;
        }
    }
    Ok(new)
}

fn is_blocked(connection: &Connection, (follower, followee): Edge) -> rusqlite::Result<bool> {
    Ok(edges::is_present(connection, EdgeKind::Block, follower, followee)?
        || edges::is_present(connection, EdgeKind::Block, followee, follower)?)
}

/// Makes an edge; `false` when it stands already.
fn follow(connection: &Connection, edge: Edge, version: ActorVersion, now_ms: u64) -> rusqlite::Result<bool> {
    let (follower, followee) = edge;
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
    if written > 0 {
        let kind = GraphChangeKind::Added(EdgeKind::Follow);
        changes::append(connection, follower, version, kind, followee, now_ms)?;
    }
    Ok(written > 0)
}

fn count_new(connection: &Connection, follower: UserId, version: ActorVersion, new: usize) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE users SET actor_version = ?2, following_count = following_count + ?3 WHERE id = ?1")?
        .execute((
            sql::column(follower.get()),
            sql::column(version.0),
            sql::column(new as u64),
        ))?;
    Ok(())
}

/// The other direction, in its own key order.
fn mirror(connection: &Connection, edges: &[Edge]) -> rusqlite::Result<()> {
    let mut by_followee: Vec<_> = edges
        .iter()
        .map(|(follower, followee)| (*followee, *follower))
        .collect();
    by_followee.sort_unstable();
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO followers (followee, follower) VALUES (?1, ?2)")?;
    let mut count =
        connection.prepare_cached("UPDATE users SET followers_count = followers_count + ?2 WHERE id = ?1")?;
    for of_one in by_followee.chunk_by(|a, b| a.0 == b.0) {
        for (followee, follower) in of_one {
            insert.execute((sql::column(followee.get()), sql::column(follower.get())))?;
        }
        count.execute((sql::column(of_one[0].0.get()), sql::column(of_one.len() as u64)))?;
    }
    Ok(())
}

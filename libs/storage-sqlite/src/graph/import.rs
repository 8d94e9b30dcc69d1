//! Edges by the ten thousand.

use ahash::AHashMap;
use model::{ActorVersion, EdgeKind, GraphChangeKind, UserId};
use rusqlite::{Connection, OptionalExtension};
use storage::ImportCounts;

use super::{accounts, changes};
use crate::sql;

/// What an import did.
pub(super) struct Imported {
    pub(super) counts: ImportCounts,
    /// New edges: follower and followee.
    pub(super) edges: Vec<(UserId, UserId)>,
}

/// Makes accounts and edges that are missing. Edges are written in key order, each follower's version is raised once.
pub(super) fn import(connection: &Connection, pairs: &[(u64, u64)], now_ms: u64) -> rusqlite::Result<Imported> {
    let mut ids = Ids {
        connection,
        known: AHashMap::new(),
        made: 0,
        now_ms,
    };
    let mut edges = Vec::with_capacity(pairs.len());
    for (follower, followee) in pairs {
        edges.push((ids.get(*follower)?, ids.get(*followee)?));
    }
    edges.sort_unstable();
    edges.dedup();
    let accounts = ids.made;
    let mut new = Vec::with_capacity(edges.len());
    for of_one_follower in edges.chunk_by(|a, b| a.0 == b.0) {
        follow(connection, of_one_follower, &mut new, now_ms)?;
    }
    mirror(connection, &new)?;
    Ok(Imported {
        counts: ImportCounts {
            accounts,
            edges: new.len() as u64,
        },
        edges: new,
    })
}

struct Ids<'a> {
    connection: &'a Connection,
    known: AHashMap<u64, UserId>,
    made: u64,
    now_ms: u64,
}

impl Ids<'_> {
    fn get(&mut self, number: u64) -> rusqlite::Result<UserId> {
        if let Some(id) = self.known.get(&number) {
            return Ok(*id);
        }
        let handle = format!("u{number}");
        let found: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM users WHERE handle_folded = ?1")?
            .query_row([&handle], |row| row.get(0))
            .optional()?;
        let id = if let Some(id) = found {
            sql::user(id)
        } else {
            self.connection
                .prepare_cached(
                    "INSERT INTO users (handle, handle_folded, display_name, created_at_ms) VALUES (?1, ?1, ?1, ?2)",
                )?
                .execute((&handle, sql::column(self.now_ms)))?;
            self.made += 1;
            sql::user(self.connection.last_insert_rowid())
        };
        self.known.insert(number, id);
        Ok(id)
    }
}

fn follow(
    connection: &Connection,
    edges: &[(UserId, UserId)],
    new: &mut Vec<(UserId, UserId)>,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let follower = edges[0].0;
    let Some(ActorVersion(version)) = accounts::version(connection, follower)? else {
        return Ok(());
    };
    let version = ActorVersion(version + 1);
    let first_new = new.len();
    for (_, followee) in edges {
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
            new.push((follower, *followee));
            let kind = GraphChangeKind::Added(EdgeKind::Follow);
            changes::append(connection, follower, version, kind, *followee, now_ms)?;
        }
    }
    let added = new.len() - first_new;
    if added > 0 {
        connection
            .prepare_cached(
                "UPDATE users SET actor_version = ?2, following_count = following_count + ?3 WHERE id = ?1",
            )?
            .execute((
                sql::column(follower.get()),
                sql::column(version.0),
                sql::column(added as u64),
            ))?;
    }
    Ok(())
}

fn mirror(connection: &Connection, edges: &[(UserId, UserId)]) -> rusqlite::Result<()> {
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

//! The accounts of one call of an import.

use std::collections::BTreeMap;

use ahash::AHashMap;
use model::{ActorVersion, UserId};
use rusqlite::{Connection, OptionalExtension};
use storage::ImportRefusal;

use crate::sql;

/// An account, as an edge's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    pub(super) id: UserId,
    /// Before the import.
    pub(super) version: ActorVersion,
}

/// What an account gains by an import.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gain {
    pub(super) followers: u64,
    pub(super) following: u64,
}

/// The accounts of one call. New ones get their numbers at once and their rows at the end, when their counts are known:
/// one statement each instead of three.
pub(super) struct Accounts {
    known: AHashMap<u64, Result<Account, ImportRefusal>>,
    new: Vec<(UserId, String)>,
}

impl Accounts {
    /// Finds all of them. In the order of their handles, so that the index of handles is walked once through.
    pub(super) fn find(connection: &Connection, pairs: &[(u64, u64)], attach: bool) -> rusqlite::Result<Self> {
        let mut numbers: Vec<u64> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut handles: Vec<_> = numbers
            .into_iter()
            .map(|number| (format!("u{number}"), number))
            .collect();
        handles.sort_unstable();
        let last: Option<i64> = connection.query_row("SELECT max(id) FROM users", [], |row| row.get(0))?;
        let mut last = last.map_or(0, sql::number);
        let mut accounts = Self {
            known: AHashMap::with_capacity(handles.len()),
            new: Vec::new(),
        };
        for (handle, number) in handles {
            let found = if let Some(found) = standing(connection, &handle, attach)? {
                found
            } else {
                last += 1;
                let id = UserId::new(last);
                accounts.new.push((id, handle));
                Ok(Account {
                    id,
                    version: ActorVersion(0),
                })
            };
            accounts.known.insert(number, found);
        }
        Ok(accounts)
    }

    /// The account of a number of the call, if it takes edges.
    pub(super) fn get(&self, number: u64) -> Result<Account, ImportRefusal> {
        self.known[&number]
    }

    /// How many are new.
    pub(super) fn made(&self) -> u64 {
        self.new.len() as u64
    }

    /// Writes the rows of new accounts, and what the others gain. Who has new followees has a new version.
    pub(super) fn write(
        self,
        connection: &Connection,
        mut gains: BTreeMap<UserId, Gain>,
        now_ms: u64,
    ) -> rusqlite::Result<()> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO users (id, handle, handle_folded, display_name, created_at_ms,
                                actor_version, following_count, followers_count)
             VALUES (?1, ?2, ?2, ?2, ?3, ?4 > 0, ?4, ?5)",
        )?;
        for (id, handle) in self.new {
            let Gain { following, followers } = gains.remove(&id).unwrap_or_default();
            let counts = (sql::column(following), sql::column(followers));
            insert.execute((sql::column(id.get()), handle, sql::column(now_ms), counts.0, counts.1))?;
        }
        let mut update = connection.prepare_cached(
            "UPDATE users SET actor_version = actor_version + (?2 > 0), following_count = following_count + ?2,
                              followers_count = followers_count + ?3 WHERE id = ?1",
        )?;
        for (id, Gain { following, followers }) in gains {
            update.execute((sql::column(id.get()), sql::column(following), sql::column(followers)))?;
        }
        Ok(())
    }
}

/// The account with this handle, if there is one and it takes edges.
fn standing(
    connection: &Connection,
    handle: &str,
    attach: bool,
) -> rusqlite::Result<Option<Result<Account, ImportRefusal>>> {
    connection
        .prepare_cached(
            "SELECT id, actor_version, deleted_at_ms IS NOT NULL, password_hash IS NOT NULL
             FROM users WHERE handle_folded = ?1",
        )?
        .query_row([handle], |row| {
            if row.get(2)? {
                return Ok(Err(ImportRefusal::Deleted));
            }
            if row.get(3)? && !attach {
                return Ok(Err(ImportRefusal::SignedUp));
            }
            Ok(Ok(Account {
                id: sql::user(row.get(0)?),
                version: ActorVersion(sql::number(row.get(1)?)),
            }))
        })
        .optional()
}

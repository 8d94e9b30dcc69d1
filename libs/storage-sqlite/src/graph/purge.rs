//! What deleted accounts leave behind.

use model::UserId;
use rusqlite::{Connection, OptionalExtension};

use super::bound;
use super::edges::{count_edge, mirror};
use crate::sql;

/// An edge that was removed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purged {
    /// Who followed.
    pub(super) follower: UserId,
    /// Who was followed.
    pub(super) followee: UserId,
    /// The one of the two that was not the reason.
    pub(super) other: UserId,
}

/// Removes follow edges of deleted accounts, at most `limit`. Their tombstones keep the edges' versions: nobody but the
/// account that went made a change.
pub(super) fn purge(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Purged>> {
    let mut purged = Vec::new();
    while purged.len() < limit {
        let deleted: Option<i64> = connection
            .prepare_cached("SELECT id FROM users WHERE deleted_at_ms IS NOT NULL AND purged = 0 LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let Some(deleted) = deleted else { break };
        let edges = edges_of(connection, deleted, limit - purged.len())?;
        if edges.is_empty() {
            connection
                .prepare_cached("UPDATE users SET purged = 1 WHERE id = ?1")?
                .execute([deleted])?;
        }
        for edge in &edges {
            remove(connection, edge)?;
        }
        purged.extend(edges);
    }
    Ok(purged)
}

fn edges_of(connection: &Connection, deleted: i64, limit: usize) -> rusqlite::Result<Vec<Purged>> {
    connection
        .prepare_cached(
            "SELECT * FROM (SELECT follower, followee FROM following WHERE follower = ?1 AND present = 1 LIMIT ?2)
             UNION SELECT * FROM (SELECT follower, followee FROM followers WHERE followee = ?1 LIMIT ?2) LIMIT ?2",
        )?
        .query_map((deleted, bound(limit as u64)), |row| {
            let (follower, followee) = (sql::user(row.get(0)?), sql::user(row.get(1)?));
            let other = if follower == sql::user(deleted) {
                followee
            } else {
                follower
            };
            Ok(Purged {
                follower,
                followee,
                other,
            })
        })?
        .collect()
}

fn remove(connection: &Connection, edge: &Purged) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE following SET present = 0 WHERE follower = ?1 AND followee = ?2")?
        .execute((sql::column(edge.follower.get()), sql::column(edge.followee.get())))?;
    mirror(connection, edge.follower, edge.followee, false)?;
    count_edge(connection, edge.follower, edge.followee, -1)
}

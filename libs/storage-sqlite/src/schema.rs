//! What all files have in common: how they are opened, tuned and brought to the current schema.

use std::path::Path;

use rusqlite::Connection;

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `SQLite` said no.
    #[error("{path}: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The file was written by a younger build.
    #[error("{path} has schema version {found}; this build understands versions up to {known}: use a newer build")]
    TooNew {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
        /// The newest version that is understood.
        known: u32,
    },
}

/// How far the WAL grows (80 MB) before it is written back. A page that many commits touch is written back once, so this
/// is worth a fifth of the rate of posts compared with 16 MB.
const CHECKPOINT_PAGES: u32 = 20_000;

/// Settings of every connection.
pub(crate) fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA busy_timeout = 5000; PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;",
    )
}

/// Opens (or makes) a file for writing: WAL, every commit durable before it is answered, and the migrations that it lacks
/// applied in one transaction. The number of applied migrations is `PRAGMA user_version`.
pub(crate) fn open(path: &Path, migrations: &[&str]) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        path: path.display().to_string(),
        source,
    };
    let mut connection = Connection::open(path).map_err(sqlite)?;
    tune(&connection).map_err(sqlite)?;
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
        ))
        .map_err(sqlite)?;
    let known = u32::try_from(migrations.len()).expect("migrations are few");
    let found: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(sqlite)?;
    if found > known {
        return Err(OpenError::TooNew {
            path: path.display().to_string(),
            found,
            known,
        });
    }
    let transaction = connection.transaction().map_err(sqlite)?;
    for migration in &migrations[found as usize..] {
        transaction.execute_batch(migration).map_err(sqlite)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)?;
    Ok(connection)
}

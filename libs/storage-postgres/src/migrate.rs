//! The schema, and how it comes about.
//!
//! Migrations are numbered and only ever added. Each runs in a transaction of its own, once, while an advisory lock keeps
//! other processes from doing the same. **Expand, then contract**: a migration adds; what an older version still uses is
//! removed by a migration of the version after next. So old and new binaries run side by side for one version, and a
//! rollback of the binaries needs no rollback of the schema.
//!
//! **It never makes others wait for long.** What alters a table must have it for itself, and waits for that behind whoever
//! reads it, a dump of hours too; everything that comes later queues behind the request. So a migration gives up waiting
//! after [`LockPatience::timeout`], lets those pass, and tries again; after [`LockPatience::give_up_after`] it fails, and
//! says which sessions held on.

mod blockers;
#[cfg(test)]
mod tests;

use std::time::Duration;

use deadpool_postgres::Client;
use storage::{Deadline, StoreError};
use tokio_postgres::error::SqlState;

use crate::ask::{failure, query_one, within};
use crate::error::OpenError;
use crate::generations::BEGIN_EPOCH;
use crate::pool::{PostgresPool, STORE};
use crate::sql;

/// What the schema is made of, in order.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_tweets.sql"),
    include_str!("../migrations/0002_graph.sql"),
    include_str!("../migrations/0003_chunk_tries.sql"),
    include_str!("../migrations/0004_set_aside.sql"),
    include_str!("../migrations/0005_books.sql"),
];

/// How many versions of the schema beyond its own a binary runs on: the next one is made to allow it.
const UNDERSTOOD_AHEAD: u32 = 1;

/// In microseconds: no database makes an account each microsecond, so the sequence never comes as far by itself.
const MOVE_USER_IDS: &str = "SELECT setval('user_ids',
    greatest(nextval('user_ids'), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint))";

const MIGRATE_WITHIN: Duration = Duration::from_mins(30);

/// How a migration waits for tables that others use.
#[derive(Debug, Clone, Copy)]
struct LockPatience {
    /// How long one statement waits for a table, and others at most behind it.
    timeout: Duration,
    /// How long those others then have it for themselves.
    pause: Duration,
    /// When it is no use to go on trying, counted from a migration's first try.
    give_up_after: Duration,
}

/// `helm upgrade` waits for five minutes, and tells less of what was wrong.
const LOCK_PATIENCE: LockPatience = LockPatience {
    timeout: Duration::from_secs(2),
    pause: Duration::from_secs(5),
    give_up_after: Duration::from_mins(4),
};
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// `rookery` in ASCII, so that nobody else's lock is ours.
const LOCK: i64 = 0x72_6f_6f_6b_65_72_79;

/// The schema that this binary needs.
#[expect(clippy::cast_possible_truncation, reason = "migrations are counted in dozens")]
pub const fn needed() -> u32 {
    MIGRATIONS.len() as u32
}

/// What a migration came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The schema before it.
    pub from: u32,
    /// The schema now.
    pub to: u32,
}

/// Brings the database to the schema of this version. Others that try the same wait, and then find nothing to do.
pub async fn migrate(pool: &PostgresPool) -> Result<Migrated, OpenError> {
    apply(pool, MIGRATIONS, LOCK_PATIENCE).await
}

async fn apply(pool: &PostgresPool, migrations: &[&str], patience: LockPatience) -> Result<Migrated, OpenError> {
    let deadline = Deadline::after(MIGRATE_WITHIN);
    let mut client = pool.client(deadline).await?;
    // For the advisory lock: whoever has it may take long.
    within(
        deadline,
        client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0"),
    )
    .await?;
    within(deadline, client.execute("SELECT pg_advisory_lock($1)", &[&LOCK])).await?;
    let migrated = run(&mut client, migrations, patience, deadline).await;
    // The lock ends with the connection, which is not used again.
    drop(deadpool_postgres::Object::take(client));
    migrated
}

async fn run(
    client: &mut Client,
    migrations: &[&str],
    patience: LockPatience,
    deadline: Deadline,
) -> Result<Migrated, OpenError> {
    let table = "CREATE TABLE IF NOT EXISTS schema_migrations (
        version integer PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";
    within(deadline, client.batch_execute(table)).await?;
    let from = version(client, deadline).await?;
    if from > needed() + UNDERSTOOD_AHEAD {
        return Err(OpenError::SchemaTooNew {
            found: from,
            known: needed(),
        });
    }
    let mut to = from;
    for (number, sql) in (1..).zip(migrations).skip(from as usize) {
        step(client, number, sql, patience, deadline).await?;
        to = number;
        tracing::info!(version = number, "the schema was migrated");
    }
    Ok(Migrated { from, to })
}

/// One migration, tried until it gets the tables that it alters.
async fn step(
    client: &mut Client,
    number: u32,
    sql: &str,
    patience: LockPatience,
    deadline: Deadline,
) -> Result<(), OpenError> {
    let give_up = Deadline::after(patience.give_up_after);
    while !try_step(client, number, sql, patience.timeout, deadline).await? {
        let blockers = blockers::since(client, patience.timeout, deadline).await?;
        if give_up.remaining() <= patience.pause {
            return Err(OpenError::TablesInUse {
                version: number,
                waited: patience.give_up_after,
                blockers,
            });
        }
        tracing::warn!(
            version = number,
            blockers,
            "a migration waits for tables that others use, and tries again"
        );
        tokio::time::sleep(patience.pause).await;
    }
    Ok(())
}

/// Whether a migration got the tables that it alters. If it did, it is done.
async fn try_step(
    client: &mut Client,
    number: u32,
    sql: &str,
    lock_timeout: Duration,
    deadline: Deadline,
) -> Result<bool, StoreError> {
    let attempt = async {
        let transaction = client.transaction().await?;
        let timeout = format!("SET LOCAL lock_timeout = {}", lock_timeout.as_millis());
        transaction.batch_execute(&timeout).await?;
        transaction.batch_execute(sql).await?;
        let note = "INSERT INTO schema_migrations (version) VALUES ($1::bigint)";
        transaction.execute(note, &[&i64::from(number)]).await?;
        transaction.commit().await
    };
    match tokio::time::timeout_at(deadline.instant().into(), attempt).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) if error.code().is_some_and(is_of_locks) => Ok(false),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(StoreError::Timeout { store: STORE }),
    }
}

/// Whether a statement failed for what others hold. One that has a table and waits for another can be the victim of a
/// deadlock, too.
fn is_of_locks(code: &SqlState) -> bool {
    [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
}

/// Refuses a schema that is older than this binary needs, or newer than it understands.
pub async fn check_schema(pool: &PostgresPool) -> Result<(), OpenError> {
    let deadline = Deadline::after(LOOK_WITHIN);
    let client = pool.client(deadline).await?;
    let found = version(&client, deadline).await?;
    match found {
        _ if found < needed() => Err(OpenError::SchemaTooOld {
            found,
            needed: needed(),
        }),
        _ if found > needed() + UNDERSTOOD_AHEAD => Err(OpenError::SchemaTooNew { found, known: needed() }),
        _ => Ok(()),
    }
}

async fn version(client: &Client, deadline: Deadline) -> Result<u32, StoreError> {
    let there = "SELECT to_regclass('schema_migrations') IS NOT NULL";
    if !within(deadline, client.query_one(there, &[])).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let newest = "SELECT coalesce(max(version), 0) FROM schema_migrations";
    let newest: i32 = within(deadline, client.query_one(newest, &[])).await?.get(0);
    Ok(u32::try_from(newest).unwrap_or(0))
}

/// The life of the store: what a cache holds of another one counts as absent.
pub async fn epoch(pool: &PostgresPool, deadline: Deadline) -> Result<u64, StoreError> {
    let client = pool.client(deadline).await?;
    let row = query_one(&client, deadline, "SELECT epoch FROM store_epoch", &[]).await?;
    Ok(sql::number(row.get(0)))
}

/// Begins a new epoch, after the database was restored to an earlier point: whatever a cache holds of the one before
/// counts as absent. Answers its number, which is the time, so that no two restores from one backup share one. Numbers of
/// accounts go on from the time too, so that none is given out that an account had which the restore has undone.
pub async fn new_epoch(pool: &PostgresPool) -> Result<u64, OpenError> {
    let deadline = Deadline::after(LOOK_WITHIN);
    let mut client = pool.client(deadline).await?;
    let transaction = within(deadline, client.transaction()).await?;
    let leases = "SELECT count(*) FROM ingest_workers WHERE expires_at > clock_timestamp()";
    let processes: i64 = within(deadline, transaction.query_one(leases, &[])).await?.get(0);
    if processes > 0 {
        return Err(OpenError::ServicesRun { processes });
    }
    let raise = "UPDATE store_epoch
        SET epoch = greatest(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        RETURNING epoch";
    let epoch: i64 = within(deadline, transaction.query_one(raise, &[])).await?.get(0);
    // Every node of Redis gets a generation that no key carries.
    within(deadline, transaction.execute(BEGIN_EPOCH, &[])).await?;
    within(deadline, transaction.execute("DELETE FROM node_generations", &[])).await?;
    within(deadline, transaction.execute(MOVE_USER_IDS, &[])).await?;
    within(deadline, transaction.commit()).await?;
    Ok(sql::number(epoch))
}

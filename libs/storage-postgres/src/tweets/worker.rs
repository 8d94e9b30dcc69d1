//! Who draws ids: a worker id, leased, and a floor, committed.
//!
//! **Nobody shares a worker id.** A process holds one by a row of `ingest_workers` that ends unless it is renewed, by the
//! server's clock. Every batch updates that row, in its own transaction and only if the lease has not ended; so a process
//! that was stopped for long, and whose id somebody else may have by now, commits nothing. A row that has ended is cleared
//! by whoever leases next, and now and then by everybody who accepts tweets.
//!
//! **Nothing comes in below [`storage::Settled::below`]**, although tweets are committed by many processes, and drawn before they are
//! committed; and no clock need be right for that:
//!
//! - A row's *floor* is an id up to which its process has committed everything, or never will. A batch is committed only
//!   if all its ids lie above the floor, and raises the floor to its highest in the same commit: that holds for a batch
//!   too that was given up and arrives at the server after a later one. An idle process raises its floor now and then to
//!   right below what its clock draws next, and its generator draws nothing at or below.
//! - It is taken in one snapshot: the lowest of all floors (plus one) and of all accepted tweets that are neither done
//!   nor set aside. A tweet that is committed later comes from a row of that snapshot, and then lies above that row's floor; or
//!   from a row that was not there yet.
//! - Who gets a new row reads the highest floor of all, and of all that ever were (`ingest_high_water`), *after* the row
//!   is committed, and draws nothing at or below it. A snapshot without the row is older than that reading, floors only
//!   rise, and what is settled in it is at most one above the lowest floor of its time. A snapshot with the row is held
//!   down by it, since it begins no higher than its process draws.
//! - A row goes by `DELETE`, which waits for a batch that holds its lock, and leaves its floor in the high-water mark in
//!   the same commit: a snapshot finds the floor in one place or the other.
//!
//! A process that dies holds it back until its lease has ended: readers list more ids in their marks
//! meanwhile, and miss nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::GenericClient;
use model::{Clock, Snowflake, TweetId, WorkerId};
use storage::{Deadline, StoreError};
use uuid::Uuid;

use super::STORE;
use crate::ask::{Parameters, execute, query_one, query_opt, within};
use crate::pool::PostgresPool;
use crate::sql;

/// How long a lease holds, by the server's clock.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// A process believes in its lease for less long than the server does.
const MARGIN: Duration = Duration::from_secs(2);
const ASK_WITHIN: Duration = Duration::from_secs(4);

/// A clock that is this far ahead of the server's keeps others from drawing once this process has gone.
const CLOCK_AHEAD_MS: u64 = 2_000;

const LOCK: i64 = 0x77_6f_72_6b_65_72;
const WORKERS: i32 = 1_024;

pub(super) const HIGHEST: &str =
    "SELECT greatest((SELECT max(floor) FROM ingest_workers), (SELECT id FROM ingest_high_water)),
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

const ENTER: &str = "INSERT INTO ingest_workers (worker_id, holder, floor, expires_at)
    SELECT free.id, $1, $2, clock_timestamp() + $3::double precision * interval '1 second'
    FROM generate_series(0, $4::integer - 1) AS free (id)
    WHERE NOT EXISTS (SELECT FROM ingest_workers AS held WHERE held.worker_id = free.id)
    ORDER BY free.id LIMIT 1
    RETURNING worker_id";

const RENEW: &str = "UPDATE ingest_workers
    SET floor = greatest(floor, $3), expires_at = clock_timestamp() + $4::double precision * interval '1 second'
    WHERE worker_id = $1 AND holder = $2 AND expires_at > clock_timestamp()";

const GIVE_BACK: &str = "WITH gone AS (
        DELETE FROM ingest_workers WHERE worker_id = $1 AND holder = $2 RETURNING floor
    )
    UPDATE ingest_high_water SET id = greatest(id, floor) FROM gone";

/// Waits for a batch that is just committing under an ended lease.
const CLEAR: &str = "WITH gone AS (
        DELETE FROM ingest_workers WHERE expires_at <= clock_timestamp() RETURNING floor
    ), highest AS (
        SELECT max(floor) AS floor FROM gone
    )
    UPDATE ingest_high_water SET id = greatest(id, floor) FROM highest WHERE floor IS NOT NULL";

/// A worker id, for as long as the lease is renewed.
pub(super) struct Lease {
    pub(super) worker: i16,
    pub(super) holder: Uuid,
    /// The last renewal was asked for then.
    asked: Instant,
}

impl Lease {
    /// Takes a worker id, and a generator that draws nothing that anybody may take for settled.
    pub(super) async fn take(pool: &PostgresPool, clock: &Arc<dyn Clock>) -> Result<(Self, Snowflake), StoreError> {
        let deadline = Deadline::after(ASK_WITHIN);
        let lease = Self::enter(pool, deadline).await?;
        let client = pool.client(deadline).await?;
        let highest = query_one(&client, deadline, HIGHEST, &[]).await?;
        warn_of_clock(&**clock, sql::number(highest.get(1)));
        let worker = u16::try_from(lease.worker).ok().and_then(|id| WorkerId::new(id).ok());
        let worker = worker.expect("ids are taken from 0 to 1,023");
        tracing::info!(worker = lease.worker, "a worker id was leased");
        let ids = Snowflake::new(Arc::clone(clock), worker, sql::tweet(highest.get(0)));
        Ok((lease, ids))
    }

    async fn enter(pool: &PostgresPool, deadline: Deadline) -> Result<Self, StoreError> {
        let mut client = pool.client(deadline).await?;
        let asked = Instant::now();
        let holder = Uuid::new_v4();
        let transaction = within(deadline, client.transaction()).await?;
        clear_ended(&transaction, deadline).await?;
        let floor: i64 = query_one(&transaction, deadline, HIGHEST, &[]).await?.get(0);
        let row = query_opt(
            &transaction,
            deadline,
            ENTER,
            &[&holder, &floor, &LEASE.as_secs_f64(), &WORKERS],
        )
        .await?
        .ok_or_else(|| StoreError::unavailable(STORE, "all 1,024 worker ids are taken"))?;
        within(deadline, transaction.commit()).await?;
        Ok(Self {
            worker: row.get(0),
            holder,
            asked,
        })
    }

    /// Whether it still holds for certain.
    pub(super) fn holds(&self) -> bool {
        self.asked.elapsed() < LEASE.saturating_sub(MARGIN)
    }

    /// When it should be renewed.
    pub(super) fn is_due(&self) -> bool {
        self.asked.elapsed() >= RENEW_EVERY
    }

    /// It was renewed, by something that was asked for at this moment.
    pub(super) fn renewed(&mut self, asked: Instant) {
        self.asked = self.asked.max(asked);
    }

    /// Renews it, and raises the floor. `false` when it has ended.
    pub(super) async fn renew(&mut self, pool: &PostgresPool, floor: TweetId) -> Result<bool, StoreError> {
        let deadline = Deadline::after(ASK_WITHIN);
        let client = pool.client(deadline).await?;
        let asked = Instant::now();
        let floor = sql::column(floor.get());
        let parameters: Parameters<'_> = &[&self.worker, &self.holder, &floor, &LEASE.as_secs_f64()];
        let holds = execute(&client, deadline, RENEW, parameters).await? == 1;
        if holds {
            self.renewed(asked);
        }
        Ok(holds)
    }

    /// Gives it back, if nobody else has it.
    pub(super) async fn give_back(self, pool: &PostgresPool) -> Result<(), StoreError> {
        let deadline = Deadline::after(ASK_WITHIN);
        let client = pool.client(deadline).await?;
        execute(&client, deadline, GIVE_BACK, &[&self.worker, &self.holder]).await?;
        Ok(())
    }
}

fn warn_of_clock(clock: &dyn Clock, server_ms: u64) {
    let ahead_ms = clock.unix_ms().saturating_sub(server_ms);
    if ahead_ms > CLOCK_AHEAD_MS {
        tracing::warn!(
            ahead_ms,
            "this machine's clock is ahead of the database server's: ids will be too"
        );
    }
}

/// Clears leases that have ended. One at a time does: leases are taken one after the other.
async fn clear_ended(transaction: &impl GenericClient, deadline: Deadline) -> Result<(), StoreError> {
    execute(transaction, deadline, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    execute(transaction, deadline, CLEAR, &[]).await?;
    Ok(())
}

/// Clears leases that have ended, so that a process that died holds nothing back until somebody leases again.
pub(super) async fn sweep(pool: &PostgresPool) -> Result<(), StoreError> {
    let deadline = Deadline::after(ASK_WITHIN);
    let mut client = pool.client(deadline).await?;
    let transaction = within(deadline, client.transaction()).await?;
    clear_ended(&transaction, deadline).await?;
    within(deadline, transaction.commit()).await
}

//! The books as a whole, and what is added to them.

use model::TweetId;
use storage::{BookTotals, Books, ClosedRange, Deadline, StoreError, Tally};
use tokio_postgres::Row;

use crate::ask::{execute, query_one, query_opt};
use crate::pool::PostgresPool;
use crate::sql;

/// Chunks that are looked at for what is pending.
const PENDING_AT_MOST: i64 = 200_000;

/// Also of modes that a later build writes.
pub(crate) const TALLY: &str = "SELECT count(*), coalesce(sum(expected), 0)::bigint, coalesce(sum(written), 0)::bigint,
        coalesce(sum(skipped), 0)::bigint, coalesce(sum(unfollowed), 0)::bigint,
        coalesce(sum(abs(expected - written - skipped)), 0)::bigint
    FROM deliveries WHERE tweet > $1 AND tweet <= $2 AND finished_at_ms IS NOT NULL";

pub(crate) const PENDING: &str = "SELECT coalesce(sum(expected), 0)::bigint FROM (
        SELECT expected FROM delivery_chunks WHERE finished_at_ms IS NULL ORDER BY due_at LIMIT $1
    ) AS pending";

pub(crate) const READ: &str = "SELECT closed, closed_at_ms, accepted, aside, difference,
        done, expected, written, skipped, unfollowed, deliveries_difference
    FROM delivery_books";

pub(crate) const BEGIN: &str =
    "INSERT INTO delivery_books (closed, closed_at_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// Two who close the same range: the second waits for the first, and then does not find where it began.
pub(crate) const CLOSE: &str = "UPDATE delivery_books SET closed = $2, closed_at_ms = $3, accepted = accepted + $4,
        aside = aside + $5, difference = difference + $6, done = done + $7, expected = expected + $8,
        written = written + $9, skipped = skipped + $10, unfollowed = unfollowed + $11,
        deliveries_difference = deliveries_difference + $12
    WHERE closed = $1";

/// A tally, from this column on.
fn tally_at(row: &Row, at: usize) -> Tally {
    let number = |column: usize| sql::number(row.get(at + column));
    Tally {
        done: number(0),
        expected: number(1),
        written: number(2),
        skipped: number(3),
        unfollowed: number(4),
        difference: number(5),
    }
}

/// What the finished records of a range come to.
pub(super) async fn tally(
    pool: &PostgresPool,
    above: TweetId,
    up_to: TweetId,
    deadline: Deadline,
) -> Result<Tally, StoreError> {
    let client = pool.client(deadline).await?;
    let (above, up_to) = (sql::column(above.get()), sql::column(up_to.get()));
    let row = query_one(&client, deadline, TALLY, &[&above, &up_to]).await?;
    Ok(tally_at(&row, 0))
}

/// Followers in unfinished chunks.
pub(super) async fn pending(pool: &PostgresPool, deadline: Deadline) -> Result<u64, StoreError> {
    let client = pool.client(deadline).await?;
    let row = query_one(&client, deadline, PENDING, &[&PENDING_AT_MOST]).await?;
    Ok(sql::number(row.get(0)))
}

/// The books.
pub(super) async fn read(pool: &PostgresPool, deadline: Deadline) -> Result<Option<Books>, StoreError> {
    let client = pool.client(deadline).await?;
    let row = query_opt(&client, deadline, READ, &[]).await?;
    Ok(row.as_ref().map(|row| {
        let number = |column: usize| sql::number(row.get(column));
        Books {
            closed: sql::tweet(row.get(0)),
            closed_at_ms: number(1),
            totals: BookTotals {
                accepted: number(2),
                aside: number(3),
                difference: number(4),
                tally: tally_at(row, 5),
            },
        }
    }))
}

/// Begins them, unless they have begun.
pub(super) async fn begin(
    pool: &PostgresPool,
    closed: TweetId,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let client = pool.client(deadline).await?;
    let (closed, now_ms) = (sql::column(closed.get()), sql::column(now_ms));
    execute(&client, deadline, BEGIN, &[&closed, &now_ms]).await?;
    Ok(())
}

/// Adds a range; `false` if they do not end where it begins.
pub(super) async fn close(
    pool: &PostgresPool,
    range: &ClosedRange,
    now_ms: u64,
    deadline: Deadline,
) -> Result<bool, StoreError> {
    let BookTotals {
        accepted,
        aside,
        difference,
        tally,
    } = range.totals;
    let client = pool.client(deadline).await?;
    let closed = execute(
        &client,
        deadline,
        CLOSE,
        &[
            &sql::column(range.above.get()),
            &sql::column(range.up_to.get()),
            &sql::column(now_ms),
            &sql::column(accepted),
            &sql::column(aside),
            &sql::column(difference),
            &sql::column(tally.done),
            &sql::column(tally.expected),
            &sql::column(tally.written),
            &sql::column(tally.skipped),
            &sql::column(tally.unfollowed),
            &sql::column(tally.difference),
        ],
    )
    .await?;
    Ok(closed == 1)
}

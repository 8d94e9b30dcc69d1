//! The books as a whole, and what is added to them.

use model::TweetId;
use rusqlite::{Connection, OptionalExtension, Row};
use storage::{BookTotals, Books, ClosedRange, Tally};

use crate::sql;

/// Chunks that are looked at for what is pending.
const PENDING_AT_MOST: u64 = 200_000;

/// What the finished records of a range come to.
pub(super) fn tally(connection: &Connection, above: TweetId, up_to: TweetId) -> rusqlite::Result<Tally> {
    connection
        .prepare_cached(
            "SELECT count(*), ifnull(sum(expected), 0), ifnull(sum(written), 0), ifnull(sum(skipped), 0),
                 ifnull(sum(unfollowed), 0), ifnull(sum(abs(expected - written - skipped)), 0)
             FROM deliveries WHERE tweet > ?1 AND tweet <= ?2 AND finished_at_ms IS NOT NULL",
        )?
        .query_row([sql::column(above.get()), sql::column(up_to.get())], |row| {
            tally_at(row, 0)
        })
}

/// A tally, from this column on.
fn tally_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Tally> {
    let number = |column: usize| row.get(at + column).map(sql::number);
    Ok(Tally {
        done: number(0)?,
        expected: number(1)?,
        written: number(2)?,
        skipped: number(3)?,
        unfollowed: number(4)?,
        difference: number(5)?,
    })
}

/// Followers in unfinished chunks.
pub(super) fn pending(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT ifnull(sum(expected), 0)
             FROM (SELECT expected FROM chunks WHERE finished_at_ms IS NULL ORDER BY due_at_ms LIMIT ?1)",
        )?
        .query_row([sql::column(PENDING_AT_MOST)], |row| row.get(0).map(sql::number))
}

/// The books.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Books>> {
    connection
        .prepare_cached(
            "SELECT closed, closed_at_ms, accepted, aside, difference,
                 done, expected, written, skipped, unfollowed, deliveries_difference
             FROM books",
        )?
        .query_row([], |row| {
            let number = |column: usize| row.get(column).map(sql::number);
            let totals = BookTotals {
                accepted: number(2)?,
                aside: number(3)?,
                difference: number(4)?,
                tally: tally_at(row, 5)?,
            };
            Ok(Books {
                closed: row.get(0).map(sql::tweet)?,
                closed_at_ms: number(1)?,
                totals,
            })
        })
        .optional()
}

/// Begins them, unless they have begun.
pub(super) fn begin(connection: &Connection, closed: TweetId, now_ms: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO books (id, closed, closed_at_ms) VALUES (1, ?1, ?2)")?
        .execute([sql::column(closed.get()), sql::column(now_ms)])?;
    Ok(())
}

/// Adds a range; `false` if they do not end where it begins.
pub(super) fn close(connection: &Connection, range: &ClosedRange, now_ms: u64) -> rusqlite::Result<bool> {
    let BookTotals {
        accepted,
        aside,
        difference,
        tally,
    } = range.totals;
    let numbers = [
        range.above.get(),
        range.up_to.get(),
        now_ms,
        accepted,
        aside,
        difference,
        tally.done,
        tally.expected,
        tally.written,
        tally.skipped,
        tally.unfollowed,
        tally.difference,
    ];
    let closed = connection
        .prepare_cached(
            "UPDATE books SET closed = ?2, closed_at_ms = ?3, accepted = accepted + ?4, aside = aside + ?5,
                 difference = difference + ?6, done = done + ?7, expected = expected + ?8, written = written + ?9,
                 skipped = skipped + ?10, unfollowed = unfollowed + ?11,
                 deliveries_difference = deliveries_difference + ?12
             WHERE closed = ?1",
        )?
        .execute(numbers.map(sql::column))?;
    Ok(closed == 1)
}

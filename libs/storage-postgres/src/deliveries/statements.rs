//! The statements, each over many tweets at once. Rows are written by tweet, so that two who write the same tweets never
//! wait for each other in a circle.

pub(crate) const GET: &str =
    "SELECT tweet, author, mode, expected, written, skipped, unfollowed, accepted_at_ms, finished_at_ms
    FROM deliveries WHERE tweet = ANY($1)";

pub(crate) const CHUNK_OF: &str = "SELECT number, after_user, last_user, expected, tries, due_at = 'infinity',
        written, skipped, finished_at_ms
    FROM delivery_chunks WHERE tweet = $1 AND coalesce(after_user, 0) < $2 AND last_user >= $2
    ORDER BY number LIMIT 1";

pub(crate) const RECORD: &str = "INSERT INTO deliveries
        (tweet, author, mode, expected, written, skipped, unfollowed, accepted_at_ms, finished_at_ms)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[], $8::bigint[], $9::bigint[]) AS done (tweet)
    ORDER BY tweet
    ON CONFLICT (tweet) DO NOTHING";

/// A rest reaches up to the highest id.
pub(crate) const OPEN: &str = "WITH opened AS (
        INSERT INTO deliveries (tweet, author, mode, expected, written, skipped, accepted_at_ms, chunks_left)
        SELECT tweet, author, mode, 0, 0, 0, accepted_at_ms, 1
        FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[])
            AS plan (tweet, author, mode, accepted_at_ms)
        ORDER BY tweet
        ON CONFLICT (tweet) DO NOTHING
        RETURNING tweet
    )
    INSERT INTO delivery_chunks (tweet, number, last_user, expected)
    SELECT tweet, 0, 9223372036854775807, 0 FROM opened";

/// After [`LOCK`]: nobody else cuts, or finishes, while this looks.
pub(crate) const CUT: &str = "WITH planned AS (
        INSERT INTO delivery_chunks (tweet, number, after_user, last_user, expected, due_at)
        SELECT $1, chunk.*, CASE WHEN last_user < 9223372036854775807 THEN clock_timestamp() ELSE 'epoch' END
        FROM unnest($2::integer[], $3::bigint[], $4::bigint[], $5::bigint[])
            AS chunk (number, after_user, last_user, expected)
        WHERE EXISTS (
            SELECT FROM delivery_chunks WHERE tweet = $1 AND number = ($2::integer[])[1]
                AND last_user = 9223372036854775807 AND finished_at_ms IS NULL
        )
        ON CONFLICT (tweet, number) DO UPDATE
        SET last_user = excluded.last_user, expected = excluded.expected, due_at = excluded.due_at
        RETURNING expected
    ), sums AS (
        SELECT count(*) AS chunks, sum(expected)::bigint AS expected FROM planned
    )
    UPDATE deliveries AS record
    SET expected = record.expected + sums.expected, chunks_left = record.chunks_left + sums.chunks - 1
    FROM sums WHERE record.tweet = $1 AND sums.chunks > 0";

/// What somebody else is just taking is passed over: who leases never waits. What has been tried too often is due never.
/// Modes that a later build writes are left to it.
pub(crate) const LEASE: &str = "WITH due AS MATERIALIZED (
        SELECT tweet, number FROM delivery_chunks
        WHERE finished_at_ms IS NULL AND due_at <= clock_timestamp()
            AND EXISTS (SELECT FROM deliveries AS record WHERE record.tweet = delivery_chunks.tweet AND mode IN (0, 1, 2))
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE delivery_chunks AS chunk
        SET tries = chunk.tries + 1, due_at = CASE WHEN chunk.tries < $2::integer
            THEN clock_timestamp() + $1::double precision * interval '1 second' ELSE 'infinity' END
        FROM due WHERE chunk.tweet = due.tweet AND chunk.number = due.number
        RETURNING chunk.tweet, chunk.number, after_user, last_user, expected, chunk.tries - 1 AS tries
    )
    SELECT taken.tweet, author, mode, number, after_user, last_user, taken.expected, tries
    FROM taken JOIN deliveries ON deliveries.tweet = taken.tweet";

pub(crate) const RENEW: &str = "UPDATE delivery_chunks
    SET due_at = clock_timestamp() + $3::double precision * interval '1 second'
    WHERE tweet = $1 AND number = $2 AND finished_at_ms IS NULL";

pub(crate) const GIVE_BACK: &str = "UPDATE delivery_chunks
    SET due_at = clock_timestamp(), tries = tries - $3
    WHERE tweet = $1 AND number = $2 AND finished_at_ms IS NULL";

pub(crate) const LIST_ASIDE: &str =
    "SELECT chunk.tweet, author, mode, number, after_user, last_user, chunk.expected, tries
    FROM delivery_chunks AS chunk JOIN deliveries ON deliveries.tweet = chunk.tweet
    WHERE chunk.finished_at_ms IS NULL AND due_at = 'infinity' LIMIT $1";

pub(crate) const REPLAY_ASIDE: &str = "UPDATE delivery_chunks SET due_at = clock_timestamp(), tries = 0
    WHERE finished_at_ms IS NULL AND due_at = 'infinity'";

/// Before [`CUT`] and [`FINISH`]: two who finish the last two chunks would each see the other's as unfinished.
pub(crate) const LOCK: &str = "SELECT tweet FROM deliveries WHERE tweet = ANY($1) ORDER BY tweet FOR UPDATE";

/// Gives chunks that have none their figures, adds these to the records, and finishes records that have no chunk left.
pub(crate) const FINISH: &str = "WITH taken AS (
        UPDATE delivery_chunks AS chunk
        SET written = done.written, skipped = done.skipped, unfollowed = done.unfollowed,
            finished_at_ms = done.finished_at_ms
        FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
            AS done (tweet, number, written, skipped, unfollowed, finished_at_ms)
        WHERE chunk.tweet = done.tweet AND chunk.number = done.number AND chunk.finished_at_ms IS NULL
        RETURNING chunk.tweet, chunk.written, chunk.skipped, chunk.unfollowed, chunk.finished_at_ms
    ), sums AS (
        SELECT tweet, count(*) AS chunks, sum(written)::bigint AS written, sum(skipped)::bigint AS skipped,
            sum(unfollowed)::bigint AS unfollowed, max(finished_at_ms) AS finished_at_ms
        FROM taken GROUP BY tweet
    )
    UPDATE deliveries AS record
    SET written = record.written + sums.written, skipped = record.skipped + sums.skipped,
        unfollowed = record.unfollowed + sums.unfollowed,
        chunks_left = record.chunks_left - sums.chunks,
        finished_at_ms = CASE WHEN record.chunks_left = sums.chunks THEN sums.finished_at_ms END
    FROM sums WHERE record.tweet = sums.tweet";

pub(crate) const FINISHED: &str =
    "SELECT tweet FROM deliveries WHERE tweet = ANY($1) AND finished_at_ms IS NOT NULL ORDER BY tweet";

/// An array, so that the planner does not take `limit` for a share of the table.
pub(crate) const PRUNE: &str = "WITH gone AS (
        DELETE FROM deliveries WHERE tweet = ANY (ARRAY(
            SELECT tweet FROM deliveries WHERE finished_at_ms < $1 ORDER BY finished_at_ms LIMIT $2
        )) RETURNING tweet
    ), chunks AS (
        DELETE FROM delivery_chunks WHERE tweet = ANY (ARRAY(SELECT tweet FROM gone))
    )
    SELECT count(*) FROM gone";

-- The books as a whole: totals of the ranges of ids that are closed, which outlive the records they were counted from.
-- An older binary neither reads nor writes them: it is counted by the records that it writes.
CREATE TABLE delivery_books (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    closed bigint NOT NULL,
    closed_at_ms bigint NOT NULL,
    accepted bigint NOT NULL DEFAULT 0,
    aside bigint NOT NULL DEFAULT 0,
    difference bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    expected bigint NOT NULL DEFAULT 0,
    written bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    unfollowed bigint NOT NULL DEFAULT 0,
    deliveries_difference bigint NOT NULL DEFAULT 0
);
-- Those of the skipped that follow no longer. An older binary counts them among the skipped alone.
ALTER TABLE deliveries ADD COLUMN unfollowed bigint NOT NULL DEFAULT 0;
ALTER TABLE delivery_chunks ADD COLUMN unfollowed bigint;

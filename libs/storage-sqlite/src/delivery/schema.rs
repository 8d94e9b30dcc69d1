//! The tables of `deliveries.db`.

/// The partial indexes are what pruning and leasing go by. `books` has one row, once they have begun.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE deliveries (
    tweet INTEGER PRIMARY KEY,
    author INTEGER NOT NULL,
    mode TEXT NOT NULL,
    expected INTEGER NOT NULL,
    written INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    chunks_left INTEGER NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    finished_at_ms INTEGER
) STRICT;
CREATE INDEX deliveries_finished ON deliveries (finished_at_ms) WHERE finished_at_ms IS NOT NULL;

CREATE TABLE chunks (
    tweet INTEGER NOT NULL,
    number INTEGER NOT NULL,
    after INTEGER,
    last INTEGER NOT NULL,
    expected INTEGER NOT NULL,
    written INTEGER,
    skipped INTEGER,
    finished_at_ms INTEGER,
    PRIMARY KEY (tweet, number)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE chunks ADD COLUMN due_at_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX chunks_due ON chunks (due_at_ms) WHERE finished_at_ms IS NULL;
",
    "ALTER TABLE chunks ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;",
    "
ALTER TABLE deliveries ADD COLUMN unfollowed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chunks ADD COLUMN unfollowed INTEGER;

CREATE TABLE books (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    closed INTEGER NOT NULL,
    closed_at_ms INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,
    aside INTEGER NOT NULL DEFAULT 0,
    difference INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    expected INTEGER NOT NULL DEFAULT 0,
    written INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    unfollowed INTEGER NOT NULL DEFAULT 0,
    deliveries_difference INTEGER NOT NULL DEFAULT 0
) STRICT;
",
];

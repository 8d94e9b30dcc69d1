//! The tables of `tweets.db`.

/// Rows of `tweets` are never removed, so the largest id is the last one drawn. The index holds what is visible alone.
/// Its entries end in the rowid, which is the id, and its condition is a column of it, so that pages of an author are read
/// from it without touching the rows.
///
/// `events` is the outbox. Consumers do not remove from it one by one: a group has a position, and what lies below those
/// of all groups goes in bulk.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE tweets (
    id INTEGER PRIMARY KEY,
    author INTEGER NOT NULL,
    handle TEXT NOT NULL,
    display_name TEXT NOT NULL,
    text TEXT NOT NULL,
    in_reply_to INTEGER,
    deleted_at_ms INTEGER
) STRICT;
CREATE INDEX tweets_by_author ON tweets (author, deleted_at_ms) WHERE deleted_at_ms IS NULL;

CREATE TABLE authors (
    author INTEGER PRIMARY KEY,
    tweets_count INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    format INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    tweet INTEGER NOT NULL,
    author INTEGER NOT NULL,
    tweets_count INTEGER NOT NULL,
    tweets_version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    trace TEXT
) STRICT;

CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    sequence INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    tweet INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (account, operation, key)
) STRICT;
"];

//! The graph file.

pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE users (
    -- Rows are never removed, so numbers are dense and never used again.
    id INTEGER PRIMARY KEY,
    handle TEXT NOT NULL,
    handle_folded TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    password_hash TEXT,
    credential_version INTEGER NOT NULL DEFAULT 1,
    actor_version INTEGER NOT NULL DEFAULT 0,
    followers_count INTEGER NOT NULL DEFAULT 0,
    following_count INTEGER NOT NULL DEFAULT 0,
    tweets_count INTEGER NOT NULL DEFAULT 0,
    tweets_version INTEGER NOT NULL DEFAULT 0,
    deleted_at_ms INTEGER,
    purged INTEGER NOT NULL DEFAULT 0
) STRICT;
-- Small counts change with every follow and are never asked for: only authors worth a look are indexed.
CREATE INDEX users_by_followers ON users (followers_count) WHERE followers_count >= 64;
CREATE INDEX users_deleted ON users (id) WHERE deleted_at_ms IS NOT NULL;
CREATE INDEX users_to_purge ON users (id) WHERE deleted_at_ms IS NOT NULL AND purged = 0;
CREATE INDEX users_with_new_passwords ON users (id) WHERE credential_version > 1;

-- Both directions, so that each is read in key order. Tombstones stay in `following`, with their version.
CREATE TABLE following (
    follower INTEGER NOT NULL, followee INTEGER NOT NULL, version INTEGER NOT NULL, present INTEGER NOT NULL,
    PRIMARY KEY (follower, followee)
) STRICT, WITHOUT ROWID;
CREATE TABLE followers (
    followee INTEGER NOT NULL, follower INTEGER NOT NULL,
    PRIMARY KEY (followee, follower)
) STRICT, WITHOUT ROWID;
CREATE TABLE mutes (
    actor INTEGER NOT NULL, target INTEGER NOT NULL, version INTEGER NOT NULL, present INTEGER NOT NULL,
    PRIMARY KEY (actor, target)
) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (
    actor INTEGER NOT NULL, target INTEGER NOT NULL, version INTEGER NOT NULL, present INTEGER NOT NULL,
    PRIMARY KEY (actor, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_by_target ON blocks (target, actor) WHERE present = 1;

-- The newest row is never removed, so positions are never given again.
CREATE TABLE changes (
    position INTEGER PRIMARY KEY,
    actor INTEGER NOT NULL, version INTEGER NOT NULL, kind INTEGER NOT NULL, target INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE idempotency (
    sequence INTEGER PRIMARY KEY,
    account INTEGER NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL, body_digest BLOB NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (account, operation, key)
) STRICT;
CREATE TABLE revoked (
    token_id TEXT PRIMARY KEY, user INTEGER NOT NULL, credential_version INTEGER NOT NULL,
    expires_at_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_by_end ON revoked (expires_at_s);

-- One row, which counts versions from the start; the strategy is NULL until it is set for the first time.
CREATE TABLE rules (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    version INTEGER NOT NULL, strategy TEXT, pull_threshold INTEGER, push_threshold INTEGER
) STRICT;
INSERT INTO rules (only_row, version) VALUES (1, 0);
-- Subject 0 is everyone. `pulled` is a list of [from, until], `until` null while open.
CREATE TABLE delivery (
    subject INTEGER PRIMARY KEY, phase TEXT NOT NULL, pulled TEXT NOT NULL, changed_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE imports (source TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"];

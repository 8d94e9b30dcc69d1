//! The graph file.

pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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

CREATE TABLE changes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    actor INTEGER NOT NULL, version INTEGER NOT NULL, kind INTEGER NOT NULL, target INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE idempotency (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL, body_digest BLOB NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (account, operation, key)
) STRICT;
CREATE TABLE revoked (
    token_id TEXT PRIMARY KEY, user INTEGER NOT NULL, credential_version INTEGER NOT NULL,
    expires_at_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rules (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    strategy TEXT NOT NULL, pull_threshold INTEGER NOT NULL, push_threshold INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
-- Subject 0 is everyone.
CREATE TABLE delivery (subject INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;
CREATE TABLE imports (source TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"];

-- Accounts, edges, and how authors are delivered.
--
-- Distribution: accounts and the edges that are theirs by account (follows, mutes and blocks by who made them; followers by
-- whom they follow), the rest is small. Each primary key begins with the column to spread by. Ids of accounts are numbered
-- from 1; a sign-up that is refused late leaves a gap.

CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handle text NOT NULL,
    handle_folded text NOT NULL UNIQUE,
    display_name text NOT NULL,
    created_at_ms bigint NOT NULL,
    password_hash text,
    credential_version bigint NOT NULL DEFAULT 1,
    actor_version bigint NOT NULL DEFAULT 0,
    -- Whom an account follows is its own doing, under the lock of its own row. Who follow it is the doing of many: their
    -- changes are appended to follower_count_deltas, and folded.
    following_count bigint NOT NULL DEFAULT 0,
    followers_count bigint NOT NULL DEFAULT 0,
    tweets_count bigint NOT NULL DEFAULT 0,
    tweets_version bigint NOT NULL DEFAULT 0,
    deleted_at_ms bigint,
    purged boolean NOT NULL DEFAULT false
) WITH (fillfactor = 85);
-- Small counts change often and are never asked for: only authors worth a look are indexed.
CREATE INDEX users_by_followers ON users (followers_count) WHERE followers_count >= 64;
CREATE INDEX users_deleted ON users (id) WHERE deleted_at_ms IS NOT NULL;
CREATE INDEX users_to_purge ON users (id) WHERE deleted_at_ms IS NOT NULL AND NOT purged;
CREATE INDEX users_with_new_passwords ON users (id) WHERE credential_version > 1;

CREATE TABLE follower_count_deltas (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL,
    delta bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX follower_count_deltas_of ON follower_count_deltas (user_id);

-- Both directions, so that each is read in key order. Tombstones stay for a time, with their version.
CREATE TABLE follows (
    follower bigint NOT NULL,
    followee bigint NOT NULL,
    version bigint NOT NULL,
    present boolean NOT NULL,
    removed_at_ms bigint,
    -- With this, whom somebody follows is read without looking at rows, which lie all over the table.
    PRIMARY KEY (follower, followee) INCLUDE (version, present)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 1000000);
CREATE INDEX follows_removed ON follows (removed_at_ms) WHERE NOT present;
CREATE TABLE followers (
    followee bigint NOT NULL,
    follower bigint NOT NULL,
    PRIMARY KEY (followee, follower)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 1000000);
CREATE TABLE mutes (
    actor bigint NOT NULL,
    target bigint NOT NULL,
    version bigint NOT NULL,
    present boolean NOT NULL,
    removed_at_ms bigint,
    PRIMARY KEY (actor, target)
);
CREATE INDEX mutes_removed ON mutes (removed_at_ms) WHERE NOT present;
CREATE TABLE blocks (
    actor bigint NOT NULL,
    target bigint NOT NULL,
    version bigint NOT NULL,
    present boolean NOT NULL,
    removed_at_ms bigint,
    PRIMARY KEY (actor, target)
);
CREATE INDEX blocks_removed ON blocks (removed_at_ms) WHERE NOT present;
CREATE INDEX blocks_by_target ON blocks (target, actor) WHERE present;

-- What happened, in commit order. A sequence alone is not the order of commits: a change is unplaced until it is committed
-- and somebody asks, who then places all that are committed.
CREATE TABLE graph_changes (
    position bigint PRIMARY KEY,
    actor bigint NOT NULL,
    version bigint NOT NULL,
    kind smallint NOT NULL,
    target bigint NOT NULL,
    at_ms bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);
CREATE TABLE graph_changes_unplaced (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor bigint NOT NULL,
    version bigint NOT NULL,
    kind smallint NOT NULL,
    target bigint NOT NULL,
    at_ms bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE graph_positions (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    last bigint NOT NULL,
    -- Changes up to here may have been dropped.
    pruned bigint NOT NULL
);
INSERT INTO graph_positions (last, pruned) VALUES (0, 0);

CREATE TABLE account_idempotency_keys (
    account bigint NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    body_digest bytea NOT NULL,
    expires_at_ms bigint NOT NULL,
    PRIMARY KEY (account, operation, key)
);
CREATE INDEX account_idempotency_keys_by_end ON account_idempotency_keys (expires_at_ms);

CREATE TABLE revoked_tokens (
    token_id text PRIMARY KEY,
    user_id bigint NOT NULL,
    credential_version bigint NOT NULL,
    expires_at_s bigint NOT NULL
);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at_s);
CREATE INDEX revoked_tokens_of ON revoked_tokens (user_id);

-- One row, which counts versions from the start; the strategy is NULL until it is set for the first time.
CREATE TABLE delivery_rules (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL,
    strategy text,
    pull_threshold bigint,
    push_threshold bigint
);
INSERT INTO delivery_rules (version) VALUES (0);
-- Subject 0 is everyone. `pulled` is a list of [from, until], `until` null while open.
CREATE TABLE delivery_states (
    subject bigint PRIMARY KEY,
    phase text NOT NULL,
    pulled text NOT NULL,
    changed_at_ms bigint NOT NULL
);

CREATE TABLE graph_imports (
    source text PRIMARY KEY
);

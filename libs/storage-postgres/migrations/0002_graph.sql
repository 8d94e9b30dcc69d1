-- Accounts, edges, and how authors are delivered.
--
-- Distribution: every table that grows with accounts or edges has the column by which it can be spread first in its primary
-- key, with Citus (create_distributed_table) or by native hash partitioning: `users` and what belongs to an account by
-- account, `handles` by handle, `follows`, `mutes` and `blocks` by who made them, `followers` and `blocked_by` by the one
-- they lead to. So a reader's view and an author's followers come from one shard each. The changes have one order and stay
-- on one node; they are kept for an hour.

-- Numbers of accounts, from 1. A sign-up that loses a race for its handle, or a crash, leaves a small gap.
CREATE SEQUENCE user_ids;
-- Folded. Also those of deleted accounts: nobody gets them again.
CREATE TABLE handles (
    handle text PRIMARY KEY,
    user_id bigint NOT NULL
);
-- Written by its own account alone, one change at a time: its lock orders what the account does.
CREATE TABLE users (
    id bigint PRIMARY KEY,
    handle text NOT NULL,
    display_name text NOT NULL,
    created_at_ms bigint NOT NULL,
    password_hash text,
    credential_version bigint NOT NULL DEFAULT 1,
    actor_version bigint NOT NULL DEFAULT 0,
    following_count bigint NOT NULL DEFAULT 0,
    deleted_at_ms bigint,
    -- A transaction that began when no edge of the deleted account was left that anybody could see.
    purge_seen xid8,
    purged boolean NOT NULL DEFAULT false
) WITH (fillfactor = 85);
CREATE INDEX users_deleted ON users (id) WHERE deleted_at_ms IS NOT NULL;
CREATE INDEX users_to_purge ON users (id) WHERE deleted_at_ms IS NOT NULL AND NOT purged;
CREATE INDEX users_with_new_passwords ON users (id) WHERE credential_version > 1;

-- What others do to an account, folded: no follow writes a row of whom it leads to. Absent before the first.
CREATE TABLE user_counts (
    user_id bigint PRIMARY KEY,
    followers bigint NOT NULL DEFAULT 0,
    tweets bigint NOT NULL DEFAULT 0,
    tweets_version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 85);
-- Small counts change often and are never asked for: only authors worth a look are indexed.
CREATE INDEX user_counts_by_followers ON user_counts (followers) WHERE followers >= 64;
-- Appended with each follow, added to what is folded by whoever reads, and folded within seconds.
CREATE TABLE follower_count_deltas (
    user_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    delta bigint NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

-- Both directions, so that each is read in key order, without looking at rows, which lie all over the table. Tombstones
-- stay for a time, with their version.
CREATE TABLE follows (
    follower bigint NOT NULL,
    followee bigint NOT NULL,
    version bigint NOT NULL,
    present boolean NOT NULL,
    removed_at_ms bigint,
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
CREATE TABLE blocked_by (
    target bigint NOT NULL,
    actor bigint NOT NULL,
    PRIMARY KEY (target, actor)
);

-- What happened, in commit order: positions go up by one, and the newest row always stays. `settled`: when the row was
-- placed, every transaction below this one had ended, and all that these had told was placed.
CREATE TABLE graph_changes (
    position bigint PRIMARY KEY,
    actor bigint NOT NULL,
    version bigint NOT NULL,
    kind smallint NOT NULL,
    target bigint NOT NULL,
    at_ms bigint NOT NULL,
    settled xid8 NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);
-- A sequence alone is not the order of commits: a change is unplaced until it is committed and somebody asks, who then
-- places all that are committed. Rows live for an instant, but as long as somebody holds an old snapshot (a backup) the
-- dead ones stay: by their transaction, nobody has to step over them.
CREATE TABLE graph_changes_unplaced (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    actor bigint NOT NULL,
    version bigint NOT NULL,
    kind smallint NOT NULL,
    target bigint NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (xid, id)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);

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
    user_id bigint NOT NULL,
    token_id text NOT NULL,
    credential_version bigint NOT NULL,
    expires_at_s bigint NOT NULL,
    PRIMARY KEY (user_id, token_id)
);
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at_s);

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

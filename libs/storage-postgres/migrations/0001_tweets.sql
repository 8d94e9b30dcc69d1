-- Tweets, what happened to them, and how they were delivered.
--
-- Distribution: every table that grows with tweets has the column in its primary key by which it can be spread, with
-- Citus (create_distributed_table) or by native hash partitioning: tweets and idempotency keys by author or account,
-- delivery records by tweet. A tweet that is asked for by its id alone goes to all shards; ids that readers ask for come
-- from caches first.
-- Native partitioning takes the statements as they are. Citus does not write tables that are spread differently by one
-- statement: there a batch of posts becomes a transaction of one statement a table. The outbox, the leases of worker ids
-- and the appended counts stay small, and on one node.

CREATE TABLE tweets (
    author bigint NOT NULL,
    id bigint NOT NULL,
    handle text NOT NULL,
    display_name text NOT NULL,
    text text NOT NULL,
    in_reply_to bigint,
    deleted_at_ms bigint,
    -- With this, pages need not look at the rows.
    PRIMARY KEY (author, id) INCLUDE (deleted_at_ms)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.0, autovacuum_vacuum_insert_threshold = 1000000);
-- Ids are unique by themselves: workers never share a worker id. The index finds a tweet by id.
CREATE INDEX tweets_by_id ON tweets (id);
CREATE INDEX tweets_deleted ON tweets (deleted_at_ms) WHERE deleted_at_ms IS NOT NULL;

-- Events that fan-out is not done with. Rows come and go quickly: it stays small.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    format smallint NOT NULL,
    kind smallint NOT NULL,
    tweet bigint NOT NULL,
    author bigint NOT NULL,
    trace text,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX outbox_accepted ON outbox (tweet) WHERE kind = 0;

CREATE TABLE idempotency_keys (
    account bigint NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    body_digest bytea NOT NULL,
    tweet bigint NOT NULL,
    expires_at_ms bigint NOT NULL,
    PRIMARY KEY (account, operation, key)
);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (expires_at_ms);

-- How many tweets authors have: changes are appended by whoever posts, and folded by whoever is told.
CREATE TABLE tweet_count_deltas (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author bigint NOT NULL,
    delta bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE tweet_counts (
    author bigint PRIMARY KEY,
    count bigint NOT NULL,
    version bigint NOT NULL,
    taken_version bigint NOT NULL DEFAULT 0
);
CREATE INDEX tweet_counts_changed ON tweet_counts (author) WHERE version > taken_version;

-- Who draws ids, and up to which id everything it has drawn is committed or never will be.
CREATE TABLE ingest_workers (
    worker_id smallint PRIMARY KEY,
    holder uuid NOT NULL,
    floor bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE TABLE ingest_high_water (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id bigint NOT NULL
);
INSERT INTO ingest_high_water (id) VALUES (0);

CREATE TABLE deliveries (
    tweet bigint PRIMARY KEY,
    author bigint NOT NULL,
    mode smallint NOT NULL,
    expected bigint NOT NULL,
    written bigint NOT NULL,
    skipped bigint NOT NULL,
    accepted_at_ms bigint NOT NULL,
    finished_at_ms bigint,
    chunks_left integer NOT NULL DEFAULT 0
);
CREATE INDEX deliveries_finished ON deliveries (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
CREATE TABLE delivery_chunks (
    tweet bigint NOT NULL,
    number integer NOT NULL,
    after_user bigint,
    last_user bigint NOT NULL,
    expected bigint NOT NULL,
    written bigint,
    skipped bigint,
    finished_at_ms bigint,
    -- From when on it is anybody's: when the plan was made, or when the lease of whoever works on it ends.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tweet, number)
);
CREATE INDEX delivery_chunks_due ON delivery_chunks (due_at) WHERE finished_at_ms IS NULL;

-- The life of the store, and of each node of Redis.
CREATE TABLE store_epoch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch bigint NOT NULL
);
INSERT INTO store_epoch (epoch) VALUES (1);
CREATE TABLE node_generations (
    node text PRIMARY KEY,
    incarnation text NOT NULL,
    generation bigint NOT NULL
);
-- From the time on, in milliseconds: above all that an earlier database gave out.
CREATE SEQUENCE generations;
SELECT setval('generations', (extract(epoch FROM clock_timestamp()) * 1000)::bigint);

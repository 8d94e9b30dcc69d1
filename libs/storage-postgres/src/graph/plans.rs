//! That the statements of the graph are answered by indexes.

use std::time::Duration;

use super::{accounts, changes, counts, delivery, edges, idempotency, import, purge, sessions, views};
use crate::plans::{TestDatabase, assert_indexed, server_url};

/// Statements that meet a table that grows. Not among them: [`counts::AUTHORS_WITH_FEW`], which asks for most accounts.
const STATEMENTS: &[(&str, &str)] = &[
    ("find accounts", accounts::FIND),
    ("find by handle", accounts::FIND_BY_HANDLE),
    ("credentials", accounts::CREDENTIALS),
    ("create an account", accounts::CREATE),
    ("lock an account", accounts::LOCK),
    ("delete an account", accounts::DELETE),
    ("pulse", changes::PULSE),
    ("place changes", changes::PLACE),
    ("changes after", changes::AFTER),
    ("append a change", changes::APPEND),
    ("prune changes", changes::PRUNE),
    ("fold counts", counts::FOLD),
    ("followers of", counts::FOLLOWERS),
    ("authors with many", counts::AUTHORS_WITH_MANY),
    ("set tweet counts", counts::SET_TWEETS),
    ("load rules", delivery::LOAD),
    ("set states", delivery::SET_STATES),
    ("look at a follow", edges::LOOK_AT_FOLLOW),
    ("look at a mute", edges::LOOK_AT_MUTE),
    ("look at a block", edges::LOOK_AT_BLOCK),
    ("put a follow", edges::PUT_FOLLOW),
    ("put a mute", edges::PUT_MUTE),
    ("put a block", edges::PUT_BLOCK),
    ("reader", views::READER),
    ("edges between", views::BETWEEN),
    ("followers", views::FOLLOWERS),
    ("following", views::FOLLOWING),
    ("chunks", views::CHUNKS),
    ("ever followed", views::EVER_FOLLOWED),
    ("find a key", idempotency::FIND),
    ("keep a key", idempotency::KEEP),
    ("import accounts", import::ACCOUNTS),
    ("accounts of an import", import::FIND),
    ("missing edges", import::MISSING),
    ("lock followers", import::LOCK_FOLLOWERS),
    ("import edges", import::EDGES),
    ("next to purge", purge::NEXT),
    ("edges to purge", purge::EDGES),
    ("lock followers for a purge", purge::LOCK_FOLLOWERS),
    ("lock edges for a purge", purge::LOCK_EDGES),
    ("remove edges", purge::REMOVE),
    ("purged", purge::PURGED),
    ("look again", purge::LOOK_AGAIN),
    ("prune follows", purge::PRUNE_TOMBSTONES[0]),
    ("prune mutes", purge::PRUNE_TOMBSTONES[1]),
    ("prune blocks", purge::PRUNE_TOMBSTONES[2]),
    ("prune keys", purge::PRUNE_KEYS),
    ("set a password", sessions::SET_PASSWORD),
    ("revoke", sessions::REVOKE),
    ("drop ended tokens", sessions::DROP_ENDED),
    ("tokens", sessions::TOKENS),
    ("new passwords", sessions::NEW_PASSWORDS),
    ("deleted accounts", sessions::DELETED),
    ("tokens of", sessions::TOKENS_OF),
    ("new passwords of", sessions::NEW_PASSWORDS_OF),
    ("deleted of", sessions::DELETED_OF),
];

/// Everybody follows ten; one account in a hundred is deleted or has a new password; one edge in twenty is a tombstone.
const FILL: &str = "
    INSERT INTO handles SELECT 'h' || n, n FROM generate_series(1, 50000) AS n;
    INSERT INTO users (id, handle, display_name, created_at_ms, credential_version, deleted_at_ms, purged)
        SELECT n, 'h' || n, 'Display Name', n, CASE WHEN n % 100 = 1 THEN 2 ELSE 1 END,
            CASE WHEN n % 100 = 0 THEN n END, n % 1000 > 0
        FROM generate_series(1, 50000) AS n;
    INSERT INTO user_counts (user_id, followers) SELECT n, n % 100 FROM generate_series(1, 50000) AS n;
    INSERT INTO follows
        SELECT n / 10 + 1, n % 49999 + 1, n, n % 20 > 0, CASE WHEN n % 20 = 0 THEN n END
        FROM generate_series(1, 200000) AS n ON CONFLICT DO NOTHING;
    INSERT INTO followers SELECT followee, follower FROM follows WHERE present;
    INSERT INTO mutes SELECT n / 5 + 1, n % 49999 + 1, n, n % 20 > 0, CASE WHEN n % 20 = 0 THEN n END
        FROM generate_series(1, 50000) AS n;
    INSERT INTO blocks SELECT * FROM mutes;
    INSERT INTO blocked_by SELECT target, actor FROM blocks WHERE present ON CONFLICT DO NOTHING;
    INSERT INTO follower_count_deltas (user_id, delta) SELECT n % 50000 + 1, 1 FROM generate_series(1, 50000) AS n;
    INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms)
        SELECT n, n, 1, n, n FROM generate_series(1, 50000) AS n;
    INSERT INTO graph_changes SELECT n, n, n, 1, n, n, '3' FROM generate_series(1, 100000) AS n;
    INSERT INTO account_idempotency_keys
        SELECT n % 5000, 'PUT /v1/somewhere', n::text, '', n FROM generate_series(1, 50000) AS n;
    INSERT INTO revoked_tokens SELECT n % 5000, n::text, 1, n FROM generate_series(1, 50000) AS n;";

#[tokio::test]
async fn accounts_and_edges_are_found_by_indexes() {
    assert_indexed(FILL, STATEMENTS).await;
}

/// Buffers that a pulse looks at.
async fn buffers(client: &tokio_postgres::Client) -> i64 {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", changes::PULSE);
    let rows = client.simple_query(&explain).await.expect("a plan");
    let plan = rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let plan: serde_json::Value = serde_json::from_str(plan.expect("one row")).expect("JSON");
    let looked_at = |kind: &str| plan[0]["Plan"][kind].as_i64().expect("a number");
    looked_at("Shared Hit Blocks") + looked_at("Shared Read Blocks")
}

#[tokio::test]
async fn a_pulse_steps_over_nothing_while_a_backup_holds_an_old_snapshot() {
    let Some(server) = server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let (client, backup) = (database.client().await, database.client().await);
    client
        .batch_execute("SET enable_seqscan = off")
        .await
        .expect("as connections of the pool");
    backup
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users")
        .await
        .expect("a snapshot");
    let tell = async |changes: u32| {
        let tell = format!(
            "INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms)
             SELECT n, n, 1, n, n FROM generate_series(1, {changes}) AS n"
        );
        client.batch_execute(&tell).await.expect("changes are told");
        let placed = client.execute(changes::PLACE, &[&20_000_i64]).await;
        assert_eq!(placed.expect("they are placed"), u64::from(changes));
        buffers(&client).await
    };
    for _ in 0..20 {
        tell(1_000).await;
    }
    // Other tests on the same server may have transactions under way.
    for _ in 0..600 {
        if tell(1).await < 40 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("a pulse steps over what was placed before");
}

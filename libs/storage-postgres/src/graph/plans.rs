//! That the statements of the graph are answered by indexes.

use super::{accounts, changes, counts, delivery, edges, idempotency, import, purge, sessions};
use crate::plans::assert_indexed;

/// Statements that meet a table that grows. Not among them: [`counts::AUTHORS_WITH_FEW`], which asks for most accounts.
const STATEMENTS: &[(&str, &str)] = &[
    ("find accounts", accounts::FIND),
    ("find by handle", accounts::FIND_BY_HANDLE),
    ("credentials", accounts::CREDENTIALS),
    ("create an account", accounts::CREATE),
    ("lock an account", accounts::LOCK),
    ("lock an account alone", accounts::LOCK_ALONE),
    ("delete an account", accounts::DELETE),
    ("pulse", changes::PULSE),
    ("place changes", changes::PLACE),
    ("changes after", changes::AFTER),
    ("append a change", changes::APPEND),
    ("prune changes", changes::PRUNE),
    ("fold counts", counts::FOLD),
    ("authors with many", counts::AUTHORS_WITH_MANY),
    ("set tweet counts", counts::SET_TWEETS),
    ("load rules", delivery::LOAD),
    ("set states", delivery::SET_STATES),
    ("target", edges::TARGET),
    ("how a follow stands", edges::FOLLOW_STANDING),
    ("how a mute stands", edges::MUTE_STANDING),
    ("how a block stands", edges::BLOCK_STANDING),
    ("put a follow", edges::PUT_FOLLOW),
    ("put a mute", edges::PUT_MUTE),
    ("put a block", edges::PUT_BLOCK),
    ("reader", edges::READER),
    ("followers", edges::FOLLOWERS),
    ("following", edges::FOLLOWING),
    ("chunks", edges::CHUNKS),
    ("find a key", idempotency::FIND),
    ("keep a key", idempotency::KEEP),
    ("import accounts", import::ACCOUNTS),
    ("lock followers", import::LOCK_FOLLOWERS),
    ("lock followees", import::LOCK_FOLLOWEES),
    ("import edges", import::EDGES),
    ("next to purge", purge::NEXT),
    ("edges to purge", purge::EDGES),
    ("lock for a purge", purge::LOCK),
    ("remove edges", purge::REMOVE),
    ("purged", purge::PURGED),
    ("prune follows", purge::PRUNE_TOMBSTONES[0]),
    ("prune mutes", purge::PRUNE_TOMBSTONES[1]),
    ("prune blocks", purge::PRUNE_TOMBSTONES[2]),
    ("prune keys", purge::PRUNE_KEYS),
    ("current credentials", sessions::CURRENT),
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
    INSERT INTO users (handle, handle_folded, display_name, created_at_ms, credential_version, followers_count,
            deleted_at_ms, purged)
        SELECT 'h' || n, 'h' || n, 'Display Name', n, CASE WHEN n % 100 = 1 THEN 2 ELSE 1 END, n % 100,
            CASE WHEN n % 100 = 0 THEN n END, n % 1000 > 0
        FROM generate_series(1, 50000) AS n;
    INSERT INTO follows
        SELECT n / 10 + 1, n % 49999 + 1, n, n % 20 > 0, CASE WHEN n % 20 = 0 THEN n END
        FROM generate_series(1, 200000) AS n ON CONFLICT DO NOTHING;
    INSERT INTO followers SELECT followee, follower FROM follows WHERE present;
    INSERT INTO mutes SELECT n / 5 + 1, n % 49999 + 1, n, n % 20 > 0, CASE WHEN n % 20 = 0 THEN n END
        FROM generate_series(1, 50000) AS n;
    INSERT INTO blocks SELECT * FROM mutes;
    INSERT INTO follower_count_deltas (user_id, delta) SELECT n % 50000 + 1, 1 FROM generate_series(1, 50000) AS n;
    INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms)
        SELECT n, n, 1, n, n FROM generate_series(1, 50000) AS n;
    INSERT INTO graph_changes SELECT n, n, n, 1, n, n FROM generate_series(1, 100000) AS n;
    INSERT INTO account_idempotency_keys
        SELECT n % 5000, 'PUT /v1/somewhere', n::text, '', n FROM generate_series(1, 50000) AS n;
    INSERT INTO revoked_tokens SELECT n::text, n % 5000, 1, n FROM generate_series(1, 50000) AS n;";

#[tokio::test]
async fn accounts_and_edges_are_found_by_indexes() {
    assert_indexed(FILL, STATEMENTS).await;
}

//! Accounts.

use deadpool_postgres::{GenericClient, Transaction};
use model::{ActorVersion, Epoch, GraphChangeKind, User, UserId};
use storage::{AccountError, CreateUserError, Credentials, Deadline, NewUser, StoreError};
use tokio_postgres::Row;

use super::{changes, idempotency};
use crate::ask;
use crate::sql;

/// An account with its counts, folded or not; and more columns.
macro_rules! select_user {
    ($more:literal, $where:literal) => {
        concat!(
            "SELECT id, handle, display_name, created_at_ms,
                coalesce(followers, 0) + coalesce(
                    (SELECT sum(delta)::bigint FROM follower_count_deltas WHERE user_id = users.id), 0),
                following_count, coalesce(tweets, 0)",
            $more,
            " FROM users LEFT JOIN user_counts ON user_id = users.id WHERE deleted_at_ms IS NULL AND ",
            $where
        )
    };
}

pub(crate) const FIND: &str = select_user!("", "id = ANY($1)");
pub(crate) const FIND_BY_HANDLE: &str = select_user!("", "id = (SELECT user_id FROM handles WHERE handle = $1)");
pub(crate) const CREDENTIALS: &str = select_user!(
    ", password_hash, credential_version, (SELECT epoch FROM store_epoch)",
    "id = $1"
);

/// A handle that is taken costs no number, unless somebody takes it at the same time.
pub(crate) const CREATE: &str = "WITH taken AS (
        INSERT INTO handles (handle, user_id)
        SELECT $2, nextval('user_ids') WHERE NOT EXISTS (SELECT 1 FROM handles WHERE handle = $2)
        ON CONFLICT (handle) DO NOTHING
        RETURNING user_id
    ), made AS (
        INSERT INTO users (id, handle, display_name, created_at_ms, password_hash)
        SELECT user_id, $1, $3, $4, $5 FROM taken
        RETURNING id
    ), kept AS (
        INSERT INTO account_idempotency_keys (account, operation, key, body_digest, expires_at_ms)
        SELECT id, $6, $7, $8, $9 FROM made WHERE $7::text IS NOT NULL
    )
    SELECT id FROM made";

/// What an account does itself is done one after the other.
pub(crate) const LOCK: &str = "SELECT actor_version, following_count, credential_version
    FROM users WHERE id = $1 AND deleted_at_ms IS NULL FOR NO KEY UPDATE";

/// Waits for what the account is just doing, and nothing that it has not done before comes after it.
pub(crate) const DELETE: &str = "WITH gone AS (
        UPDATE users SET deleted_at_ms = $2, password_hash = NULL, actor_version = actor_version + 1
        WHERE id = $1 AND deleted_at_ms IS NULL
        RETURNING id, actor_version
    )
    INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) SELECT id, actor_version, $3, id, $2 FROM gone";

/// An account under its lock.
pub(super) struct Locked {
    pub(super) version: ActorVersion,
    pub(super) following: u64,
    pub(super) credential_version: u32,
}

fn user(row: &Row) -> User {
    let count = |at: usize| sql::number(row.get::<_, i64>(at).max(0));
    User {
        id: sql::user(row.get(0)),
        handle: row.get(1),
        display_name: row.get(2),
        created_at_ms: count(3),
        followers_count: count(4),
        following_count: count(5),
        tweets_count: count(6),
    }
}

pub(super) async fn create(
    client: &impl GenericClient,
    new: NewUser,
    now_ms: u64,
    deadline: Deadline,
) -> Result<User, CreateUserError> {
    let (handle, folded) = (new.handle.as_str().to_owned(), new.handle.folded());
    let display_name = new.display_name.as_str().to_owned();
    // The account is not known yet: the statement fills it in.
    let key = new.idempotency.map(|key| key.of(UserId::new(0)));
    let (_, operation, name) = idempotency::columns(key.as_ref());
    let digest = key.as_ref().map(|key| &key.body_digest[..]);
    let row = ask::query_opt(
        client,
        deadline,
        CREATE,
        &[
            &handle,
            &folded,
            &display_name,
            &sql::column(now_ms),
            &new.password_hash,
            &operation,
            &name,
            &digest,
            &idempotency::ends(now_ms),
        ],
    )
    .await?;
    let row = row.ok_or(CreateUserError::HandleTaken)?;
    Ok(User {
        id: sql::user(row.get(0)),
        handle,
        display_name,
        created_at_ms: now_ms,
        followers_count: 0,
        following_count: 0,
        tweets_count: 0,
    })
}

pub(super) async fn find(
    client: &impl GenericClient,
    ids: &[UserId],
    deadline: Deadline,
) -> Result<Vec<Option<User>>, StoreError> {
    let columns: Vec<i64> = ids.iter().map(|id| sql::column(id.get())).collect();
    let rows = ask::query(client, deadline, FIND, &[&columns]).await?;
    let found: ahash::AHashMap<UserId, User> = rows.iter().map(user).map(|user| (user.id, user)).collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

pub(super) async fn find_by_handle(
    client: &impl GenericClient,
    folded: &str,
    deadline: Deadline,
) -> Result<Option<User>, StoreError> {
    let row = ask::query_opt(client, deadline, FIND_BY_HANDLE, &[&folded]).await?;
    Ok(row.as_ref().map(user))
}

pub(super) async fn credentials(
    client: &impl GenericClient,
    id: UserId,
    deadline: Deadline,
) -> Result<Option<Credentials>, StoreError> {
    let row = ask::query_opt(client, deadline, CREDENTIALS, &[&sql::column(id.get())]).await?;
    Ok(row.map(|row| Credentials {
        user: user(&row),
        password_hash: row.get(7),
        credential_version: u32::try_from(row.get::<_, i64>(8)).unwrap_or(u32::MAX),
        epoch: Epoch(sql::number(row.get(9))),
    }))
}

/// Locks an account until the transaction ends; `None` when there is no such account.
pub(super) async fn lock(
    transaction: &Transaction<'_>,
    id: UserId,
    deadline: Deadline,
) -> Result<Option<Locked>, StoreError> {
    let row = ask::query_opt(transaction, deadline, LOCK, &[&sql::column(id.get())]).await?;
    Ok(row.map(|row| Locked {
        version: ActorVersion(sql::number(row.get(0))),
        following: sql::number(row.get(1)),
        credential_version: u32::try_from(row.get::<_, i64>(2)).unwrap_or(u32::MAX),
    }))
}

pub(super) async fn delete(
    client: &impl GenericClient,
    id: UserId,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), AccountError> {
    let kind = changes::code(GraphChangeKind::AccountDeleted);
    let deleted = ask::execute(
        client,
        deadline,
        DELETE,
        &[&sql::column(id.get()), &sql::column(now_ms), &kind],
    )
    .await?;
    if deleted == 0 {
        return Err(AccountError::NoSuchUser);
    }
    Ok(())
}

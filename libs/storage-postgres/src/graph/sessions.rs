//! Passwords and tokens.

use deadpool_postgres::{GenericClient, Transaction};
use model::{GraphChangeKind, Session, UserId};
use storage::{AccountError, Deadline, IdempotencyKey, RevocationState, RevokedToken, StoreError};
use tokio_postgres::Row;

use super::{accounts, changes, idempotency};
use crate::ask;
use crate::sql;

/// A change of a password.
pub(super) struct NewPassword {
    pub(super) user: UserId,
    pub(super) seen: u32,
    pub(super) password_hash: String,
    pub(super) idempotency: Option<IdempotencyKey>,
}

/// An epoch is a time, in milliseconds: versions go on from it in seconds, above all that a restore has undone.
pub(crate) const SET_PASSWORD: &str = "UPDATE users SET password_hash = $2,
        credential_version = greatest(credential_version + 1, (SELECT epoch / 1000 FROM store_epoch))
    WHERE id = $1 RETURNING credential_version";

/// A token that was logged out before is not told again. No edge has changed, so the actor version stays.
pub(crate) const REVOKE: &str = "WITH revoked AS (
        INSERT INTO revoked_tokens (user_id, token_id, credential_version, expires_at_s) VALUES ($1, $2, $3, $4)
        ON CONFLICT (user_id, token_id) DO NOTHING
        RETURNING user_id
    )
    INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms)
    SELECT id, actor_version, $5, id, $6 FROM revoked JOIN users ON id = user_id WHERE deleted_at_ms IS NULL";
pub(crate) const DROP_ENDED: &str = "DELETE FROM revoked_tokens WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM revoked_tokens WHERE expires_at_s <= $1 ORDER BY expires_at_s LIMIT $2
    ))";

/// Ended tokens that a process which starts drops; [`super::PostgresGraph::prune`] drops the others.
const DROPPED_AT_START: i64 = 10_000;

pub(crate) const TOKENS: &str = "SELECT token_id, expires_at_s FROM revoked_tokens
    WHERE expires_at_s > $1";
pub(crate) const NEW_PASSWORDS: &str = "SELECT id, credential_version FROM users WHERE credential_version > 1";
pub(crate) const DELETED: &str = "SELECT id FROM users WHERE deleted_at_ms IS NOT NULL";

pub(crate) const TOKENS_OF: &str = "SELECT token_id, expires_at_s FROM revoked_tokens
    WHERE expires_at_s > $1 AND user_id = ANY($2)";
pub(crate) const NEW_PASSWORDS_OF: &str =
    "SELECT id, credential_version FROM users WHERE credential_version > 1 AND id = ANY($1)";
pub(crate) const DELETED_OF: &str = "SELECT id FROM users WHERE deleted_at_ms IS NOT NULL AND id = ANY($1)";

fn version(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(u32::MAX)
}

pub(super) async fn change_password(
    transaction: &Transaction<'_>,
    change: NewPassword,
    now_ms: u64,
    deadline: Deadline,
) -> Result<u32, AccountError> {
    let user = change.user;
    let account = accounts::lock(transaction, user, deadline).await?;
    let account = account.ok_or(AccountError::NoSuchUser)?;
    let current = account.credential_version;
    let key = change.idempotency.as_ref();
    if idempotency::done(transaction, key, now_ms, deadline).await?? {
        return Ok(current);
    }
    if current != change.seen {
        return Err(AccountError::CredentialsChanged);
    }
    let id = sql::column(user.get());
    let new = ask::query_one(transaction, deadline, SET_PASSWORD, &[&id, &change.password_hash]).await?;
    let kind = GraphChangeKind::SessionsRevoked;
    changes::append(transaction, user, account.version, kind, user, now_ms, deadline).await?;
    idempotency::keep(transaction, key, now_ms, deadline).await?;
    Ok(version(new.get(0)))
}

/// Logs a token out.
pub(super) async fn revoke(
    client: &impl GenericClient,
    session: &Session,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    ask::execute(
        client,
        deadline,
        REVOKE,
        &[
            &sql::column(session.user.get()),
            &session.token_id,
            &i64::from(session.credential_version),
            &sql::column(session.expires_at_s),
            &changes::code(GraphChangeKind::SessionsRevoked),
            &sql::column(now_ms),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn revocations(
    client: &impl GenericClient,
    now_s: u64,
    deadline: Deadline,
) -> Result<RevocationState, StoreError> {
    let now_s = sql::column(now_s);
    ask::execute(client, deadline, DROP_ENDED, &[&now_s, &DROPPED_AT_START]).await?;
    let tokens = ask::query(client, deadline, TOKENS, &[&now_s]).await?;
    let new_passwords = ask::query(client, deadline, NEW_PASSWORDS, &[]).await?;
    let deleted = ask::query(client, deadline, DELETED, &[]).await?;
    Ok(state(&tokens, &new_passwords, &deleted))
}

pub(super) async fn revocations_of(
    client: &impl GenericClient,
    users: &[UserId],
    now_s: u64,
    deadline: Deadline,
) -> Result<RevocationState, StoreError> {
    let ids: Vec<i64> = users.iter().map(|user| sql::column(user.get())).collect();
    let tokens = ask::query(client, deadline, TOKENS_OF, &[&sql::column(now_s), &ids]).await?;
    let new_passwords = ask::query(client, deadline, NEW_PASSWORDS_OF, &[&ids]).await?;
    let deleted = ask::query(client, deadline, DELETED_OF, &[&ids]).await?;
    Ok(state(&tokens, &new_passwords, &deleted))
}

fn state(tokens: &[Row], new_passwords: &[Row], deleted: &[Row]) -> RevocationState {
    let token = |row: &Row| RevokedToken {
        token_id: row.get(0),
        expires_at_s: sql::number(row.get(1)),
    };
    RevocationState {
        tokens: tokens.iter().map(token).collect(),
        credential_versions: new_passwords
            .iter()
            .map(|row| (sql::user(row.get(0)), version(row.get(1))))
            .collect(),
        deleted: deleted.iter().map(|row| sql::user(row.get(0))).collect(),
    }
}

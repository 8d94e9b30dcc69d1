//! Passwords and tokens.

use deadpool_postgres::{GenericClient, Transaction};
use model::{GraphChangeKind, Session, UserId};
use storage::{AccountError, Deadline, IdempotencyKey, RevocationState, StoreError};
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

pub(crate) const CURRENT: &str = "SELECT credential_version FROM users WHERE id = $1";
pub(crate) const SET_PASSWORD: &str = "UPDATE users SET password_hash = $2, credential_version = $3 WHERE id = $1";

pub(crate) const REVOKE: &str = "INSERT INTO revoked_tokens (token_id, user_id, credential_version, expires_at_s)
    VALUES ($1, $2, $3, $4) ON CONFLICT (token_id) DO NOTHING";
pub(crate) const DROP_ENDED: &str = "DELETE FROM revoked_tokens WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM revoked_tokens WHERE expires_at_s <= $1 ORDER BY expires_at_s LIMIT $2
    ))";

/// Ended tokens that a process which starts drops; [`super::PostgresGraph::prune`] drops the others.
const DROPPED_AT_START: i64 = 10_000;

pub(crate) const TOKENS: &str = "SELECT user_id, token_id, credential_version, expires_at_s FROM revoked_tokens
    WHERE expires_at_s > $1";
pub(crate) const NEW_PASSWORDS: &str = "SELECT id, credential_version FROM users WHERE credential_version > 1";
pub(crate) const DELETED: &str = "SELECT id FROM users WHERE deleted_at_ms IS NOT NULL";

pub(crate) const TOKENS_OF: &str = "SELECT user_id, token_id, credential_version, expires_at_s FROM revoked_tokens
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
    let actor_version = accounts::lock(transaction, user, deadline).await?;
    let actor_version = actor_version.ok_or(AccountError::NoSuchUser)?;
    let id = sql::column(user.get());
    let current = version(ask::query_one(transaction, deadline, CURRENT, &[&id]).await?.get(0));
    let key = change.idempotency.as_ref();
    if idempotency::done(transaction, key, now_ms, deadline).await?? {
        return Ok(current);
    }
    if current != change.seen {
        return Err(AccountError::CredentialsChanged);
    }
    let new = i64::from(current) + 1;
    ask::execute(transaction, deadline, SET_PASSWORD, &[&id, &change.password_hash, &new]).await?;
    let kind = GraphChangeKind::SessionsRevoked;
    changes::append(transaction, user, actor_version, kind, user, now_ms, deadline).await?;
    idempotency::keep(transaction, key, now_ms, deadline).await?;
    Ok(version(new))
}

/// Logs a token out.
pub(super) async fn revoke(
    transaction: &Transaction<'_>,
    session: &Session,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let user = session.user;
    let revoked = ask::execute(
        transaction,
        deadline,
        REVOKE,
        &[
            &session.token_id,
            &sql::column(user.get()),
            &i64::from(session.credential_version),
            &sql::column(session.expires_at_s),
        ],
    )
    .await?;
    if revoked > 0
        && let Some(version) = accounts::lock(transaction, user, deadline).await?
    {
        // No edge has changed, so the actor version stays.
        let kind = GraphChangeKind::SessionsRevoked;
        changes::append(transaction, user, version, kind, user, now_ms, deadline).await?;
    }
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
    let session = |row: &Row| Session {
        user: sql::user(row.get(0)),
        token_id: row.get(1),
        credential_version: version(row.get(2)),
        expires_at_s: sql::number(row.get(3)),
    };
    RevocationState {
        tokens: tokens.iter().map(session).collect(),
        credential_versions: new_passwords
            .iter()
            .map(|row| (sql::user(row.get(0)), version(row.get(1))))
            .collect(),
        deleted: deleted.iter().map(|row| sql::user(row.get(0))).collect(),
    }
}

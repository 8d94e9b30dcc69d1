//! Asking the server, bounded by a deadline, with answers that say what a caller can do.
//!
//! Statements are prepared once a connection, by their text: what varies are parameters alone.

use deadpool_postgres::GenericClient;
use storage::{Deadline, StoreError};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::error::reason;
use crate::pool::STORE;

/// The parameters of a statement.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Asks, until the deadline.
pub(crate) async fn within<T>(
    deadline: Deadline,
    asking: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout_at(deadline.instant().into(), asking).await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(_) => Err(StoreError::Timeout { store: STORE }),
    }
}

/// All rows.
pub(crate) async fn query(
    client: &impl GenericClient,
    deadline: Deadline,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, StoreError> {
    let asking = async {
        let statement = client.prepare_cached(sql).await?;
        client.query(&statement, parameters).await
    };
    within(deadline, asking).await
}

/// The row, if there is one.
pub(crate) async fn query_opt(
    client: &impl GenericClient,
    deadline: Deadline,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Option<Row>, StoreError> {
    let asking = async {
        let statement = client.prepare_cached(sql).await?;
        client.query_opt(&statement, parameters).await
    };
    within(deadline, asking).await
}

/// The one row.
pub(crate) async fn query_one(
    client: &impl GenericClient,
    deadline: Deadline,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Row, StoreError> {
    let asking = async {
        let statement = client.prepare_cached(sql).await?;
        client.query_one(&statement, parameters).await
    };
    within(deadline, asking).await
}

/// How many rows were written.
pub(crate) async fn execute(
    client: &impl GenericClient,
    deadline: Deadline,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<u64, StoreError> {
    let asking = async {
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, parameters).await
    };
    within(deadline, asking).await
}

/// What a failure means for a caller.
pub(crate) fn failure(error: &tokio_postgres::Error) -> StoreError {
    let Some(code) = error.code() else {
        return StoreError::unavailable(STORE, reason(error));
    };
    match *code {
        SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => StoreError::Timeout { store: STORE },
        SqlState::TOO_MANY_CONNECTIONS | SqlState::CONFIGURATION_LIMIT_EXCEEDED => {
            StoreError::Overloaded { store: STORE }
        }
        // The schema is not the one that this build was made for.
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::UNDEFINED_FUNCTION => StoreError::Corrupt {
            store: STORE,
            what: reason(error),
        },
        _ => StoreError::unavailable(STORE, reason(error)),
    }
}

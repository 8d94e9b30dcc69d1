//! Who keeps a migration from its tables.

use std::time::Duration;

use deadpool_postgres::Client;
use storage::{Deadline, StoreError};

use crate::ask::query;

/// Sessions with locks on tables since before `$1` seconds ago, the oldest transaction first. The server tells any login
/// their names and locks; since when they have been there only to a login that may know, and others count as old.
const HOLDERS: &str = "
    SELECT a.pid, a.application_name, string_agg(DISTINCT c.relname, ', ' ORDER BY c.relname)
    FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid
    JOIN pg_class c ON c.oid = l.relation
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND c.relkind IN ('r', 'p') AND c.relnamespace <> 'pg_catalog'::regnamespace
        AND (a.xact_start IS NULL OR a.xact_start <= now() - make_interval(secs => $1))
    GROUP BY a.pid, a.application_name, a.xact_start
    ORDER BY a.xact_start NULLS LAST
    LIMIT 5";

/// The sessions that have held tables for as long as the migration has waited, in words.
pub(super) async fn since(client: &Client, waited: Duration, deadline: Deadline) -> Result<String, StoreError> {
    let rows = query(client, deadline, HOLDERS, &[&waited.as_secs_f64()]).await?;
    let told = rows.iter().map(|row| {
        let (pid, application, tables): (i32, Option<&str>, &str) = (row.get(0), row.get(1), row.get(2));
        let application = application.filter(|name| !name.is_empty()).unwrap_or("no name");
        format!("pid {pid} ({application}) holds {tables}")
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        return Ok("none that is still there".to_owned());
    }
    Ok(told.join("; "))
}

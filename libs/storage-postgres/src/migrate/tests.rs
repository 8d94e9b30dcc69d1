//! Migrations beside somebody who holds a table.

use tokio_postgres::Client;

use super::*;
use crate::plans::{TestDatabase, server_url};

const GENEROUS: Duration = Duration::from_secs(30);

/// What the next version might do.
const NEXT: &str = "ALTER TABLE deliveries ADD COLUMN next bigint";

const PATIENT: LockPatience = LockPatience {
    timeout: Duration::from_millis(200),
    pause: Duration::from_millis(100),
    give_up_after: Duration::from_mins(5),
};

/// Brings the database to the next version.
async fn migrate_to_next(pool: &PostgresPool, patience: LockPatience) -> Result<Migrated, OpenError> {
    let migrations: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    let migrating = apply(pool, &migrations, patience);
    tokio::time::timeout(GENEROUS, migrating).await.expect("ends")
}

/// Reads a table and stays in its transaction, as a dump does.
async fn dump(database: &TestDatabase) -> Client {
    let client = database.client().await;
    let read = "SET application_name = 'dump'; BEGIN; SELECT count(*) FROM deliveries";
    client.batch_execute(read).await.expect("reads");
    client
}

/// Waits until somebody stands in the queue for this kind of lock.
async fn until_waiting(watcher: &Client, kind: &str) {
    let waiting = "SELECT count(*) FROM pg_locks
        WHERE NOT granted AND locktype = $1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let seen = async {
        while watcher
            .query_one(waiting, &[&kind])
            .await
            .expect("looks")
            .get::<_, i64>(0)
            == 0
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GENEROUS, seen).await.expect("somebody waits");
}

#[tokio::test]
async fn migrating_behind_a_dump_lets_others_pass_and_ends_when_it_does() {
    let Some(server) = server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let (dump, watcher, reader) = (dump(&database).await, database.client().await, database.client().await);
    let pool = database.pool().await;
    let migrating = async || migrate_to_next(&pool, PATIENT).await.expect("migrates");
    let beside = async {
        // The second one waits for the first, for far longer than either waits for a table.
        until_waiting(&watcher, "advisory").await;
        for _ in 0..3 {
            until_waiting(&watcher, "relation").await;
            let reading = reader.batch_execute("SELECT count(*) FROM deliveries");
            let read = tokio::time::timeout(GENEROUS, reading).await;
            read.expect("is let pass while the dump goes on").expect("reads");
        }
        dump.batch_execute("COMMIT").await.expect("ends");
    };
    let (one, other, ()) = tokio::join!(migrating(), migrating(), beside);
    let mut from = [one.from, other.from];
    from.sort_unstable();
    assert_eq!(from, [needed(), needed() + 1]);
    assert_eq!((one.to, other.to), (needed() + 1, needed() + 1));
}

#[tokio::test]
async fn migrating_gives_up_and_says_who_held_on() {
    let Some(server) = server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let dump = dump(&database).await;
    let pool = database.pool().await;
    let impatient = LockPatience {
        give_up_after: Duration::from_millis(500),
        ..PATIENT
    };
    let error = migrate_to_next(&pool, impatient).await.expect_err("the table is held");
    let says = error.to_string();
    assert!(
        matches!(error, OpenError::TablesInUse { .. }) && error.is_transient(),
        "{says}"
    );
    for part in ["(dump) holds deliveries", "pg_stat_activity", "pg_locks"] {
        assert!(says.contains(part), "{says}");
    }
    dump.batch_execute("COMMIT").await.expect("ends");
    let migrated = migrate_to_next(&pool, impatient).await.expect("the table is free");
    assert_eq!((migrated.from, migrated.to), (needed(), needed() + 1));
}

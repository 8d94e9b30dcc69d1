//! What a start can run into, and how the schema comes about.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use model::{Epoch, SystemClock};
use secrecy::SecretString;
use storage::{Deadline, Generations, GraphStore, NewUser};
use storage_postgres::{
    OpenError, PostgresGenerations, PostgresGraph, PostgresOptions, PostgresPool, PostgresTweets, TweetOptions,
    check_schema, epoch, migrate, needed, new_epoch,
};
use support::TestDatabase;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

async fn connect(url: &str) -> Result<PostgresPool, OpenError> {
    PostgresPool::connect(PostgresOptions {
        url: SecretString::from(url.to_owned()),
        max_connections: 2,
        application: "test".to_owned(),
    })
    .await
}

/// What a start says, and whether waiting may help.
async fn refusal(url: &str) -> (String, bool) {
    let error = connect(url).await.err().unwrap();
    (error.to_string(), error.is_transient())
}

/// The URL with these parameters instead of its own.
fn with(url: &str, parameters: &str) -> String {
    let (base, _) = url.split_once('?').unwrap_or((url, ""));
    format!("{base}?{parameters}")
}

#[tokio::test]
async fn a_url_that_is_none_is_told_without_the_url() {
    for url in [
        "",
        "http://user:hunter2@host",
        "postgres://user:hunter2@host:port/database",
    ] {
        let (says, is_transient) = refusal(url).await;
        assert!(says.starts_with("postgres.url cannot be used: "), "{says}");
        assert!(!says.contains("hunter2") && !is_transient, "{says}");
    }
    let (says, _) = refusal("postgres://user@host/database?sslmode=perhaps").await;
    assert!(says.contains("sslmode"), "{says}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_may_come_up() {
    let (says, is_transient) = refusal("postgres://user:hunter2@127.0.0.1:9/database").await;
    assert!(says.starts_with("PostgreSQL cannot be reached: "), "{says}");
    assert!(is_transient && !says.contains("hunter2"), "{says}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused() {
    let Some(server) = support::server_url() else { return };
    let (address, _) = server.rsplit_once('/').unwrap();
    let (says, is_transient) = refusal(&format!("{address}/no_such_database")).await;
    assert!(says.contains("no_such_database"), "{says}");
    assert!(!is_transient, "{says}");
}

#[tokio::test]
async fn root_certificates_must_be_certificates() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let url = |path: &str| format!("postgres://user@127.0.0.1:9/database?sslmode=verify-full&sslrootcert={path}");
    let (says, is_transient) = refusal(&url("/no/such/file.pem")).await;
    assert!(says.contains("/no/such/file.pem") && !is_transient, "{says}");
    writeln!(file, "not a certificate").unwrap();
    let (says, is_transient) = refusal(&url(file.path().to_str().unwrap())).await;
    assert!(says.contains("no certificate") && !is_transient, "{says}");
}

#[tokio::test]
async fn what_is_asked_for_over_tls_is_never_asked_without() {
    let Some(server) = support::server_url() else { return };
    let (says, _) = refusal(&with(&server, "sslmode=require")).await;
    assert!(says.starts_with("PostgreSQL cannot be reached: "), "{says}");
}

#[tokio::test]
async fn the_server_knows_who_is_connected() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let pool = database.pool().await;
    check_schema(&pool).await.unwrap();
    let names = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()";
    let rows = database.client().await.query(names, &[]).await.unwrap();
    assert!(rows.iter().any(|row| row.get::<_, &str>(0) == "test"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_made_once_however_many_make_it() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::empty(server).await;
    let pool = database.pool().await;
    let error = check_schema(&pool).await.unwrap_err();
    assert!(
        matches!(error, OpenError::SchemaTooOld { found: 0, .. }) && error.is_transient(),
        "{error}"
    );
    assert!(error.to_string().contains("migrate"), "{error}");
    let all = futures::future::join_all((0..4).map(|_| migrate(&pool))).await;
    let from: Vec<u32> = all.into_iter().map(|migrated| migrated.unwrap().from).collect();
    assert_eq!(from.iter().filter(|from| **from == 0).count(), 1, "{from:?}");
    check_schema(&pool).await.unwrap();
    let again = migrate(&pool).await.unwrap();
    assert_eq!((again.from, again.to), (needed(), needed()));
}

#[tokio::test]
async fn the_next_schema_is_understood_and_no_later_one() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let pool = database.pool().await;
    let client = database.client().await;
    let later = "INSERT INTO schema_migrations (version) SELECT max(version) + 1 FROM schema_migrations";
    client.batch_execute(later).await.unwrap();
    check_schema(&pool).await.unwrap();
    assert_eq!(migrate(&pool).await.unwrap().to, needed() + 1);
    client.batch_execute(later).await.unwrap();
    for error in [
        check_schema(&pool).await.unwrap_err(),
        migrate(&pool).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, OpenError::SchemaTooNew { .. }) && !error.is_transient(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_new_epoch_is_none_that_there_ever_was() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let pool = database.pool().await;
    let first = epoch(&pool, deadline()).await.unwrap();
    let second = new_epoch(&pool).await.unwrap();
    let third = new_epoch(&pool).await.unwrap();
    assert!(first < second && second < third);
    assert_eq!(epoch(&pool, deadline()).await.unwrap(), third);
}

#[tokio::test]
async fn no_epoch_begins_while_tweets_are_accepted() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let pool = database.pool().await;
    let before = epoch(&pool, deadline()).await.unwrap();
    let options = TweetOptions::default();
    let accepting = PostgresTweets::open(pool.clone(), Arc::new(SystemClock), options)
        .await
        .unwrap();
    let refused = new_epoch(&pool).await.unwrap_err();
    assert!(matches!(refused, OpenError::ServicesRun { processes: 1 }), "{refused}");
    assert_eq!(epoch(&pool, deadline()).await.unwrap(), before);
    assert!(accepting.close(Duration::from_secs(30)).await);
    new_epoch(&pool).await.unwrap();
}

#[tokio::test]
async fn a_new_epoch_gives_nodes_numbers_that_there_never_were() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let pool = database.pool().await;
    let generations = PostgresGenerations::new(pool.clone());
    let before = generations.current("node", "life", deadline()).await.unwrap();
    // As after a restore: whatever was given out since the backup is forgotten.
    let restore = "SELECT setval('generations', 1)";
    database.client().await.batch_execute(restore).await.unwrap();
    new_epoch(&pool).await.unwrap();
    assert!(generations.current("node", "life", deadline()).await.unwrap() > before);
}

#[tokio::test]
async fn a_new_epoch_gives_accounts_what_none_ever_had() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let pool = database.pool().await;
    let graph = PostgresGraph::new(pool.clone(), Arc::new(SystemClock));
    let sign_up = async |handle: &str| {
        let new = NewUser {
            handle: handle.parse().unwrap(),
            display_name: handle.parse().unwrap(),
            password_hash: None,
            idempotency: None,
        };
        graph.create_user(new, deadline()).await.unwrap().id
    };
    let set_password = async |of, seen| {
        let set = graph.change_password(of, seen, "hash".to_owned(), None, deadline());
        set.await.unwrap()
    };
    let ada = sign_up("ada").await;
    let undone = sign_up("bob").await;
    let undone_version = set_password(ada, 1).await;
    assert_eq!(undone_version, 2, "versions count up");
    let restore = "DELETE FROM handles WHERE handle = 'bob';
        DELETE FROM users WHERE handle = 'bob';
        UPDATE users SET credential_version = 1;
        SELECT setval('user_ids', 1)";
    database.client().await.batch_execute(restore).await.unwrap();
    let epoch = Epoch(new_epoch(&pool).await.unwrap());
    let new = sign_up("eve").await;
    assert!(new > undone && new.get() / 1_000 >= epoch.0, "{new}");
    assert!(set_password(ada, 1).await > undone_version);
    let credentials = graph.credentials(ada, deadline()).await.unwrap().unwrap();
    assert_eq!(credentials.epoch, epoch);
}

//! A database of its own for each test, on the server that `ROOKERY_TEST_POSTGRES_URL` names.

#![allow(dead_code, reason = "each test program uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::SecretString;
use storage_postgres::{PostgresOptions, PostgresPool, migrate};
use tokio_postgres::NoTls;

const MAX_CONNECTIONS: usize = 8;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The server's URL; without one the test says that it is skipped.
pub(crate) fn server_url() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "where a test finds its server is no configuration of the system"
    )]
    let url = std::env::var("ROOKERY_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        static SAY: Once = Once::new();
        // Not by `eprintln`, whose words a passing test keeps to itself.
        SAY.call_once(|| {
            let says =
                "SKIPPED: ROOKERY_TEST_POSTGRES_URL is not set; `cargo xtask test` and `cargo xtask servers` set it\n";
            std::io::stderr().write_all(says.as_bytes()).unwrap();
        });
    }
    url
}

/// A database, dropped with this.
pub(crate) struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// An empty database.
    pub(crate) async fn empty(server: String) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rookery_test_{}_{number}", std::process::id());
        let database = Self { server, name };
        database.on_server(&format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// A database with the schema.
    pub(crate) async fn migrated(server: String) -> Self {
        let database = Self::empty(server).await;
        let pool = database.pool().await;
        migrate(&pool).await.unwrap();
        pool.close();
        database
    }

    /// The URL of the database itself.
    pub(crate) fn url(&self) -> String {
        let (base, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (address, _) = base.rsplit_once('/').unwrap();
        format!("{address}/{}?{query}", self.name)
    }

    pub(crate) async fn pool(&self) -> PostgresPool {
        let options = PostgresOptions {
            url: SecretString::from(self.url()),
            max_connections: MAX_CONNECTIONS,
            application: "test".to_owned(),
        };
        PostgresPool::connect(options).await.unwrap()
    }

    /// A connection of its own, for what no adapter does.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn on_server(&self, sql: &str) {
        let (client, connection) = tokio_postgres::connect(&self.server, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let this = Self {
            server: self.server.clone(),
            name: String::new(),
        };
        // A test's own runtime is ending; this needs one for a moment.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(this.on_server(&sql));
            std::mem::forget(this);
        });
        if dropping.join().is_err() {
            eprintln!("a test's database was not dropped");
        }
    }
}

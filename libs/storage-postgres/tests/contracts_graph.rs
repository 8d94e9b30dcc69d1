//! The contract of the graph store, on PostgreSQL.

mod support;

use std::sync::Arc;

use model::{EPOCH_MS, ManualClock};
use storage::GraphStore;
use storage_postgres::PostgresGraph;
use storage_testsuite::GraphBackend;
use support::TestDatabase;

struct Backend {
    database: TestDatabase,
    clock: Arc<ManualClock>,
}

async fn fresh() -> Option<Backend> {
    Some(Backend {
        database: TestDatabase::migrated(support::server_url()?).await,
        clock: Arc::new(ManualClock::new(EPOCH_MS + 500_000_000_000)),
    })
}

impl GraphBackend for Backend {
    async fn open(&self) -> Arc<dyn GraphStore> {
        PostgresGraph::new(self.database.pool().await, self.clock.clone())
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

storage_testsuite::graph_store_contract!(fresh);

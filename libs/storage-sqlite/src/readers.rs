//! A few connections that read, off the async threads.
//!
//! In WAL mode readers neither wait for the writer nor hold it up. A reader sees everything that was committed before it
//! began.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use storage::{Deadline, StoreError};
use tokio::sync::Semaphore;

use crate::schema;

/// A pool of read-only connections.
#[derive(Clone)]
pub(crate) struct Readers {
    store: &'static str,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

/// A connection that goes back to the others, even if its reader panics.
struct Lent {
    idle: Arc<Mutex<Vec<Connection>>>,
    connection: Option<Connection>,
}

impl Lent {
    fn new(idle: Arc<Mutex<Vec<Connection>>>) -> Self {
        let connection = idle.lock().pop();
        Self { idle, connection }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.idle.lock().extend(self.connection.take());
    }
}

impl Readers {
    /// Opens `count` connections.
    pub(crate) fn open(store: &'static str, path: &Path, count: usize) -> rusqlite::Result<Self> {
        let connections = (0..count)
            .map(|_| {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(path, flags)?;
                schema::tune(&connection)?;
                Ok(connection)
            })
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self {
            store,
            idle: Arc::new(Mutex::new(connections)),
            permits: Arc::new(Semaphore::new(count)),
        })
    }

    /// Runs `read` on a connection of its own, on a thread that may block.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        deadline: Deadline,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store;
        let work = async {
            let permit = Arc::clone(&self.permits)
                .acquire_owned()
                .await
                .map_err(|error| unavailable(store, error))?;
            let idle = Arc::clone(&self.idle);
            tokio::task::spawn_blocking(move || {
                let lent = Lent::new(idle);
                let outcome = lent.connection.as_ref().map(read);
                drop((lent, permit));
                outcome.expect("there are as many connections as permits")
            })
            .await
            .map_err(|error| unavailable(store, error))?
            .map_err(|error| unavailable(store, error))
        };
        tokio::time::timeout_at(deadline.instant().into(), work)
            .await
            .unwrap_or(Err(StoreError::Timeout { store }))
    }
}

fn unavailable(store: &'static str, error: impl Into<storage::BoxError>) -> StoreError {
    StoreError::unavailable(store, error)
}

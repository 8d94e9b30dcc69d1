//! The time before a process can serve: a store is not there yet, or not at the schema that it needs.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_kit::{Readiness, ServerOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Listeners;

const BETWEEN_TRIES: Duration = Duration::from_secs(1);
const END_WITHIN: Duration = Duration::from_secs(2);

/// Serves health on the internal port, with the reason why the process is not ready; all else is answered 503.
pub struct Waiting {
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
    serving: JoinHandle<io::Result<()>>,
}

impl Waiting {
    /// Serves from now on.
    pub fn start(listeners: &Listeners) -> io::Result<Self> {
        let readiness = Arc::new(Readiness::new());
        let options = ServerOptions {
            workers: 1,
            shutdown_timeout: END_WITHIN,
            begins_traces: false,
            ..ServerOptions::default()
        };
        let routes = http_kit::starting_routes(Arc::clone(&readiness), Arc::default());
        let shutdown = CancellationToken::new();
        let serving = http_kit::serve(listeners.internal_clone()?, options, routes, shutdown.clone());
        Ok(Self {
            readiness,
            shutdown,
            serving: tokio::spawn(serving),
        })
    }

    /// Tries until it works, or fails for a reason that waiting does not help against; meanwhile says why.
    pub async fn until<T, E: Display>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
        is_transient: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let mut told = String::new();
        self.readiness
            .waits_for("what it runs on has not answered yet".to_owned());
        loop {
            let error = match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) if is_transient(&error) => error.to_string(),
                Err(error) => return Err(error),
            };
            if error != told {
                tracing::warn!(reason = error, "not ready yet");
                self.readiness.waits_for(error.clone());
                told = error;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    /// Ends; whoever serves the internal port next goes on with the connections that have come meanwhile.
    pub async fn end(self) {
        self.shutdown.cancel();
        if tokio::time::timeout(END_WITHIN * 2, self.serving).await.is_err() {
            tracing::debug!("the health server of the start did not end in time");
        }
    }
}

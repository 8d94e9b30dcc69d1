//! How a process is asked to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell reports of a process that SIGINT ended.
const ENDED_BY_INTERRUPT: i32 = 130;

/// A token that is cancelled by the first SIGINT or SIGTERM. A second one ends the process at once: what is durable
/// survives that.
pub fn shutdown_signal() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let asked = shutdown.clone();
    tokio::spawn(async move {
        next(&mut interrupt, &mut terminate).await;
        tracing::info!("shutting down; a second signal ends at once");
        asked.cancel();
        next(&mut interrupt, &mut terminate).await;
        std::process::exit(ENDED_BY_INTERRUPT);
    });
    Ok(shutdown)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

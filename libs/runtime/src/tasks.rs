//! Background tasks that end before their process does.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks that are told to end, and waited for.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Tasks {
    /// None yet. They are told to end by [`Tasks::drain`], or with `shutdown`.
    pub fn new(shutdown: &CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown: shutdown.child_token(),
        }
    }

    /// Starts a task. It must end soon after its token is cancelled; when it ends before, or panics, the log says so.
    pub fn spawn<F>(&self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = tokio::spawn(task(self.shutdown.clone()));
        let shutdown = self.shutdown.clone();
        self.tracker.spawn(async move {
            match running.await {
                Ok(()) if shutdown.is_cancelled() => {}
                Ok(()) => tracing::warn!(task = name, "a background task has ended early"),
                Err(error) => tracing::error!(task = name, %error, "a background task has failed"),
            }
        });
    }

    /// Tells all tasks to end and waits for them, at most so long. Answers whether all have ended.
    pub async fn drain(&self, timeout: Duration) -> bool {
        self.shutdown.cancel();
        self.tracker.close();
        tokio::time::timeout(timeout, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_task_may_finish_what_it_has_begun() {
        let tasks = Tasks::new(&CancellationToken::new());
        let finished = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&finished);
        tasks.spawn("finishes", async move |shutdown| {
            shutdown.cancelled().await;
            tokio::task::yield_now().await;
            flag.store(true, Ordering::SeqCst);
        });
        assert!(tasks.drain(Duration::from_mins(1)).await);
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_task_is_not_waited_for_forever() {
        let tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("stuck", |_| std::future::pending());
        assert!(!tasks.drain(Duration::from_secs(30)).await);
    }

    #[tokio::test]
    async fn a_panic_does_not_keep_the_others_waiting() {
        let tasks = Tasks::new(&CancellationToken::new());
        tasks.spawn("panics", async |_| panic!("on purpose"));
        assert!(tasks.drain(Duration::from_mins(1)).await);
    }
}

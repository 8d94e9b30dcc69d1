//! One thread that writes: concurrent writes share a commit.
//!
//! `SQLite` allows one writer and a durable commit costs one `fsync`, so all writes of a file go through one thread. It
//! takes whatever has queued up while the last commit was under way, runs each write in a savepoint of its own (a refused
//! one leaves no trace), commits once, and only then answers all of them. Alone, a write is committed at once; under load
//! the cost of a commit is shared by up to [`MAX_GROUP`] writes.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use storage::{Deadline, StoreError};
use tokio::sync::oneshot;

/// How many writes may share a commit. More would only make the first of them wait longer.
const MAX_GROUP: usize = 2_000;

/// What a write may do besides SQL.
pub(crate) struct Turn<'a, S> {
    /// The open transaction.
    pub(crate) connection: &'a Connection,
    /// What the writer thread keeps between writes. A write that fails must leave it usable.
    pub(crate) state: &'a mut S,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

impl<S> Turn<'_, S> {
    /// Runs `effect` after the commit and before the write is answered; not at all if the commit fails. Effects of a
    /// commit run in the order of their writes.
    pub(crate) fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(effect));
    }
}

/// What is left of a write when its SQL has run.
struct Executed {
    effects: Vec<Box<dyn FnOnce() + Send>>,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

type Job<S> = Box<dyn FnOnce(&Connection, &mut S) -> Executed + Send>;

/// The handle to a writer thread. Dropping it finishes what is queued and ends the thread.
pub(crate) struct Writer<S> {
    store: &'static str,
    queue: Option<SyncSender<Job<S>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<S: Send + 'static> Writer<S> {
    /// Starts the thread. `queue_bound` writes may wait; more are refused as [`StoreError::Overloaded`].
    pub(crate) fn spawn(store: &'static str, connection: Connection, state: S, queue_bound: usize) -> Self {
        let (queue, jobs) = sync_channel(queue_bound);
        let thread = std::thread::Builder::new()
            .name(format!("{store}-writer"))
            .spawn(move || run(store, &connection, state, &jobs))
            .expect("the system can start a thread at start-up");
        Self {
            store,
            queue: Some(queue),
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Runs `write` in a transaction and answers after its commit. The inner error is a refusal by a rule: it undoes
    /// what this write did and nothing else.
    pub(crate) async fn call<T, R>(
        &self,
        deadline: Deadline,
        write: impl FnOnce(&mut Turn<'_, S>) -> rusqlite::Result<Result<T, R>> + Send + 'static,
    ) -> Result<Result<T, R>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let store = self.store;
        let (answer, answered) = oneshot::channel();
        let job: Job<S> = Box::new(move |connection, state| {
            let mut turn = Turn {
                connection,
                state,
                after_commit: Vec::new(),
            };
            let outcome = in_savepoint(&mut turn, write);
            let effects = if matches!(outcome, Ok(Ok(_))) {
                turn.after_commit
            } else {
                Vec::new()
            };
            let answer = Box::new(move |committed: Result<(), StoreError>| {
                let outcome = match (outcome, committed) {
                    (Ok(Ok(_)), Err(error)) => Err(error),
                    (outcome, _) => outcome.map_err(|error| StoreError::unavailable(store, error)),
                };
                // A caller that has gone away does not want to know.
                let _ = answer.send(outcome);
            });
            Executed { effects, answer }
        });
        match self.queue.as_ref().map(|queue| queue.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => return Err(StoreError::Overloaded { store }),
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(closed(store)),
        }
        match tokio::time::timeout_at(deadline.instant().into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(closed(store)),
            Err(_) => Err(StoreError::Timeout { store }),
        }
    }
}

impl<S> Drop for Writer<S> {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

fn closed(store: &'static str) -> StoreError {
    StoreError::unavailable(store, "its writer has ended")
}

fn in_savepoint<S, T, R>(
    turn: &mut Turn<'_, S>,
    write: impl FnOnce(&mut Turn<'_, S>) -> rusqlite::Result<Result<T, R>>,
) -> rusqlite::Result<Result<T, R>> {
    let execute = |sql: &str| turn.connection.prepare_cached(sql)?.execute([]);
    execute("SAVEPOINT write")?;
    let outcome = write(turn);
    let execute = |sql: &str| turn.connection.prepare_cached(sql)?.execute([]);
    if !matches!(outcome, Ok(Ok(_))) {
        execute("ROLLBACK TO write")?;
    }
    execute("RELEASE write")?;
    outcome
}

fn run<S>(store: &'static str, connection: &Connection, mut state: S, jobs: &Receiver<Job<S>>) {
    while let Ok(first) = jobs.recv() {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            let executed = first(connection, &mut state);
            (executed.answer)(Err(StoreError::unavailable(store, error)));
            continue;
        }
        let mut group = vec![first(connection, &mut state)];
        while group.len() < MAX_GROUP {
            let Ok(job) = jobs.try_recv() else { break };
            group.push(job(connection, &mut state));
        }
        let committed = connection.execute_batch("COMMIT");
        if let Err(error) = &committed {
            tracing::error!(store, %error, "a commit failed");
            let _ = connection.execute_batch("ROLLBACK");
        }
        if committed.is_ok() {
            for effect in group.iter_mut().flat_map(|executed| executed.effects.drain(..)) {
                effect();
            }
        }
        for executed in group {
            let outcome = committed
                .as_ref()
                .map(|()| ())
                .map_err(|error| StoreError::unavailable(store, format!("the commit failed: {error}")));
            (executed.answer)(outcome);
        }
    }
}

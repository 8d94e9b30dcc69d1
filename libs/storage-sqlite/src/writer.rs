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

/// A write in the queue. Each is run once, unless its transaction could not be opened, and then concluded once.
trait Job<S>: Send {
    /// Runs the SQL.
    fn run(&mut self, connection: &Connection, state: &mut S);

    /// Runs the effects if the commit succeeded, and keeps the answer for [`Job::answer`].
    fn conclude(&mut self, committed: Result<(), StoreError>);

    /// Tells the caller.
    fn answer(self: Box<Self>);
}

type Effect = Box<dyn FnOnce() + Send>;
type Answer<T, R> = Result<Result<T, R>, StoreError>;

struct Write<F, T, R> {
    store: &'static str,
    work: Option<F>,
    effects: Vec<Effect>,
    outcome: Option<Answer<T, R>>,
    caller: oneshot::Sender<Answer<T, R>>,
}

impl<S, F, T, R> Job<S> for Write<F, T, R>
where
    F: FnOnce(&mut Turn<'_, S>) -> rusqlite::Result<Result<T, R>> + Send,
    T: Send,
    R: Send,
{
    fn run(&mut self, connection: &Connection, state: &mut S) {
        let Some(work) = self.work.take() else { return };
        let mut turn = Turn {
            connection,
            state,
            after_commit: Vec::new(),
        };
        let store = self.store;
        let outcome = in_savepoint(&mut turn, work);
        self.outcome = Some(outcome.map_err(|error| StoreError::unavailable(store, error)));
        self.effects = turn.after_commit;
    }

    fn conclude(&mut self, committed: Result<(), StoreError>) {
        let effects = std::mem::take(&mut self.effects);
        match committed {
            Ok(()) if matches!(self.outcome, Some(Ok(Ok(_)))) => effects.into_iter().for_each(|effect| effect()),
            Ok(()) => {}
            // A refusal does not count either: what it was based on may be undone.
            Err(error) => self.outcome = Some(Err(error)),
        }
    }

    fn answer(self: Box<Self>) {
        // A caller that has gone away does not want to know.
        let _ = self
            .caller
            .send(self.outcome.unwrap_or_else(|| Err(closed(self.store))));
    }
}

/// The handle to a writer thread. Dropping it finishes what is queued and ends the thread.
pub(crate) struct Writer<S> {
    store: &'static str,
    queue: Option<SyncSender<Box<dyn Job<S>>>>,
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
        let answered = self.enqueue(write)?;
        match tokio::time::timeout_at(deadline.instant().into(), answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(closed(self.store)),
            Err(_) => Err(StoreError::Timeout { store: self.store }),
        }
    }

    /// Queues `write` and does not wait: its answer comes through the receiver, for who wants it.
    pub(crate) fn enqueue<T, R>(
        &self,
        write: impl FnOnce(&mut Turn<'_, S>) -> rusqlite::Result<Result<T, R>> + Send + 'static,
    ) -> Result<oneshot::Receiver<Answer<T, R>>, StoreError>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let store = self.store;
        let (caller, answered) = oneshot::channel();
        let job = Box::new(Write {
            store,
            work: Some(write),
            effects: Vec::new(),
            outcome: None,
            caller,
        });
        match self.queue.as_ref().map(|queue| queue.try_send(job)) {
            Some(Ok(())) => Ok(answered),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Overloaded { store }),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(closed(store)),
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

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute([])
}

fn in_savepoint<S, T, R>(
    turn: &mut Turn<'_, S>,
    write: impl FnOnce(&mut Turn<'_, S>) -> rusqlite::Result<Result<T, R>>,
) -> rusqlite::Result<Result<T, R>> {
    execute(turn.connection, "SAVEPOINT write")?;
    let outcome = write(turn);
    if !matches!(outcome, Ok(Ok(_))) {
        execute(turn.connection, "ROLLBACK TO write")?;
    }
    execute(turn.connection, "RELEASE write")?;
    outcome
}

fn run<S>(store: &'static str, connection: &Connection, mut state: S, jobs: &Receiver<Box<dyn Job<S>>>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        let committed = write_group(connection, &mut state, &mut group, jobs);
        if let Err(error) = &committed {
            tracing::error!(store, %error, "a transaction failed");
            // Without effect where the transaction was not opened, or has been rolled back already.
            let _ = connection.execute_batch("ROLLBACK");
        }
        for job in &mut group {
            job.conclude(committed.as_ref().copied().map_err(|error| failed(store, error)));
        }
        group.into_iter().for_each(Job::answer);
    }
}

/// Runs the writes of `group`, and those that are queued, in one transaction.
fn write_group<S>(
    connection: &Connection,
    state: &mut S,
    group: &mut Vec<Box<dyn Job<S>>>,
    jobs: &Receiver<Box<dyn Job<S>>>,
) -> rusqlite::Result<()> {
    execute(connection, "BEGIN IMMEDIATE")?;
    for job in &mut *group {
        job.run(connection, state);
    }
    while group.len() < MAX_GROUP {
        let Ok(mut job) = jobs.try_recv() else { break };
        job.run(connection, state);
        group.push(job);
    }
    execute(connection, "COMMIT")?;
    Ok(())
}

fn failed(store: &'static str, error: &rusqlite::Error) -> StoreError {
    StoreError::unavailable(store, format!("the transaction failed: {error}"))
}

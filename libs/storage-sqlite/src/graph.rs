//! Accounts, edges and delivery rules in `graph.db`; who follows an author also in memory.

mod accounts;
mod changes;
mod delivery;
mod edges;
mod followers;
mod idempotency;
mod import;
mod purge;
mod schema;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use model::{
    AuthorTweets, ChunkPlan, Clock, DeliveryRules, DeliveryState, EdgeKind, GraphChange, Handle, Position, ReaderView,
    RulesInForce, Session, Subject, User, UserId,
};
use rusqlite::Connection;
use storage::{
    AccountError, ChunksRequest, CreateUserError, Credentials, Deadline, EdgeDirection, EdgeError, EdgeRecord,
    EdgeRecords, EdgeWrite, EdgeWritten, FollowerPage, FollowerPageRequest, GraphStore, IdempotencyConflict,
    IdempotencyKey, ImportCounts, NewUser, RevocationState, SignUpKey, StoreError,
};

use crate::OpenError;
use crate::readers::Readers;
use crate::writer::{Turn, Writer};
use followers::Followers;

const STORE: &str = "graph";

/// How the graph store is run.
#[derive(Debug, Clone, Copy)]
pub struct GraphOptions {
    /// How many writes may wait.
    pub queue_bound: usize,
    /// How many reads go on at once.
    pub readers: usize,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self {
            queue_bound: 10_000,
            readers: 4,
        }
    }
}

/// The follow graph on `SQLite`. One process has it open at a time.
pub struct SqliteGraph {
    /// Before the writer, so that they close before it: whoever closes last folds the WAL into the file.
    readers: Readers,
    writer: Writer<()>,
    followers: Arc<Followers>,
    clock: Arc<dyn Clock>,
}

impl SqliteGraph {
    /// Opens `graph.db` in `dir`, or makes it, and loads who follows whom.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, options: GraphOptions) -> Result<Arc<Self>, OpenError> {
        let path = dir.join("graph.db");
        let connection = crate::schema::open(&path, schema::MIGRATIONS)?;
        let sqlite = |source| OpenError::Sqlite {
            path: path.display().to_string(),
            source,
        };
        let followers = Arc::new(Followers::load(&path).map_err(sqlite)?);
        let readers = Readers::open(STORE, &path, options.readers.max(1)).map_err(sqlite)?;
        let writer = Writer::spawn(STORE, connection, (), options.queue_bound);
        Ok(Arc::new(Self {
            readers,
            writer,
            followers,
            clock,
        }))
    }

    async fn write<T, R>(
        &self,
        deadline: Deadline,
        write: impl FnOnce(&mut Turn<'_, ()>, u64) -> rusqlite::Result<Result<T, R>> + Send + 'static,
    ) -> Result<T, R>
    where
        T: Send + 'static,
        R: From<StoreError> + Send + 'static,
    {
        let now_ms = self.clock.unix_ms();
        self.writer.call(deadline, move |turn| write(turn, now_ms)).await?
    }

    async fn set<T: Send + 'static>(
        &self,
        deadline: Deadline,
        write: impl FnOnce(&Connection, u64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(deadline, move |turn, now_ms| write(turn.connection, now_ms).map(Ok))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        deadline: Deadline,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.call(deadline, read).await
    }
}

#[async_trait]
impl EdgeRecords for SqliteGraph {
    async fn edges_between(
        &self,
        one: UserId,
        other: UserId,
        deadline: Deadline,
    ) -> Result<Vec<EdgeRecord>, StoreError> {
        self.read(deadline, move |connection| edges::between(connection, one, other))
            .await
    }

    async fn ever_followed(
        &self,
        reader: UserId,
        authors: &[UserId],
        deadline: Deadline,
    ) -> Result<Vec<bool>, StoreError> {
        let authors = authors.to_vec();
        let ever = move |connection: &Connection| {
            let followed = |author| edges::ever_followed(connection, reader, author);
            authors.into_iter().map(followed).collect()
        };
        self.read(deadline, ever).await
    }
}

#[async_trait]
impl GraphStore for SqliteGraph {
    async fn create_user(&self, user: NewUser, deadline: Deadline) -> Result<User, CreateUserError> {
        self.write(deadline, move |turn, now_ms| {
            accounts::create(turn.connection, &user, now_ms)
        })
        .await
    }

    async fn was_created_under(
        &self,
        user: UserId,
        key: &SignUpKey,
        deadline: Deadline,
    ) -> Result<Result<bool, IdempotencyConflict>, StoreError> {
        let (key, now_ms) = (key.of(user), self.clock.unix_ms());
        self.read(deadline, move |connection| {
            idempotency::done(connection, Some(&key), now_ms)
        })
        .await
    }

    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        let ids = ids.to_vec();
        self.read(deadline, move |connection| {
            ids.iter().map(|id| accounts::find(connection, *id)).collect()
        })
        .await
    }

    async fn user_by_handle(&self, handle: &Handle, deadline: Deadline) -> Result<Option<User>, StoreError> {
        let folded = handle.folded();
        self.read(deadline, move |connection| {
            accounts::find_by_handle(connection, &folded)
        })
        .await
    }

    async fn credentials(&self, user: UserId, deadline: Deadline) -> Result<Option<Credentials>, StoreError> {
        self.read(deadline, move |connection| accounts::credentials(connection, user))
            .await
    }

    async fn change_password(
        &self,
        user: UserId,
        seen: u32,
        password_hash: String,
        idempotency: Option<IdempotencyKey>,
        deadline: Deadline,
    ) -> Result<u32, AccountError> {
        self.write(deadline, move |turn, now_ms| {
            accounts::change_password(
                turn.connection,
                user,
                seen,
                &password_hash,
                idempotency.as_ref(),
                now_ms,
            )
        })
        .await
    }

    async fn revoke(&self, session: &Session, deadline: Deadline) -> Result<(), StoreError> {
        let session = session.clone();
        self.set(deadline, move |connection, now_ms| {
            accounts::revoke(connection, &session, now_ms)
        })
        .await
    }

    async fn revocations(&self, now_s: u64, deadline: Deadline) -> Result<RevocationState, StoreError> {
        self.set(deadline, move |connection, _| {
            accounts::drop_ended_tokens(connection, now_s)
        })
        .await?;
        self.read(deadline, move |connection| accounts::revocations(connection, now_s))
            .await
    }

    async fn delete_user(&self, user: UserId, deadline: Deadline) -> Result<(), AccountError> {
        self.write(deadline, move |turn, now_ms| {
            accounts::delete(turn.connection, user, now_ms)
        })
        .await
    }

    async fn purge_deleted(&self, limit: usize, deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        let followers = Arc::clone(&self.followers);
        self.write(deadline, move |turn, _| {
            let purged = purge::purge(turn.connection, limit)?;
            let mut touched: Vec<UserId> = purged.iter().map(|edge| edge.other).collect();
            touched.sort_unstable();
            touched.dedup();
            turn.after_commit(move || {
                for edge in purged {
                    followers.remove(edge.followee, edge.follower);
                }
            });
            Ok(Ok(touched))
        })
        .await
    }

    async fn write_edge(&self, write: EdgeWrite, deadline: Deadline) -> Result<EdgeWritten, EdgeError> {
        let followers = Arc::clone(&self.followers);
        self.write(deadline, move |turn, now_ms| {
            let written = edges::write(turn.connection, &write, now_ms)?;
            if write.kind == EdgeKind::Follow && matches!(written, Ok(EdgeWritten { changed: true, .. })) {
                turn.after_commit(move || {
                    let keep = if write.present {
                        Followers::insert
                    } else {
                        Followers::remove
                    };
                    keep(&followers, write.target, write.actor);
                });
            }
            Ok(written)
        })
        .await
    }

    async fn reader(&self, reader: UserId, deadline: Deadline) -> Result<Option<ReaderView>, StoreError> {
        self.read(deadline, move |connection| edges::reader(connection, reader))
            .await
    }

    async fn edges(
        &self,
        direction: EdgeDirection,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        match direction {
            EdgeDirection::Followers => Ok(requests.iter().map(|request| self.followers.page(*request)).collect()),
            EdgeDirection::Following => {
                let requests = requests.to_vec();
                let read = move |connection: &Connection| {
                    requests
                        .into_iter()
                        .map(|request| edges::following(connection, request))
                        .collect()
                };
                self.read(deadline, read).await
            }
        }
    }

    async fn chunks(&self, request: ChunksRequest, _deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        Ok(self.followers.chunks(request))
    }

    async fn changes_after(
        &self,
        position: Position,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<GraphChange>, StoreError> {
        self.read(deadline, move |connection| changes::after(connection, position, limit))
            .await
    }

    async fn delivery_rules(&self, configured: RulesInForce, deadline: Deadline) -> Result<DeliveryRules, StoreError> {
        self.read(deadline, move |connection| delivery::load(connection, configured))
            .await
    }

    async fn set_rules(&self, rules: RulesInForce, deadline: Deadline) -> Result<u64, StoreError> {
        self.set(deadline, move |connection, _| delivery::set_rules(connection, rules))
            .await
    }

    async fn set_delivery(
        &self,
        states: Vec<(Subject, DeliveryState)>,
        expected: u64,
        deadline: Deadline,
    ) -> Result<Option<u64>, StoreError> {
        self.set(deadline, move |connection, _| {
            delivery::set_states(connection, &states, expected)
        })
        .await
    }

    async fn authors_with(&self, followers: u64, deadline: Deadline) -> Result<Vec<(UserId, u64)>, StoreError> {
        self.read(deadline, move |connection| {
            accounts::authors_with(connection, followers)
        })
        .await
    }

    async fn followers_counts(&self, authors: &[UserId], deadline: Deadline) -> Result<Vec<u64>, StoreError> {
        let authors = authors.to_vec();
        let read = move |connection: &Connection| {
            authors
                .iter()
                .map(|author| accounts::followers_count(connection, *author))
                .collect()
        };
        self.read(deadline, read).await
    }

    async fn set_tweet_counts(
        &self,
        counts: Vec<(UserId, AuthorTweets)>,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        self.set(deadline, move |connection, _| {
            accounts::set_tweet_counts(connection, &counts)
        })
        .await
    }

    async fn import(
        &self,
        edges: Vec<(u64, u64)>,
        attach: bool,
        deadline: Deadline,
    ) -> Result<ImportCounts, StoreError> {
        let followers = Arc::clone(&self.followers);
        self.write(deadline, move |turn, now_ms| {
            let imported = import::import(turn.connection, &edges, attach, now_ms)?;
            turn.after_commit(move || {
                for (follower, followee) in imported.edges {
                    followers.insert(followee, follower);
                }
            });
            Ok(Ok(imported.counts))
        })
        .await
    }

    async fn begin_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.set(deadline, move |connection, _| {
            connection
                .execute("INSERT OR IGNORE INTO imports (source) VALUES (?1)", [source])
                .map(|_| ())
        })
        .await
    }

    async fn end_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.set(deadline, move |connection, _| {
            connection
                .execute("DELETE FROM imports WHERE source = ?1", [source])
                .map(|_| ())
        })
        .await
    }

    async fn unfinished_imports(&self, deadline: Deadline) -> Result<Vec<String>, StoreError> {
        let read = |connection: &Connection| {
            connection
                .prepare("SELECT source FROM imports")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        self.read(deadline, read).await
    }
}

/// A number that a caller named, as a column: nothing is stored beyond the largest one.
fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

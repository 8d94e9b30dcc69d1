//! Accounts, edges and delivery rules.
//!
//! Any number of processes write. What an account does is serialised by the lock of its own row, so that its version
//! counts without gaps and its limits hold exactly; what many do to one account at the same time writes no row of it.

mod accounts;
mod changes;
mod counts;
mod delivery;
mod edges;
mod idempotency;
mod import;
#[cfg(test)]
mod plans;
mod purge;
mod sessions;
mod views;

use std::sync::Arc;

use async_trait::async_trait;
use model::{
    AuthorTweets, ChunkPlan, Clock, DeliveryRules, DeliveryState, GraphChange, Handle, Position, ReaderView,
    RulesInForce, Session, Subject, User, UserId,
};
use storage::{
    AccountError, ChunksRequest, CreateUserError, Credentials, Deadline, EdgeDirection, EdgeError, EdgeRecord,
    EdgeRecords, EdgeWrite, EdgeWritten, FollowerPage, FollowerPageRequest, GraphFeed, GraphStore, IdempotencyConflict,
    IdempotencyKey, ImportCounts, NewUser, Pulse, RevocationState, SignUpKey, StoreError,
};

use crate::ask;
use crate::pool::PostgresPool;

/// The follow graph on PostgreSQL.
pub struct PostgresGraph {
    pool: PostgresPool,
    clock: Arc<dyn Clock>,
}

impl PostgresGraph {
    /// Over this pool.
    pub fn new(pool: PostgresPool, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { pool, clock })
    }
}

#[async_trait]
impl EdgeRecords for PostgresGraph {
    async fn edges_between(
        &self,
        one: UserId,
        other: UserId,
        deadline: Deadline,
    ) -> Result<Vec<EdgeRecord>, StoreError> {
        let client = self.pool.client(deadline).await?;
        views::between(&client, one, other, deadline).await
    }

    async fn ever_followed(
        &self,
        reader: UserId,
        authors: &[UserId],
        deadline: Deadline,
    ) -> Result<Vec<bool>, StoreError> {
        if authors.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        views::ever_followed(&client, reader, authors, deadline).await
    }
}

#[async_trait]
impl GraphStore for PostgresGraph {
    async fn create_user(&self, user: NewUser, deadline: Deadline) -> Result<User, CreateUserError> {
        let client = self.pool.client(deadline).await?;
        accounts::create(&client, user, self.clock.unix_ms(), deadline).await
    }

    async fn was_created_under(
        &self,
        user: UserId,
        key: &SignUpKey,
        deadline: Deadline,
    ) -> Result<Result<bool, IdempotencyConflict>, StoreError> {
        let client = self.pool.client(deadline).await?;
        idempotency::done(&client, Some(&key.of(user)), self.clock.unix_ms(), deadline).await
    }

    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        accounts::find(&client, ids, deadline).await
    }

    async fn user_by_handle(&self, handle: &Handle, deadline: Deadline) -> Result<Option<User>, StoreError> {
        let client = self.pool.client(deadline).await?;
        accounts::find_by_handle(&client, &handle.folded(), deadline).await
    }

    async fn credentials(&self, user: UserId, deadline: Deadline) -> Result<Option<Credentials>, StoreError> {
        let client = self.pool.client(deadline).await?;
        accounts::credentials(&client, user, deadline).await
    }

    async fn change_password(
        &self,
        user: UserId,
        seen: u32,
        password_hash: String,
        idempotency: Option<IdempotencyKey>,
        deadline: Deadline,
    ) -> Result<u32, AccountError> {
        let mut client = self.pool.client(deadline).await?;
        let transaction = ask::within(deadline, client.transaction()).await?;
        let change = sessions::NewPassword {
            user,
            seen,
            password_hash,
            idempotency,
        };
        let version = sessions::change_password(&transaction, change, self.clock.unix_ms(), deadline).await?;
        ask::within(deadline, transaction.commit()).await?;
        Ok(version)
    }

    async fn revoke(&self, session: &Session, deadline: Deadline) -> Result<(), StoreError> {
        let client = self.pool.client(deadline).await?;
        sessions::revoke(&client, session, self.clock.unix_ms(), deadline).await
    }

    async fn revocations(&self, now_s: u64, deadline: Deadline) -> Result<RevocationState, StoreError> {
        let client = self.pool.client(deadline).await?;
        sessions::revocations(&client, now_s, deadline).await
    }

    async fn delete_user(&self, user: UserId, deadline: Deadline) -> Result<(), AccountError> {
        let client = self.pool.client(deadline).await?;
        accounts::delete(&client, user, self.clock.unix_ms(), deadline).await
    }

    async fn purge_deleted(&self, limit: usize, deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        let mut client = self.pool.client(deadline).await?;
        purge::purge(&mut client, limit, self.clock.unix_ms(), deadline).await
    }

    async fn write_edge(&self, write: EdgeWrite, deadline: Deadline) -> Result<EdgeWritten, EdgeError> {
        let mut client = self.pool.client(deadline).await?;
        let transaction = ask::within(deadline, client.transaction()).await?;
        let written = edges::write(&transaction, &write, self.clock.unix_ms(), deadline).await?;
        ask::within(deadline, transaction.commit()).await?;
        Ok(written)
    }

    async fn reader(&self, reader: UserId, deadline: Deadline) -> Result<Option<ReaderView>, StoreError> {
        let client = self.pool.client(deadline).await?;
        views::reader(&client, reader, deadline).await
    }

    async fn edges(
        &self,
        direction: EdgeDirection,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        views::pages(&client, direction, requests, deadline).await
    }

    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        let client = self.pool.client(deadline).await?;
        views::chunks(&client, request, deadline).await
    }

    async fn changes_after(
        &self,
        position: Position,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<GraphChange>, StoreError> {
        Ok(self.pulse(position, limit, deadline).await?.changes)
    }

    async fn delivery_rules(&self, configured: RulesInForce, deadline: Deadline) -> Result<DeliveryRules, StoreError> {
        let client = self.pool.client(deadline).await?;
        delivery::load(&client, configured, deadline).await
    }

    async fn set_rules(&self, rules: RulesInForce, deadline: Deadline) -> Result<u64, StoreError> {
        let client = self.pool.client(deadline).await?;
        delivery::set_rules(&client, rules, deadline).await
    }

    async fn set_delivery(
        &self,
        states: Vec<(Subject, DeliveryState)>,
        expected: u64,
        deadline: Deadline,
    ) -> Result<Option<u64>, StoreError> {
        let client = self.pool.client(deadline).await?;
        delivery::set_states(&client, &states, expected, deadline).await
    }

    async fn authors_with(&self, followers: u64, deadline: Deadline) -> Result<Vec<(UserId, u64)>, StoreError> {
        let client = self.pool.client(deadline).await?;
        counts::authors_with(&client, followers, deadline).await
    }

    async fn followers_counts(&self, authors: &[UserId], deadline: Deadline) -> Result<Vec<u64>, StoreError> {
        if authors.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        counts::followers(&client, authors, deadline).await
    }

    async fn set_tweet_counts(
        &self,
        counts: Vec<(UserId, AuthorTweets)>,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let client = self.pool.client(deadline).await?;
        counts::set_tweets(&client, &counts, deadline).await
    }

    async fn import(
        &self,
        edges: Vec<(u64, u64)>,
        attach: bool,
        deadline: Deadline,
    ) -> Result<ImportCounts, StoreError> {
        let mut client = self.pool.client(deadline).await?;
        let transaction = ask::within(deadline, client.transaction()).await?;
        let imported = import::import(&transaction, &edges, attach, self.clock.unix_ms(), deadline).await?;
        ask::within(deadline, transaction.commit()).await?;
        Ok(imported)
    }

    async fn begin_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError> {
        let client = self.pool.client(deadline).await?;
        ask::execute(&client, deadline, import::BEGIN, &[&source]).await?;
        Ok(())
    }

    async fn end_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError> {
        let client = self.pool.client(deadline).await?;
        ask::execute(&client, deadline, import::END, &[&source]).await?;
        Ok(())
    }

    async fn unfinished_imports(&self, deadline: Deadline) -> Result<Vec<String>, StoreError> {
        let client = self.pool.client(deadline).await?;
        let rows = ask::query(&client, deadline, import::UNFINISHED, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

#[async_trait]
impl GraphFeed for PostgresGraph {
    async fn pulse(&self, after: Position, limit: usize, deadline: Deadline) -> Result<Pulse, StoreError> {
        let mut client = self.pool.client(deadline).await?;
        changes::pulse(&mut client, after, limit, deadline).await
    }

    async fn latest(&self, deadline: Deadline) -> Result<Position, StoreError> {
        let mut client = self.pool.client(deadline).await?;
        changes::latest(&mut client, deadline).await
    }

    async fn revocations_of(&self, users: &[UserId], deadline: Deadline) -> Result<RevocationState, StoreError> {
        let client = self.pool.client(deadline).await?;
        sessions::revocations_of(&client, users, self.clock.unix_ms() / 1_000, deadline).await
    }
}

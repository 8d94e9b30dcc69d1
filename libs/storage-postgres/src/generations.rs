//! Which life of each node of Redis is the present one.

use async_trait::async_trait;
use model::Generation;
use storage::{Deadline, Generations, StoreError};

use crate::ask;
use crate::pool::PostgresPool;
use crate::sql;

pub(crate) const KNOWN: &str = "SELECT generation FROM node_generations WHERE node = $1 AND incarnation = $2";

/// One sequence for all nodes, so that no two ever share a number. Drawn anew while the row is locked, so that a node's only
/// rise. After the database was restored to an earlier point, a new epoch moves the sequence on.
pub(crate) const RAISE: &str = "INSERT INTO node_generations AS known (node, incarnation, generation)
    VALUES ($1, $2, nextval('generations'))
    ON CONFLICT (node) DO UPDATE SET incarnation = excluded.incarnation, generation = nextval('generations')
        WHERE known.incarnation <> excluded.incarnation
    RETURNING generation";

/// Beside the nodes, whose names have no colon.
const OF_A_NAME: &str = "highest:";

const AS_HIGH: &str = "SELECT generation FROM node_generations WHERE node = $1 AND generation >= $2";

const RAISE_HIGHEST: &str = "INSERT INTO node_generations AS known (node, incarnation, generation)
    VALUES ($1, '', $2)
    ON CONFLICT (node) DO UPDATE SET generation = greatest(known.generation, excluded.generation)
    RETURNING generation";

/// The sequence never comes as far as the time by itself: nobody restarts a node each millisecond.
pub(crate) const BEGIN_EPOCH: &str = "SELECT setval('generations',
    greatest(nextval('generations'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint))";

/// Generations on PostgreSQL.
pub struct PostgresGenerations {
    pool: PostgresPool,
}

impl PostgresGenerations {
    /// Over this pool.
    pub fn new(pool: PostgresPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Generations for PostgresGenerations {
    async fn current(&self, node: &str, incarnation: &str, deadline: Deadline) -> Result<Generation, StoreError> {
        let client = self.pool.client(deadline).await?;
        loop {
            for statement in [KNOWN, RAISE] {
                let row = ask::query_opt(&client, deadline, statement, &[&node, &incarnation]).await?;
                if let Some(row) = row {
                    return Ok(Generation(sql::number(row.get(0))));
                }
            }
            // Somebody else has raised it in between.
        }
    }

    async fn highest(&self, name: &str, number: u64, deadline: Deadline) -> Result<u64, StoreError> {
        let client = self.pool.client(deadline).await?;
        let (name, given) = (format!("{OF_A_NAME}{name}"), sql::column(number));
        let mut row = ask::query_opt(&client, deadline, AS_HIGH, &[&name, &given]).await?;
        if row.is_none() && number > 0 {
            row = ask::query_opt(&client, deadline, RAISE_HIGHEST, &[&name, &given]).await?;
        }
        Ok(row.map_or(0, |row| sql::number(row.get(0))))
    }
}

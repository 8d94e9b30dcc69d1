//! That no statement reads a big table from end to end: each is explained in the plan that does not know its parameters. On
//! empty tables, which a new database fills before anybody plans again, as connections of the pool do; and on tables that
//! are filled and analysed, where the planner could also do without indexes.

use tokio_postgres::{Client, SimpleQueryMessage};

#[path = "../tests/support/mod.rs"]
mod support;

pub(crate) use support::{TestDatabase, server_url};

/// Tables that stay small: most have a row a process, or one at all.
const SMALL: &[&str] = &[
    "ingest_workers",
    "ingest_high_water",
    "store_epoch",
    "node_generations",
    "schema_migrations",
    "delivery_rules",
    "delivery_books",
    // Of authors that ever crossed; they are always read together.
    "delivery_states",
];

/// Fails if one of the statements, named for the message, reads a table that may be big from end to end. `fill` makes the
/// tables that they read big.
pub(crate) async fn assert_indexed(fill: &str, statements: &[(&str, &str)]) {
    let Some(server) = server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let client = database.client().await;
    let execute = async |sql: &str| client.batch_execute(sql).await.expect("what is around the statements");
    execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off").await;
    let mut bad = reading_all(&client, statements).await;
    execute(fill).await;
    execute("ANALYZE; RESET enable_seqscan").await;
    bad.extend(reading_all(&client, statements).await);
    assert!(
        bad.is_empty(),
        "statements that read a whole table:\n{}",
        bad.join("\n")
    );
}

/// The plans of those statements that read a whole table.
async fn reading_all(client: &Client, statements: &[(&str, &str)]) -> Vec<String> {
    let mut bad = Vec::new();
    for (name, sql) in statements {
        let plan = explain(client, sql).await;
        let reads_all = |line: &String| {
            let table = line
                .split_once("Seq Scan on ")
                .and_then(|(_, rest)| rest.split(' ').next());
            table.is_some_and(|table| !SMALL.contains(&table))
        };
        if plan.iter().any(reads_all) {
            bad.push(format!("{name}:\n{}", plan.join("\n")));
        }
    }
    bad
}

/// The plan that PostgreSQL makes for any parameters, which is what a prepared statement comes to.
async fn explain(client: &Client, sql: &str) -> Vec<String> {
    client.batch_execute("DEALLOCATE ALL").await.expect("no parameter");
    client
        .batch_execute(&format!("PREPARE asked AS {sql}"))
        .await
        .unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    let count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'asked'";
    let count: i32 = client.query_one(count, &[]).await.expect("it was prepared").get(0);
    let nulls = vec!["NULL"; usize::try_from(count).expect("a count")].join(", ");
    let parameters = if nulls.is_empty() { nulls } else { format!("({nulls})") };
    let rows = client
        .simple_query(&format!("EXPLAIN EXECUTE asked{parameters}"))
        .await
        .expect("a plan");
    lines(&rows)
}

fn lines(rows: &[SimpleQueryMessage]) -> Vec<String> {
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    rows.iter().filter_map(line).collect()
}

/// An author has 20 tweets, of which one in 50 is deleted; one in five events is done; deliveries are a month old.
const FILL: &str = "
    INSERT INTO tweets (author, id, handle, display_name, text, deleted_at_ms)
        SELECT n % 5000 + 1, n, 'handle', 'Display Name', 'text', CASE WHEN n % 50 = 0 THEN n END
        FROM generate_series(1, 100000) AS n;
    INSERT INTO outbox (format, kind, tweet, author) SELECT 1, n % 2, n, n % 5000 FROM generate_series(1, 50000) AS n;
    DELETE FROM outbox WHERE position % 5 = 0;
    INSERT INTO idempotency_keys
        SELECT n % 5000, 'POST /v1/tweets', n::text, '', n, n FROM generate_series(1, 50000) AS n;
    INSERT INTO tweet_count_deltas (author, delta) SELECT n % 5000, 1 FROM generate_series(1, 50000) AS n;
    INSERT INTO tweet_counts SELECT n, 20, n % 100, 50 FROM generate_series(1, 50000) AS n;
    INSERT INTO deliveries
        SELECT n, n % 5000, 0, 75, 75, 0, n, CASE WHEN n % 100 > 0 THEN n END, 0 FROM generate_series(1, 100000) AS n;
    INSERT INTO delivery_chunks
        SELECT n / 10, n % 10, 0, 1, 100, 100, 0, CASE WHEN n % 100 > 0 THEN n END FROM generate_series(1, 50000) AS n;
    INSERT INTO ingest_workers
        SELECT n, gen_random_uuid(), n, clock_timestamp() FROM generate_series(0, 30) AS n;";

#[tokio::test]
async fn tweets_and_deliveries_are_found_by_indexes() {
    let statements: Vec<_> = [crate::tweets::STATEMENTS, crate::deliveries::STATEMENTS].concat();
    assert_indexed(FILL, &statements).await;
}

#[tokio::test]
async fn a_look_for_what_is_outstanding_steps_over_few_that_are_too_young() {
    let Some(server) = server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let client = database.client().await;
    client.batch_execute(FILL).await.expect("all of it is young");
    let look = format!("EXPLAIN (ANALYZE) {}", crate::tweets::OUTSTANDING);
    let look = look.replace("$1", "0").replace("$2", "60").replace("$3", "100");
    let plan = lines(&client.simple_query(&look).await.expect("a plan"));
    let stepped_over = plan
        .iter()
        .find_map(|line| line.trim().strip_prefix("Rows Removed by Filter: "));
    assert_eq!(stepped_over, Some("100"), "{plan:#?}");
}

#[tokio::test]
#[should_panic(expected = "statements that read a whole table")]
async fn a_statement_that_reads_a_whole_table_is_found() {
    assert!(server_url().is_some(), "skipped: statements that read a whole table");
    assert_indexed(FILL, &[("by text", "SELECT id FROM tweets WHERE text = $1")]).await;
}

//! Tweets, graph, delivery records and outbox on PostgreSQL.

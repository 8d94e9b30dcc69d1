//! Tweets, graph, delivery records and event log on SQLite

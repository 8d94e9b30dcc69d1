//! Accepts and deletes tweets, durably, then publishes them

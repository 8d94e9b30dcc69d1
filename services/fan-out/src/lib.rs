//! Consumes published tweets and writes them into followers' home timelines

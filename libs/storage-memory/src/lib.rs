//! Home timelines and the tweet cache in memory

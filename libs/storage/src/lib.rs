//! The ports: what Rookery needs of its stores, as traits, and how they may fail.
//!
//! Rules that hold for every port and every adapter:
//!
//! - **Batched and paged.** What may be asked for many is asked for many in one call; lists come in pages, by a position
//!   that never moves.
//! - **A deadline on every call.** Past it the call answers [`StoreError::Timeout`]. A write that timed out may still
//!   commit: callers repeat it under the same [`IdempotencyKey`].
//! - **Errors say what a caller can do**: wait and retry ([`StoreError::is_transient`]) or give up. A refusal by a rule
//!   (handle taken, limit reached) is a variant of that call's own error, and changes nothing.
//! - **Durable means durable.** A write has been answered `Ok` only if it survives `kill -9` and a power cut.
//! - **Dropping a future** gives up waiting, never half of a write.
//!
//! Every adapter runs the suite of its port in `storage-testsuite`. Adapters are named by technology; only composition
//! roots name them.

mod actor_versions;
mod books;
mod cache;
mod deadline;
mod delivery;
mod edge_records;
mod error;
mod event_log;
mod follow_graph;
mod generations;
mod graph;
mod graph_feed;
mod idempotency;
mod import;
mod outbox;
mod timeline;
mod tweet;
mod tweet_counts;

pub use actor_versions::ActorVersions;
pub use books::{BookTotals, Books, ClosedRange, Tally};
pub use cache::{CacheEpoch, CachedTweets, RenderedTweet, TweetCache};
pub use deadline::Deadline;
pub use delivery::{ChunkRecord, ChunkResult, ChunkState, DeliveryStore, PendingChunk};
pub use edge_records::{EdgeRecord, EdgeRecords};
pub use error::{BoxError, StoreError};
pub use event_log::{Backlog, EventLog, Receipt, Received};
pub use follow_graph::{ChunksRequest, FollowGraph, FollowerPage, FollowerPageRequest};
pub use generations::Generations;
pub use graph::{
    AccountError, CreateUserError, Credentials, EdgeDirection, EdgeError, EdgeWrite, EdgeWritten, GraphStore, NewUser,
    RevocationState, RevokedToken,
};
pub use graph_feed::{GraphFeed, Pulse};
pub use idempotency::{IdempotencyConflict, IdempotencyKey, SignUpKey};
pub use import::{ImportCounts, ImportRefusal};
pub use outbox::{AsideTweet, Outbox, Outstanding, Settled};
pub use timeline::{
    BuildTicket, Built, PushBatch, StoredTimeline, TimelineSlice, TimelineStats, TimelineStore, WalkPage, WalkPlace,
};
pub use tweet::{
    DeleteTweet, DeleteTweetError, IdPage, InsertTweetError, Inserted, NewTweet, SourcedId, TweetFate, TweetStore,
};
pub use tweet_counts::TweetCounts;

/// How long stores keep tombstones (of deleted tweets, of edges that were removed) at least.
pub const TOMBSTONES_KEPT: std::time::Duration = std::time::Duration::from_hours(30 * 24);

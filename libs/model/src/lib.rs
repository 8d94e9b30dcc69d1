//! The pure types that every part of Rookery speaks: ids, tweets, users, delivery rules and events.
//!
//! Nothing here does I/O, knows a database or a wire format. What must be in every stored format from the first day
//! (see `docs/crossing.md` for why) is named here once:
//!
//! - [`Mode`]: how a tweet travels, settled once for that tweet;
//! - [`ActorVersion`]: the last change an account made itself; edges and their tombstones carry it;
//! - [`Coverage`]: how far down a stored timeline is complete, and whose follows it holds;
//! - [`Event`]: format version and trace context travel with it.

mod clock;
mod delivery;
mod event;
mod graph;
mod ids;
mod snowflake;
mod text;
mod tweet;
mod user;

pub use clock::{Clock, ManualClock, SystemClock};
pub use delivery::{
    AuthorRange, ChunkPlan, DeliveryPlan, DeliveryRecord, DeliveryRules, DeliveryState, IdRange, InvalidRules, Mode,
    Phase, RulesInForce, Strategy, Subject, Thresholds,
};
pub use event::{AuthorTweets, EVENT_FORMAT, Event, EventBody, TraceContext};
pub use graph::{Coverage, EdgeKind, Followee, GraphChange, GraphChangeKind, ReaderView};
pub use ids::{ActorVersion, BuildId, Epoch, Generation, ParseIdError, Position, TweetId, UserId};
pub use snowflake::{ClockWentBack, EPOCH_MS, Snowflake, WorkerId, WorkerIdOutOfRange};
pub use text::is_blank;
pub use tweet::{Author, Tweet};
pub use user::{
    AccountName, DisplayName, Handle, InvalidAccountName, InvalidDisplayName, InvalidHandle, Session, User,
};

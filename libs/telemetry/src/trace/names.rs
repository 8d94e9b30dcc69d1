//! The attributes of spans: those of the stable semantic conventions, those of the conventions for messaging, which are
//! still in development, and our own.

/// What kind of failure it was: a status of HTTP, or a word.
pub const ERROR_TYPE: &str = "error.type";
/// `GET`, …; `_OTHER` for unknown words.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// How often a request had been sent before.
pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
/// The status that was answered.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The pattern of the resource, as `/v1/tweets/{id}`.
pub const HTTP_ROUTE: &str = "http.route";
/// The host that is asked: one of ours, never a client's.
pub const SERVER_ADDRESS: &str = "server.address";
/// Its port.
pub const SERVER_PORT: &str = "server.port";
/// All of the URL that is asked, without credentials.
pub const URL_FULL: &str = "url.full";
/// The path that was asked for, without the query.
pub const URL_PATH: &str = "url.path";
/// `http`: TLS ends in front of us.
pub const URL_SCHEME: &str = "url.scheme";

/// How many messages a batch holds.
pub const MESSAGING_BATCH_MESSAGE_COUNT: &str = "messaging.batch.message_count";
/// Where messages go.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
/// `send` or `process`.
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
/// What carries messages: always [`EVENT_LOG`], whichever adapter is behind it.
pub const MESSAGING_SYSTEM: &str = "messaging.system";

/// See [`MESSAGING_SYSTEM`].
pub const EVENT_LOG: &str = "rookery.event_log";
/// The one destination there is.
pub const EVENTS: &str = "events";

/// The id of a tweet, as text.
pub const TWEET_ID: &str = "rookery.tweet.id";
/// How a tweet travels: `push`, `pull` or `both`.
pub const DELIVERY_MODE: &str = "rookery.delivery.mode";
/// Followers that a tweet, or a chunk, has.
pub const DELIVERY_EXPECTED: &str = "rookery.delivery.expected";
/// Timelines that were written.
pub const DELIVERY_WRITTEN: &str = "rookery.delivery.written";
/// Followers without a timeline, or no longer following.
pub const DELIVERY_SKIPPED: &str = "rookery.delivery.skipped";
/// What has become of a tweet's event: `delivered`, `planned` (in chunks), `left_to_readers`, `known` (it was done before).
pub const DELIVERY_OUTCOME: &str = "rookery.delivery.outcome";
/// Which chunk of a tweet.
pub const CHUNK_NUMBER: &str = "rookery.chunk.number";
/// How often a chunk had been begun before; the first that is cut off a rest may count that too.
pub const CHUNK_TRIES: &str = "rookery.chunk.tries";
/// Chunks that were planned.
pub const CHUNKS: &str = "rookery.chunks";
/// Pairs of a follower and a tweet.
pub const PAIRS: &str = "rookery.pairs";
/// Tweets of an answer.
pub const TWEETS: &str = "rookery.tweets";

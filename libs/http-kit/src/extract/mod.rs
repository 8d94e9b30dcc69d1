//! What handlers take of a request, each with one clear refusal.

mod idempotency;
mod json_body;
mod page;
mod path_id;
mod query;
mod request;

pub use idempotency::IdempotencyHeader;
pub use json_body::{BodyDigest, JsonBody, MAX_BODY_BYTES, NoBody};
pub use page::{PageQuery, page_limit};
pub use path_id::PathId;
pub use query::QueryParams;
pub(crate) use request::request_deadline;
pub use request::{RequestDeadline, RequestTimeout, trace_context};

//! What every HTTP service shares: problems, tokens, extractors, health.
//!
//! A service describes its resources with [`Endpoint`]s, takes what it needs of a request with the extractors, answers
//! refusals with a [`Problem`], and is run by [`serve`]. What a client can rely on everywhere is decided here, once:
//!
//! - every refusal is `application/problem+json` of a type in [`problems`], and never tells an internal detail;
//! - a bad token is refused wherever it is shown, on public reads too;
//! - a request ends within a bound, a panic is an answer, and a stopping server lets requests finish.

pub mod auth;
pub mod cursor;
mod endpoint;
mod extract;
mod health;
mod limits;
pub mod openapi;
mod problem;
pub mod problems;
mod request_id;
mod request_metrics;
mod server;
mod server_span;
mod shell;
pub mod time;
pub mod tweet_json;

pub use auth::{Actor, Authenticator, IssuedToken, KeyError, TokenIssuer, VerifyingKeys, Viewer};
pub use endpoint::Endpoint;
pub use extract::{
    BodyDigest, IdempotencyHeader, JsonBody, MAX_BODY_BYTES, NoBody, PageQuery, PathId, QueryParams, RequestDeadline,
    RequestTimeout, page_limit, trace_context,
};
pub use health::{Admin, AdminToken, Readiness, internal_routes, starting_routes};
pub use limits::{Limits, RateLimits};
pub use problem::Problem;
pub use problems::ProblemType;
pub use request_metrics::RequestMetrics;
pub use server::{ServerOptions, serve};
pub use tweet_json::{AuthorBody, TweetBody, render_tweet};

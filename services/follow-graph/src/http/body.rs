//! What several endpoints answer with.

use http_kit::time::Rfc3339;
use model::{User, UserId};
use serde::Serialize;
use utoipa::ToSchema;

/// An account. Counts may be 5 s old.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserBody {
    #[schema(value_type = String, example = "42")]
    id: UserId,
    #[schema(example = "ada")]
    handle: String,
    #[schema(example = "Ada Lovelace")]
    display_name: String,
    #[schema(value_type = String, format = DateTime, example = "2026-11-23T09:46:00.123Z")]
    created_at: Rfc3339,
    followers_count: u64,
    following_count: u64,
    tweets_count: u64,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            handle: user.handle,
            display_name: user.display_name,
            created_at: Rfc3339(user.created_at_ms),
            followers_count: user.followers_count,
            following_count: user.following_count,
            tweets_count: user.tweets_count,
        }
    }
}

//! Accounts as clients see them.

use http_kit::time::Rfc3339;
use model::{User, UserId};
use serde::Serialize;
use utoipa::ToSchema;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserBody {
    /// Its id.
    #[schema(value_type = String, example = "42")]
    id: UserId,
    /// Its handle, as it was chosen.
    #[schema(example = "ada")]
    handle: String,
    /// Its display name.
    #[schema(example = "Ada Lovelace")]
    display_name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Rfc3339,
    /// How many follow it; up to 5 s old.
    followers_count: u64,
    /// How many it follows; up to 5 s old.
    following_count: u64,
    /// How many tweets it has; up to 5 s old.
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

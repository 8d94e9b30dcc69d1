//! A tweet as clients see it. Rendered in this one place, so that a tweet looks the same wherever it comes from.

use bytes::Bytes;
use model::{Tweet, TweetId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::time::Rfc3339;

/// An author, within a tweet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Author)]
pub struct AuthorBody<'a> {
    /// The account's id.
    #[schema(value_type = String, example = "42")]
    pub id: UserId,
    /// Its handle.
    #[schema(example = "ada")]
    pub handle: &'a str,
    /// Its display name.
    #[schema(example = "Ada Lovelace")]
    pub display_name: &'a str,
}

/// A tweet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tweet)]
pub struct TweetBody<'a> {
    /// Its id. Ids grow with time.
    #[schema(value_type = String, example = "1750000000000000000")]
    pub id: TweetId,
    /// The text, as it was posted.
    #[schema(example = "Hello, world")]
    pub text: &'a str,
    /// When it was posted.
    #[schema(value_type = String, format = DateTime, example = "2026-11-23T09:46:00.123Z")]
    pub created_at: Rfc3339,
    /// The tweet that it replies to, null when it is no reply. It may be deleted by now.
    #[schema(value_type = Option<String>)]
    pub in_reply_to_id: Option<TweetId>,
    /// Who posted it.
    #[schema(inline = false)]
    pub author: AuthorBody<'a>,
}

impl<'a> From<&'a Tweet> for TweetBody<'a> {
    fn from(tweet: &'a Tweet) -> Self {
        Self {
            id: tweet.id,
            text: &tweet.text,
            created_at: Rfc3339(tweet.id.unix_ms()),
            in_reply_to_id: tweet.in_reply_to,
            author: AuthorBody {
                id: tweet.author.id,
                handle: &tweet.author.handle,
                display_name: &tweet.author.display_name,
            },
        }
    }
}

/// The tweet's JSON.
pub fn render_tweet(tweet: &Tweet) -> Bytes {
    serde_json::to_vec(&TweetBody::from(tweet))
        .expect("strings and numbers always serialize")
        .into()
}

#[cfg(test)]
mod tests {
    use model::Author;

    use super::*;

    #[test]
    fn the_form_is_stable() {
        let mut tweet = Tweet {
            id: TweetId::first_at(1_288_834_974_657 + 343_000),
            author: Author {
                id: UserId::new(7),
                handle: "ada".to_owned(),
                display_name: "Ada \"L\"".to_owned(),
            },
            text: "a\n\u{1F600}".to_owned(),
            in_reply_to: None,
        };
        let expected = "{\"id\":\"1438646272000\",\"text\":\"a\\n\u{1F600}\",\"created_at\":\"2010-11-04T01:48:37.657Z\",\
                        \"in_reply_to_id\":null,\"author\":{\"id\":\"7\",\"handle\":\"ada\",\"display_name\":\"Ada \\\"L\\\"\"}}";
        assert_eq!(render_tweet(&tweet), expected);
        tweet.in_reply_to = Some(TweetId::new(5));
        assert!(String::from_utf8_lossy(&render_tweet(&tweet)).contains("\"in_reply_to_id\":\"5\""));
    }
}

//! A page of one account's own tweets.

use std::sync::Arc;

use model::{AuthorRange, IdRange, TweetId, UserId};
use storage::{Deadline, RenderedTweet};

use crate::service::{ReadError, TimelineRead};

/// A page of a user timeline.
#[derive(Debug, Default)]
pub(crate) struct UserPage {
    pub(crate) tweets: Vec<Arc<RenderedTweet>>,
    /// Where the next page goes on.
    pub(crate) next_below: Option<TweetId>,
}

impl TimelineRead {
    /// The newest tweets of `author` below an id. Across a block there are none to see.
    pub(crate) async fn user_timeline(
        &self,
        author: UserId,
        viewer: Option<UserId>,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<UserPage, ReadError> {
        let users = self.ports.graph.users(&[author], deadline).await?;
        if users.iter().all(Option::is_none) {
            return Err(ReadError::NoSuchUser);
        }
        if let Some(viewer) = viewer {
            let view = self
                .ports
                .graph
                .reader(viewer, None, deadline)
                .await?
                .ok_or(ReadError::NoSuchUser)?;
            if view.blocked.binary_search(&author).is_ok() {
                return Ok(UserPage::default());
            }
        }
        let source = [AuthorRange {
            author,
            range: IdRange::ALL,
        }];
        let page = self.ports.tweets.page(&source, below, limit + 1, deadline).await?;
        let mut ids: Vec<TweetId> = page.entries.iter().map(|entry| entry.id).collect();
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next_below = if more { ids.last().copied() } else { page.next_below };
        Ok(UserPage {
            tweets: self.hydrator.hydrate(&ids, deadline).await?,
            next_below,
        })
    }
}

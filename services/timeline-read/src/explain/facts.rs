//! What is known of a tweet and a reader.

use model::{DeliveryRecord, Tweet, TweetId, UserId};
use storage::{ChunkRecord, Deadline, EdgeRecord, StoreError};

use crate::home::{HomeRequest, Scan};
use crate::mark::{HomeCursor, Mark};
use crate::service::{Basis, ReadError, TimelineRead};
use crate::sources::Lookup;

/// How much a page has on which an undelivered original is looked for: as much as the largest that a client can ask for.
const PAGE: usize = 100;

/// All facts, as of one look.
pub(super) struct Facts {
    pub(super) reader: UserId,
    pub(super) tweet: TweetId,
    /// What the tweet store has.
    pub(super) found: Option<Tweet>,
    pub(super) author: Option<AuthorFacts>,
    pub(super) record: Option<DeliveryRecord>,
    pub(super) chunk: Option<ChunkRecord>,
    /// What stands, or stood, between reader and author.
    pub(super) edges: Vec<EdgeRecord>,
    /// `None` when there is no such reader.
    pub(super) read: Option<Read>,
}

/// Who posted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AuthorFacts {
    pub(super) id: UserId,
    /// Whether the account is there.
    pub(super) is_there: bool,
}

/// What a read of the timeline at this place goes by, and what it shows.
pub(super) struct Read {
    pub(super) basis: Basis,
    pub(super) lookup: Lookup,
    /// Whether it shows the tweet.
    pub(super) shows: bool,
    /// A reply that the first page shows, which therefore shows this tweet. It is looked for only where no source gives it
    /// and it may be undelivered.
    pub(super) reply: Option<TweetId>,
}

impl Facts {
    /// Whether what was answered from caches could be believed all the time.
    pub(super) fn are_believable(&self) -> bool {
        self.read.as_ref().is_none_or(|read| read.basis.is_believable())
    }
}

impl TimelineRead {
    /// The books come first, so that what they call done must be in the timeline.
    pub(super) async fn facts(&self, reader: UserId, tweet: TweetId, deadline: Deadline) -> Result<Facts, ReadError> {
        let ports = &self.ports;
        let record = ports.deliveries.get(&[tweet], deadline).await?.pop().flatten();
        let chunk = ports.deliveries.chunk_of(tweet, reader, deadline).await?;
        let found = ports.tweets.get(&[tweet], deadline).await?.pop().flatten();
        let author = found.as_ref().map(|tweet| tweet.author.id);
        let author = author.or(record.as_ref().map(|record| record.author));
        let (author, edges) = match author {
            None => (None, Vec::new()),
            Some(id) => (
                Some(self.author(id, deadline).await?),
                ports.edges.edges_between(reader, id, deadline).await?,
            ),
        };
        let read = match self.read_at(reader, tweet, deadline).await {
            Ok(read) => Some(read),
            Err(ReadError::NoSuchUser) => None,
            Err(error) => return Err(error),
        };
        Ok(Facts {
            reader,
            tweet,
            found,
            author,
            record,
            chunk,
            edges,
            read,
        })
    }

    async fn author(&self, id: UserId, deadline: Deadline) -> Result<AuthorFacts, StoreError> {
        let found = self.ports.graph.users(&[id], deadline).await?;
        let is_there = found.iter().any(Option::is_some);
        Ok(AuthorFacts { id, is_there })
    }

    /// Reads the timeline where the tweet belongs, as a page of a scroll that begins right above it.
    async fn read_at(&self, reader: UserId, tweet: TweetId, deadline: Deadline) -> Result<Read, ReadError> {
        let below = tweet.next().min(TweetId::MAX);
        let request = HomeRequest {
            reader,
            limit: 1,
            cursor: Some(HomeCursor {
                below,
                mark: Mark {
                    settled: TweetId::MAX,
                    seen: Vec::new(),
                },
            }),
            newer_than: None,
        };
        let (basis, lookup) = self.basis(reader, below, request.limit, deadline).await?;
        let mut scan = Scan::new(self, &basis, &request, deadline);
        let candidates = scan.candidates(lookup.clone(), request.limit).await?;
        let (shows, reply) = if candidates.contains(&tweet) {
            (!scan.filtered(&[tweet]).await?.is_empty(), None)
        } else if tweet >= basis.settled {
            self.brought_by_a_reply(&basis, tweet, deadline).await?
        } else {
            (false, None)
        };
        Ok(Read {
            basis,
            lookup,
            shows,
            reply,
        })
    }

    /// Whether the first page shows a tweet that may be undelivered, and a reply to it.
    async fn brought_by_a_reply(
        &self,
        basis: &Basis,
        tweet: TweetId,
        deadline: Deadline,
    ) -> Result<(bool, Option<TweetId>), ReadError> {
        let request = HomeRequest {
            reader: basis.view.reader,
            limit: PAGE,
            cursor: None,
            newer_than: None,
        };
        let mut scan = Scan::new(self, basis, &request, deadline);
        let lookup = scan.look_up(PAGE + 1).await?;
        scan.down(lookup).await?;
        scan.add_originals().await?;
        let shows = scan.visible.iter().any(|shown| shown.id == tweet);
        let reply = scan.visible.iter().find(|shown| shown.in_reply_to == Some(tweet));
        Ok((shows, reply.map(|reply| reply.id)))
    }
}

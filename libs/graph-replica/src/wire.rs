//! What follow-graph and those who ask it say to each other, as JSON. Ids are numbers here: nobody outside reads this.
//!
//! Old and new builds speak it side by side: fields are only ever added, and unknown ones are ignored.

use model::{ActorVersion, ChunkPlan, Followee, ReaderView, User, UserId};
use serde::{Deserialize, Serialize};
use storage::{ChunksRequest, FollowerPage, FollowerPageRequest};

/// Where reader views are asked for.
pub const READERS: &str = "/internal/v1/readers";
/// Where pages of followers are asked for.
pub const FOLLOWERS: &str = "/internal/v1/followers";
/// Where followers are cut into chunks.
pub const CHUNKS: &str = "/internal/v1/chunks";
/// Where accounts are asked for.
pub const USERS: &str = "/internal/v1/users";

/// How many items one request may ask for.
pub const MAX_ITEMS: usize = 500;

/// Asks for accounts, or for what they follow.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ids {
    /// The accounts.
    pub ids: Vec<u64>,
}

/// Answers, in the order asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Items<T> {
    /// One for each item of the request.
    pub items: Vec<T>,
}

/// [`ReaderView`].
#[derive(Debug, Serialize, Deserialize)]
pub struct View {
    reader: u64,
    version: u64,
    /// Account and since when, alternating.
    followees: Vec<(u64, u64)>,
    muted: Vec<u64>,
    blocked: Vec<u64>,
}

impl From<&ReaderView> for View {
    fn from(view: &ReaderView) -> Self {
        Self {
            reader: view.reader.get(),
            version: view.version.0,
            followees: view.followees.iter().map(|f| (f.id.get(), f.since.0)).collect(),
            muted: numbers(&view.muted),
            blocked: numbers(&view.blocked),
        }
    }
}

impl From<View> for ReaderView {
    fn from(view: View) -> Self {
        let followee = |(id, since)| Followee {
            id: UserId::new(id),
            since: ActorVersion(since),
        };
        Self {
            reader: UserId::new(view.reader),
            version: ActorVersion(view.version),
            followees: view.followees.into_iter().map(followee).collect(),
            muted: ids(view.muted),
            blocked: ids(view.blocked),
        }
    }
}

/// [`FollowerPageRequest`], many at once.
#[derive(Debug, Serialize, Deserialize)]
pub struct PageRequests {
    /// The requests.
    pub requests: Vec<PageRequest>,
}

/// [`FollowerPageRequest`].
#[derive(Debug, Serialize, Deserialize)]
pub struct PageRequest {
    author: u64,
    after: Option<u64>,
    limit: usize,
}

impl From<&FollowerPageRequest> for PageRequest {
    fn from(request: &FollowerPageRequest) -> Self {
        Self {
            author: request.author.get(),
            after: request.after.map(UserId::get),
            limit: request.limit,
        }
    }
}

impl From<PageRequest> for FollowerPageRequest {
    fn from(request: PageRequest) -> Self {
        Self {
            author: UserId::new(request.author),
            after: request.after.map(UserId::new),
            limit: request.limit,
        }
    }
}

/// [`FollowerPage`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    followers: Vec<u64>,
    more: bool,
}

impl From<FollowerPage> for Page {
    fn from(page: FollowerPage) -> Self {
        Self {
            followers: numbers(&page.followers),
            more: page.more,
        }
    }
}

impl From<Page> for FollowerPage {
    fn from(page: Page) -> Self {
        Self {
            followers: ids(page.followers),
            more: page.more,
        }
    }
}

/// [`ChunksRequest`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Chunks {
    author: u64,
    after: Option<u64>,
    /// Older builds ask for all.
    #[serde(default = "unlimited")]
    limit: usize,
    size: usize,
}

fn unlimited() -> usize {
    usize::MAX
}

impl From<ChunksRequest> for Chunks {
    fn from(request: ChunksRequest) -> Self {
        Self {
            author: request.author.get(),
            after: request.after.map(UserId::get),
            limit: request.limit,
            size: request.size,
        }
    }
}

impl From<Chunks> for ChunksRequest {
    fn from(request: Chunks) -> Self {
        Self {
            author: UserId::new(request.author),
            after: request.after.map(UserId::new),
            limit: request.limit,
            size: request.size,
        }
    }
}

/// [`ChunkPlan`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Chunk {
    number: u32,
    after: Option<u64>,
    last: u64,
    expected: u64,
}

impl From<ChunkPlan> for Chunk {
    fn from(plan: ChunkPlan) -> Self {
        Self {
            number: plan.number,
            after: plan.after.map(UserId::get),
            last: plan.last.get(),
            expected: plan.expected,
        }
    }
}

impl From<Chunk> for ChunkPlan {
    fn from(chunk: Chunk) -> Self {
        Self {
            number: chunk.number,
            after: chunk.after.map(UserId::new),
            last: UserId::new(chunk.last),
            expected: chunk.expected,
        }
    }
}

/// [`User`].
#[derive(Debug, Serialize, Deserialize)]
pub struct Account {
    id: u64,
    handle: String,
    display_name: String,
    created_at_ms: u64,
    followers_count: u64,
    following_count: u64,
    tweets_count: u64,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self {
            id: user.id.get(),
            handle: user.handle,
            display_name: user.display_name,
            created_at_ms: user.created_at_ms,
            followers_count: user.followers_count,
            following_count: user.following_count,
            tweets_count: user.tweets_count,
        }
    }
}

impl From<Account> for User {
    fn from(account: Account) -> Self {
        Self {
            id: UserId::new(account.id),
            handle: account.handle,
            display_name: account.display_name,
            created_at_ms: account.created_at_ms,
            followers_count: account.followers_count,
            following_count: account.following_count,
            tweets_count: account.tweets_count,
        }
    }
}

fn numbers(ids: &[UserId]) -> Vec<u64> {
    ids.iter().map(|id| id.get()).collect()
}

fn ids(numbers: Vec<u64>) -> Vec<UserId> {
    numbers.into_iter().map(UserId::new).collect()
}

//! A thin client of the public API.

use std::sync::Arc;
use std::time::Duration;

use model::{EdgeKind, TweetId, UserId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::persistent::send_again;
use crate::transport::{Answer, ClientError, Request, Transport};

/// An account, as answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// Its id.
    pub id: UserId,
    /// Its handle.
    pub handle: String,
    /// Its display name.
    pub display_name: String,
    /// When it was made.
    pub created_at: String,
    /// Who follow it.
    pub followers_count: u64,
    /// Whom it follows.
    pub following_count: u64,
    /// What it has posted and not deleted.
    pub tweets_count: u64,
}

/// A page of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserPage {
    /// The accounts.
    pub users: Vec<UserBody>,
    /// Where the next page goes on.
    pub next_cursor: Option<String>,
}

/// A tweet's author, as answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorBody {
    /// The account.
    pub id: UserId,
    /// Its handle.
    pub handle: String,
    /// Its display name.
    pub display_name: String,
}

/// A tweet, as answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TweetBody {
    /// Its id.
    pub id: TweetId,
    /// Its text.
    pub text: String,
    /// When it was posted.
    pub created_at: String,
    /// What it answers.
    pub in_reply_to_id: Option<TweetId>,
    /// Who posted it.
    pub author: AuthorBody,
}

/// A page of a user timeline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TweetPage {
    /// Newest first.
    pub tweets: Vec<TweetBody>,
    /// Where the next page goes on.
    pub next_cursor: Option<String>,
}

/// A page of a home timeline.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomePage {
    /// Newest first.
    pub tweets: Vec<TweetBody>,
    /// Where the next page goes on.
    pub next_cursor: Option<String>,
    /// The mark for `newer_than`.
    pub newest_cursor: String,
    /// Whether nothing is lacking.
    pub complete: bool,
}

/// A session, as answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionBody {
    /// The bearer token.
    pub token: String,
    /// Until when it holds.
    pub expires_at: String,
    /// Whose it is.
    pub user: UserBody,
}

/// What to ask of a timeline.
#[derive(Debug, Clone, Default)]
pub struct PageQuery {
    /// How many at most.
    pub limit: Option<usize>,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Only what is newer than this mark.
    pub newer_than: Option<String>,
}

impl PageQuery {
    /// The first page of at most `limit`.
    pub fn limit(limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..Self::default()
        }
    }

    fn append_to(&self, path: &str) -> String {
        let limit = self.limit.map(|limit| format!("limit={limit}"));
        let cursor = self.cursor.as_ref().map(|cursor| format!("cursor={cursor}"));
        let mark = self.newer_than.as_ref().map(|mark| format!("newer_than={mark}"));
        let query: Vec<String> = [limit, cursor, mark].into_iter().flatten().collect();
        if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", query.join("&"))
        }
    }
}

/// The path segment of an edge kind.
pub const fn edge_segment(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => "following",
        EdgeKind::Mute => "muting",
        EdgeKind::Block => "blocking",
    }
}

/// How often an answer of 503, or an incomplete page, is asked for again: for as long as the restart of a store may take on a
/// machine that has much else to do.
const TRIES: u32 = 300;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A client. What is answered 503 it asks again, as it is told to, under the same idempotency key.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
}

impl Client {
    /// A client that asks through `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport }
    }

    /// Sends a request, again while it is answered 503.
    pub async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let is_refused =
            |outcome: &Result<Answer, ClientError>| outcome.as_ref().is_ok_and(|answer| answer.status == 503);
        send_again(&*self.transport, &request, TRIES, is_refused).await
    }

    /// `GET`, with the viewer's token if there is one.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Result<Answer, ClientError> {
        self.send(Request::new(Method::GET, path).token(token)).await
    }

    /// Makes an account. Each call has a key of its own: asked again after a 503, it must not find its own handle taken.
    pub async fn sign_up(&self, handle: &str, password: &str) -> Result<Answer, ClientError> {
        let body = json!({"handle": handle, "password": password});
        let key = format!("sign-up-{:x}", rand::random::<u64>());
        let request = Request::new(Method::POST, "/v1/users").body(body);
        self.send(request.key(key)).await
    }

    /// Logs in.
    pub async fn log_in(&self, handle: &str, password: &str) -> Result<SessionBody, ClientError> {
        let body = json!({"handle": handle, "password": password});
        let answer = self.send(Request::new(Method::POST, "/v1/sessions").body(body)).await?;
        answer.expect(201)?.parse()
    }

    /// Posts a tweet.
    pub async fn post(
        &self,
        token: &str,
        text: &str,
        in_reply_to: Option<TweetId>,
        key: &str,
    ) -> Result<Answer, ClientError> {
        let mut body = json!({"text": text});
        if let Some(original) = in_reply_to {
            body["in_reply_to_id"] = Value::String(original.to_string());
        }
        let request = Request::new(Method::POST, "/v1/tweets").token(Some(token)).body(body);
        self.send(request.key(key)).await
    }

    /// Deletes a tweet.
    pub async fn delete_tweet(&self, token: &str, id: TweetId) -> Result<Answer, ClientError> {
        self.delete(&format!("/v1/tweets/{id}"), token).await
    }

    /// Deletes one's account.
    pub async fn delete_account(&self, token: &str) -> Result<Answer, ClientError> {
        self.delete("/v1/users/me", token).await
    }

    /// Makes or removes an edge.
    pub async fn set_edge(
        &self,
        token: &str,
        kind: EdgeKind,
        target: UserId,
        present: bool,
    ) -> Result<Answer, ClientError> {
        let method = if present { Method::PUT } else { Method::DELETE };
        let path = format!("/v1/users/me/{}/{target}", edge_segment(kind));
        self.send(Request::new(method, path).token(Some(token))).await
    }

    /// A page of the home timeline, whatever its status.
    pub async fn home(&self, token: &str, query: &PageQuery) -> Result<Answer, ClientError> {
        self.get(&query.append_to("/v1/timelines/home"), Some(token)).await
    }

    /// A page of the home timeline that says it is complete; an incomplete one is asked for again.
    pub async fn complete_home(&self, token: &str, query: &PageQuery) -> Result<HomePage, ClientError> {
        for _ in 1..TRIES {
            let page: HomePage = self.home(token, query).await?.expect(200)?.parse()?;
            if page.complete {
                return Ok(page);
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        self.home(token, query).await?.expect(200)?.parse()
    }

    /// All of the home timeline, page by page.
    pub async fn scroll(&self, token: &str, page_size: usize) -> Result<Vec<TweetId>, ClientError> {
        let mut query = PageQuery::limit(page_size);
        let mut ids = Vec::new();
        loop {
            let page = self.complete_home(token, &query).await?;
            ids.extend(page.tweets.iter().map(|tweet| tweet.id));
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return Ok(ids);
            }
        }
    }

    /// All of a user timeline, page by page; `None` when it is answered 404.
    pub async fn user_timeline(
        &self,
        user: UserId,
        viewer: Option<&str>,
        page_size: usize,
    ) -> Result<Option<Vec<TweetBody>>, ClientError> {
        let path = format!("/v1/timelines/users/{user}");
        let mut query = PageQuery::limit(page_size);
        let mut tweets = Vec::new();
        loop {
            let answer = self.get(&query.append_to(&path), viewer).await?;
            if answer.status == 404 {
                answer.expect_problem(404, "no-such-user")?;
                return Ok(None);
            }
            let page: TweetPage = answer.expect(200)?.parse()?;
            tweets.extend(page.tweets);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return Ok(Some(tweets));
            }
        }
    }

    /// All followers, or all followees, page by page; `None` when it is answered 404.
    pub async fn edge_list(
        &self,
        user: UserId,
        list: &str,
        page_size: usize,
    ) -> Result<Option<Vec<UserBody>>, ClientError> {
        let path = format!("/v1/users/{user}/{list}");
        let mut query = PageQuery::limit(page_size);
        let mut users = Vec::new();
        loop {
            let answer = self.get(&query.append_to(&path), None).await?;
            if answer.status == 404 {
                answer.expect_problem(404, "no-such-user")?;
                return Ok(None);
            }
            let page: UserPage = answer.expect(200)?.parse()?;
            users.extend(page.users);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return Ok(Some(users));
            }
        }
    }

    async fn delete(&self, path: &str, token: &str) -> Result<Answer, ClientError> {
        self.send(Request::new(Method::DELETE, path).token(Some(token))).await
    }
}

//! A program of its own for each test, and accounts to act as.

use model::{TweetId, UserId};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::client::{HomePage, SessionBody, TweetBody};
use test_support::{Answer, Client, PageQuery, ProcessOptions, Request, RookeryProcess, System};

pub(crate) const PASSWORD: &str = "correct horse";

/// A running program.
pub(crate) struct App {
    pub(crate) process: RookeryProcess,
    pub(crate) client: Client,
    _dir: TempDir,
}

/// An account, logged in.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) handle: String,
    pub(crate) token: String,
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings beyond the defaults.
    pub(crate) async fn with(settings: &[(&'static str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("rookery-api-").tempdir();
        let dir = dir.expect("a folder for the test");
        let options = ProcessOptions {
            binary: env!("CARGO_BIN_EXE_rookery").into(),
            dir: dir.path().to_owned(),
            settings: settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        };
        let process = match RookeryProcess::start(options).await {
            Ok(process) => process,
            Err(error) => {
                let log = std::fs::read_to_string(dir.path().join("rookery.log")).unwrap_or_default();
                panic!("{error}\n{log}")
            }
        };
        Self {
            client: Client::new(process.public()),
            process,
            _dir: dir,
        }
    }

    /// A client of the operators' paths.
    pub(crate) fn operators(&self) -> Client {
        Client::new(self.process.operator().fan_out.clone())
    }

    /// Where the public API is.
    pub(crate) fn url(&self) -> String {
        self.process.public_url()
    }

    /// Signs up and logs in.
    pub(crate) async fn account(&self, handle: &str) -> Account {
        let answer = self.client.sign_up(handle, PASSWORD).await.expect("an answer");
        answer.expect(201).expect("the account is made");
        self.log_in(handle, PASSWORD).await
    }

    pub(crate) async fn log_in(&self, handle: &str, password: &str) -> Account {
        let session: SessionBody = self.client.log_in(handle, password).await.expect("a session");
        Account {
            id: session.user.id,
            handle: session.user.handle,
            token: session.token,
        }
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        self.client.send(request).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.send(Request::new(Method::GET, path).token(token)).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str) -> Answer {
        self.send(Request::new(Method::PUT, path).token(Some(token))).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(Request::new(Method::DELETE, path).token(Some(token))).await
    }

    pub(crate) async fn post_json(&self, path: &str, token: Option<&str>, body: Value) -> Answer {
        self.send(Request::new(Method::POST, path).token(token).body(body))
            .await
    }

    /// `PUT` of an edge that must be accepted.
    pub(crate) async fn connect(&self, actor: &Account, kind: &str, target: &Account) {
        let path = format!("/v1/users/me/{kind}/{}", target.id);
        self.put(&path, &actor.token)
            .await
            .expect(204)
            .expect("the edge is made");
    }

    /// Posts a tweet that must be accepted.
    pub(crate) async fn tweet(&self, author: &Account, text: &str) -> TweetBody {
        let answer = self
            .post_json("/v1/tweets", Some(&author.token), json!({"text": text}))
            .await;
        answer
            .expect(201)
            .and_then(|answer| answer.parse())
            .expect("the tweet is accepted")
    }

    /// Posts so many tweets; oldest first.
    pub(crate) async fn tweets(&self, author: &Account, count: usize) -> Vec<TweetId> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.tweet(author, &format!("number {number}")).await.id);
        }
        ids
    }

    pub(crate) async fn home(&self, reader: &Account, query: &PageQuery) -> HomePage {
        self.client.complete_home(&reader.token, query).await.expect("a page")
    }

    /// The texts of the whole home timeline.
    pub(crate) async fn home_texts(&self, reader: &Account) -> Vec<String> {
        let page = self.home(reader, &PageQuery::limit(100)).await;
        page.tweets.into_iter().map(|tweet| tweet.text).collect()
    }

    /// Waits until these are delivered.
    pub(crate) async fn settle(&self, tweets: &[TweetId]) {
        self.process.settle(tweets).await.expect("they are delivered");
    }
}

/// Insists on a refusal, and on what every refusal must look like.
pub(crate) fn refused(answer: Answer, status: u16, slug: &'static str) -> Answer {
    let answer = answer
        .expect_problem(status, slug)
        .expect("the refusal that the rules ask for");
    for field in ["title", "detail"] {
        let text = answer.body[field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{} has no {field}: {}", answer.request, answer.body);
    }
    let has = |name| answer.headers.contains_key(name);
    assert_eq!(has("www-authenticate"), status == 401, "{}", answer.request);
    assert!(status != 405 || has("allow"), "{}", answer.request);
    answer
}

/// A transport to the same server, for requests that a well-behaved client does not send.
pub(crate) fn raw(app: &App) -> (reqwest::Client, String) {
    (reqwest::Client::new(), app.url())
}

/// What came back of a raw request, in the form of all others.
pub(crate) async fn raw_answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let name = response.url().path().to_owned();
    let bytes = response.bytes().await.expect("a body");
    Answer {
        request: name,
        status,
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        repeated: false,
    }
}

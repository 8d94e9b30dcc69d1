//! The service on port 0: a real tweet store, and a graph, a log and a cache that tell what they were asked.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web;
use async_trait::async_trait;
use http_kit::auth::generate_private_key;
use http_kit::{Authenticator, ServerOptions, TokenIssuer, VerifyingKeys, serve};
use model::{
    ActorVersion, ChunkPlan, DeliveryRules, Epoch, Event, ReaderView, Session, SystemClock, TweetId, User, UserId,
    WorkerId,
};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde_json::Value;
use storage::{
    Backlog, CacheEpoch, CachedTweets, ChunksRequest, Credentials, Deadline, EventLog, FollowGraph, FollowerPage,
    FollowerPageRequest, Receipt, Received, RenderedTweet, Settled, StoreError, TweetCache,
};
use storage_sqlite::{SqliteTweets, TweetOptions};
use tokio_util::sync::CancellationToken;
use tweet_ingest::{Ports, TweetIngest, routes};

/// What the service did besides its store, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Removed(TweetId),
    Published(TweetId),
}

/// The follow graph, the log and the cache.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) steps: Mutex<Vec<Step>>,
    pub(crate) deleted: Mutex<HashSet<UserId>>,
    pub(crate) blocks: Mutex<HashSet<(UserId, UserId)>>,
    pub(crate) log_is_down: Mutex<bool>,
    pub(crate) cache_is_down: Mutex<bool>,
}

fn down<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("outside", "the test wants it so"))
}

#[async_trait]
impl FollowGraph for Outside {
    async fn reader(
        &self,
        reader: UserId,
        _: Option<ActorVersion>,
        _: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        let blocks = self.blocks.lock().unwrap();
        let across = blocks.iter().filter_map(|(one, other)| match reader {
            _ if reader == *one => Some(*other),
            _ if reader == *other => Some(*one),
            _ => None,
        });
        let mut blocked: Vec<_> = across.collect();
        blocked.sort();
        Ok(Some(Arc::new(ReaderView {
            reader,
            version: ActorVersion(0),
            followees: Vec::new(),
            muted: Vec::new(),
            blocked,
        })))
    }

    async fn deleted_among(&self, ids: &[UserId], _: Deadline) -> Result<Vec<UserId>, StoreError> {
        let deleted = self.deleted.lock().unwrap();
        Ok(ids.iter().copied().filter(|id| deleted.contains(id)).collect())
    }

    async fn is_revoked(&self, _: &Session, _: Deadline) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn delivery_rules(&self, _: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        down()
    }

    async fn followers(&self, _: &[FollowerPageRequest], _: Deadline) -> Result<Vec<FollowerPage>, StoreError> {
        down()
    }

    async fn chunks(&self, _: ChunksRequest, _: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        down()
    }

    async fn users(&self, _: &[UserId], _: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        down()
    }

    fn max_staleness(&self) -> Duration {
        Duration::ZERO
    }

    fn believable_until(&self) -> Option<Instant> {
        None
    }
}

#[async_trait]
impl EventLog for Outside {
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError> {
        if *self.log_is_down.lock().unwrap() {
            return down();
        }
        let steps = events.iter().map(|event| Step::Published(event.body.tweet()));
        self.steps.lock().unwrap().extend(steps);
        Ok(())
    }

    async fn receive(&self, _: usize, _: Duration) -> Result<Vec<Received>, StoreError> {
        down()
    }

    async fn acknowledge(&self, _: &[Receipt]) -> Result<(), StoreError> {
        down()
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        down()
    }

    async fn settled(&self) -> Result<Settled, StoreError> {
        down()
    }

    async fn highest(&self) -> Result<TweetId, StoreError> {
        down()
    }
}

#[async_trait]
impl TweetCache for Outside {
    async fn get(&self, _: &[TweetId], _: Deadline) -> Result<CachedTweets, StoreError> {
        down()
    }

    async fn put(&self, _: Vec<Arc<RenderedTweet>>, _: CacheEpoch, _: Deadline) -> Result<(), StoreError> {
        down()
    }

    async fn remove(&self, ids: &[TweetId], _: Deadline) -> Result<(), StoreError> {
        if *self.cache_is_down.lock().unwrap() {
            return down();
        }
        self.steps
            .lock()
            .unwrap()
            .extend(ids.iter().copied().map(Step::Removed));
        Ok(())
    }
}

/// A running service. The tests' accounts are numbers; each has a token.
pub(crate) struct TestService {
    pub(crate) outside: Arc<Outside>,
    issuer: TokenIssuer,
    client: reqwest::Client,
    root: String,
    _data: tempfile::TempDir,
}

impl TestService {
    pub(crate) fn start() -> Self {
        let clock = Arc::new(SystemClock);
        let data = tempfile::tempdir().unwrap();
        let options = TweetOptions::new(WorkerId::new(1).unwrap());
        let outside = Arc::new(Outside::default());
        let service = TweetIngest::new(Ports {
            tweets: SqliteTweets::open(data.path(), clock.clone(), options).unwrap(),
            log: outside.clone(),
            cache: outside.clone(),
            graph: outside.clone(),
        });
        let key = generate_private_key();
        let keys = VerifyingKeys::of_private_key(key.expose_secret()).unwrap();
        let authenticator = web::Data::new(Authenticator::new(keys, outside.clone(), clock.clone()));
        let routes = routes(service);
        let configure = move |config: &mut web::ServiceConfig| {
            config.app_data(authenticator.clone()).configure(routes.clone());
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let options = ServerOptions {
            workers: 1,
            ..ServerOptions::default()
        };
        tokio::spawn(serve(listener, options, configure, CancellationToken::new()));
        Self {
            outside,
            issuer: TokenIssuer::new(key.expose_secret(), clock).unwrap(),
            client: reqwest::Client::new(),
            root,
            _data: data,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str, account: Option<u64>) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.root));
        match account {
            Some(account) => request.bearer_auth(self.token(account)),
            None => request,
        }
    }

    pub(crate) async fn post(&self, account: u64, body: Value) -> Response {
        self.request(Method::POST, "/v1/tweets", Some(account))
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    /// Posts, and answers the new tweet's id.
    pub(crate) async fn posted(&self, account: u64, text: &str) -> TweetId {
        let answer: Value = self
            .post(account, serde_json::json!({ "text": text }))
            .await
            .json()
            .await
            .unwrap();
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn get(&self, id: TweetId, account: Option<u64>) -> Response {
        self.request(Method::GET, &format!("/v1/tweets/{id}"), account)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn delete(&self, id: TweetId, account: u64) -> Response {
        self.request(Method::DELETE, &format!("/v1/tweets/{id}"), Some(account))
            .send()
            .await
            .unwrap()
    }

    pub(crate) fn block(&self, one: u64, other: u64) {
        self.outside
            .blocks
            .lock()
            .unwrap()
            .insert((UserId::new(one), UserId::new(other)));
    }

    pub(crate) fn take_steps(&self) -> Vec<Step> {
        std::mem::take(&mut *self.outside.steps.lock().unwrap())
    }

    fn token(&self, account: u64) -> String {
        let user = User {
            id: UserId::new(account),
            handle: format!("user{account}"),
            display_name: format!("User {account}"),
            created_at_ms: 0,
            followers_count: 0,
            following_count: 0,
            tweets_count: 0,
        };
        let credentials = Credentials {
            user,
            password_hash: None,
            credential_version: 1,
            epoch: Epoch::default(),
        };
        self.issuer.issue(&credentials).token
    }
}

/// The slug of a refusal.
pub(crate) async fn slug(response: Response) -> String {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    body["type"]
        .as_str()
        .unwrap()
        .trim_start_matches("urn:rookery:problem:")
        .to_owned()
}

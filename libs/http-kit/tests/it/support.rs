//! A small service on port 0, and the follow graph that it asks.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::web;
use async_trait::async_trait;
use http_kit::auth::generate_private_key;
use http_kit::{Authenticator, ServerOptions, TokenIssuer, VerifyingKeys, serve};
use model::{ActorVersion, ChunkPlan, DeliveryRules, Epoch, ManualClock, ReaderView, Session, User, UserId};
use secrecy::{ExposeSecret, SecretString};
use storage::{ChunksRequest, Credentials, Deadline, FollowGraph, FollowerPage, FollowerPageRequest, StoreError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

/// A follow graph that knows revoked tokens, and may be down.
#[derive(Default)]
pub(crate) struct Revocations {
    pub(crate) revoked: Mutex<HashSet<String>>,
    pub(crate) down: Mutex<bool>,
    /// The epochs of the tokens that were asked for.
    pub(crate) asked: Mutex<Vec<Epoch>>,
}

fn unused<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable(
        "graph",
        "these tests ask for revocations alone",
    ))
}

#[async_trait]
impl FollowGraph for Revocations {
    async fn is_revoked(&self, session: &Session, _: Deadline) -> Result<bool, StoreError> {
        if *self.down.lock().unwrap() {
            return unused();
        }
        self.asked.lock().unwrap().push(session.epoch);
        Ok(self.revoked.lock().unwrap().contains(&session.token_id))
    }

    async fn reader(
        &self,
        _: UserId,
        _: Option<ActorVersion>,
        _: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        unused()
    }

    async fn delivery_rules(&self, _: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        unused()
    }

    async fn followers(&self, _: &[FollowerPageRequest], _: Deadline) -> Result<Vec<FollowerPage>, StoreError> {
        unused()
    }

    async fn chunks(&self, _: ChunksRequest, _: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        unused()
    }

    async fn users(&self, _: &[UserId], _: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        unused()
    }

    async fn deleted_among(&self, _: &[UserId], _: Deadline) -> Result<Vec<UserId>, StoreError> {
        unused()
    }

    fn max_staleness(&self) -> Duration {
        Duration::ZERO
    }

    fn believable_until(&self) -> Option<Instant> {
        None
    }
}

/// A running service.
pub(crate) struct TestService {
    pub(crate) addr: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) graph: Arc<Revocations>,
    pub(crate) issuer: TokenIssuer,
    pub(crate) private_key: SecretString,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: JoinHandle<std::io::Result<()>>,
    pub(crate) client: reqwest::Client,
}

impl TestService {
    pub(crate) fn start(configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> Self {
        Self::start_with(ServerOptions::default(), configure)
    }

    pub(crate) fn start_with(
        options: ServerOptions,
        configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let private_key = generate_private_key();
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let graph = Arc::new(Revocations::default());
        let keys = VerifyingKeys::of_private_key(private_key.expose_secret()).unwrap();
        let authenticator = web::Data::new(Authenticator::new(keys, graph.clone(), clock.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let options = ServerOptions { workers: 1, ..options };
        let app = move |config: &mut web::ServiceConfig| {
            config.app_data(authenticator.clone()).configure(configure.clone());
        };
        Self {
            addr,
            issuer: TokenIssuer::new(private_key.expose_secret(), clock.clone()).unwrap(),
            clock,
            graph,
            private_key,
            running: tokio::spawn(serve(listener, options, app, shutdown.clone())),
            shutdown,
            client: reqwest::Client::new(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> reqwest::Response {
        self.client.get(self.url(path)).bearer_auth(token).send().await.unwrap()
    }
}

/// Status and slug of a refusal, which must be a well-formed problem.
pub(crate) async fn problem(response: reqwest::Response) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.headers().contains_key("x-request-id"));
    let status = response.status().as_u16();
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["detail"].is_string());
    let slug = body["type"]
        .as_str()
        .unwrap()
        .strip_prefix("urn:rookery:problem:")
        .unwrap();
    (status, slug.to_owned())
}

pub(crate) fn ada() -> Credentials {
    let user = User {
        id: UserId::new(7),
        handle: "ada".to_owned(),
        display_name: "Ada Lovelace".to_owned(),
        created_at_ms: 0,
        followers_count: 0,
        following_count: 0,
        tweets_count: 0,
    };
    Credentials {
        user,
        password_hash: None,
        credential_version: 1,
        epoch: Epoch(3),
    }
}

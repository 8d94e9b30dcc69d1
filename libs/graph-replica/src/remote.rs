//! The follow graph as another process serves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{ActorVersion, ChunkPlan, DeliveryRules, ReaderView, Session, User, UserId};
use rand::RngExt;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::{ChunksRequest, Deadline, FollowGraph, FollowerPage, FollowerPageRequest, StoreError};
use telemetry::trace::Span;

use crate::Replica;
use crate::breaker::Breaker;
use crate::client_span::{self, Server};
use crate::wire::{self, Ids, Items};

const STORE: &str = "follow-graph";
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// However long a caller would wait.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
const MOST_ATTEMPTS: u32 = 3;
/// A service that does not answer within this is not well.
const ENOUGH: Duration = Duration::from_millis(100);
const FIRST_PAUSE_MS: u64 = 20;

/// Where follow-graph is.
#[derive(Debug, Clone)]
pub struct RemoteGraphOptions {
    /// Its internal port, such as `http://follow-graph:8081`.
    pub url: String,
    /// The operators' token, where one is set.
    pub token: Option<SecretString>,
}

/// The URL cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the client of follow-graph cannot be made")]
pub struct InvalidRemote(#[source] reqwest::Error);

/// Asks follow-graph, and believes its own [`Replica`] first.
pub struct RemoteGraph {
    http: reqwest::Client,
    options: RemoteGraphOptions,
    server: Server,
    replica: Arc<Replica>,
    breaker: Breaker,
}

impl RemoteGraph {
    /// Connects with the first request.
    pub fn new(options: RemoteGraphOptions, replica: Arc<Replica>) -> Result<Self, InvalidRemote> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(REQUEST_WITHIN)
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .map_err(InvalidRemote)?;
        Ok(Self {
            http,
            server: Server::of(&options.url),
            options,
            replica,
            breaker: Breaker::new(),
        })
    }

    /// Asks; again after a pause where that may help and the budget allows. Everything asked here only reads.
    async fn ask<Q, A>(&self, path: &str, question: &Q, deadline: Deadline) -> Result<A, StoreError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let mut attempt = 1;
        loop {
            let given = deadline.remaining();
            if given.is_zero() {
                return Err(StoreError::Timeout { store: STORE });
            }
            if !self.breaker.admits() {
                return Err(StoreError::unavailable(STORE, "it has failed several times in a row"));
            }
            let span = self.server.span(path, attempt);
            let asked = self.ask_once(path, question, deadline, &span).await;
            span.end();
            let error = match asked {
                Ok(answer) => {
                    self.breaker.succeeded();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            // One that came with hardly any time says nothing about the service.
            if given >= ENOUGH || !matches!(error, StoreError::Timeout { .. }) {
                self.breaker.failed();
            }
            let pause = pause(attempt);
            let again = error.is_transient() && attempt < MOST_ATTEMPTS && deadline.remaining() > pause;
            if !again || !self.breaker.admits_retry() {
                return Err(error);
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask_once<Q, A>(&self, path: &str, question: &Q, deadline: Deadline, span: &Span) -> Result<A, StoreError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let mut request = self
            .http
            .post(format!("{}{path}", self.options.url.trim_end_matches('/')))
            .timeout(deadline.remaining().min(REQUEST_WITHIN))
            .json(question);
        if let Some(token) = &self.options.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let failure = |error: reqwest::Error| {
            client_span::failed(span, &error);
            failure(error)
        };
        let response = client_span::hand_on(request, span).send().await.map_err(failure)?;
        client_span::answered(span, response.status());
        match response.status() {
            StatusCode::OK => response.json().await.map_err(failure),
            StatusCode::SERVICE_UNAVAILABLE => Err(StoreError::Overloaded { store: STORE }),
            status => Err(StoreError::unavailable(STORE, format!("it answered {status}"))),
        }
    }

    async fn load_view(&self, reader: UserId, deadline: Deadline) -> Result<Option<ReaderView>, StoreError> {
        let question = Ids {
            ids: vec![reader.get()],
        };
        let asked: Result<Items<Option<wire::View>>, _> = self.ask(wire::READERS, &question, deadline).await;
        match (asked, self.replica.store()) {
            (Ok(mut answer), _) => Ok(answer.items.pop().flatten().map(ReaderView::from)),
            // Reads go on without follow-graph.
            (Err(error), Some(store)) if error.is_transient() => store.reader(reader, deadline).await,
            (Err(error), _) => Err(error),
        }
    }

    async fn ask_for_pages(
        &self,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        let mut pages = Vec::with_capacity(requests.len());
        for some in requests.chunks(wire::MAX_ITEMS) {
            let question = wire::PageRequests {
                requests: some.iter().map(wire::PageRequest::from).collect(),
            };
            let answer: Items<wire::Page> = self.ask(wire::FOLLOWERS, &question, deadline).await?;
            pages.extend(as_many(some.len(), answer.items)?.into_iter().map(FollowerPage::from));
        }
        Ok(pages)
    }
}

#[async_trait]
impl FollowGraph for RemoteGraph {
    async fn reader(
        &self,
        reader: UserId,
        at_least: Option<ActorVersion>,
        deadline: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        let load = self.load_view(reader, deadline);
        self.replica.view_or_load(reader, at_least, deadline, load).await
    }

    async fn delivery_rules(&self, deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        self.replica.confirmed(deadline).await?;
        Ok(self.replica.rules())
    }

    async fn followers(
        &self,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        self.replica.confirmed(deadline).await?;
        let audiences = &self.replica.audiences;
        let kept = |request: &FollowerPageRequest| {
            if request.after.is_some() {
                return None;
            }
            let fits = |whole: &FollowerPage| whole.followers.len() <= request.limit;
            audiences
                .get(request.author, fits)
                .map(|whole| FollowerPage::clone(&whole))
        };
        let mut pages: Vec<Option<FollowerPage>> = requests.iter().map(kept).collect();
        let missing: Vec<usize> = (0..pages.len()).filter(|at| pages[*at].is_none()).collect();
        let questions: Vec<FollowerPageRequest> = missing.iter().map(|at| requests[*at]).collect();
        let before: Vec<u64> = questions.iter().map(|q| audiences.before_load(q.author)).collect();
        let answers = self.ask_for_pages(&questions, deadline).await?;
        for (((at, question), before), page) in missing.into_iter().zip(questions).zip(before).zip(answers) {
            if question.after.is_none() && !page.more {
                audiences.keep(question.author, &Arc::new(page.clone()), before);
            }
            pages[at] = Some(page);
        }
        Ok(pages.into_iter().flatten().collect())
    }

    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        let answer: Items<wire::Chunk> = self.ask(wire::CHUNKS, &wire::Chunks::from(request), deadline).await?;
        Ok(answer.items.into_iter().map(ChunkPlan::from).collect())
    }

    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        let mut users = Vec::with_capacity(ids.len());
        for some in ids.chunks(wire::MAX_ITEMS) {
            let question = Ids {
                ids: some.iter().map(|id| id.get()).collect(),
            };
            let asked: Result<Items<Option<wire::Account>>, _> = self.ask(wire::USERS, &question, deadline).await;
            match (asked, self.replica.store()) {
                (Ok(answer), _) => {
                    let accounts = as_many(some.len(), answer.items)?;
                    users.extend(accounts.into_iter().map(|account| account.map(User::from)));
                }
                (Err(error), Some(store)) if error.is_transient() => users.extend(store.users(some, deadline).await?),
                (Err(error), _) => return Err(error),
            }
        }
        Ok(users)
    }

    async fn deleted_among(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        self.replica.confirmed(deadline).await?;
        let standing = &self.replica.standing;
        Ok(ids.iter().copied().filter(|id| standing.is_deleted(*id)).collect())
    }

    async fn is_revoked(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError> {
        self.replica.is_revoked(session, deadline).await
    }

    fn max_staleness(&self) -> Duration {
        self.replica.max_staleness()
    }

    fn believable_until(&self) -> Option<Instant> {
        self.replica.believable_until()
    }
}

/// Answers must be as many as questions.
fn as_many<T>(questions: usize, answers: Vec<T>) -> Result<Vec<T>, StoreError> {
    if answers.len() == questions {
        return Ok(answers);
    }
    Err(StoreError::Corrupt {
        store: STORE,
        what: format!("questions asked: {questions}, answers given: {}", answers.len()),
    })
}

fn failure(error: reqwest::Error) -> StoreError {
    if error.is_timeout() {
        StoreError::Timeout { store: STORE }
    } else {
        StoreError::unavailable(STORE, error)
    }
}

/// Doubles with each attempt, with jitter.
fn pause(attempt: u32) -> Duration {
    let most = FIRST_PAUSE_MS << attempt;
    Duration::from_millis(rand::rng().random_range(most / 2..=most))
}

//! A system that is right by construction: the public API over the oracle itself, with fan-out that takes its time.
//!
//! It is there to test the comparison: against it no history may fail, and every distortion of it must be found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use model::{EdgeKind, TweetId, UserId};
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::explain::{Explanation, RuleBody};
use crate::faults::{Distortion, FaultyTransport};
use crate::generate::{Plan, generate};
use crate::history::{History, Rules, Stop};
use crate::oracle::{Oracle, Refusal};
use crate::runner::{Violation, run};
use crate::system::System;
use crate::transport::{Answer, ClientError, Request, Transport};

/// After so many requests a tweet is delivered.
const DELAY: u64 = 9;

struct State {
    oracle: Oracle,
    /// By id, from 1.
    handles: Vec<String>,
    bodies: BTreeMap<TweetId, Value>,
    /// When each tweet becomes visible to its author's followers, in requests.
    visible_at: BTreeMap<TweetId, u64>,
    keys: BTreeMap<(UserId, String), Value>,
    requests: u64,
}

struct Fake(Mutex<State>);

type Reply = Result<(u16, Value), (u16, &'static str)>;

impl From<Refusal> for (u16, &'static str) {
    fn from(refusal: Refusal) -> Self {
        (refusal.status(), refusal.slug())
    }
}

impl Fake {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            oracle: Oracle::new(5_000),
            handles: Vec::new(),
            bodies: BTreeMap::new(),
            visible_at: BTreeMap::new(),
            keys: BTreeMap::new(),
            requests: 0,
        })))
    }
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        tokio::task::yield_now().await;
        let mut headers = HeaderMap::new();
        let (status, body) = self.0.lock().answer(&request).unwrap_or_else(|(status, slug)| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            (
                status,
                json!({"type": format!("urn:rookery:problem:{slug}"), "status": status}),
            )
        });
        Ok(Answer {
            request: format!("{} {}", request.method, request.path),
            status,
            headers,
            body,
            repeated: false,
        })
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        self.requests += 1;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let actor = self.actor(request.token.as_deref())?;
        let body = request.body.clone().unwrap_or_default();
        let method = request.method.as_str();
        match (method, parts.as_slice(), actor) {
            ("POST", ["users"], _) => self.sign_up(&body),
            ("POST", ["sessions"], _) => Ok((201, self.session(&body))),
            ("DELETE", ["users", "me"], Some(actor)) => {
                self.oracle.delete_account(actor);
                Ok((204, Value::Null))
            }
            (_, ["users", "me", kind, target], Some(actor)) => {
                self.set_edge(kind, actor, user(target), request.method == Method::PUT)
            }
            ("POST", ["tweets"], Some(actor)) => self.post(actor, &body, request.idempotency_key.clone()),
            ("DELETE", ["tweets", id], Some(actor)) => {
                self.oracle.delete_tweet(actor, tweet(id))?;
                Ok((204, Value::Null))
            }
            ("GET", ["tweets", id], viewer) if self.oracle.tweet_visible(tweet(id), viewer) => {
                Ok((200, self.bodies[&tweet(id)].clone()))
            }
            ("GET", ["tweets", _], _) => Err(Refusal::NoSuchTweet.into()),
            ("GET", ["timelines", "home"], Some(actor)) => Ok((200, self.home(actor, &Query::new(query)))),
            ("GET", ["timelines", "users", id], viewer) => {
                let ids = self.oracle.user_timeline(user(id), viewer).ok_or(Refusal::NoSuchUser)?;
                Ok((200, self.page(&ids, &Query::new(query))))
            }
            ("GET", ["users", id, list @ ..], _) => self.profile(user(id), list.first().copied()),
            _ => Err((404, "not-found")),
        }
    }

    /// A token is the account's number.
    fn actor(&self, token: Option<&str>) -> Result<Option<UserId>, (u16, &'static str)> {
        match token.map(user) {
            Some(id) if !self.oracle.exists(id) => Err((401, "revoked-token")),
            actor => Ok(actor),
        }
    }

    fn sign_up(&mut self, body: &Value) -> Reply {
        let handle = body["handle"].as_str().unwrap_or_default().to_owned();
        if self.handles.contains(&handle) {
            return Err((409, "handle-taken"));
        }
        self.handles.push(handle);
        let id = UserId::new(self.handles.len() as u64);
        self.oracle.sign_up(id);
        Ok((201, self.user(id)))
    }

    fn session(&self, body: &Value) -> Value {
        let at = self
            .handles
            .iter()
            .position(|handle| body["handle"] == **handle)
            .unwrap();
        let id = UserId::new(at as u64 + 1);
        json!({"token": id.to_string(), "expires_at": "later", "user": self.user(id)})
    }

    fn set_edge(&mut self, kind: &str, actor: UserId, target: UserId, present: bool) -> Reply {
        let kind = match kind {
            "following" => EdgeKind::Follow,
            "muting" => EdgeKind::Mute,
            _ => EdgeKind::Block,
        };
        let is_new = !self.oracle.has_edge(kind, actor, target);
        self.oracle.set_edge(kind, actor, target, present)?;
        if is_new && present && kind == EdgeKind::Follow {
            let theirs = self.oracle.tweets().iter().filter(|tweet| tweet.author == target);
            let ids: Vec<TweetId> = theirs.map(|tweet| tweet.id).collect();
            self.deliver(ids);
        }
        Ok((204, Value::Null))
    }

    fn post(&mut self, author: UserId, body: &Value, key: Option<String>) -> Reply {
        let key = (author, key.unwrap_or_default());
        if let Some(before) = self.keys.get(&key) {
            return Ok((201, before.clone()));
        }
        let original = body["in_reply_to_id"].as_str().map(tweet);
        if let Some(original) = original {
            self.oracle.may_reply(author, original)?;
            self.deliver([original]);
        }
        let id = TweetId::new(self.bodies.len() as u64 + 1);
        let handle = &self.handles[at(author)];
        let body = json!({
            "id": id, "text": body["text"], "created_at": "now", "in_reply_to_id": original,
            "author": {"id": author, "handle": handle, "display_name": handle},
        });
        self.oracle.post(id, author, original);
        self.visible_at.insert(id, self.requests + DELAY);
        self.bodies.insert(id, body.clone());
        self.keys.insert(key, body.clone());
        Ok((201, body))
    }

    fn home(&self, reader: UserId, query: &Query) -> Value {
        let visible: Vec<TweetId> = self.visible(reader);
        let undelivered = self.visible_at.iter().find(|(_, at)| **at > self.requests);
        let next = TweetId::new(self.bodies.len() as u64 + 1);
        let mark = Mark {
            floor: undelivered.map_or(next, |(id, _)| *id),
            seen: visible.iter().copied().collect(),
        };
        let (shown, newest) = match &query.newer_than {
            None => (visible, mark.render()),
            Some(old) => {
                let newer = visible
                    .into_iter()
                    .filter(|id| *id >= old.floor && !old.seen.contains(id))
                    .collect();
                (newer, query.newest.clone().unwrap_or_else(|| mark.render()))
            }
        };
        let mut page = self.page(&shown, query);
        if let Some(cursor) = page["next_cursor"].as_str() {
            page["next_cursor"] = Value::String(format!("{cursor}_{newest}"));
        }
        page["newest_cursor"] = Value::String(newest);
        page["complete"] = Value::Bool(true);
        page
    }

    fn visible(&self, reader: UserId) -> Vec<TweetId> {
        let delivered = |id: &TweetId| {
            let own = self.oracle.tweet(*id).is_some_and(|tweet| tweet.author == reader);
            own || self.visible_at[id] <= self.requests
        };
        self.oracle.home(reader).into_iter().filter(delivered).collect()
    }

    fn page(&self, ids: &[TweetId], query: &Query) -> Value {
        let below = |id: &&TweetId| query.cursor.is_none_or(|cursor| **id < cursor);
        let mut left: Vec<TweetId> = ids.iter().filter(below).copied().collect();
        let more = left.len() > query.limit;
        left.truncate(query.limit);
        let next = left.last().filter(|_| more).map(TweetId::to_string);
        let tweets: Vec<&Value> = left.iter().map(|id| &self.bodies[id]).collect();
        json!({"tweets": tweets, "next_cursor": next})
    }

    fn profile(&self, id: UserId, list: Option<&str>) -> Reply {
        if !self.oracle.exists(id) {
            return Err(Refusal::NoSuchUser.into());
        }
        let ids = match list {
            None => return Ok((200, self.user(id))),
            Some("followers") => self.oracle.followers(id),
            Some(_) => self.oracle.following(id),
        };
        let users: Vec<Value> = ids.into_iter().map(|id| self.user(id)).collect();
        Ok((200, json!({"users": users, "next_cursor": null})))
    }

    fn user(&self, id: UserId) -> Value {
        let handle = &self.handles[at(id)];
        let counts = self.oracle.counts(id);
        json!({
            "id": id, "handle": handle, "display_name": handle, "created_at": "then",
            "followers_count": counts.followers, "following_count": counts.following, "tweets_count": counts.tweets,
        })
    }

    fn deliver(&mut self, ids: impl IntoIterator<Item = TweetId>) {
        self.visible_at.extend(ids.into_iter().map(|id| (id, 0)));
    }
}

struct Mark {
    floor: TweetId,
    seen: BTreeSet<TweetId>,
}

impl Mark {
    fn render(&self) -> String {
        let seen = self.seen.iter().filter(|id| **id >= self.floor);
        let ids: Vec<String> = [self.floor].iter().chain(seen).map(TweetId::to_string).collect();
        ids.join("-")
    }

    fn parse(text: &str) -> Self {
        let mut ids = text.split('-').map(tweet);
        Self {
            floor: ids.next().unwrap(),
            seen: ids.collect(),
        }
    }
}

struct Query {
    limit: usize,
    cursor: Option<TweetId>,
    newer_than: Option<Mark>,
    newest: Option<String>,
}

impl Query {
    fn new(text: &str) -> Self {
        let get = |name: &str| {
            text.split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let cursor = get("cursor").map(|cursor| cursor.split_once('_').unwrap_or((cursor, "")));
        Self {
            limit: get("limit").map_or(20, |limit| limit.parse().unwrap()),
            cursor: cursor.map(|(id, _)| tweet(id)),
            newer_than: get("newer_than").map(Mark::parse),
            newest: cursor.map(|(_, newest)| newest.to_owned()),
        }
    }
}

fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

fn tweet(text: &str) -> TweetId {
    text.parse().unwrap()
}

fn at(user: UserId) -> usize {
    usize::try_from(user.get()).unwrap() - 1
}

struct FakeSystem {
    fake: Arc<Fake>,
    public: Arc<dyn Transport>,
    /// Of which tweets it says the opposite of what is true.
    lies: fn(TweetId) -> bool,
}

impl FakeSystem {
    fn new() -> Self {
        let fake = Fake::new();
        let public = fake.clone();
        let lies = |_| false;
        Self { fake, public, lies }
    }

    /// One tweet in three is explained wrongly.
    fn lying() -> Self {
        let lies = |tweet: TweetId| tweet.get().is_multiple_of(3);
        Self { lies, ..Self::new() }
    }

    fn distorted(distortion: Distortion) -> Self {
        let fake = Fake::new();
        let public = Arc::new(FaultyTransport::new(fake.clone(), distortion));
        let lies = |_| false;
        Self { fake, public, lies }
    }
}

#[async_trait]
impl System for FakeSystem {
    fn public(&self) -> Arc<dyn Transport> {
        self.public.clone()
    }

    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        self.fake.0.lock().deliver(tweets.iter().copied());
        Ok(())
    }

    async fn set_rules(&self, _: Rules) -> Result<(), ClientError> {
        Ok(())
    }

    async fn restart(&self, _: Stop) -> Result<(), ClientError> {
        Ok(())
    }

    async fn explain(&self, reader: UserId, tweet: TweetId) -> Result<Explanation, ClientError> {
        let visible = self.fake.0.lock().visible(reader).contains(&tweet) != (self.lies)(tweet);
        let verdict = if visible { "give" } else { "hide" };
        let step = RuleBody {
            rule: "model".to_owned(),
            verdict: verdict.to_owned(),
            detail: "the model says so".to_owned(),
        };
        Ok(Explanation {
            visible,
            steps: vec![step],
        })
    }
}

const PLAN: Plan = Plan {
    steps: 120,
    seats: 6,
    rules_change: true,
    restarts: true,
    holds: true,
};

async fn first_violation(system: impl Fn() -> FakeSystem, cases: u64) -> Option<(History, Violation)> {
    for seed in 0..cases {
        let history = generate(seed, PLAN);
        if let Err(violation) = run(&system(), &history).await {
            return Some((history, violation));
        }
    }
    None
}

#[tokio::test]
async fn a_right_system_breaks_no_rule() {
    if let Some((history, violation)) = first_violation(FakeSystem::new, 60).await {
        panic!("{violation}\n{history}");
    }
}

#[tokio::test]
async fn every_distortion_is_found() {
    for distortion in Distortion::ALL {
        let found = first_violation(|| FakeSystem::distorted(distortion), 20).await;
        assert!(found.is_some(), "{distortion:?} goes unnoticed");
    }
}

#[tokio::test]
async fn a_wrong_explanation_is_found() {
    assert!(first_violation(FakeSystem::lying, 3).await.is_some());
}

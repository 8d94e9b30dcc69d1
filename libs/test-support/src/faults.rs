//! Faults for the comparison to find: a transport that distorts what home timelines answer.
//!
//! A comparison that never fails proves nothing. Each distortion here is what a real fault would look like from outside;
//! whoever compares must report every one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use model::TweetId;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value;

use crate::transport::{Answer, ClientError, Request, Transport};

/// What a system could do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distortion {
    /// It shows a tweet of somebody whom the reader has muted.
    ShowMuted,
    /// It loses an entry where the stored window ends: the first of a page further down.
    DropBelowWindow,
    /// It repeats the last entry of a page on the next one.
    RepeatAtEdge,
    /// It shows a deleted tweet.
    ShowDeleted,
    /// `newer_than` forgets what came in late: the oldest of its answer.
    ForgetLateArrival,
}

impl Distortion {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ShowMuted,
        Self::DropBelowWindow,
        Self::RepeatAtEdge,
        Self::ShowDeleted,
        Self::ForgetLateArrival,
    ];
}

/// Passes requests on and distorts the answers of home timelines.
pub struct FaultyTransport {
    inner: Arc<dyn Transport>,
    distortion: Distortion,
    seen: Mutex<Seen>,
}

/// What went through so far.
#[derive(Default)]
struct Seen {
    posted: Vec<Value>,
    deleted: BTreeSet<String>,
    /// Reader's token, muted author.
    muted: BTreeSet<(String, String)>,
    /// The last tweet of each reader's last page.
    last: BTreeMap<String, Value>,
}

impl FaultyTransport {
    /// Distorts what `inner` answers.
    pub fn new(inner: Arc<dyn Transport>, distortion: Distortion) -> Self {
        Self {
            inner,
            distortion,
            seen: Mutex::default(),
        }
    }
}

#[async_trait]
impl Transport for FaultyTransport {
    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let mut answer = self.inner.send(request.clone()).await?;
        let mut seen = self.seen.lock();
        if request.path.starts_with("/v1/timelines/home") && answer.status == 200 {
            seen.distort(self.distortion, &request, &mut answer.body);
        } else if answer.status < 300 {
            seen.note(&request, &answer.body);
        }
        Ok(answer)
    }
}

impl Seen {
    fn note(&mut self, request: &Request, answer: &Value) {
        let token = request.token.clone().unwrap_or_default();
        if request.method == Method::POST && request.path == "/v1/tweets" {
            self.posted.push(answer.clone());
        }
        if let Some(tweet) = request.path.strip_prefix("/v1/tweets/")
            && request.method == Method::DELETE
        {
            self.deleted.insert(tweet.to_owned());
        }
        if let Some(author) = request.path.strip_prefix("/v1/users/me/muting/") {
            let mute = (token, author.to_owned());
            if request.method == Method::PUT {
                self.muted.insert(mute);
            } else {
                self.muted.remove(&mute);
            }
        }
    }

    fn distort(&mut self, distortion: Distortion, request: &Request, page: &mut Value) {
        let token = request.token.clone().unwrap_or_default();
        let (is_first, is_poll) = (!request.path.contains("cursor="), request.path.contains("newer_than="));
        let is_last = page["next_cursor"].is_null();
        let Some(tweets) = page["tweets"].as_array_mut() else {
            return;
        };
        let last = tweets.last().cloned();
        match distortion {
            Distortion::ShowMuted if is_first && !is_poll => {
                let muted = |tweet: &Value| self.muted.contains(&(token.clone(), text(&tweet["author"]["id"])));
                insert(tweets, self.posted.iter().find(|tweet| muted(tweet)));
            }
            Distortion::ShowDeleted if is_first && !is_poll => {
                let deleted = |tweet: &Value| self.deleted.contains(&text(&tweet["id"]));
                insert(tweets, self.posted.iter().find(|tweet| deleted(tweet)));
            }
            Distortion::DropBelowWindow if !is_first && !tweets.is_empty() => {
                tweets.remove(0);
            }
            Distortion::RepeatAtEdge if !is_first => {
                tweets.splice(0..0, self.last.get(&token).cloned());
            }
            Distortion::ForgetLateArrival if is_poll && is_last => {
                tweets.pop();
            }
            _ => {}
        }
        if let Some(last) = last {
            self.last.insert(token, last);
        }
    }
}

/// Puts a tweet where its id belongs.
fn insert(tweets: &mut Vec<Value>, tweet: Option<&Value>) {
    if let Some(tweet) = tweet {
        let at = tweets.partition_point(|other| id(other) > id(tweet));
        tweets.insert(at, tweet.clone());
    }
}

fn id(tweet: &Value) -> Option<TweetId> {
    tweet["id"].as_str()?.parse().ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

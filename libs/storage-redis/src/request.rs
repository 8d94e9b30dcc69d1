//! Commands as data, so that one that went to the wrong node of a cluster can be sent to another.

use std::sync::Arc;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::scripts::Script;
use fred::types::{ClusterHash, CustomCommand, Value};

/// A Lua script and its digest.
#[derive(Clone)]
pub(crate) struct LuaScript(Arc<(String, String)>);

impl LuaScript {
    pub(crate) fn new(source: impl Into<String>) -> Self {
        let source = source.into();
        let digest = Script::from_lua(source.clone()).sha1().to_string();
        Self(Arc::new((source, digest)))
    }

    fn source(&self) -> &str {
        &self.0.0
    }

    fn digest(&self) -> &str {
        &self.0.1
    }
}

/// A command.
#[derive(Clone)]
pub(crate) struct Request {
    name: &'static str,
    script: Option<LuaScript>,
    arguments: Vec<Value>,
}

impl Request {
    pub(crate) fn new(name: &'static str, arguments: Vec<Value>) -> Self {
        Self {
            name,
            script: None,
            arguments,
        }
    }

    /// Runs a script on keys, of which a cluster wants all in one slot.
    pub(crate) fn script(script: &LuaScript, keys: Vec<Value>, arguments: Vec<Value>) -> Self {
        let mut all = Vec::with_capacity(2 + keys.len() + arguments.len());
        all.push(Value::from(script.digest()));
        all.push(Value::Integer(i64::try_from(keys.len()).unwrap_or(i64::MAX)));
        all.extend(keys);
        all.extend(arguments);
        Self {
            name: "EVALSHA",
            script: Some(script.clone()),
            arguments: all,
        }
    }

    /// The same with the whole script, for a server that does not know it; `None` where there is none.
    fn with_source(&self) -> Option<Self> {
        let script = self.script.as_ref()?;
        let mut whole = self.clone();
        whole.name = "EVAL";
        whole.arguments[0] = Value::from(script.source());
        Some(whole)
    }

    async fn queue<C: ClientLike>(&self, to: &C) -> Result<Value, Error> {
        // Routed by whoever sends it, over a connection to one server.
        let command = CustomCommand::new_static(self.name, ClusterHash::FirstKey, false);
        to.custom(command, self.arguments.clone()).await
    }
}

/// Sends commands at once; one answer for each.
pub(crate) async fn send(client: &Client, requests: &[Request]) -> Vec<Result<Value, Error>> {
    let mut answers = send_once(client, requests).await;
    for (answer, request) in answers.iter_mut().zip(requests) {
        let is_unknown = matches!(answer, Err(error) if error.details().starts_with("NOSCRIPT"));
        if let (true, Some(whole)) = (is_unknown, request.with_source()) {
            *answer = whole.queue(client).await;
        }
    }
    answers
}

/// As [`send`], to a node that takes over the slot of the keys; and what it answers after that to `then`, for which it does
/// not make that exception.
pub(crate) async fn send_asking(client: &Client, request: &Request, then: Request) -> [Result<Value, Error>; 2] {
    let whole = request.with_source();
    let all = [
        Request::new("ASKING", Vec::new()),
        whole.unwrap_or_else(|| request.clone()),
        then,
    ];
    let mut answers = send_once(client, &all).await;
    let mut last = || answers.pop().expect("there are as many answers as requests");
    let then = last();
    [last(), then]
}

async fn send_once(client: &Client, requests: &[Request]) -> Vec<Result<Value, Error>> {
    if let [request] = requests {
        return vec![request.queue(client).await];
    }
    let pipeline = client.pipeline();
    for request in requests {
        if let Err(error) = request.queue(&pipeline).await {
            return vec![Err(error); requests.len()];
        }
    }
    let mut answers = pipeline.try_all::<Value>().await;
    // What failed as a whole has failed for each.
    if answers.len() != requests.len() {
        let failure = answers.pop().and_then(Result::err);
        let failure = failure.unwrap_or_else(|| Error::new(fred::error::ErrorKind::Protocol, "answers are missing"));
        return vec![Err(failure); requests.len()];
    }
    answers
}

//! One request, one answer: the narrow place between the client and whatever answers it.

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The bearer token.
    pub token: Option<String>,
    /// The JSON body.
    pub body: Option<Value>,
    /// The idempotency key.
    pub idempotency_key: Option<String>,
}

impl Request {
    /// A request without token and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            token: None,
            body: None,
            idempotency_key: None,
        }
    }

    /// With a bearer token, if there is one.
    #[must_use]
    pub fn token(mut self, token: Option<&str>) -> Self {
        self.token = token.map(str::to_owned);
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With an idempotency key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request's method and path, for messages.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The JSON body; null when there was none.
    pub body: Value,
    /// Whether the request had been sent before, to no avail: what it asks for may have been done by then.
    pub repeated: bool,
}

/// No answer, or one that is not as the API says.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered.
    #[error("{request} got no answer: {reason}")]
    NoAnswer {
        /// Method and path.
        request: String,
        /// Why.
        reason: String,
    },
    /// Another status than the rules ask for.
    #[error("{request} was answered {status}, not {expected}: {body}")]
    Status {
        /// Method and path.
        request: String,
        /// What came.
        status: u16,
        /// What should have come.
        expected: u16,
        /// The body.
        body: Value,
    },
    /// Another problem than the rules ask for.
    #[error("{request} was refused as {body}, not as {expected}")]
    Problem {
        /// Method and path.
        request: String,
        /// What should have come.
        expected: &'static str,
        /// The body.
        body: Value,
    },
    /// The body has not the documented form.
    #[error("{request} was answered in another form ({reason}): {body}")]
    Form {
        /// Method and path.
        request: String,
        /// What is wrong with it.
        reason: String,
        /// The body.
        body: Value,
    },
}

impl Answer {
    /// Insists on a status.
    pub fn expect(self, expected: u16) -> Result<Self, ClientError> {
        if self.status == expected {
            return Ok(self);
        }
        Err(ClientError::Status {
            request: self.request,
            status: self.status,
            expected,
            body: self.body,
        })
    }

    /// Insists on a refusal: status, problem type, and that its own `status` says the same.
    pub fn expect_problem(self, status: u16, slug: &'static str) -> Result<Self, ClientError> {
        let answer = self.expect(status)?;
        let as_said = answer.problem() == Some(slug) && answer.body["status"] == status;
        if as_said && answer.content_type() == "application/problem+json" {
            return Ok(answer);
        }
        Err(ClientError::Problem {
            request: answer.request,
            expected: slug,
            body: answer.body,
        })
    }

    /// The name of the problem type, when this is a refusal.
    pub fn problem(&self) -> Option<&str> {
        self.body["type"].as_str()?.strip_prefix("urn:rookery:problem:")
    }

    /// The body's media type.
    pub fn content_type(&self) -> &str {
        let header = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        header.unwrap_or_default()
    }

    /// The body, as a type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_value(self.body.clone()).map_err(|error| ClientError::Form {
            request: self.request.clone(),
            reason: error.to_string(),
            body: self.body.clone(),
        })
    }
}

/// Whatever answers requests.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request and waits for its answer, whatever its status.
    async fn send(&self, request: Request) -> Result<Answer, ClientError>;
}

/// How long an answer is waited for: a hang is a fault too.
const PATIENCE: Duration = Duration::from_secs(30);

/// HTTP/1.1 to a server whose address may change when it is restarted.
pub struct HttpTransport {
    client: reqwest::Client,
    base_url: RwLock<String>,
}

impl HttpTransport {
    /// A transport to `base_url`, such as `http://127.0.0.1:8080`.
    pub fn new(base_url: impl Into<String>) -> Self {
        let client = reqwest::Client::builder().timeout(PATIENCE);
        Self {
            client: client
                .build()
                .expect("there is nothing in it that may be missing on a machine"),
            base_url: RwLock::new(base_url.into()),
        }
    }

    /// From now on the server is there.
    pub fn set_base_url(&self, base_url: impl Into<String>) {
        *self.base_url.write() = base_url.into();
    }

    fn build(&self, request: &Request) -> reqwest::RequestBuilder {
        let url = format!("{}{}", self.base_url.read(), request.path);
        let mut builder = self.client.request(request.method.clone(), url);
        if let Some(token) = &request.token {
            builder = builder.bearer_auth(token);
        }
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("Idempotency-Key", key);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        builder
    }
}

/// What a server says of a connection on which no request has come for long. One that comes just then is not read, and may
/// be sent again (RFC 9110, 15.5.9): clients open connections that they find no use for at first.
const REQUEST_TIMEOUT: u16 = 408;

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Answer, ClientError> {
        let answer = self.send_once(&request).await?;
        if answer.status == REQUEST_TIMEOUT {
            return self.send_once(&request).await;
        }
        Ok(answer)
    }
}

impl HttpTransport {
    async fn send_once(&self, request: &Request) -> Result<Answer, ClientError> {
        let name = format!("{} {}", request.method, request.path);
        let no_answer = |error: reqwest::Error| ClientError::NoAnswer {
            request: name.clone(),
            reason: format!("{error:?}"),
        };
        let response = self.build(request).send().await.map_err(no_answer)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.map_err(no_answer)?;
        let body = match bytes.as_ref() {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned())),
        };
        Ok(Answer {
            request: name,
            status,
            headers,
            body,
            repeated: false,
        })
    }
}

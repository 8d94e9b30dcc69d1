//! The `Idempotency-Key` header.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use model::UserId;
use storage::{IdempotencyKey, SignUpKey};

use super::BodyDigest;
use crate::{Problem, problems};

const MAX_CHARACTERS: usize = 128;

/// The client's key for a write, if it sent one: 1 to 128 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyHeader(pub Option<String>);

impl IdempotencyHeader {
    /// The key of this account's write. `operation` is method and path, such as `POST /v1/tweets`.
    pub fn key(self, account: UserId, operation: impl Into<String>, body: BodyDigest) -> Option<IdempotencyKey> {
        self.0.map(|key| IdempotencyKey {
            account,
            operation: operation.into(),
            key,
            body_digest: body.0,
        })
    }

    /// The key of a sign-up, with a keyed digest of its body.
    pub fn of_sign_up(self, body: BodyDigest) -> Option<SignUpKey> {
        self.0.map(|key| SignUpKey {
            key,
            body_digest: body.0,
        })
    }
}

fn parse(request: &HttpRequest) -> Option<IdempotencyHeader> {
    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else {
        return Some(IdempotencyHeader(None));
    };
    let key = value.to_str().ok().filter(|_| values.next().is_none())?;
    let usable = (1..=MAX_CHARACTERS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then(|| IdempotencyHeader(Some(key.to_owned())))
}

impl FromRequest for IdempotencyHeader {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request).ok_or_else(|| {
            let detail = "Send at most one Idempotency-Key, of 1 to 128 visible ASCII characters; a UUID does well.";
            Problem::new(&problems::INVALID_IDEMPOTENCY_KEY, detail).into()
        }))
    }
}

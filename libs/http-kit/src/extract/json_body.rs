//! Bodies.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{Error, FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use sha2::{Digest, Sha256};

use crate::{Problem, problems};

/// The largest body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// SHA-256 of a body as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest(pub [u8; 32]);

/// A JSON body: an object with exactly the fields of `T` (which must deny unknown ones), none of them twice.
#[derive(Debug)]
pub struct JsonBody<T>(pub T, pub BodyDigest);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = check_headers(request);
        let payload = payload.take();
        Box::pin(async move {
            accepted?;
            let body = read(payload).await?;
            let value = parse(&body)?;
            Ok(Self(value, BodyDigest(Sha256::digest(&body).into())))
        })
    }
}

/// What an operation without a body takes: nothing, or an object without fields, which many clients send anyway. More than
/// that asks for something that would not be done, so it is refused as in any other body.
#[derive(Debug)]
pub struct NoBody;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoFields {}

impl FromRequest for NoBody {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let accepted = check_headers(request);
        let payload = payload.take();
        Box::pin(async move {
            let body = read(payload).await?;
            if !body.is_empty() {
                accepted?;
                parse::<NoFields>(&body)?;
            }
            Ok(Self)
        })
    }
}

fn check_headers(request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let encoded = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded || !content_type.is_some_and(is_json) {
        return Err(Problem::new(
            &problems::UNSUPPORTED_MEDIA_TYPE,
            "Send the body uncompressed, as UTF-8 with `Content-Type: application/json`.",
        ));
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        Err(too_large())
    } else {
        Ok(())
    }
}

/// `application/json`, with no other character set than UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json
        && parts
            .filter_map(|parameter| parameter.split_once('='))
            .all(|(name, value)| {
                !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
}

async fn read(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|cause| {
            Problem::new(&problems::MALFORMED_JSON, "The body did not arrive completely.").caused_by(cause.to_string())
        })?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large() -> Problem {
    Problem::new(
        &problems::BODY_TOO_LARGE,
        format!("A body may have at most {MAX_BODY_BYTES} bytes."),
    )
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde also reads structs from arrays, by position; clients are not to rely on that.
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let error = match serde_json::from_slice(body) {
        Ok(value) if is_object => return Ok(value),
        Ok(_) => return Err(invalid("the body must be an object")),
        Err(error) => error,
    };
    let malformed = match error.classify() {
        // A wrong field may come before broken JSON.
        Category::Data => serde_json::from_slice::<IgnoredAny>(body).err(),
        Category::Syntax | Category::Eof | Category::Io => Some(error),
    };
    match malformed {
        Some(error) => Err(Problem::new(
            &problems::MALFORMED_JSON,
            format!("The body is not JSON: {error}."),
        )),
        None if is_object => Err(serde_json::from_slice::<T>(body).err().map_or_else(
            || invalid("the body must be an object"),
            |error| invalid(&error.to_string()),
        )),
        None => Err(invalid("the body must be an object")),
    }
}

fn invalid(what: &str) -> Problem {
    Problem::new(&problems::INVALID_BODY, format!("The body is JSON, but {what}."))
}

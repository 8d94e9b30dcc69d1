//! Ids in paths.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::{Problem, problems};

/// The `{id}` of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId<I>(pub I);

impl<I: FromStr> FromRequest for PathId<I> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(|| {
            Problem::new(
                &problems::INVALID_PATH,
                "An id is a decimal number from 1 to 9223372036854775807.",
            )
            .into()
        }))
    }
}

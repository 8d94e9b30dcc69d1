//! `GET /v1/timelines/home`

use actix_web::{HttpResponse, web};
use bytes::BufMut;
use http_kit::{Actor, Problem, QueryParams, RequestDeadline, TweetBody, page_limit, problems};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{close_page, open_page, put_cursor};
use crate::home::HomeRequest;
use crate::mark::{HomeCursor, Mark};
use crate::service::{ReadError, TimelineRead};

/// The parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HomeQuery {
    /// How many at most, 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// Where to go on: `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only what was not visible when this `newest_cursor` was given out.
    newer_than: Option<String>,
}

/// A page of a home timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = HomePage)]
pub(super) struct HomeBody<'a> {
    /// Newest first.
    tweets: Vec<TweetBody<'a>>,
    /// Goes on below this page; null at the end of history (or of what is new, in a poll).
    #[schema(required)]
    next_cursor: Option<String>,
    /// To poll from: `newer_than` this one answers what has become visible since the first page of this scroll.
    newest_cursor: String,
    /// Whether nothing is missing that should be on this page.
    complete: bool,
}

/// The tweets of those whom you follow and your own, newest first.
#[utoipa::path(
    get,
    path = "/v1/timelines/home",
    operation_id = "getHomeTimeline",
    tag = "timelines",
    params(HomeQuery),
    responses((status = 200, description = "A page of the timeline.", body = HomeBody)),
    security(("bearerAuth" = []))
)]
pub(super) async fn get_home(
    service: web::Data<TimelineRead>,
    actor: Actor,
    query: QueryParams<HomeQuery>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let request = request(&actor, &query.0)?;
    let page = service.home(request, deadline.0).await.map_err(|error| match error {
        // The account was deleted after its token had been checked.
        ReadError::NoSuchUser => Problem::new(&problems::REVOKED_TOKEN, "The account of this token has been deleted."),
        ReadError::Store(error) => error.into(),
    })?;
    let next = page.next.map(|cursor| cursor.encode());
    let newest = page.newest.encode();
    let mut body = open_page(&page.tweets, next.as_ref().map_or(4, String::len) + newest.len() + 80);
    put_cursor(&mut body, "next_cursor", next.as_deref());
    put_cursor(&mut body, "newest_cursor", Some(&newest));
    body.put_slice(if page.complete {
        b",\"complete\":true"
    } else {
        b",\"complete\":false"
    });
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(close_page(body)))
}

fn request(actor: &Actor, query: &HomeQuery) -> Result<HomeRequest, Problem> {
    Ok(HomeRequest {
        reader: actor.id(),
        limit: page_limit(query.limit.as_deref())?,
        cursor: query.cursor.as_deref().map(HomeCursor::decode).transpose()?,
        newer_than: query.newer_than.as_deref().map(Mark::decode).transpose()?,
    })
}

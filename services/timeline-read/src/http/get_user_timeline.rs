//! `GET /v1/timelines/users/{id}`

use actix_web::{HttpResponse, web};
use http_kit::{PageQuery, PathId, Problem, QueryParams, RequestDeadline, TweetBody, Viewer, cursor};
use model::{TweetId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::{close_page, open_page, put_cursor};
use crate::service::TimelineRead;

const USER_POSITION: u8 = 3;

/// A page of a user timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = UserTimelinePage)]
pub(super) struct UserTimelineBody<'a> {
    /// Newest first.
    tweets: Vec<TweetBody<'a>>,
    /// Goes on below this page; null at the end of history.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One account's own tweets, newest first. None across a block.
#[utoipa::path(
    get,
    path = "/v1/timelines/users/{id}",
    operation_id = "getUserTimeline",
    tag = "timelines",
    params(("id" = String, Path, description = "The account"), PageQuery),
    responses((status = 200, description = "A page of the timeline.", body = UserTimelineBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_user_timeline(
    service: web::Data<TimelineRead>,
    viewer: Viewer,
    author: PathId<UserId>,
    query: QueryParams<PageQuery>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let below = query
        .0
        .cursor
        .as_deref()
        .map(|text| cursor::decode_of(USER_POSITION, author.0, text))
        .transpose()?
        .map_or(TweetId::MAX, TweetId::new);
    let page = service
        .user_timeline(author.0, viewer.id(), below, limit, deadline.0)
        .await?;
    let next = page
        .next_below
        .map(|below| cursor::encode_of(USER_POSITION, author.0, below.get()));
    let mut body = open_page(&page.tweets, 80);
    put_cursor(&mut body, "next_cursor", next.as_deref());
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(close_page(body)))
}

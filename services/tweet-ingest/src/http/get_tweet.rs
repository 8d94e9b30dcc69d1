//! `GET /v1/tweets/{id}`

use actix_web::{HttpResponse, web};
use http_kit::{PathId, Problem, RequestDeadline, TweetBody, Viewer, render_tweet};
use model::TweetId;

use super::no_such_tweet;
use crate::service::TweetIngest;

/// A single tweet.
#[utoipa::path(
    get,
    path = "/v1/tweets/{id}",
    operation_id = "getTweet",
    tag = "tweets",
    params(("id" = String, Path, description = "The tweet")),
    responses((status = 200, description = "The tweet.", body = TweetBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_tweet(
    service: web::Data<TweetIngest>,
    viewer: Viewer,
    id: PathId<TweetId>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let tweet = service
        .visible(id.0, viewer.id(), deadline.0)
        .await?
        .ok_or_else(no_such_tweet)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .body(render_tweet(&tweet)))
}

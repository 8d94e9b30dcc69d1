//! `DELETE /v1/tweets/{id}`

use actix_web::{HttpRequest, HttpResponse, web};
use http_kit::{
    Actor, BodyDigest, IdempotencyHeader, NoBody, PathId, Problem, RequestDeadline, problems, trace_context,
};
use model::TweetId;
use storage::{DeleteTweet, DeleteTweetError};

use super::no_such_tweet;
use crate::service::TweetIngest;

/// Deletes one of your tweets. Deleting it again is fine.
#[utoipa::path(
    delete,
    path = "/v1/tweets/{id}",
    operation_id = "deleteTweet",
    tag = "tweets",
    params(
        ("id" = String, Path, description = "The tweet"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters"),
    ),
    responses((status = 204, description = "It is gone.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn delete_tweet(
    service: web::Data<TweetIngest>,
    actor: Actor,
    id: PathId<TweetId>,
    idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    request: HttpRequest,
    _body: NoBody,
) -> Result<HttpResponse, Problem> {
    let operation = format!("DELETE /v1/tweets/{}", id.0);
    let delete = DeleteTweet {
        id: id.0,
        by: actor.id(),
        trace: trace_context(&request),
        idempotency: idempotency.key(actor.id(), operation, BodyDigest([0; 32])),
    };
    service.delete(delete, deadline.0).await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

fn problem(error: DeleteTweetError) -> Problem {
    match error {
        DeleteTweetError::NotFound => no_such_tweet(),
        DeleteTweetError::NotAuthor => Problem::new(&problems::NOT_AUTHOR, "Only its author may delete a tweet."),
        DeleteTweetError::Idempotency(conflict) => conflict.into(),
        DeleteTweetError::Store(error) => error.into(),
    }
}

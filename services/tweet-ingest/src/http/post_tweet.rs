//! `POST /v1/tweets`

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use http_kit::{
    Actor, IdempotencyHeader, JsonBody, Problem, RequestDeadline, TweetBody, problems, render_tweet, trace_context,
};
use model::TweetId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::service::{Post, PostError, TweetIngest};
use crate::{InvalidText, TweetText};

/// A tweet to post.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTweet)]
pub(super) struct PostTweetBody {
    /// 1 to 280 as twitter-text counts, at most 8 KiB, not all of it invisible; newlines are fine (CR LF becomes one), other
    /// control characters are not.
    #[schema(example = "Hello, world")]
    text: String,
    /// The tweet that it replies to.
    #[schema(value_type = Option<String>)]
    in_reply_to_id: Option<TweetId>,
}

/// Posts a tweet. When this answers, the tweet is durable; it reaches its author's followers within seconds.
#[utoipa::path(
    post,
    path = "/v1/tweets",
    operation_id = "postTweet",
    tag = "tweets",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours")),
    request_body = PostTweetBody,
    responses((status = 201, description = "The tweet.", body = TweetBody)),
    security(("bearerAuth" = []))
)]
pub(super) async fn post_tweet(
    service: web::Data<TweetIngest>,
    actor: Actor,
    idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    request: HttpRequest,
    body: JsonBody<PostTweetBody>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(body, digest) = body;
    let text: TweetText = body
        .text
        .parse()
        .map_err(|invalid| Problem::new(&problems::INVALID_TEXT, InvalidText::to_string(&invalid)))?;
    let post = Post {
        author: actor.author(),
        text,
        in_reply_to: body.in_reply_to_id,
        idempotency: idempotency.key(actor.id(), "POST /v1/tweets", digest),
        trace: trace_context(&request),
    };
    let tweet = service.post(post, deadline.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/v1/tweets/{}", tweet.id)))
        .content_type("application/json")
        .body(render_tweet(&tweet)))
}

impl From<PostError> for Problem {
    fn from(error: PostError) -> Self {
        match error {
            PostError::NoSuchOriginal => Self::new(
                &problems::NO_SUCH_ORIGINAL,
                "The tweet to reply to does not exist (any more): post without in_reply_to_id, or reply to another.",
            ),
            PostError::Idempotency(conflict) => conflict.into(),
            PostError::Store(error) => error.into(),
        }
    }
}

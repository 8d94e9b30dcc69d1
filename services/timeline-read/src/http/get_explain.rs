//! `GET /admin/explain`

use actix_web::{HttpResponse, web};
use http_kit::{Admin, Problem, QueryParams, RequestDeadline};
use model::{TweetId, UserId};
use serde::Deserialize;

use crate::service::TimelineRead;

/// The pair.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    user: UserId,
    tweet: TweetId,
}

/// Why this tweet is, or is not, in that user's home timeline.
pub(super) async fn get_explain(
    service: web::Data<TimelineRead>,
    _operator: Admin,
    query: QueryParams<ExplainQuery>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let ExplainQuery { user, tweet } = query.0;
    let explanation = service.explain(user, tweet, deadline.0).await?;
    Ok(HttpResponse::Ok().json(explanation))
}

//! `GET /admin/tweets/{id}/delivery`

use actix_web::{HttpResponse, web};
use http_kit::time::Rfc3339;
use http_kit::{Admin, PathId, Problem, RequestDeadline, problems};
use model::{Mode, TweetId};
use serde::Serialize;

use crate::service::{Delivery, FanOut};

/// The books of one tweet.
#[derive(Serialize)]
struct DeliveryBody {
    tweet_id: TweetId,
    /// How it travels; null until fan-out has settled it.
    mode: Option<Mode>,
    state: &'static str,
    expected: u64,
    written: u64,
    skipped: u64,
    accepted_at: Rfc3339,
    finished_at: Option<Rfc3339>,
}

/// How a tweet travelled, and what came of it.
pub(super) async fn get_delivery(
    service: web::Data<FanOut>,
    _operator: Admin,
    id: PathId<TweetId>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let body = match service.delivery(id.0, deadline.0).await? {
        None => {
            return Err(Problem::new(
                &problems::NO_SUCH_TWEET,
                "There is no tweet with this id, nor a record of one.",
            ));
        }
        Some(Delivery::Accepted) => DeliveryBody {
            tweet_id: id.0,
            mode: None,
            state: "pending",
            expected: 0,
            written: 0,
            skipped: 0,
            accepted_at: Rfc3339(id.0.unix_ms()),
            finished_at: None,
        },
        Some(Delivery::Recorded(record)) => DeliveryBody {
            tweet_id: record.tweet,
            mode: Some(record.mode),
            state: if record.finished_at_ms.is_some() {
                "done"
            } else {
                "pending"
            },
            expected: record.expected,
            written: record.written,
            skipped: record.skipped,
            accepted_at: Rfc3339(record.accepted_at_ms),
            finished_at: record.finished_at_ms.map(Rfc3339),
        },
    };
    Ok(HttpResponse::Ok().json(body))
}

//! `GET` and `PUT /admin/delivery`

use actix_web::{HttpResponse, web};
use http_kit::{Admin, JsonBody, Problem, RequestDeadline, problems};
use model::{RulesInForce, Strategy, Thresholds};
use serde::{Deserialize, Serialize};

use crate::service::FollowGraphService;

/// How tweets are to be delivered.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesBody {
    strategy: Strategy,
    pull_threshold: u64,
    push_threshold: u64,
}

impl From<RulesInForce> for RulesBody {
    fn from(rules: RulesInForce) -> Self {
        let Thresholds { pull, push } = rules.thresholds;
        Self {
            strategy: rules.strategy,
            pull_threshold: pull,
            push_threshold: push,
        }
    }
}

/// The rules in force.
pub(super) async fn get_delivery(service: web::Data<FollowGraphService>, _operator: Admin) -> HttpResponse {
    HttpResponse::Ok().json(RulesBody::from(service.delivery.rules().in_force))
}

/// Sets the rules, durably, and begins to cross over to them.
pub(super) async fn put_delivery(
    service: web::Data<FollowGraphService>,
    _operator: Admin,
    deadline: RequestDeadline,
    body: JsonBody<RulesBody>,
) -> Result<HttpResponse, Problem> {
    let RulesBody {
        strategy,
        pull_threshold,
        push_threshold,
    } = body.0;
    let invalid = |detail: String| Problem::new(&problems::INVALID_RULES, detail);
    if pull_threshold > i64::MAX as u64 {
        return Err(invalid(
            "pull_threshold is a number of followers below 2^63.".to_owned(),
        ));
    }
    let thresholds = Thresholds::new(pull_threshold, push_threshold).map_err(|error| invalid(format!("{error}.")))?;
    let rules = service
        .delivery
        .set(RulesInForce { strategy, thresholds }, deadline.0)
        .await?;
    Ok(HttpResponse::Ok().json(RulesBody::from(rules)))
}

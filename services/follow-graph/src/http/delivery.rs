//! `GET` and `PUT /admin/delivery`, on the internal port.

use actix_web::{HttpResponse, web};
use http_kit::{Admin, JsonBody, Problem, RequestDeadline, problems};
use model::{RulesInForce, Strategy, Thresholds};
use serde::{Deserialize, Serialize};

use crate::service::FollowGraphService;

/// Stores keep numbers in signed columns.
const LARGEST: u64 = i64::MAX as u64;

/// The rules of delivery.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryBody {
    strategy: Strategy,
    pull_threshold: u64,
    push_threshold: u64,
}

/// The rules in force.
pub(super) async fn get_delivery(_admin: Admin, service: web::Data<FollowGraphService>) -> HttpResponse {
    HttpResponse::Ok().json(DeliveryBody::from(service.rules_in_force()))
}

/// Puts other rules in force.
pub(super) async fn put_delivery(
    _admin: Admin,
    service: web::Data<FollowGraphService>,
    deadline: RequestDeadline,
    body: JsonBody<DeliveryBody>,
) -> Result<HttpResponse, Problem> {
    service.change_rules(body.0.try_into()?, deadline.0).await?;
    Ok(HttpResponse::Ok().json(body.0))
}

impl From<RulesInForce> for DeliveryBody {
    fn from(rules: RulesInForce) -> Self {
        Self {
            strategy: rules.strategy,
            pull_threshold: rules.thresholds.pull,
            push_threshold: rules.thresholds.push,
        }
    }
}

impl TryFrom<DeliveryBody> for RulesInForce {
    type Error = Problem;

    fn try_from(body: DeliveryBody) -> Result<Self, Problem> {
        let invalid = |what: String| Problem::new(&problems::INVALID_RULES, what);
        if body.pull_threshold > LARGEST {
            return Err(invalid(format!("pull_threshold is at most {LARGEST}.")));
        }
        let thresholds = Thresholds::new(body.pull_threshold, body.push_threshold)
            .map_err(|reason| invalid(format!("Send other thresholds: {reason}.")))?;
        Ok(Self {
            strategy: body.strategy,
            thresholds,
        })
    }
}

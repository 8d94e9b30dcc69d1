//! `POST /admin/audit`

use actix_web::{HttpResponse, web};
use http_kit::{Admin, JsonBody, Problem, RequestDeadline, problems};
use serde::{Deserialize, Serialize};

use crate::audit::AuditReport;
use crate::service::TimelineRead;

/// Timelines that one audit looks at, at most.
const MOST: usize = 10_000;

/// How many timelines are to be compared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditBody {
    users: usize,
}

/// What it came to.
#[derive(Serialize)]
struct ReportBody {
    compared: u64,
    missing: u64,
    extra: u64,
    repaired: u64,
}

impl From<AuditReport> for ReportBody {
    fn from(report: AuditReport) -> Self {
        let AuditReport {
            compared,
            missing,
            extra,
            repaired,
        } = report;
        Self {
            compared,
            missing,
            extra,
            repaired,
        }
    }
}

/// Compares some stored timelines with the tweets, and mends those that differ.
pub(super) async fn post_audit(
    service: web::Data<TimelineRead>,
    _operator: Admin,
    deadline: RequestDeadline,
    body: JsonBody<AuditBody>,
) -> Result<HttpResponse, Problem> {
    let users = body.0.users;
    if !(1..=MOST).contains(&users) {
        return Err(Problem::new(
            &problems::INVALID_BODY,
            format!("users is a number of timelines from 1 to {MOST}."),
        ));
    }
    let report = service.audit(users, deadline.0).await?;
    Ok(HttpResponse::Ok().json(ReportBody::from(report)))
}

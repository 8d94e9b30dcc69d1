//! `DELETE /v1/sessions/current`

use actix_web::{HttpResponse, web};
use http_kit::{Actor, IdempotencyHeader, Problem, RequestDeadline};

use crate::service::FollowGraphService;

/// Logs out: this token is refused from now on. Others of the account stay.
#[utoipa::path(
    delete,
    path = "/v1/sessions/current",
    operation_id = "logOut",
    tag = "sessions",
    responses((status = 204, description = "The token is refused from now on.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn delete_session(
    service: web::Data<FollowGraphService>,
    actor: Actor,
    _checked: IdempotencyHeader,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    service.log_out(actor.session.clone(), deadline.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

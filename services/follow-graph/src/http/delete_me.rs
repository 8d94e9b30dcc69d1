//! `DELETE /v1/users/me`

use actix_web::{HttpResponse, web};
use http_kit::{Actor, IdempotencyHeader, Problem, RequestDeadline, problems};
use storage::AccountError;

use super::no_such_user;
use crate::service::FollowGraphService;

/// Deletes your account: its tweets and edges leave every read, its tokens are refused, the handle stays taken.
#[utoipa::path(
    delete,
    path = "/v1/users/me",
    operation_id = "deleteMe",
    tag = "users",
    responses((status = 204, description = "It is gone.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn delete_me(
    service: web::Data<FollowGraphService>,
    actor: Actor,
    _checked: IdempotencyHeader,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    service.delete_account(actor.id(), deadline.0).await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

fn problem(error: AccountError) -> Problem {
    match error {
        AccountError::NoSuchUser => no_such_user(),
        AccountError::CredentialsChanged => Problem::new(&problems::CREDENTIALS_CHANGED, "Log in again."),
        AccountError::Idempotency(conflict) => conflict.into(),
        AccountError::Store(error) => error.into(),
    }
}

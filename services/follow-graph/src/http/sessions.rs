//! `POST /v1/sessions`, `DELETE /v1/sessions/current`

use actix_web::{HttpResponse, web};
use http_kit::time::Rfc3339;
use http_kit::{Actor, IdempotencyHeader, JsonBody, NoBody, Problem, RequestDeadline, problems};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::UserBody;
use crate::service::{FollowGraphService, LogInError};

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Login)]
pub(super) struct PostSessionBody {
    handle: String,
    password: String,
}

/// A token, and whose.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionBody {
    token: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Rfc3339,
    user: UserBody,
}

/// Logs in: a token for 30 days.
///
/// Tokens are signed, not stored, so there is nothing that a repeat could do twice: each answer has a new token, and a
/// token that never arrived is known to nobody. An `Idempotency-Key` is checked for its form and changes nothing.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    operation_id = "logIn",
    tag = "sessions",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; a repeat gets a new token")),
    request_body = PostSessionBody,
    responses((status = 201, description = "A token.", body = SessionBody)),
    security(())
)]
pub(super) async fn post_session(
    service: web::Data<FollowGraphService>,
    _idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    body: JsonBody<PostSessionBody>,
) -> Result<HttpResponse, Problem> {
    let PostSessionBody { handle, password } = body.0;
    let (user, issued) = service.log_in(handle.parse().ok(), password, deadline.0).await?;
    Ok(HttpResponse::Created().json(SessionBody {
        token: issued.token,
        expires_at: Rfc3339(issued.session.expires_at_s * 1_000),
        user: user.into(),
    }))
}

/// Logs out: this token is of no use any more.
#[utoipa::path(
    delete,
    path = "/v1/sessions/current",
    operation_id = "logOut",
    tag = "sessions",
    responses((status = 204, description = "It is revoked.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn delete_session(
    service: web::Data<FollowGraphService>,
    actor: Actor,
    _idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    _body: NoBody,
) -> Result<HttpResponse, Problem> {
    service.into_inner().log_out(actor.session.clone(), deadline.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::Wrong => Self::new(&problems::WRONG_CREDENTIALS, "The handle or the password is wrong."),
            LogInError::Account(error) => super::accounts::account_problem(error),
        }
    }
}

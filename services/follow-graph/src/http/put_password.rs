//! `PUT /v1/users/me/password`

use actix_web::{HttpResponse, web};
use http_kit::{Actor, IdempotencyHeader, JsonBody, Problem, RequestDeadline, problems};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::post_session::wrong_credentials;
use super::post_user::invalid_password;
use crate::service::{ChangePasswordError, FollowGraphService, PasswordChange};

const OPERATION: &str = "PUT /v1/users/me/password";

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPassword)]
pub(super) struct PutPasswordBody {
    /// The password until now.
    #[schema(value_type = String, format = Password)]
    old: SecretString,
    /// The one from now on: 8 to 128 characters.
    #[schema(value_type = String, format = Password)]
    new: SecretString,
}

/// Changes your password. All tokens of the account are refused from now on, this one too: log in again. A wrong old
/// password is 401 `wrong-credentials`.
#[utoipa::path(
    put,
    path = "/v1/users/me/password",
    operation_id = "changePassword",
    tag = "users",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours")),
    request_body = PutPasswordBody,
    responses((status = 204, description = "It is changed.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn put_password(
    service: web::Data<FollowGraphService>,
    actor: Actor,
    idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    body: JsonBody<PutPasswordBody>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(PutPasswordBody { old, new }, digest) = body;
    let digest = service.password_digest(digest);
    let change = PasswordChange {
        user: actor.id(),
        old,
        new,
        idempotency: idempotency.key(actor.id(), OPERATION, digest),
    };
    service.change_password(change, deadline.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::WrongCredentials => wrong_credentials("The old password is not the account's."),
            ChangePasswordError::InvalidPassword(invalid) => invalid_password(invalid),
            ChangePasswordError::CredentialsChanged => Self::new(
                &problems::CREDENTIALS_CHANGED,
                "Another request has changed the password. Log in again.",
            ),
            ChangePasswordError::Idempotency(conflict) => conflict.into(),
            ChangePasswordError::TooManyPasswords(busy) => busy.into(),
            ChangePasswordError::Store(error) => error.into(),
        }
    }
}

//! `POST /v1/sessions`

use actix_web::{HttpResponse, web};
use http_kit::time::Rfc3339;
use http_kit::{IdempotencyHeader, JsonBody, Problem, RequestDeadline, problems};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::passwords::TooManyPasswords;
use crate::service::{FollowGraphService, LogInError, LoggedIn};

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSession)]
pub(super) struct PostSessionBody {
    /// The account's handle, in any case.
    #[schema(example = "ada")]
    handle: String,
    /// Its password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionBody {
    /// To be sent as `Authorization: Bearer <token>`.
    token: String,
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Rfc3339,
    /// Whose it is.
    user: UserBody,
}

/// Logs in. Each answer is a session of its own.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    operation_id = "logIn",
    tag = "sessions",
    request_body = PostSessionBody,
    responses((status = 201, body = SessionBody))
)]
pub(super) async fn post_session(
    service: web::Data<FollowGraphService>,
    _checked: IdempotencyHeader,
    deadline: RequestDeadline,
    body: JsonBody<PostSessionBody>,
) -> Result<HttpResponse, Problem> {
    let PostSessionBody { handle, password } = body.0;
    let logged_in = service.log_in(&handle, password, deadline.0).await?;
    Ok(HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(SessionBody::from(logged_in)))
}

impl From<LoggedIn> for SessionBody {
    fn from(logged_in: LoggedIn) -> Self {
        Self {
            expires_at: Rfc3339(logged_in.token.session.expires_at_s * 1_000),
            token: logged_in.token.token,
            user: logged_in.user.into(),
        }
    }
}

pub(super) fn wrong_credentials(detail: &'static str) -> Problem {
    Problem::new(&problems::WRONG_CREDENTIALS, detail)
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::WrongCredentials => wrong_credentials("No account has this handle and this password."),
            LogInError::TooManyPasswords(busy) => busy.into(),
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<TooManyPasswords> for Problem {
    fn from(_: TooManyPasswords) -> Self {
        Self::overloaded("Too many passwords are being checked at once. Try again shortly.")
    }
}

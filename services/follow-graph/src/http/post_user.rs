//! `POST /v1/users`

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use http_kit::{IdempotencyHeader, JsonBody, Problem, RequestDeadline, problems};
use model::{DisplayName, Handle, InvalidDisplayName, InvalidHandle};
use secrecy::SecretString;
use serde::Deserialize;
use storage::CreateUserError;
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::passwords::InvalidPassword;
use crate::service::{FollowGraphService, SignUp, SignUpError};

/// An account to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(super) struct PostUserBody {
    /// 1 to 15 of `A-Za-z0-9_`, unique without regard to case.
    #[schema(example = "ada")]
    handle: String,
    /// 1 to 50 characters; the handle when absent.
    #[schema(example = "Ada Lovelace")]
    display_name: Option<String>,
    /// 8 to 128 characters.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Makes an account. There is no account yet that a key could belong to: a repeat is told that the handle is taken.
#[utoipa::path(
    post,
    path = "/v1/users",
    operation_id = "createUser",
    tag = "users",
    request_body = PostUserBody,
    responses((status = 201, body = UserBody))
)]
pub(super) async fn post_user(
    service: web::Data<FollowGraphService>,
    _checked: IdempotencyHeader,
    deadline: RequestDeadline,
    body: JsonBody<PostUserBody>,
) -> Result<HttpResponse, Problem> {
    let user = service.sign_up(body.0.try_into()?, deadline.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/v1/users/{}", user.id)))
        .json(UserBody::from(user)))
}

impl TryFrom<PostUserBody> for SignUp {
    type Error = Problem;

    fn try_from(body: PostUserBody) -> Result<Self, Problem> {
        let handle: Handle = body.handle.parse().map_err(invalid_handle)?;
        let display_name = body.display_name.as_deref().map(str::parse::<DisplayName>);
        Ok(Self {
            handle,
            display_name: display_name.transpose().map_err(invalid_display_name)?,
            password: body.password,
        })
    }
}

fn invalid_handle(invalid: InvalidHandle) -> Problem {
    Problem::new(&problems::INVALID_HANDLE, format!("Choose another handle: {invalid}."))
}

fn invalid_display_name(invalid: InvalidDisplayName) -> Problem {
    Problem::new(
        &problems::INVALID_DISPLAY_NAME,
        format!("Choose another display name: {invalid}."),
    )
}

pub(super) fn invalid_password(invalid: InvalidPassword) -> Problem {
    Problem::new(
        &problems::INVALID_PASSWORD,
        format!("Choose another password: {invalid}."),
    )
}

impl From<SignUpError> for Problem {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::InvalidPassword(invalid) => invalid_password(invalid),
            SignUpError::TooManyPasswords(busy) => busy.into(),
            SignUpError::Create(CreateUserError::HandleTaken) => Self::new(
                &problems::HANDLE_TAKEN,
                "Somebody has this handle, or has had it. Choose another.",
            ),
            SignUpError::Create(CreateUserError::Store(error)) => error.into(),
        }
    }
}

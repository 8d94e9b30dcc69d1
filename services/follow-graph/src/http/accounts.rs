//! `POST /v1/users`, `GET` and `DELETE /v1/users/me`, `PUT /v1/users/me/password`

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use http_kit::{Actor, IdempotencyHeader, JsonBody, NoBody, Problem, RequestDeadline, problems};
use model::{DisplayName, Handle};
use serde::Deserialize;
use storage::{AccountError, CreateUserError, FollowGraph};
use utoipa::ToSchema;

use super::body::UserBody;
use crate::service::{FollowGraphService, LogInError, SignUp, SignUpError};

/// An account to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(super) struct PostUserBody {
    /// 1 to 15 of `A-Za-z0-9_`, unique without regard to case.
    #[schema(example = "ada")]
    handle: String,
    /// 1 to 50 characters, not all of them invisible, none a control character or one that turns the direction of what
    /// follows (U+202A to U+202E, U+2066 to U+2069); the handle when absent.
    display_name: Option<String>,
    /// 8 to 128 characters.
    password: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PasswordChange)]
pub(super) struct PutPasswordBody {
    old: String,
    /// 8 to 128 characters.
    new: String,
}

/// Makes an account. A repeat under the same key, with the same body, answers with the account that it has made.
#[utoipa::path(
    post,
    path = "/v1/users",
    operation_id = "signUp",
    tag = "users",
    params((
        "Idempotency-Key" = Option<String>,
        Header,
        description = "Up to 128 visible characters; kept for 24 hours with the handle: the same key with another handle is another request"
    )),
    request_body = PostUserBody,
    responses((status = 201, description = "The account.", body = UserBody)),
    security(())
)]
pub(super) async fn post_user(
    service: web::Data<FollowGraphService>,
    idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    body: JsonBody<PostUserBody>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(
        PostUserBody {
            handle,
            display_name,
            password,
        },
        digest,
    ) = body;
    let handle: Handle = handle.parse().map_err(|_| {
        Problem::new(
            &problems::INVALID_HANDLE,
            "A handle is 1 to 15 of the characters A-Z, a-z, 0-9 and _.",
        )
    })?;
    let display_name = match display_name {
        None => DisplayName::from(&handle),
        Some(name) => name.parse().map_err(|_| {
            Problem::new(
                &problems::INVALID_DISPLAY_NAME,
                "A display name is 1 to 50 characters; one of them must be seen, and none may be a control character or \
                 turn the direction of what follows (U+202A to U+202E, U+2066 to U+2069).",
            )
        })?,
    };
    check_password(&password)?;
    let digest = service.issuer.keyed_digest(digest);
    let wanted = SignUp {
        handle,
        display_name,
        password,
        idempotency: idempotency.of_sign_up(digest),
    };
    let user = service.sign_up(wanted, deadline.0).await.map_err(sign_up_problem)?;
    let location = (header::LOCATION, format!("/v1/users/{}", user.id));
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(UserBody::from(user)))
}

fn sign_up_problem(error: SignUpError) -> Problem {
    match error {
        SignUpError::Idempotency(conflict) => conflict.into(),
        SignUpError::Create(CreateUserError::HandleTaken) => {
            Problem::new(&problems::HANDLE_TAKEN, "Choose another handle: this one is taken.")
        }
        SignUpError::Create(CreateUserError::Store(error)) => error.into(),
    }
}

/// Your account.
#[utoipa::path(
    get,
    path = "/v1/users/me",
    operation_id = "getMe",
    tag = "users",
    responses((status = 200, description = "The account.", body = UserBody)),
    security(("bearerAuth" = []))
)]
pub(super) async fn get_me(
    service: web::Data<FollowGraphService>,
    actor: Actor,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let user = service
        .users(&[actor.id()], deadline.0)
        .await?
        .pop()
        .flatten()
        .ok_or_else(account_gone)?;
    Ok(HttpResponse::Ok().json(UserBody::from(user)))
}

/// Deletes your account: it, its tweets and its edges leave every read. The handle stays taken.
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
    _idempotency: IdempotencyHeader,
    deadline: RequestDeadline,
    _body: NoBody,
) -> Result<HttpResponse, Problem> {
    service
        .into_inner()
        .delete_account(actor.id(), deadline.0)
        .await
        .map_err(account_problem)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Changes your password. All tokens are revoked, this one too.
///
/// A wrong old password is 403, not 401: the token is good, and a client that drops its token on a 401 would log out whoever
/// mistyped.
#[utoipa::path(
    put,
    path = "/v1/users/me/password",
    operation_id = "changePassword",
    tag = "users",
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters")),
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
    check_password(&new)?;
    let digest = service.issuer.keyed_digest(digest);
    let key = idempotency.key(actor.id(), "PUT /v1/users/me/password", digest);
    service
        .into_inner()
        .change_password(actor.id(), old, new, key, deadline.0)
        .await
        .map_err(|error| match error {
            LogInError::Wrong => Problem::new(
                &problems::WRONG_CREDENTIALS,
                "The old password is wrong. Your token is still good: send the password that holds.",
            )
            .with_status(StatusCode::FORBIDDEN),
            error @ LogInError::Account(_) => error.into(),
        })?;
    Ok(HttpResponse::NoContent().finish())
}

fn check_password(password: &str) -> Result<(), Problem> {
    if (8..=128).contains(&password.chars().count()) {
        return Ok(());
    }
    Err(Problem::new(
        &problems::INVALID_PASSWORD,
        "A password is 8 to 128 characters.",
    ))
}

/// The account went after its token had been checked.
fn account_gone() -> Problem {
    Problem::new(&problems::REVOKED_TOKEN, "The account of this token has been deleted.")
}

pub(super) fn account_problem(error: AccountError) -> Problem {
    match error {
        AccountError::NoSuchUser => account_gone(),
        AccountError::CredentialsChanged => Problem::new(
            &problems::CREDENTIALS_CHANGED,
            "Another request changed the password: log in with the new one.",
        ),
        AccountError::Idempotency(conflict) => conflict.into(),
        AccountError::Store(error) => error.into(),
    }
}

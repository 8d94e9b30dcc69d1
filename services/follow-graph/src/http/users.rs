//! `GET /v1/users/{id}`, `GET /v1/users/by-handle/{handle}`

use actix_web::{HttpResponse, web};
use http_kit::{PathId, Problem, RequestDeadline, Viewer, problems};
use model::{Handle, UserId};
use storage::FollowGraph;

use super::body::UserBody;
use super::no_such_user;
use crate::service::FollowGraphService;

/// An account.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    operation_id = "getUser",
    tag = "users",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, description = "The account.", body = UserBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_user(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    id: PathId<UserId>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let user = service
        .users(&[id.0], deadline.0)
        .await?
        .pop()
        .flatten()
        .ok_or_else(no_such_user)?;
    Ok(HttpResponse::Ok().json(UserBody::from(user)))
}

/// The account with a handle, without regard to case.
#[utoipa::path(
    get,
    path = "/v1/users/by-handle/{handle}",
    operation_id = "getUserByHandle",
    tag = "users",
    params(("handle" = String, Path, description = "1 to 15 of `A-Za-z0-9_`")),
    responses((status = 200, description = "The account.", body = UserBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_user_by_handle(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    handle: web::Path<String>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let handle: Handle = handle.parse().map_err(|_| {
        Problem::new(
            &problems::INVALID_PATH,
            "A handle is 1 to 15 of the characters A-Z, a-z, 0-9 and _.",
        )
    })?;
    let user = service
        .ports
        .store
        .user_by_handle(&handle, deadline.0)
        .await?
        .ok_or_else(no_such_user)?;
    Ok(HttpResponse::Ok().json(UserBody::from(user)))
}

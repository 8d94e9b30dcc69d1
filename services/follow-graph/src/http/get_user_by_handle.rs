//! `GET /v1/users/by-handle/{handle}`

use actix_web::{HttpResponse, web};
use http_kit::{Problem, RequestDeadline, Viewer};
use model::Handle;

use super::no_such_user;
use super::user_body::UserBody;
use crate::service::FollowGraphService;

/// The account with this handle, without regard to case. What can be no handle is nobody's: 404.
#[utoipa::path(
    get,
    path = "/v1/users/by-handle/{handle}",
    operation_id = "getUserByHandle",
    tag = "users",
    params(("handle" = String, Path, description = "The handle")),
    responses((status = 200, body = UserBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_user_by_handle(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    handle: web::Path<String>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let handle: Handle = handle.parse().map_err(|_| no_such_user())?;
    let user = service.user_by_handle(&handle, deadline.0).await?;
    Ok(HttpResponse::Ok().json(UserBody::from(user.ok_or_else(no_such_user)?)))
}

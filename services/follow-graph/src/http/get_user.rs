//! `GET /v1/users/{id}`

use actix_web::{HttpResponse, web};
use http_kit::{PathId, Problem, RequestDeadline, Viewer};
use model::UserId;

use super::no_such_user;
use super::user_body::UserBody;
use crate::service::FollowGraphService;

/// An account. Blocks do not hide it.
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    operation_id = "getUser",
    tag = "users",
    params(("id" = String, Path, description = "The account")),
    responses((status = 200, body = UserBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_user(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    id: PathId<UserId>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let user = service.user(id.0, deadline.0).await?.ok_or_else(no_such_user)?;
    Ok(HttpResponse::Ok().json(UserBody::from(user)))
}

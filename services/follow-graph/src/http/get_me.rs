//! `GET /v1/users/me`

use actix_web::{HttpResponse, web};
use http_kit::{Actor, Problem, RequestDeadline};

use super::no_such_user;
use super::user_body::UserBody;
use crate::service::FollowGraphService;

/// Your account.
#[utoipa::path(
    get,
    path = "/v1/users/me",
    operation_id = "getMe",
    tag = "users",
    responses((status = 200, body = UserBody)),
    security(("bearerAuth" = []))
)]
pub(super) async fn get_me(
    service: web::Data<FollowGraphService>,
    actor: Actor,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    let user = service.user(actor.id(), deadline.0).await?.ok_or_else(no_such_user)?;
    Ok(HttpResponse::Ok().json(UserBody::from(user)))
}

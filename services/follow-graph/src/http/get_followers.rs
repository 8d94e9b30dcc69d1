//! `GET /v1/users/{id}/followers`

use actix_web::{HttpResponse, web};
use http_kit::{PageQuery, PathId, Problem, QueryParams, RequestDeadline, Viewer};
use model::UserId;
use storage::EdgeDirection;

use super::user_list::{self, UserPageBody};
use crate::service::FollowGraphService;

/// Who follows an account.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/followers",
    operation_id = "getFollowers",
    tag = "users",
    params(("id" = String, Path, description = "The account"), PageQuery),
    responses((status = 200, body = UserPageBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_followers(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    id: PathId<UserId>,
    query: QueryParams<PageQuery>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    user_list::page(&service, EdgeDirection::Followers, id.0, &query.0, deadline.0).await
}

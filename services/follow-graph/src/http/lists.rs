//! `GET /v1/users/{id}/followers`, `GET /v1/users/{id}/following`

use actix_web::{HttpResponse, web};
use http_kit::{PageQuery, PathId, Problem, QueryParams, RequestDeadline, Viewer, cursor};
use model::UserId;
use serde::Serialize;
use storage::{Deadline, EdgeDirection, FollowGraph};
use utoipa::ToSchema;

use super::body::UserBody;
use super::no_such_user;
use crate::service::FollowGraphService;

/// What keeps cursors of one list from being used in another.
fn kind(direction: EdgeDirection) -> u8 {
    match direction {
        EdgeDirection::Followers => 4,
        EdgeDirection::Following => 5,
    }
}

/// A page of accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
pub(super) struct UsersBody {
    users: Vec<UserBody>,
    /// Goes on after this page; null at the end. A page may have fewer than `limit`, or none, and yet not be the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Who follows an account.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/followers",
    operation_id = "getFollowers",
    tag = "users",
    params(("id" = String, Path, description = "The account"), PageQuery),
    responses((status = 200, description = "A page of followers.", body = UsersBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_followers(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    id: PathId<UserId>,
    query: QueryParams<PageQuery>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    list(&service, EdgeDirection::Followers, id.0, &query.0, deadline.0).await
}

/// Whom an account follows.
#[utoipa::path(
    get,
    path = "/v1/users/{id}/following",
    operation_id = "getFollowing",
    tag = "users",
    params(("id" = String, Path, description = "The account"), PageQuery),
    responses((status = 200, description = "A page of those who are followed.", body = UsersBody)),
    security((), ("bearerAuth" = []))
)]
pub(super) async fn get_following(
    service: web::Data<FollowGraphService>,
    _viewer: Viewer,
    id: PathId<UserId>,
    query: QueryParams<PageQuery>,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    list(&service, EdgeDirection::Following, id.0, &query.0, deadline.0).await
}

async fn list(
    service: &FollowGraphService,
    direction: EdgeDirection,
    user: UserId,
    query: &PageQuery,
    deadline: Deadline,
) -> Result<HttpResponse, Problem> {
    let limit = query.limit()?;
    let after = query.cursor.as_deref();
    let after = after
        .map(|text| cursor::decode_of(kind(direction), user, text))
        .transpose()?
        .map(UserId::new);
    if service.users(&[user], deadline).await?.pop().flatten().is_none() {
        return Err(no_such_user());
    }
    let page = service.list(direction, user, after, limit, deadline).await?;
    Ok(HttpResponse::Ok().json(UsersBody {
        users: page.users.into_iter().map(UserBody::from).collect(),
        next_cursor: page
            .next_after
            .map(|after| cursor::encode_of(kind(direction), user, after.get())),
    }))
}

//! `PUT` and `DELETE /v1/users/me/following/{id}`

use actix_web::HttpResponse;
use http_kit::Problem;
use model::EdgeKind;

use super::edge::{EdgeRequest, write};

/// Follows an account: its whole history is in your home timeline. Again is fine.
#[utoipa::path(
    put,
    path = "/v1/users/me/following/{id}",
    operation_id = "follow",
    tag = "edges",
    params(
        ("id" = String, Path, description = "The other account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours"),
    ),
    responses((status = 204, description = "You follow it.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn follow(request: EdgeRequest) -> Result<HttpResponse, Problem> {
    write(EdgeKind::Follow, true, request).await
}

/// Follows an account no longer: its tweets leave your home timeline. Again is fine.
#[utoipa::path(
    delete,
    path = "/v1/users/me/following/{id}",
    operation_id = "unfollow",
    tag = "edges",
    params(
        ("id" = String, Path, description = "The other account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours"),
    ),
    responses((status = 204, description = "You do not follow it.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn unfollow(request: EdgeRequest) -> Result<HttpResponse, Problem> {
    write(EdgeKind::Follow, false, request).await
}

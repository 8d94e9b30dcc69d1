//! `PUT` and `DELETE /v1/users/me/blocking/{id}`

use actix_web::HttpResponse;
use http_kit::Problem;
use model::EdgeKind;

use super::edge::{EdgeRequest, write};

/// Blocks an account: neither sees the other's tweets, nor can follow anew. Again is fine.
#[utoipa::path(
    put,
    path = "/v1/users/me/blocking/{id}",
    operation_id = "block",
    tag = "edges",
    params(
        ("id" = String, Path, description = "The other account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours"),
    ),
    responses((status = 204, description = "It is blocked.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn block(request: EdgeRequest) -> Result<HttpResponse, Problem> {
    write(EdgeKind::Block, true, request).await
}

/// Blocks an account no longer. Again is fine.
#[utoipa::path(
    delete,
    path = "/v1/users/me/blocking/{id}",
    operation_id = "unblock",
    tag = "edges",
    params(
        ("id" = String, Path, description = "The other account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours"),
    ),
    responses((status = 204, description = "You do not block it.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn unblock(request: EdgeRequest) -> Result<HttpResponse, Problem> {
    write(EdgeKind::Block, false, request).await
}

//! `PUT` and `DELETE /v1/users/me/muting/{id}`

use actix_web::HttpResponse;
use http_kit::Problem;
use model::EdgeKind;

use super::edge::{EdgeRequest, write};

/// Mutes an account: its tweets are kept out of your home timeline, and it never learns. Again is fine.
#[utoipa::path(
    put,
    path = "/v1/users/me/muting/{id}",
    operation_id = "mute",
    tag = "edges",
    params(
        ("id" = String, Path, description = "The other account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours"),
    ),
    responses((status = 204, description = "It is muted.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn mute(request: EdgeRequest) -> Result<HttpResponse, Problem> {
    write(EdgeKind::Mute, true, request).await
}

/// Mutes an account no longer: its tweets are back. Again is fine.
#[utoipa::path(
    delete,
    path = "/v1/users/me/muting/{id}",
    operation_id = "unmute",
    tag = "edges",
    params(
        ("id" = String, Path, description = "The other account"),
        ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters; kept for 24 hours"),
    ),
    responses((status = 204, description = "It is not muted.")),
    security(("bearerAuth" = []))
)]
pub(super) async fn unmute(request: EdgeRequest) -> Result<HttpResponse, Problem> {
    write(EdgeKind::Mute, false, request).await
}

//! `GET /v1/openapi.json`

use actix_web::{HttpResponse, web};
use bytes::Bytes;

/// This description.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "getOpenApi",
    tag = "meta",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
    security(())
)]
pub(super) async fn get_openapi(document: web::Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(Bytes::clone(&document))
}

//! `GET /v1/openapi.json`

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use utoipa::openapi::OpenApi;

/// The description of the whole API, as bytes.
pub(super) struct Document(Bytes);

impl From<OpenApi> for Document {
    fn from(openapi: OpenApi) -> Self {
        let json = openapi
            .to_json()
            .expect("a description is made of strings, numbers and lists");
        Self(json.into())
    }
}

/// The description of the whole API.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "getOpenApi",
    tag = "meta",
    responses((status = 200, content_type = "application/json", body = Object))
)]
pub(super) async fn get_openapi(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .body(document.0.clone())
}

//! The operators' routes.

mod get_delivery;

use std::sync::Arc;

use actix_web::web;
use http_kit::Endpoint;

use crate::service::FanOut;

/// The routes of fan-out's internal port.
pub fn internal_routes(service: Arc<FanOut>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let service = web::Data::from(service);
    move |config| {
        config
            .app_data(service.clone())
            .service(Endpoint::new("/admin/tweets/{id}/delivery").get(get_delivery::get_delivery));
    }
}

//! The routes.

mod accounts;
mod body;
mod delivery;
mod edges;
mod graph;
mod lists;
mod openapi;
mod sessions;
mod users;

use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;
use graph_replica::wire;
use http_kit::{Endpoint, Problem, problems};
use utoipa::OpenApi;

use crate::service::FollowGraphService;

/// The public routes of follow-graph. `document` describes the whole API: the composition root knows all parts.
pub fn routes(
    service: Arc<FollowGraphService>,
    document: &utoipa::openapi::OpenApi,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + use<> {
    let document = web::Data::new(Bytes::from(document.to_json().expect("the description is plain data")));
    let service = web::Data::from(service);
    move |config| {
        config
            .app_data(service.clone())
            .app_data(document.clone())
            .service(Endpoint::new("/v1/openapi.json").get(openapi::get_openapi))
            .service(Endpoint::new("/v1/sessions").post(sessions::post_session))
            .service(Endpoint::new("/v1/sessions/current").delete(sessions::delete_session))
            .service(Endpoint::new("/v1/users").post(accounts::post_user))
            .service(
                Endpoint::new("/v1/users/me")
                    .get(accounts::get_me)
                    .delete(accounts::delete_me),
            )
            .service(Endpoint::new("/v1/users/me/password").put(accounts::put_password))
            .service(
                Endpoint::new("/v1/users/me/following/{id}")
                    .put(edges::put_following)
                    .delete(edges::delete_following),
            )
            .service(
                Endpoint::new("/v1/users/me/muting/{id}")
                    .put(edges::put_muting)
                    .delete(edges::delete_muting),
            )
            .service(
                Endpoint::new("/v1/users/me/blocking/{id}")
                    .put(edges::put_blocking)
                    .delete(edges::delete_blocking),
            )
            .service(Endpoint::new("/v1/users/by-handle/{handle}").get(users::get_user_by_handle))
            .service(Endpoint::new("/v1/users/{id}").get(users::get_user))
            .service(
                Endpoint::new("/v1/users/{id}/followers")
                    .with_query()
                    .get(lists::get_followers),
            )
            .service(
                Endpoint::new("/v1/users/{id}/following")
                    .with_query()
                    .get(lists::get_following),
            );
    }
}

/// The operators' routes, and what the other services ask.
pub fn internal_routes(service: Arc<FollowGraphService>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let service = web::Data::from(service);
    move |config| {
        config
            .app_data(service.clone())
            .service(Endpoint::new(wire::READERS).post(graph::post_readers))
            .service(Endpoint::new(wire::FOLLOWERS).post(graph::post_followers))
            .service(Endpoint::new(wire::CHUNKS).post(graph::post_chunks))
            .service(Endpoint::new(wire::USERS).post(graph::post_users))
            .service(
                Endpoint::new("/admin/delivery")
                    .get(delivery::get_delivery)
                    .put(delivery::put_delivery),
            );
    }
}

/// The description of the public routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(
        openapi::get_openapi,
        sessions::post_session,
        sessions::delete_session,
        accounts::post_user,
        accounts::get_me,
        accounts::delete_me,
        accounts::put_password,
        edges::put_following,
        edges::delete_following,
        edges::put_muting,
        edges::delete_muting,
        edges::put_blocking,
        edges::delete_blocking,
        users::get_user_by_handle,
        users::get_user,
        lists::get_followers,
        lists::get_following,
    ))]
    struct Api;
    Api::openapi()
}

fn no_such_user() -> Problem {
    Problem::new(
        &problems::NO_SUCH_USER,
        "There is no such account, or it has been deleted.",
    )
}

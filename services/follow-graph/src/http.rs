//! The routes: public ones, and operators' on the internal port.

mod blocking;
mod delete_me;
mod delete_session;
mod delivery;
mod edge;
mod following;
mod get_followers;
mod get_following;
mod get_me;
mod get_openapi;
mod get_user;
mod get_user_by_handle;
mod muting;
mod post_session;
mod post_user;
mod put_password;
mod user_body;
mod user_list;

use std::sync::Arc;

use actix_web::web;
use http_kit::{Endpoint, Problem, problems};
use utoipa::OpenApi;

use crate::service::FollowGraphService;

/// The public routes. `openapi` describes the whole API, of which they are a part.
pub fn routes(
    service: Arc<FollowGraphService>,
    openapi: utoipa::openapi::OpenApi,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
    let service = web::Data::from(service);
    let document = web::Data::new(get_openapi::Document::from(openapi));
    move |config| {
        config
            .app_data(service.clone())
            .app_data(document.clone())
            .service(Endpoint::new("/v1/openapi.json").get(get_openapi::get_openapi))
            .service(Endpoint::new("/v1/sessions").post(post_session::post_session))
            .service(Endpoint::new("/v1/sessions/current").delete(delete_session::delete_session))
            .service(Endpoint::new("/v1/users").post(post_user::post_user))
            // Before `{id}`, which would match them too.
            .configure(own_account)
            .service(Endpoint::new("/v1/users/by-handle/{handle}").get(get_user_by_handle::get_user_by_handle))
            .service(Endpoint::new("/v1/users/{id}").get(get_user::get_user))
            .service(Endpoint::new("/v1/users/{id}/followers").get(get_followers::get_followers))
            .service(Endpoint::new("/v1/users/{id}/following").get(get_following::get_following));
    }
}

fn own_account(config: &mut web::ServiceConfig) {
    config
        .service(
            Endpoint::new("/v1/users/me")
                .get(get_me::get_me)
                .delete(delete_me::delete_me),
        )
        .service(Endpoint::new("/v1/users/me/password").put(put_password::put_password))
        .service(
            Endpoint::new("/v1/users/me/following/{id}")
                .put(following::follow)
                .delete(following::unfollow),
        )
        .service(
            Endpoint::new("/v1/users/me/muting/{id}")
                .put(muting::mute)
                .delete(muting::unmute),
        )
        .service(
            Endpoint::new("/v1/users/me/blocking/{id}")
                .put(blocking::block)
                .delete(blocking::unblock),
        );
}

/// Operators' routes.
pub fn internal_routes(service: Arc<FollowGraphService>) -> impl Fn(&mut web::ServiceConfig) + Clone + Send {
    let service = web::Data::from(service);
    move |config| {
        config.app_data(service.clone()).service(
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
        post_user::post_user,
        post_session::post_session,
        delete_session::delete_session,
        get_me::get_me,
        delete_me::delete_me,
        put_password::put_password,
        get_user::get_user,
        get_user_by_handle::get_user_by_handle,
        get_followers::get_followers,
        get_following::get_following,
        following::follow,
        following::unfollow,
        muting::mute,
        muting::unmute,
        blocking::block,
        blocking::unblock,
        get_openapi::get_openapi,
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

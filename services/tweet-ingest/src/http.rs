//! The public routes.

mod delete_tweet;
mod get_tweet;
mod post_tweet;

use std::sync::Arc;

use actix_web::web;
use http_kit::{Endpoint, Problem, problems};
use utoipa::OpenApi;

use crate::service::TweetIngest;

/// The public routes of tweet-ingest.
pub fn routes(service: Arc<TweetIngest>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let service = web::Data::from(service);
    move |config| {
        config
            .app_data(service.clone())
            .service(Endpoint::new("/v1/tweets").post(post_tweet::post_tweet))
            .service(
                Endpoint::new("/v1/tweets/{id}")
                    .get(get_tweet::get_tweet)
                    .delete(delete_tweet::delete_tweet),
            );
    }
}

/// The description of these routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(post_tweet::post_tweet, get_tweet::get_tweet, delete_tweet::delete_tweet))]
    struct Api;
    Api::openapi()
}

fn no_such_tweet() -> Problem {
    Problem::new(
        &problems::NO_SUCH_TWEET,
        "There is no tweet with this id, or it has been deleted.",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn the_description_names_what_it_refers_to() {
        let whole = serde_json::to_value(http_kit::openapi::merge([super::openapi()])).unwrap();
        let text = whole.to_string();
        let referred: BTreeSet<_> = text
            .split("\"$ref\":\"#")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert!(referred.contains("/components/schemas/Tweet"), "{referred:?}");
        for pointer in referred {
            assert!(whole.pointer(pointer).is_some(), "{pointer}");
        }
    }
}

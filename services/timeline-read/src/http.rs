//! The public and the internal routes.

mod get_explain;
mod get_home;
mod get_user_timeline;
mod post_audit;

use std::sync::Arc;

use actix_web::web;
use bytes::{BufMut, Bytes, BytesMut};
use http_kit::{Endpoint, Problem, problems};
use storage::RenderedTweet;
use utoipa::OpenApi;

use crate::service::{ReadError, TimelineRead};

/// The public routes of timeline-read.
pub fn routes(service: Arc<TimelineRead>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let service = web::Data::from(service);
    move |config| {
        config
            .app_data(service.clone())
            .service(Endpoint::new("/v1/timelines/home").with_query().get(get_home::get_home))
            .service(
                Endpoint::new("/v1/timelines/users/{id}")
                    .with_query()
                    .get(get_user_timeline::get_user_timeline),
            );
    }
}

/// The operators' routes.
pub fn internal_routes(service: Arc<TimelineRead>) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let service = web::Data::from(service);
    move |config| {
        config
            .app_data(service.clone())
            .service(Endpoint::new("/admin/audit").post(post_audit::post_audit))
            .service(
                Endpoint::new("/admin/explain")
                    .with_query()
                    .get(get_explain::get_explain),
            );
    }
}

/// The description of the public routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(get_home::get_home, get_user_timeline::get_user_timeline))]
    struct Api;
    Api::openapi()
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NoSuchUser => Self::new(&problems::NO_SUCH_USER, "There is no account with this id."),
            ReadError::Store(error) => error.into(),
        }
    }
}

/// `{"tweets":[…]` and no more: the tweets' bytes are copied as they were rendered.
fn open_page(tweets: &[Arc<RenderedTweet>], room_for_rest: usize) -> BytesMut {
    let length = tweets.iter().map(|tweet| tweet.json.len() + 1).sum::<usize>();
    let mut body = BytesMut::with_capacity(length + 16 + room_for_rest);
    body.put_slice(b"{\"tweets\":[");
    for (at, tweet) in tweets.iter().enumerate() {
        if at > 0 {
            body.put_u8(b',');
        }
        body.put_slice(&tweet.json);
    }
    body.put_u8(b']');
    body
}

/// `,"name":"cursor"`, or null. Cursors are base64url: nothing in them needs escaping.
fn put_cursor(body: &mut BytesMut, name: &str, cursor: Option<&str>) {
    body.put_slice(b",\"");
    body.put_slice(name.as_bytes());
    match cursor {
        Some(cursor) => {
            body.put_slice(b"\":\"");
            body.put_slice(cursor.as_bytes());
            body.put_u8(b'"');
        }
        None => body.put_slice(b"\":null"),
    }
}

fn close_page(mut body: BytesMut) -> Bytes {
    body.put_u8(b'}');
    body.freeze()
}

#[cfg(test)]
mod tests {
    use model::{TweetId, UserId};

    use super::*;

    #[test]
    fn a_page_is_json() {
        let json = |text: &'static str| Bytes::from_static(text.as_bytes());
        let tweet = |json| {
            Arc::new(RenderedTweet {
                id: TweetId::new(1),
                author: UserId::new(1),
                in_reply_to: None,
                json,
            })
        };
        let mut body = open_page(&[tweet(json("{\"id\":\"2\"}")), tweet(json("{\"id\":\"1\"}"))], 0);
        put_cursor(&mut body, "next_cursor", None);
        put_cursor(&mut body, "newest_cursor", Some("AQ"));
        let body = close_page(body);
        assert_eq!(
            body,
            "{\"tweets\":[{\"id\":\"2\"},{\"id\":\"1\"}],\"next_cursor\":null,\"newest_cursor\":\"AQ\"}"
        );
    }
}

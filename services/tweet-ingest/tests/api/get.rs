//! `GET /v1/tweets/{id}`

use model::{TweetId, UserId};
use reqwest::Method;

use crate::support::{TestService, slug};

#[actix_web::test]
async fn a_tweet_is_there_for_all_but_those_across_a_block() {
    let service = TestService::start();
    let id = service.posted(1, "here").await;
    service.block(1, 2);
    for viewer in [None, Some(1), Some(3)] {
        assert_eq!(service.get(id, viewer).await.status(), 200);
    }
    let across = service.get(id, Some(2)).await;
    assert_eq!(
        (across.status().as_u16(), slug(across).await),
        (404, "no-such-tweet".to_owned())
    );
}

#[actix_web::test]
async fn what_is_gone_is_not_found() {
    let service = TestService::start();
    let id = service.posted(1, "here").await;
    assert_eq!(service.get(TweetId::new(id.get() + 1), None).await.status(), 404);
    service.outside.deleted.lock().unwrap().insert(UserId::new(1));
    assert_eq!(service.get(id, None).await.status(), 404);
}

#[actix_web::test]
async fn an_id_is_a_number() {
    let service = TestService::start();
    let refused = service
        .request(Method::GET, "/v1/tweets/latest", None)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (refused.status().as_u16(), slug(refused).await),
        (400, "invalid-path".to_owned())
    );
}

//! `DELETE /v1/tweets/{id}`

use model::TweetId;

use crate::support::{Step, TestService, slug};

#[actix_web::test]
async fn an_author_deletes_once_and_may_say_so_again() {
    let service = TestService::start();
    let id = service.posted(1, "oops").await;
    service.take_steps();
    assert_eq!(service.delete(id, 1).await.status(), 204);
    assert_eq!(service.get(id, Some(1)).await.status(), 404);
    let first = service.take_steps();
    assert_eq!(
        first,
        [Step::Removed(id), Step::Published(id)],
        "out of the cache before it is announced"
    );
    assert_eq!(service.delete(id, 1).await.status(), 204);
    assert_eq!(service.take_steps(), [Step::Removed(id)]);
}

#[actix_web::test]
async fn nobody_else_may() {
    let service = TestService::start();
    let id = service.posted(1, "mine").await;
    let refused = service.delete(id, 2).await;
    assert_eq!(
        (refused.status().as_u16(), slug(refused).await),
        (403, "not-author".to_owned())
    );
    assert_eq!(service.get(id, None).await.status(), 200);
    service.delete(id, 1).await;
    assert_eq!(slug(service.delete(id, 2).await).await, "no-such-tweet");
    assert_eq!(slug(service.delete(TweetId::new(5), 1).await).await, "no-such-tweet");
}

#[actix_web::test]
async fn a_delete_is_not_acknowledged_while_the_cache_may_still_show_the_tweet() {
    let service = TestService::start();
    let id = service.posted(1, "oops").await;
    service.take_steps();
    *service.outside.cache_is_down.lock().unwrap() = true;
    assert_eq!(slug(service.delete(id, 1).await).await, "store-unavailable");
    assert_eq!(
        service.take_steps(),
        [Step::Published(id)],
        "no repeat would announce it"
    );
    *service.outside.cache_is_down.lock().unwrap() = false;
    assert_eq!(service.delete(id, 1).await.status(), 204);
}

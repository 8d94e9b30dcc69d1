//! What the other services ask, on the internal port: [`graph_replica::wire`] says how. Answers come from the store and not
//! from this process's caches: whoever asks has caches of its own, and knows what of them may be believed.

use actix_web::{HttpResponse, web};
use graph_replica::wire::{self, Ids, Items};
use http_kit::{Admin, JsonBody, Problem, RequestDeadline, problems};
use model::UserId;
use serde::Serialize;
use storage::{EdgeDirection, FollowerPageRequest};

use crate::service::FollowGraphService;

/// Followers that one page of one author may have.
const MOST_FOLLOWERS: usize = 100_000;

type Service = web::Data<FollowGraphService>;

/// Reader views.
pub(super) async fn post_readers(
    service: Service,
    _caller: Admin,
    deadline: RequestDeadline,
    body: JsonBody<Ids>,
) -> Result<HttpResponse, Problem> {
    let ids = bounded(body.0.ids)?;
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let view = service.ports.store.reader(UserId::new(id), deadline.0).await?;
        items.push(view.as_ref().map(wire::View::from));
    }
    Ok(answer(items))
}

/// Pages of followers.
pub(super) async fn post_followers(
    service: Service,
    _caller: Admin,
    deadline: RequestDeadline,
    body: JsonBody<wire::PageRequests>,
) -> Result<HttpResponse, Problem> {
    let requests = bounded(body.0.requests)?.into_iter().map(|request| {
        let request = FollowerPageRequest::from(request);
        FollowerPageRequest {
            limit: request.limit.min(MOST_FOLLOWERS),
            ..request
        }
    });
    let requests: Vec<FollowerPageRequest> = requests.collect();
    let store = &service.ports.store;
    let pages = store.edges(EdgeDirection::Followers, &requests, deadline.0).await?;
    Ok(answer(pages.into_iter().map(wire::Page::from).collect()))
}

/// An author's followers, cut into chunks.
pub(super) async fn post_chunks(
    service: Service,
    _caller: Admin,
    deadline: RequestDeadline,
    body: JsonBody<wire::Chunks>,
) -> Result<HttpResponse, Problem> {
    let chunks = service.ports.store.chunks(body.0.into(), deadline.0).await?;
    Ok(answer(chunks.into_iter().map(wire::Chunk::from).collect()))
}

/// Accounts.
pub(super) async fn post_users(
    service: Service,
    _caller: Admin,
    deadline: RequestDeadline,
    body: JsonBody<Ids>,
) -> Result<HttpResponse, Problem> {
    let ids: Vec<UserId> = bounded(body.0.ids)?.into_iter().map(UserId::new).collect();
    let users = service.ports.store.users(&ids, deadline.0).await?;
    Ok(answer(
        users.into_iter().map(|user| user.map(wire::Account::from)).collect(),
    ))
}

fn bounded<T>(items: Vec<T>) -> Result<Vec<T>, Problem> {
    if items.len() <= wire::MAX_ITEMS {
        return Ok(items);
    }
    Err(Problem::new(
        &problems::INVALID_BODY,
        format!("Ask for at most {} items at once.", wire::MAX_ITEMS),
    ))
}

fn answer<T: Serialize>(items: Vec<T>) -> HttpResponse {
    HttpResponse::Ok().json(Items { items })
}

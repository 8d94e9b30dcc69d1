//! What following, muting and blocking have in common.

use actix_web::{HttpRequest, HttpResponse, web};
use http_kit::{Actor, BodyDigest, IdempotencyHeader, PathId, Problem, RequestDeadline, problems};
use model::{EdgeKind, UserId};
use storage::EdgeError;

use super::no_such_user;
use crate::service::{EdgeChange, FollowGraphService, WriteEdgeError};

/// These requests have no body.
const NO_BODY: BodyDigest = BodyDigest([0; 32]);

/// What every request for an edge carries. Extracted in this order, so that who may not ask learns nothing of ids.
pub(super) type EdgeRequest = (
    web::Data<FollowGraphService>,
    Actor,
    PathId<UserId>,
    IdempotencyHeader,
    RequestDeadline,
    HttpRequest,
);

/// Makes or removes an edge.
pub(super) async fn write(kind: EdgeKind, present: bool, request: EdgeRequest) -> Result<HttpResponse, Problem> {
    let (service, actor, target, idempotency, deadline, http) = request;
    let operation = format!("{} {}", http.method(), http.path());
    let change = EdgeChange {
        kind,
        actor: actor.id(),
        target: target.0,
        present,
        idempotency: idempotency.key(actor.id(), operation, NO_BODY),
    };
    service.write_edge(change, deadline.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<WriteEdgeError> for Problem {
    fn from(error: WriteEdgeError) -> Self {
        match error {
            WriteEdgeError::SelfReference => Self::new(
                &problems::SELF_REFERENCE,
                "Nobody can follow, mute or block oneself. Name another account.",
            ),
            WriteEdgeError::Edge(EdgeError::NoSuchUser) => no_such_user(),
            WriteEdgeError::Edge(EdgeError::LimitReached { limit }) => Self::new(
                &problems::LIMIT_REACHED,
                format!("An account may have {limit} of these. Remove one first."),
            ),
            WriteEdgeError::Edge(EdgeError::Blocked) => Self::new(
                &problems::BLOCKED,
                "One of the two accounts blocks the other, so that neither can follow the other anew.",
            ),
            WriteEdgeError::Edge(EdgeError::Idempotency(conflict)) => conflict.into(),
            WriteEdgeError::Edge(EdgeError::Store(error)) => error.into(),
        }
    }
}

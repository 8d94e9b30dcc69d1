//! `PUT` and `DELETE /v1/users/me/following/{id}`, and the same for `muting` and `blocking`

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use http_kit::{Actor, BodyDigest, IdempotencyHeader, NoBody, PathId, Problem, RequestDeadline, problems};
use model::{EdgeKind, UserId};
use storage::EdgeError;

use super::no_such_user;
use crate::service::{EdgeRequest, FollowGraphService};

macro_rules! edge_endpoints {
    ($($name:ident, $method:ident, $present:literal, $kind:ident, $segment:literal, $operation:literal, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[utoipa::path(
            $method,
            path = concat!("/v1/users/me/", $segment, "/{id}"),
            operation_id = $operation,
            tag = "edges",
            params(
                ("id" = String, Path, description = "The other account"),
                ("Idempotency-Key" = Option<String>, Header, description = "Up to 128 visible characters"),
            ),
            responses((status = 204, description = "It is so, whether it was before or not.")),
            security(("bearerAuth" = []))
        )]
        pub(super) async fn $name(
            service: web::Data<FollowGraphService>,
            actor: Actor,
            target: PathId<UserId>,
            idempotency: IdempotencyHeader,
            deadline: RequestDeadline,
            _body: NoBody,
        ) -> Result<HttpResponse, Problem> {
            let verb = if $present { "PUT" } else { "DELETE" };
            let operation = format!("{verb} /v1/users/me/{}/{}", $segment, target.0);
            let request = EdgeRequest {
                kind: EdgeKind::$kind,
                actor: actor.id(),
                target: target.0,
                present: $present,
                idempotency: idempotency.key(actor.id(), operation, BodyDigest([0; 32])),
            };
            write(service.into_inner(), request, deadline).await
        }
    )*};
}

edge_endpoints! {
    put_following, put, true, Follow, "following", "follow", "Follows an account: its whole history comes into your home timeline.";
    delete_following, delete, false, Follow, "following", "unfollow", "Unfollows an account: its tweets leave your home timeline.";
    put_muting, put, true, Mute, "muting", "mute", "Mutes an account: its tweets are hidden from your home timeline.";
    delete_muting, delete, false, Mute, "muting", "unmute", "Unmutes an account: its tweets are back.";
    put_blocking, put, true, Block, "blocking", "block", "Blocks an account: neither sees the other's tweets.";
    delete_blocking, delete, false, Block, "blocking", "unblock", "Ends a block.";
}

async fn write(
    service: Arc<FollowGraphService>,
    request: EdgeRequest,
    deadline: RequestDeadline,
) -> Result<HttpResponse, Problem> {
    if request.actor == request.target {
        return Err(Problem::new(
            &problems::SELF_REFERENCE,
            "Name another account than your own.",
        ));
    }
    service.write_edge(request, deadline.0).await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

fn problem(error: EdgeError) -> Problem {
    match error {
        EdgeError::NoSuchUser => no_such_user(),
        EdgeError::LimitReached { limit } => Problem::new(
            &problems::LIMIT_REACHED,
            format!("You have {limit} already, which is the limit: remove one first."),
        ),
        EdgeError::Blocked => Problem::new(
            &problems::BLOCKED,
            "A block stands between the two accounts: while it does, there is no new follow.",
        ),
        EdgeError::Idempotency(conflict) => conflict.into(),
        EdgeError::Store(error) => error.into(),
    }
}

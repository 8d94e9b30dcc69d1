//! What lists of accounts have in common.

use actix_web::HttpResponse;
use http_kit::{PageQuery, Problem, cursor, problems};
use model::UserId;
use serde::Serialize;
use storage::{Deadline, EdgeDirection, FollowerPageRequest};
use utoipa::ToSchema;

use super::no_such_user;
use super::user_body::UserBody;
use crate::service::FollowGraphService;

/// Some accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
pub(super) struct UserPageBody {
    /// By id. Deleted accounts are left out, so a page may be short, or empty, before the end.
    users: Vec<UserBody>,
    /// Where the next page goes on; null at the end.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A page of an account's followers or followees.
pub(super) async fn page(
    service: &FollowGraphService,
    direction: EdgeDirection,
    account: UserId,
    query: &PageQuery,
    deadline: Deadline,
) -> Result<HttpResponse, Problem> {
    let request = FollowerPageRequest {
        author: account,
        after: query
            .cursor
            .as_deref()
            .map(|text| decode(direction, text))
            .transpose()?,
        limit: query.limit()?,
    };
    let page = service
        .list(direction, request, deadline)
        .await?
        .ok_or_else(no_such_user)?;
    Ok(HttpResponse::Ok().json(UserPageBody {
        users: page.users.into_iter().map(UserBody::from).collect(),
        next_cursor: page.next_after.map(|after| encode(direction, after)),
    }))
}

/// A number for each list of the whole API: timelines have those below.
const fn kind(direction: EdgeDirection) -> u8 {
    match direction {
        EdgeDirection::Followers => 16,
        EdgeDirection::Following => 17,
    }
}

fn encode(direction: EdgeDirection, after: UserId) -> String {
    cursor::encode(kind(direction), &after.get().to_be_bytes())
}

fn decode(direction: EdgeDirection, text: &str) -> Result<UserId, Problem> {
    let payload = cursor::decode(kind(direction), text)?;
    let id = payload.try_into().ok().map(u64::from_be_bytes);
    // Stores keep ids in signed columns.
    let id = id.filter(|id| i64::try_from(*id).is_ok());
    id.map(UserId::new).ok_or_else(|| {
        Problem::new(
            &problems::INVALID_CURSOR,
            "The cursor does not name a position in this list.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_its_own_list() {
        let text = encode(EdgeDirection::Followers, UserId::new(42));
        assert_eq!(decode(EdgeDirection::Followers, &text).unwrap(), UserId::new(42));
        assert!(decode(EdgeDirection::Following, &text).is_err());
        let short = cursor::encode(kind(EdgeDirection::Followers), &[1]);
        assert!(decode(EdgeDirection::Followers, &short).is_err());
        let large = cursor::encode(kind(EdgeDirection::Followers), &[255; 8]);
        assert!(decode(EdgeDirection::Followers, &large).is_err());
    }
}

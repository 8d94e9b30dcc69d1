//! Who has a timeline, by `SCAN`: from a place at random on, or from the beginning to the end, server by server.
//!
//! A server goes through its keys by their hashes, so that neighbours have nothing in common, and from whatever cursor it is
//! given. Keys that stay are met at least once on the way from 0 to 0.

use std::sync::Arc;

use ahash::AHashSet;
use fred::types::Value;
use model::{Generation, UserId};
use storage::{Deadline, StoreError, WalkPage, WalkPlace};

use super::STORE;
use super::header::{HEADER_BYTES, Newest};
use super::stats::one;
use crate::node::{Member, Purpose};
use crate::request::Request;

/// Keys that one command looks at: a server is kept for about a quarter of a millisecond.
const KEYS_AT_ONCE: usize = 1_000;

/// Keys that a sample looks at, at most.
const SAMPLED_KEYS: usize = 100_000;

/// Users with a built timeline: from a random cursor of a random server on, in a circle.
///
/// A random choice of all that were found. Where the keys end at once, as where there are few, it goes on with the next
/// server from its beginning: whoever comes first there would hardly ever be behind a random cursor.
pub(super) async fn sample(
    members: &[Arc<Member>],
    limit: usize,
    deadline: Deadline,
) -> Result<Vec<UserId>, StoreError> {
    let mut found = AHashSet::new();
    let first = rand::random_range(0..members.len().max(1));
    let mut left = SAMPLED_KEYS;
    // Whether the last command began at the random cursor and met the end.
    let mut is_cut = false;
    // The first comes twice: what lies before the random cursor, after the others.
    for turn in 0..=members.len() {
        let Some(member) = members.get((first + turn) % members.len().max(1)) else {
            break;
        };
        let mut cursor = if turn == 0 { rand::random::<u64>() >> 1 } else { 0 };
        while (found.len() < limit || is_cut) && left > 0 {
            let step = step(member, cursor, deadline).await?;
            left = left.saturating_sub(KEYS_AT_ONCE);
            is_cut = turn == 0 && step.next == 0;
            found.extend(step.users);
            if step.next == 0 {
                break;
            }
            cursor = step.next;
        }
    }
    Ok(found.into_iter().take(limit).collect())
}

/// A page of a walk. A place is a server, and a cursor on it. The number of servers stands beside it: where it has changed,
/// the same place would be somewhere else.
pub(super) async fn page(
    members: &[Arc<Member>],
    from: WalkPlace,
    limit: usize,
    deadline: Deadline,
) -> Result<WalkPage, StoreError> {
    let servers = members.len() as u64;
    if from != WalkPlace::default() && from.part >> 32 != servers {
        return Err(StoreError::unavailable(
            STORE,
            "the cluster has changed: a walk over it begins anew",
        ));
    }
    let (mut at, mut cursor) = (from.part & u64::from(u32::MAX), from.at);
    let mut users = Vec::new();
    while users.len() < limit.max(1) {
        let Some(member) = usize::try_from(at).ok().and_then(|at| members.get(at)) else {
            return Ok(WalkPage { users, next: None });
        };
        let step = step(member, cursor, deadline).await?;
        users.extend(step.users);
        cursor = step.next;
        if cursor == 0 {
            at += 1;
        }
    }
    let part = servers << 32 | at;
    Ok(WalkPage {
        users,
        next: Some(WalkPlace { part, at: cursor }),
    })
}

struct Step {
    users: Vec<UserId>,
    /// 0 when the server has been gone through.
    next: u64,
}

/// One look at a server's keys, and at the headers of the timelines among them.
async fn step(member: &Member, cursor: u64, deadline: Deadline) -> Result<Step, StoreError> {
    let scan = move |_: &_| {
        let (cursor, count) = (cursor.to_string(), KEYS_AT_ONCE.to_string());
        let arguments = [&*cursor, "MATCH", "t{*", "COUNT", &*count];
        Request::new("SCAN", arguments.map(Value::from).to_vec())
    };
    let (next, keys): (String, Vec<String>) = one(member, deadline, scan).await?;
    let next = next.parse().map_err(|_| StoreError::Corrupt {
        store: STORE,
        what: format!("a cursor that is no number: {next}"),
    })?;
    let users = built(member, &keys, deadline).await?;
    Ok(Step { users, next })
}

/// The users of these keys, where they are of the server's present generation and of a built timeline.
async fn built(member: &Member, keys: &[String], deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
    let mut users = Vec::new();
    if keys.is_empty() {
        return Ok(users);
    }
    let last = (HEADER_BYTES - 1).to_string();
    let (headers, _) = member
        .ask(Purpose::Look, deadline, |confirmed| {
            let ours = keys
                .iter()
                .filter_map(|key| Some((key, user(key, confirmed.generation)?)));
            let (requests, of): (Vec<_>, Vec<_>) = ours
                .map(|(key, user)| {
                    let arguments = [&**key, "0", &*last];
                    (Request::new("GETRANGE", arguments.map(Value::from).to_vec()), user)
                })
                .unzip();
            users = of;
            requests
        })
        .await?;
    let is_built = |header: Result<Value, _>| {
        let header = header.ok().and_then(Value::into_bytes).unwrap_or_default();
        Newest::parse(&header).is_ok_and(|header| header.is_built())
    };
    let built = users
        .into_iter()
        .zip(headers)
        .filter_map(|(user, header)| is_built(header).then_some(user));
    Ok(built.collect())
}

/// Whose newest part a key is of, under this generation.
fn user(key: &str, generation: Generation) -> Option<UserId> {
    let (user, of) = key.strip_prefix("t{")?.split_once("}:")?;
    (of == generation.to_string()).then(|| user.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_the_present_life_tell_a_user() {
        let of = |key| user(key, Generation(7));
        assert_eq!(of("t{42}:7"), Some(UserId::new(42)));
        for other in ["t{42}:8", "u{42}:7", "t{x}:7", "t{42}", "t{0}:7"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}

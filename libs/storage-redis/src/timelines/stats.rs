//! How much there is, by looking at keys.

use fred::types::Value;
use model::Generation;
use storage::{Deadline, StoreError, TimelineStats};

use super::STORE;
use super::header::{HEADER_BYTES, Newest};
use crate::error::store_error;
use crate::node::{Confirmed, Member, Purpose};
use crate::request::Request;

/// With more keys than this the rest is taken to be like these.
const SAMPLE: u64 = 100_000;

const KEYS_AT_ONCE: &str = "1000";

/// What one server holds, of its present generation.
pub(super) async fn of_member(member: &Member, deadline: Deadline) -> Result<TimelineStats, StoreError> {
    let all: u64 = one(member, deadline, |_| Request::new("DBSIZE", Vec::new())).await?;
    let mut cursor = "0".to_owned();
    let (mut looked_at, mut stats) = (0, TimelineStats::default());
    loop {
        let (next, keys): (String, Vec<String>) = one(member, deadline, |_| {
            let arguments = [cursor.as_str(), "COUNT", KEYS_AT_ONCE];
            Request::new("SCAN", arguments.map(Value::from).to_vec())
        })
        .await?;
        looked_at += keys.len() as u64;
        add(&mut stats, member, keys, deadline).await?;
        cursor = next;
        if cursor == "0" {
            return Ok(stats);
        }
        if looked_at >= SAMPLE {
            let whole = |part: u64| u64::try_from(u128::from(part) * u128::from(all) / u128::from(looked_at));
            return Ok(TimelineStats {
                timelines: whole(stats.timelines).unwrap_or(u64::MAX),
                entries: whole(stats.entries).unwrap_or(u64::MAX),
                bytes: whole(stats.bytes).unwrap_or(u64::MAX),
            });
        }
    }
}

async fn add(
    stats: &mut TimelineStats,
    member: &Member,
    keys: Vec<String>,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let mut ours = Vec::new();
    let (answers, _) = member
        .ask(Purpose::Look, deadline, |confirmed| {
            ours = keys
                .into_iter()
                .filter(|key| is_of(key, confirmed.generation))
                .collect();
            ours.iter().flat_map(|key| look(key)).collect()
        })
        .await?;
    let mut answers = answers.into_iter();
    for key in &ours {
        let (bytes, length, head) = (answers.next(), answers.next(), answers.next());
        let number = |answer: Option<Result<Value, _>>| answer.and_then(Result::ok).and_then(|value| value.as_u64());
        stats.bytes += number(bytes).unwrap_or(0);
        let length = number(length).unwrap_or(0).saturating_sub(HEADER_BYTES as u64) / 8;
        match key.as_bytes()[0] {
            b'b' => stats.entries += length,
            b't' => {
                let head = head
                    .and_then(Result::ok)
                    .and_then(Value::into_bytes)
                    .unwrap_or_default();
                let Ok(header) = Newest::parse(&head) else { continue };
                stats.timelines += u64::from(header.exists());
                stats.entries += length - u64::from(header.is_guarded() && length > 0) + header.ids_below() as u64;
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_of(key: &str, generation: Generation) -> bool {
    let of_user = key
        .strip_prefix(['t', 'u', 'b'])
        .and_then(|rest| rest.strip_prefix('{'));
    of_user
        .and_then(|rest| rest.split_once("}:"))
        .is_some_and(|(_, of)| of == generation.to_string())
}

fn look(key: &str) -> [Request; 3] {
    let last = (HEADER_BYTES - 1).to_string();
    [
        Request::new("MEMORY", vec![Value::from("USAGE"), Value::from(key)]),
        Request::new("STRLEN", vec![Value::from(key)]),
        Request::new(
            "GETRANGE",
            vec![Value::from(key), Value::from("0"), Value::from(last.as_str())],
        ),
    ]
}

/// What a member answers to one request.
pub(super) async fn one<T: fred::types::FromValue>(
    member: &Member,
    deadline: Deadline,
    request: impl FnOnce(&Confirmed) -> Request,
) -> Result<T, StoreError> {
    let (mut answers, _) = member
        .ask(Purpose::Look, deadline, |confirmed| vec![request(confirmed)])
        .await?;
    let answer = answers.pop().expect("there is an answer for each request");
    answer
        .and_then(Value::convert)
        .map_err(|error| store_error(STORE, error))
}

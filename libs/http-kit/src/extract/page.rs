//! How pages of lists are asked for.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::{Problem, problems};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// The parameters of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many at most, 1 to 100; 20 when absent.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Option<String>,
    /// Where to go on: `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// How many are asked for.
    pub fn limit(&self) -> Result<usize, Problem> {
        page_limit(self.limit.as_deref())
    }
}

/// How many are asked for, where a handler has parameters of its own.
pub fn page_limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(DEFAULT_LIMIT);
    };
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| plain && (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        Problem::new(
            &problems::INVALID_LIMIT,
            "limit is a number from 1 to 100; leave it out for 20.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(page_limit(None).unwrap(), 20);
        assert_eq!(page_limit(Some("1")).unwrap(), 1);
        assert_eq!(page_limit(Some("100")).unwrap(), 100);
        for bad in ["", "0", "101", "-1", "+5", "1.0", "ten", " 5", "99999999999999999999"] {
            assert_eq!(
                page_limit(Some(bad)).unwrap_err().kind(),
                &problems::INVALID_LIMIT,
                "{bad:?}"
            );
        }
    }
}

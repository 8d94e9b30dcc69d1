//! Every type of problem that any service answers with: one table, stable, documented in `docs/problems.md`.

/// A type of problem. Its slug and status never change once released; its title may.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// What `type` ends in: `urn:rookery:problem:<slug>`.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A short sentence for people.
    pub title: &'static str,
}

macro_rules! problems {
    ($($name:ident = $slug:literal, $status:literal, $title:literal;)*) => {
        $(
            #[doc = concat!("`", $slug, "`, ", stringify!($status), ": ", $title, ".")]
            pub const $name: ProblemType = ProblemType { slug: $slug, status: $status, title: $title };
        )*

        /// All of them, by status.
        pub const ALL: &[&ProblemType] = &[$(&$name),*];
    };
}

problems! {
    MALFORMED_JSON = "malformed-json", 400, "The body is not JSON";
    INVALID_QUERY = "invalid-query", 400, "The query has unknown or mistyped parameters";
    INVALID_PATH = "invalid-path", 400, "A part of the path is not what it should be";
    INVALID_CURSOR = "invalid-cursor", 400, "The cursor is not one of ours";
    INVALID_LIMIT = "invalid-limit", 400, "The limit is out of range";
    INVALID_IDEMPOTENCY_KEY = "invalid-idempotency-key", 400, "The idempotency key is not usable";
    UNAUTHENTICATED = "unauthenticated", 401, "A token is needed";
    INVALID_TOKEN = "invalid-token", 401, "The token is not valid";
    EXPIRED_TOKEN = "expired-token", 401, "The token has expired";
    REVOKED_TOKEN = "revoked-token", 401, "The token has been revoked";
    WRONG_CREDENTIALS = "wrong-credentials", 401, "The handle or the password is wrong";
    ADMIN_TOKEN_REQUIRED = "admin-token-required", 401, "The operators' token is needed";
    BLOCKED = "blocked", 403, "A block stands between the two accounts";
    NOT_AUTHOR = "not-author", 403, "Only its author may do that";
    NOT_FOUND = "not-found", 404, "There is nothing here";
    NO_SUCH_USER = "no-such-user", 404, "There is no such user";
    NO_SUCH_TWEET = "no-such-tweet", 404, "There is no such tweet";
    METHOD_NOT_ALLOWED = "method-not-allowed", 405, "The method does not apply here";
    HANDLE_TAKEN = "handle-taken", 409, "The handle is taken";
    IDEMPOTENCY_CONFLICT = "idempotency-conflict", 409, "The idempotency key was used for another request";
    CREDENTIALS_CHANGED = "credentials-changed", 409, "The password was changed in the meantime";
    BODY_TOO_LARGE = "body-too-large", 413, "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type", 415, "The body must be JSON";
    INVALID_BODY = "invalid-body", 422, "The body has unknown, missing or mistyped fields";
    INVALID_HANDLE = "invalid-handle", 422, "The handle is not usable";
    INVALID_DISPLAY_NAME = "invalid-display-name", 422, "The display name is not usable";
    INVALID_PASSWORD = "invalid-password", 422, "The password is not usable";
    INVALID_TEXT = "invalid-text", 422, "The text can't be a tweet";
    NO_SUCH_ORIGINAL = "no-such-original", 422, "The tweet to reply to is not there";
    SELF_REFERENCE = "self-reference", 422, "That can't be done to oneself";
    LIMIT_REACHED = "limit-reached", 422, "The account has as many as it may";
    INVALID_RULES = "invalid-rules", 422, "The delivery rules make no sense";
    RATE_LIMITED = "rate-limited", 429, "Too many requests";
    INTERNAL = "internal", 500, "Something went wrong here";
    OVERLOADED = "overloaded", 503, "There is too much to do";
    TIMEOUT = "timeout", 503, "It took too long";
    STORE_UNAVAILABLE = "store-unavailable", 503, "A store can't be reached";
    STARTING = "starting", 503, "This server is starting";
    DRAINING = "draining", 503, "This server is stopping";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slugs_are_unique() {
        let slugs: HashSet<_> = ALL.iter().map(|kind| kind.slug).collect();
        assert_eq!(slugs.len(), ALL.len());
    }

    #[test]
    fn the_documentation_has_a_line_for_each() {
        let page = include_str!("../../../docs/problems.md");
        let documented: Vec<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|line| line.split_once("` | "))
            .map(|(slug, rest)| (slug.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
            .collect();
        let expected: Vec<_> = ALL
            .iter()
            .map(|kind| (kind.slug.to_owned(), kind.status.to_string()))
            .collect();
        assert_eq!(
            documented, expected,
            "docs/problems.md lists the types of this table, in its order"
        );
    }
}

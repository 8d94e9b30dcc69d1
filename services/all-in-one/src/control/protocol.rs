//! What is said over the socket.

use model::TweetId;
use serde::{Deserialize, Serialize};
use storage::ImportCounts;
use timeline_read::Explanation;

/// What a client asks for: the first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    /// A token for an account.
    Token {
        /// Its handle.
        handle: String,
    },
    /// Why a tweet is, or is not, in a home timeline.
    Explain {
        /// Whose timeline: an id, or a handle.
        user: String,
        /// The tweet.
        tweet: TweetId,
    },
    /// Whether the stores are at the schema of this build. They are: a process that runs has seen to it.
    Migrate {},
    /// Takes over edges; [`ImportPart`]s follow once the server is ready.
    Import {
        /// Where they come from.
        source: String,
        /// Whether accounts that somebody signed up for get edges too.
        #[serde(default)]
        attach: bool,
    },
    /// Computes stored home timelines anew; answered by [`Answer::Rebuilding`] again and again, and [`Answer::Rebuilt`].
    Rebuild {
        /// Whose it is, a handle or an id; everybody's when absent.
        user: Option<String>,
    },
}

/// What a client says in the course of an import.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum ImportPart {
    /// A batch; answered by [`Answer::Imported`] once it is committed.
    Edges {
        /// Pairs of follower and followee.
        edges: Vec<(u64, u64)>,
    },
    /// That was all; answered by [`Answer::Done`].
    End {},
}

/// What the server answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    /// The token asked for.
    Token {
        /// The token.
        token: String,
    },
    /// The explanation asked for.
    Explained {
        /// The explanation.
        explanation: Explanation,
    },
    /// The import may begin.
    Ready {},
    /// A batch is committed: how much it made.
    Imported(#[serde(with = "Counts")] ImportCounts),
    /// A rebuild is under way.
    Rebuilding {
        /// Timelines that are done.
        done: u64,
        /// Timelines that there were when it began.
        total: u64,
    },
    /// A rebuild is done.
    Rebuilt {
        /// Timelines that were computed anew.
        rebuilt: u64,
        /// Timelines that were gone.
        gone: u64,
        /// Timelines that are as they were.
        failed: u64,
    },
    /// What was asked for is done.
    Done {},
    /// It is not, and this was the last answer.
    Refused {
        /// Why, for a person.
        sentence: String,
        /// What the client exits with.
        exit_code: u8,
    },
}

/// [`ImportCounts`], as they are written.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ImportCounts")]
struct Counts {
    accounts: u64,
    edges: u64,
    standing: u64,
    deleted: u64,
    blocked: u64,
    signed_up: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_as_documented() {
        let line = |request: &Request| serde_json::to_string(request).unwrap();
        let handle = "ada".to_owned();
        assert_eq!(
            line(&Request::Token { handle }),
            r#"{"request":"token","handle":"ada"}"#
        );
        let part: ImportPart = serde_json::from_str(r#"{"part":"edges","edges":[[1,2]]}"#).unwrap();
        assert_eq!(part, ImportPart::Edges { edges: vec![(1, 2)] });
        assert!(serde_json::from_str::<Request>(r#"{"request":"migrate","more":1}"#).is_err());
    }
}

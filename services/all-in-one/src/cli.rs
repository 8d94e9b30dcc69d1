//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use model::{AccountName, TweetId};

const EXAMPLES: &str = "\
Examples:
  rookery                                         serve on http://127.0.0.1:8080, data in ./data
  ROOKERY__HTTP__ADDR=0.0.0.0:80 rookery          serve elsewhere; every key can be set this way
  rookery --config rookery.toml                   serve with a file of settings
  rookery import-graph follows.txt.gz             take over follow edges, also while the system runs
  rookery import-graph follows.txt --skip-bad     … and leave out the lines that are wrong
  rookery token --handle ada                      print a token for the account ada
  rookery rebuild --user ada                      compute the stored home timeline of ada anew, while the system runs
  rookery rebuild --all                           … everybody's
  rookery explain --user ada --tweet 1234567890   say why a tweet is, or is not, in ada's home timeline
  rookery migrate                                 bring the stores to the schema of this version, and stop";

/// Rookery: a home-timeline system in one process. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "rookery", version, after_help = EXAMPLES)]
pub struct Cli {
    /// File of settings (TOML). Environment variables win over it.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take over follow edges from a file.
    ///
    /// Each line is `follower followee`: two numbers, separated by spaces or tabs. Blank lines and lines that begin with #
    /// are skipped; a gzipped file is unpacked. Accounts get the handle `u<number>` and are made when missing. The whole
    /// file is checked first: one bad line and nothing is taken over. Edges that stand are left as they are, so it can be
    /// run again. Edges of deleted accounts, across a block, and of accounts that somebody signed up for are left out and
    /// counted. The limit of follows does not bind an import: who is beyond it follows nobody else by hand.
    ImportGraph {
        /// The file of edges.
        file: PathBuf,
        /// Leave out bad lines instead of refusing the file.
        #[arg(long)]
        skip_bad: bool,
        /// Import edges of accounts that somebody signed up for, too: their handles say that they are the file's.
        #[arg(long)]
        attach: bool,
    },
    /// Print a token for an account, as a login would give.
    Token {
        /// The account's handle.
        #[arg(long)]
        handle: String,
    },
    /// Compute stored home timelines anew, from follows and tweets, while the system runs.
    ///
    /// A timeline serves until the new one takes its place. Where an account has none, none is made. A system that does not
    /// run has none at all: it keeps them in memory.
    Rebuild(Rebuild),
    /// Say why a tweet is, or is not, in somebody's home timeline.
    ///
    /// The answer comes first, then what each rule came to; docs/explain.md says what they mean. On a stopped system there
    /// are no stored timelines, which are in memory.
    Explain {
        /// Whose timeline: a handle or an id. Digits are an id, unless @ stands before them.
        #[arg(long)]
        user: AccountName,
        /// The tweet's id.
        #[arg(long)]
        tweet: TweetId,
        /// Print JSON, as `GET /admin/explain` answers it.
        #[arg(long)]
        json: bool,
    },
    /// Bring the stores to the schema of this version.
    Migrate {
        /// When tweets.db was lost and no backup has it: go on without any tweet.
        #[arg(long)]
        accept_loss: bool,
    },
}

/// Whose home timelines.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Rebuild {
    /// That of this account: a handle or an id. Digits are an id, unless @ stands before them.
    #[arg(long)]
    pub user: Option<AccountName>,
    /// All that are stored.
    #[arg(long)]
    pub all: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_examples_parse() {
        let commands = EXAMPLES.lines().skip(1).map(|line| {
            let command = line.trim().split("   ").next().unwrap_or_default();
            let words = command.split_whitespace().skip_while(|word| word.contains('='));
            words.collect::<Vec<_>>()
        });
        for command in commands {
            assert!(Cli::try_parse_from(&command).is_ok(), "{command:?}");
        }
    }
}

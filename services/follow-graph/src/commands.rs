//! What operators do from the command line. Commands work on the database itself, whether or not services run: what they
//! change reaches the services by the changes that the database keeps.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backends::{BackendError, postgres};
use bootstrap::Failure;
use clap::Subcommand;
use graph_import::{ImportTarget, import_graph};
use http_kit::TokenIssuer;
use model::{Clock, Handle, SystemClock};
use runtime::{Settings, exit};
use secrecy::ExposeSecret;
use storage::{Deadline, GraphStore, ImportCounts, StoreError};
use storage_postgres::{PostgresGraph, check_schema, migrate, new_epoch};

const PROGRAM: &str = "follow-graph";
const SECONDS_A_DAY: u64 = 86_400;
const LOOK_UP_WITHIN: Duration = Duration::from_secs(10);
/// A batch waits behind the writes of those who use the system.
const BATCH_WITHIN: Duration = Duration::from_mins(2);

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring the database to the schema of this version. Services of the version before go on meanwhile.
    ///
    /// A migration that needs a table which another session holds, a dump for instance, tries for 4 minutes, without making
    /// others wait for long, and then fails and names the session.
    Migrate {
        /// Begin a new epoch too, after the database was restored to an earlier point: what Redis and the services hold of
        /// later than that counts as absent.
        #[arg(long)]
        new_epoch: bool,
    },
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
}

impl Command {
    /// The settings that it needs.
    pub(crate) const fn needs(&self) -> &'static [&'static str] {
        match self {
            Self::Migrate { .. } | Self::ImportGraph { .. } => &["postgres.url"],
            Self::Token { .. } => &["postgres.url", "auth.private_key"],
        }
    }
}

/// Carries out a command.
pub(crate) async fn run(settings: Settings, command: Command) -> Result<(), Failure> {
    match command {
        Command::Migrate { new_epoch } => bring_up_to_date(&settings, new_epoch).await,
        Command::ImportGraph { file, skip_bad, attach } => {
            let begin = async |source| Import::begin(open_graph(&settings).await?, source, attach).await;
            let limit = settings.follow_graph.following_limit;
            let imported = import_graph(&file, skip_bad, limit, begin).await;
            imported.map_err(|failure| {
                let code = failure.exit_code(exit_code);
                Failure::new(failure, code)
            })
        }
        Command::Token { handle } => token(&settings, &handle).await,
    }
}

/// What makes tokens.
pub(crate) fn issuer(settings: &Settings, clock: Arc<dyn Clock>) -> Result<TokenIssuer, BackendError> {
    let key = settings.auth.private_key.clone().unwrap_or_default();
    let issuer = TokenIssuer::new(key.expose_secret(), clock).map_err(|source| BackendError::Key {
        key: "ROOKERY__AUTH__PRIVATE_KEY",
        source,
    })?;
    Ok(issuer.with_lifetime(Duration::from_secs(u64::from(settings.auth.token_days) * SECONDS_A_DAY)))
}

async fn bring_up_to_date(settings: &Settings, with_new_epoch: bool) -> Result<(), Failure> {
    let pool = postgres(settings, PROGRAM).await?;
    let migrated = migrate(&pool).await.map_err(BackendError::from)?;
    if migrated.from == migrated.to {
        println!("the database is at schema {}: nothing to do", migrated.to);
    } else {
        println!(
            "the database was brought from schema {} to {}",
            migrated.from, migrated.to
        );
    }
    if with_new_epoch {
        let epoch = new_epoch(&pool).await.map_err(BackendError::from)?;
        println!("a new epoch has begun ({epoch}): what Redis holds counts as absent");
    }
    Ok(())
}

async fn open_graph(settings: &Settings) -> Result<Arc<PostgresGraph>, BackendError> {
    let pool = postgres(settings, PROGRAM).await?;
    check_schema(&pool).await?;
    Ok(PostgresGraph::new(pool, Arc::new(SystemClock)))
}

async fn token(settings: &Settings, handle: &str) -> Result<(), Failure> {
    let handle: Handle = handle.parse().map_err(Failure::with(exit::USAGE))?;
    let graph = open_graph(settings).await?;
    let deadline = Deadline::after(LOOK_UP_WITHIN);
    let known = credentials(&*graph, &handle, deadline)
        .await
        .map_err(BackendError::from)?;
    let Some(known) = known else {
        let sentence = format!("there is no account with the handle {handle}");
        return Err(Failure::new(sentence, exit::NO_USER));
    };
    let issuer = issuer(settings, Arc::new(SystemClock))?;
    println!("{}", issuer.issue(&known).token);
    Ok(())
}

async fn credentials(
    graph: &dyn GraphStore,
    handle: &Handle,
    deadline: Deadline,
) -> Result<Option<storage::Credentials>, StoreError> {
    match graph.user_by_handle(handle, deadline).await? {
        Some(user) => graph.credentials(user.id, deadline).await,
        None => Ok(None),
    }
}

struct Import {
    graph: Arc<PostgresGraph>,
    source: String,
    attach: bool,
}

impl Import {
    async fn begin(graph: Arc<PostgresGraph>, source: String, attach: bool) -> Result<Self, BackendError> {
        graph.begin_import(&source, Deadline::after(LOOK_UP_WITHIN)).await?;
        Ok(Self { graph, source, attach })
    }
}

impl ImportTarget for Import {
    type Error = BackendError;

    async fn add(&mut self, batch: Vec<(u64, u64)>) -> Result<ImportCounts, BackendError> {
        Ok(self
            .graph
            .import(batch, self.attach, Deadline::after(BATCH_WITHIN))
            .await?)
    }

    async fn end(self) -> Result<(), BackendError> {
        Ok(self
            .graph
            .end_import(&self.source, Deadline::after(LOOK_UP_WITHIN))
            .await?)
    }
}

fn exit_code(error: &BackendError) -> u8 {
    if error.is_transient() {
        exit::UNAVAILABLE
    } else {
        exit::USAGE
    }
}

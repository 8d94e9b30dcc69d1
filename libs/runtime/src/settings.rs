//! The whole configuration: `config/rookery.toml` shows it with all defaults.
//!
//! Compiled defaults < file < environment. In the environment a key is `ROOKERY__` and its path in capitals with `__`
//! between levels (`ROOKERY__HTTP__ADDR`); an empty variable counts as absent; a secret may also come from a file named by
//! its variable with `_FILE` appended.

mod check;
mod errors;
mod keys;
mod load;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use model::Strategy;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

pub use errors::{ConfigErrors, ConfigProblem};

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The public port.
    pub http: Http,
    /// The port for operators and the platform.
    pub internal: Internal,
    /// Who operators are.
    pub admin: Admin,
    /// Where the embedded stores keep their files.
    pub data_dir: PathBuf,
    /// Home timelines.
    pub timeline: Timeline,
    /// Comparisons of stored timelines with the tweets.
    pub audit: Audit,
    /// The production store.
    pub postgres: Postgres,
    /// Timelines and caches in production.
    pub redis: Redis,
    /// The event stream in production.
    pub events: Events,
    /// The follow graph, and where its service is.
    pub follow_graph: FollowGraph,
    /// Tokens and passwords.
    pub auth: Auth,
    /// How much one may ask for.
    pub limits: Limits,
    /// Traces.
    pub otlp: Otlp,
    /// The log.
    pub log: Log,
}

/// The public port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Threads that handle requests; one per core when absent.
    pub workers: Option<NonZeroUsize>,
    /// How long a request may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// How long a stopping process goes on taking requests after it has said that it is not ready, in milliseconds: as
    /// long as a load balancer takes to notice.
    pub drain_delay_ms: u64,
}

/// The port for operators and the platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Internal {
    /// Where it listens. Off loopback only with `admin.token`.
    pub addr: SocketAddr,
}

/// Who operators are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The token that operators' paths ask for; none are asked for it when absent.
    pub token: Option<SecretString>,
}

/// Home timelines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeline {
    /// How tweets travel at the first start; later `PUT /admin/delivery` decides.
    #[serde(deserialize_with = "from_text")]
    pub strategy: Strategy,
    /// `hybrid`: authors with this many followers or more are pulled.
    pub pull_threshold: u64,
    /// `hybrid`: authors with fewer are pushed; 80 % of `pull_threshold` when absent.
    pub push_threshold: Option<u64>,
    /// Ids that a stored timeline keeps.
    pub window: usize,
    /// How long a step of a crossing settles before the next, in milliseconds.
    pub crossing_settle_ms: u64,
    /// How far a closing range reaches beyond now and beyond the highest id, for clocks that differ, in milliseconds.
    pub crossing_margin_ms: u64,
    /// Memory for timelines in one process, in MiB.
    pub memory_mib: u64,
    /// Timelines that were not read for so many days are dropped.
    pub idle_days: u32,
}

/// Comparisons of stored timelines with the tweets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Between two rounds of a process, about, in milliseconds.
    pub interval_ms: u64,
    /// Timelines that a round compares; 0: there are no rounds.
    pub timelines: usize,
}

impl Timeline {
    /// The threshold below which authors are pushed.
    pub fn push_threshold(&self) -> u64 {
        self.push_threshold
            .unwrap_or_else(|| self.pull_threshold / 5 * 4 + self.pull_threshold % 5 * 4 / 5)
    }
}

/// The production store.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    /// `postgres://user:password@host/database`.
    pub url: Option<SecretString>,
    /// Connections of one process, at most.
    pub max_connections: NonZeroUsize,
}

/// Timelines and caches in production.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// `redis://`, `rediss://` or `redis-cluster://`.
    pub url: Option<SecretString>,
    /// Rendered tweets that a process which serves timelines keeps in its own memory; 0: none.
    pub near_tweets_mib: u64,
}

/// The event stream in production.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// As `redis.url`, which is used when absent.
    pub redis_url: Option<SecretString>,
    /// Streams that the events are spread over, by author. The same for all processes; only ever raised.
    pub partitions: NonZeroU16,
}

/// The follow graph, and where its service is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FollowGraph {
    /// follow-graph's internal port.
    pub url: Option<String>,
    /// Accounts that one account may follow (and mute, and block).
    pub following_limit: u64,
}

/// Tokens and passwords.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Ed25519, PKCS#8 PEM: signs tokens. Only follow-graph needs it; `rookery` makes its own.
    pub private_key: Option<SecretString>,
    /// Ed25519, SPKI PEMs one after the other: verify tokens.
    pub public_keys: Option<SecretString>,
    /// Passwords that are hashed at the same time; one per core when absent.
    pub password_hashing_concurrency: Option<NonZeroUsize>,
    /// How long a token lasts, in days.
    pub token_days: u32,
}

/// How much one may ask for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Whether accounts and addresses are limited; when absent, only off loopback.
    pub enabled: Option<bool>,
    /// Reads a second of one account, or of one address without a token.
    pub reads_per_second: NonZeroU32,
    /// Writes a second of one account.
    pub writes_per_second: NonZeroU32,
    /// New accounts and log-ins a minute from one address.
    pub sign_ins_per_minute: NonZeroU32,
    /// Proxies in front that add to `X-Forwarded-For`; with 0 the header is not believed.
    pub trusted_proxies: u8,
    /// Events that wait for fan-out beyond which new tweets are refused.
    pub max_backlog: u64,
}

/// Traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// OTLP over HTTP, such as `http://localhost:4318`; no traces are sent when absent.
    pub endpoint: Option<String>,
    /// How many of the traces that begin here are recorded: 0 for none, 1 for all.
    pub sample_ratio: f64,
}

/// The log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How lines look.
    #[serde(deserialize_with = "from_text")]
    pub format: LogFormat,
    /// What is logged, as `tracing` filters say it: `info`, `warn,fan_out=debug`.
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err("a log format is one of human and json"),
        }
    }
}

/// Says what there is to choose from, which serde's own message for enums does not.
fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

const fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(number.saturating_sub(1))
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: Http::default(),
            internal: Internal::default(),
            admin: Admin::default(),
            data_dir: PathBuf::from("./data"),
            timeline: Timeline::default(),
            audit: Audit::default(),
            postgres: Postgres::default(),
            redis: Redis::default(),
            events: Events::default(),
            follow_graph: FollowGraph::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            otlp: Otlp::default(),
            log: Log::default(),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            addr: loopback(8080),
            workers: None,
            request_timeout_ms: 3_000,
            drain_delay_ms: 0,
        }
    }
}

impl Default for Internal {
    fn default() -> Self {
        Self { addr: loopback(8081) }
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            strategy: Strategy::Hybrid,
            pull_threshold: 10_000,
            push_threshold: None,
            window: 800,
            crossing_settle_ms: 500,
            crossing_margin_ms: 500,
            memory_mib: 4_096,
            idle_days: 30,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            interval_ms: 60_000,
            timelines: 20,
        }
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: None,
            max_connections: NonZeroUsize::MIN.saturating_add(15),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self {
            redis_url: None,
            partitions: NonZeroU16::MIN.saturating_add(7),
        }
    }
}

impl Default for FollowGraph {
    fn default() -> Self {
        Self {
            url: None,
            following_limit: 5_000,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            private_key: None,
            public_keys: None,
            password_hashing_concurrency: None,
            token_days: 30,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: None,
            reads_per_second: at_least_one(50),
            writes_per_second: at_least_one(10),
            sign_ins_per_minute: at_least_one(20),
            trusted_proxies: 0,
            max_backlog: 1_000_000,
        }
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 1.0,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            filter: "info".to_owned(),
        }
    }
}

impl Settings {
    /// Whether accounts and addresses are limited.
    pub fn limits_enabled(&self) -> bool {
        self.limits.enabled.unwrap_or(!self.http.addr.ip().is_loopback())
    }
}

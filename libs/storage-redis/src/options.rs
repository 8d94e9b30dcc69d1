//! Which Redis, and how patient its clients are.

use std::fs;
use std::time::Duration;

use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig, TcpConfig, TlsConfig,
    TlsConnector, UnresponsiveConfig,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};

use crate::error::OpenError;

/// What names a file of certificates in the URL, as PostgreSQL's URLs do.
const ROOT_CERTIFICATES: &str = "sslrootcert=";

/// Which Redis, and how patient its clients are.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://user:password@host:port/database`, or `redis-cluster://…` with more of its nodes as `?node=host:port`.
    /// With TLS `rediss://` or `rediss-cluster://`: the server's certificate is verified by those of the system, or by
    /// `sslrootcert`, a file of PEMs. `valkey` may stand for `redis` in all of them.
    pub url: SecretString,
    /// Connections to each node that all tasks share. Each is pipelined.
    pub connections: usize,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long one command may take, whatever its caller's deadline.
    pub command_timeout: Duration,
    /// The longest pause between two tries to connect.
    pub max_reconnect_delay: Duration,
    /// Commands that may wait for a connection; more are refused.
    pub max_waiting_commands: usize,
}

impl RedisOptions {
    /// The defaults, for a URL.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            connections: 4,
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(2),
            max_reconnect_delay: Duration::from_millis(500),
            max_waiting_commands: 10_000,
        }
    }
}

/// The options as fred has them.
#[derive(Clone)]
pub(crate) struct Parsed {
    pub(crate) config: Config,
    pub(crate) performance: PerformanceConfig,
    pub(crate) connection: ConnectionConfig,
    pub(crate) reconnect: ReconnectPolicy,
}

impl Parsed {
    pub(crate) fn parse(options: &RedisOptions) -> Result<Self, OpenError> {
        Ok(Self {
            config: config(options.url.expose_secret())?,
            performance: PerformanceConfig {
                default_command_timeout: options.command_timeout,
                ..PerformanceConfig::default()
            },
            connection: ConnectionConfig {
                connection_timeout: options.connect_timeout,
                internal_command_timeout: options.connect_timeout,
                // Whether a command of a broken connection has been done is not known: nobody repeats it but its caller.
                max_command_attempts: 1,
                max_command_buffer_len: options.max_waiting_commands,
                unresponsive: unresponsive_after(options.command_timeout),
                tcp: TcpConfig {
                    nodelay: Some(true),
                    ..TcpConfig::default()
                },
                ..ConnectionConfig::default()
            },
            reconnect: reconnect_policy(options.max_reconnect_delay),
        })
    }
}

impl Parsed {
    /// The same for this server alone.
    pub(crate) fn at(&self, server: Server) -> Self {
        let mut parsed = self.clone();
        parsed.config.server = ServerConfig::Centralized { server };
        parsed
    }
}

/// A connection is given up when an answer is this late.
pub(crate) fn unresponsive_after(patience: Duration) -> UnresponsiveConfig {
    UnresponsiveConfig {
        max_timeout: Some(patience + Duration::from_millis(500)),
        interval: Duration::from_millis(250),
    }
}

fn reconnect_policy(max_delay: Duration) -> ReconnectPolicy {
    const FOR_EVER: u32 = 0;
    const FIRST_DELAY_MS: u32 = 20;
    let max_delay_ms = u32::try_from(max_delay.as_millis())
        .unwrap_or(u32::MAX)
        .max(FIRST_DELAY_MS);
    let mut policy = ReconnectPolicy::new_exponential(FOR_EVER, FIRST_DELAY_MS, max_delay_ms, 2);
    policy.set_jitter(FIRST_DELAY_MS);
    policy
}

/// Whether a URL can be used, with the certificates that it names, as far as that can be known without asking there.
pub fn check_url(url: &SecretString) -> Result<(), OpenError> {
    config(url.expose_secret()).map(drop)
}

fn config(url: &str) -> Result<Config, OpenError> {
    let (url, root_certificates) = split_root_certificates(url);
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| OpenError::bad_url("it has no scheme, as in redis://host:port"))?;
    let (plain_scheme, is_tls) = match scheme {
        "redis" | "valkey" => ("redis", false),
        "rediss" | "valkeys" => ("redis", true),
        "redis-cluster" | "valkey-cluster" => ("redis-cluster", false),
        "rediss-cluster" | "valkeys-cluster" => ("redis-cluster", true),
        _ => {
            return Err(OpenError::bad_url(
                "its scheme must be redis, rediss, redis-cluster or rediss-cluster",
            ));
        }
    };
    let mut config =
        Config::from_url(&format!("{plain_scheme}://{rest}")).map_err(|error| OpenError::bad_url(error.to_string()))?;
    config.tls = is_tls.then(|| tls(root_certificates.as_deref())).transpose()?;
    Ok(config)
}

fn split_root_certificates(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut root_certificates = None;
    let kept: Vec<&str> = query
        .split('&')
        .filter(|parameter| match parameter.strip_prefix(ROOT_CERTIFICATES) {
            Some(file) => {
                root_certificates = Some(file.to_owned());
                false
            }
            None => true,
        })
        .collect();
    let url = if kept.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", kept.join("&"))
    };
    (url, root_certificates)
}

fn tls(root_certificates: Option<&str>) -> Result<TlsConfig, OpenError> {
    let Some(file) = root_certificates else {
        return TlsConnector::default_rustls()
            .map(TlsConfig::from)
            .map_err(|error| OpenError::bad_url(format!("the system's certificates cannot be read: {error}")));
    };
    let unreadable = |why: String| OpenError::bad_url(format!("sslrootcert: {why}"));
    let pem = fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("there is no certificate in it".to_owned()));
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConfig::from(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<Config, OpenError> {
        config(url)
    }

    #[test]
    fn urls_name_servers_clusters_and_users() {
        let config = parsed("redis://app:s%40fe@db.example:6380/2").unwrap();
        assert_eq!(
            config.server.hosts().first().map(ToString::to_string).as_deref(),
            Some("db.example:6380")
        );
        assert_eq!(
            (config.username.as_deref(), config.password.as_deref()),
            (Some("app"), Some("s@fe"))
        );
        assert_eq!((config.database, config.tls.is_some()), (Some(2), false));
        let cluster = parsed("valkey-cluster://a:1?node=b:2").unwrap();
        assert!(cluster.server.is_clustered());
        assert_eq!(cluster.server.hosts().len(), 2);
    }

    #[test]
    fn a_bad_url_is_refused_without_being_told() {
        for bad in [
            "localhost:6379",
            "http://user:hunter2@host",
            "redis://user:hunter2@host:notaport",
            "redis://user:hunter2@",
            "rediss://user:hunter2@host?sslrootcert=/nonexistent",
            "rediss://user:hunter2@host?sslrootcert=/dev/null",
        ] {
            let error = parsed(bad).map(|_| ()).expect_err(bad);
            assert!(!error.is_transient());
            assert!(!format!("{error}{error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn root_certificates_are_taken_out_of_the_url() {
        let (url, file) = split_root_certificates("rediss-cluster://a?node=b:1&sslrootcert=/ca.pem");
        assert_eq!(
            (url.as_str(), file.as_deref()),
            ("rediss-cluster://a?node=b:1", Some("/ca.pem"))
        );
    }
}

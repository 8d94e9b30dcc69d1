//! Connections, and a bound on everything that is asked over them.

mod metrics;

use std::fs;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Timeouts};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use storage::{Deadline, StoreError};
use telemetry::Metrics;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::ask::failure;
use crate::error::{OpenError, reason};
pub use metrics::{PoolMetrics, PoolState};

pub(crate) const STORE: &str = "PostgreSQL";

/// How long reaching one of the hosts may take, making a connection, for which several may have to be tried, and checking one
/// that has rested. Whoever waits for one waits no longer than his own deadline.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const MAKE_WITHIN: Duration = Duration::from_secs(10);
const RECYCLE_WITHIN: Duration = Duration::from_secs(1);

/// The server ends by itself what nobody waits for any more.
const STATEMENT_TIMEOUT: Duration = Duration::from_mins(1);
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Which database, and how many connections to it.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database`. `sslmode` is `disable`, `prefer` (the default), `require` or
    /// `verify-full`; whenever TLS is used the server's certificate is verified, by `sslrootcert` (a file of PEMs) where it
    /// is given.
    pub url: SecretString,
    /// Connections at most.
    pub max_connections: usize,
    /// What the server's own views call this process.
    pub application: String,
}

/// A pool of connections.
#[derive(Clone)]
pub struct PostgresPool {
    pool: Pool,
    metrics: PoolMetrics,
}

impl PostgresPool {
    /// Connects: a pool is not handed out before one connection has worked.
    pub async fn connect(options: PostgresOptions) -> Result<Self, OpenError> {
        let pool = Pool::builder(manager(&options.url, &options.application)?)
            .max_size(options.max_connections.max(2))
            .timeouts(Timeouts {
                wait: None,
                create: Some(MAKE_WITHIN),
                recycle: Some(RECYCLE_WITHIN),
            })
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|error| OpenError::BadUrl {
                reason: error.to_string(),
            })?;
        let this = Self {
            pool,
            metrics: PoolMetrics::default(),
        };
        this.try_once().await?;
        Ok(this)
    }

    async fn try_once(&self) -> Result<(), OpenError> {
        match self.pool.get().await {
            Ok(_) => Ok(()),
            Err(PoolError::Backend(error)) => Err(OpenError::of_connecting(&error)),
            Err(PoolError::Timeout(_)) => Err(OpenError::Unreachable {
                reason: format!("no answer within {} s", MAKE_WITHIN.as_secs()),
            }),
            Err(other) => Err(OpenError::Unreachable {
                reason: other.to_string(),
            }),
        }
    }

    /// A connection, when one is free before the deadline.
    pub(crate) async fn client(&self, deadline: Deadline) -> Result<Client, StoreError> {
        let asked = Instant::now();
        let got = tokio::time::timeout_at(deadline.instant().into(), self.pool.get()).await;
        self.metrics.waited(asked.elapsed(), got.is_err());
        match got {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error))) => Err(failure(&error)),
            Ok(Err(error)) => Err(StoreError::unavailable(STORE, error)),
            // All connections are in use, or none can be made in time.
            Err(_) => Err(StoreError::Overloaded { store: STORE }),
        }
    }

    /// Adds what is counted of it to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        let pool = self.pool.clone();
        self.metrics.register(metrics, move || {
            let status = pool.status();
            PoolState {
                max: status.max_size,
                idle: status.available,
                in_use: status.size.saturating_sub(status.available),
                waiting: status.waiting,
            }
        });
    }

    /// Closes all connections, once those who use them are done.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// Whether a URL can be used, with the certificates that it names, as far as that can be known without asking there.
pub fn check_url(url: &SecretString) -> Result<(), OpenError> {
    manager(url, "").map(drop)
}

fn manager(url: &SecretString, application: &str) -> Result<Manager, OpenError> {
    let (url, root_certificates) = split_root_certificates(url.expose_secret());
    let mut config = Config::from_str(&url).map_err(|error| OpenError::BadUrl { reason: reason(&error) })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(OpenError::BadUrl {
            reason: "it names no host".to_owned(),
        });
    }
    config
        .application_name(application)
        .connect_timeout(CONNECT_WITHIN)
        .options(server_options());
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Verified,
    };
    Ok(if config.get_ssl_mode() == SslMode::Disable {
        Manager::from_config(config, tokio_postgres::NoTls, recycling)
    } else {
        Manager::from_config(config, tls(root_certificates.as_deref())?, recycling)
    })
}

/// tokio-postgres does not know `sslrootcert`, nor the mode that is the only one of ours beside `disable`.
fn split_root_certificates(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let mut root_certificates = None;
    let kept: Vec<&str> = query
        .split('&')
        .filter_map(|pair| match pair.split_once('=') {
            Some(("sslrootcert", file)) => {
                root_certificates = Some(file.replace("%2F", "/").replace("%2f", "/"));
                None
            }
            Some(("sslmode", "verify-full" | "verify-ca")) => Some("sslmode=require"),
            _ => Some(pair),
        })
        .collect();
    (format!("{base}?{}", kept.join("&")), root_certificates)
}

fn tls(root_certificates: Option<&str>) -> Result<MakeRustlsConnect, OpenError> {
    let mut roots = RootCertStore::empty();
    let bad = |reason: String| OpenError::BadUrl { reason };
    match root_certificates {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let pem = fs::read(file).map_err(|error| bad(format!("sslrootcert {file}: {error}")))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| bad(format!("sslrootcert {file}: {error}")))?;
                roots
                    .add(certificate)
                    .map_err(|error| bad(format!("sslrootcert {file}: {error}")))?;
            }
            if roots.is_empty() {
                return Err(bad(format!("sslrootcert {file}: there is no certificate in it")));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Plans are made once a connection, without regard to parameters: with arrays of thousands the others cost more than what
/// they plan, and nobody has tested them. And without regard to how small a table still is, which a new database fills
/// before anybody plans again; a statement that can do nothing else reads a whole table all the same, and is not compiled
/// for its seeming cost.
fn server_options() -> String {
    format!(
        "-c statement_timeout={} -c idle_in_transaction_session_timeout={} -c lock_timeout=10000 \
         -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off",
        STATEMENT_TIMEOUT.as_millis(),
        IDLE_IN_TRANSACTION_TIMEOUT.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_does_not_know_is_taken_out_of_the_url() {
        let split = |url: &str| split_root_certificates(url);
        assert_eq!(split("postgres://u@h/d"), ("postgres://u@h/d".to_owned(), None));
        assert_eq!(
            split("postgres://u@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&keepalives=1"),
            (
                "postgres://u@h/d?sslmode=require&keepalives=1".to_owned(),
                Some("/etc/ca.pem".to_owned())
            )
        );
    }
}

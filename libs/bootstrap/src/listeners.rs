//! Ports are bound before anything else is opened: one that is in use is known at once.

use std::io;
use std::net::{SocketAddr, TcpListener};

use runtime::{Settings, exit};

/// It cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({key}): {}", reason(source))]
pub struct ListenError {
    address: SocketAddr,
    /// The variable that says where.
    key: &'static str,
    #[source]
    source: io::Error,
}

impl ListenError {
    /// What a process exits with.
    pub fn exit_code(&self) -> u8 {
        if self.source.kind() == io::ErrorKind::PermissionDenied {
            exit::NO_PERMISSION
        } else {
            exit::UNAVAILABLE
        }
    }
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted; ports below 1024 are the system's".to_owned(),
        _ => source.to_string(),
    }
}

/// A port, bound.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// The ports of a process, bound.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) public: Option<Bound>,
    pub(crate) internal: Bound,
}

impl Listeners {
    /// Binds both ports.
    pub fn bind(settings: &Settings) -> Result<Self, ListenError> {
        Ok(Self {
            public: Some(listen(settings.http.addr, "ROOKERY__HTTP__ADDR")?),
            ..Self::internal_only(settings)?
        })
    }

    /// Binds the internal port, for a process that the world has nothing to ask of.
    pub fn internal_only(settings: &Settings) -> Result<Self, ListenError> {
        Ok(Self {
            public: None,
            internal: listen(settings.internal.addr, "ROOKERY__INTERNAL__ADDR")?,
        })
    }

    /// The internal port, to be served before everything is there.
    pub(crate) fn internal_clone(&self) -> io::Result<TcpListener> {
        self.internal.listener.try_clone()
    }

    /// Where it serves the public API.
    pub fn public_addr(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(|bound| bound.address)
    }

    /// Where it serves operators.
    pub fn internal_addr(&self) -> SocketAddr {
        self.internal.address
    }
}

fn listen(address: SocketAddr, key: &'static str) -> Result<Bound, ListenError> {
    let listening = TcpListener::bind(address).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok(Bound { listener, address })
    });
    listening.map_err(|source| ListenError { address, key, source })
}

//! Commands on a running system go through its process: over a socket in the data folder.
//!
//! One connection, one request, one JSON document a line in both directions. A token is one answer. An import is a
//! conversation: the client has read and checked the whole file and hands over batch after batch, each of which is
//! answered once it is committed. So the server's memory holds one batch, and a client that goes away leaves the import
//! at the end of a batch, noted as unfinished.
//!
//! The socket is for its owner alone, and so needs no password. Lines are bounded, and nobody is waited for for ever.

mod address;
mod client;
mod protocol;
mod rebuild;
mod server;
mod wire;

pub(crate) use client::{Client, ClientError};
pub(crate) use server::bind;

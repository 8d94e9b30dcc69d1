//! Bearer tokens: JWTs signed with Ed25519, made by follow-graph, verified by every service on its own.
//!
//! A token names its key (`kid`), so that keys can be rotated, and carries what tweets need of their author, so that
//! posting asks nobody. What may have changed since it was made (logout, a new password, a deleted account) is asked of
//! the follow graph on every request.

mod authenticator;
mod claims;
mod extract;
mod issuer;
mod keys;

pub use authenticator::Authenticator;
pub use extract::{Actor, Identity, Viewer};
pub use issuer::{IssuedToken, TokenIssuer};
pub use keys::{KeyError, VerifyingKeys, generate_private_key, public_key_of};

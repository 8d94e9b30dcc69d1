//! What a token says.

use model::{Epoch, Session, UserId};
use serde::{Deserialize, Serialize};

use super::extract::Identity;

/// How far the clock of whoever made a token may be ahead of ours.
const TOLERATED_SKEW_S: u64 = 60;

/// The claims. Claims that are not among them are ignored, as RFC 7519 asks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: UserId,
    pub(super) handle: String,
    pub(super) name: String,
    pub(super) ver: u32,
    /// Absent in tokens of builds that did not write it: no epoch is 0.
    #[serde(default)]
    pub(super) epoch: u64,
    pub(super) jti: String,
    pub(super) iat: u64,
    pub(super) exp: u64,
}

impl Claims {
    /// Whether they can have been issued by now: what begins in the future, or ends before it begins, can't.
    pub(super) fn are_plausible(&self, now_s: u64) -> bool {
        self.iat <= now_s.saturating_add(TOLERATED_SKEW_S) && self.iat < self.exp && !self.jti.is_empty()
    }
}

impl From<Claims> for Identity {
    fn from(claims: Claims) -> Self {
        Self {
            session: Session {
                user: claims.sub,
                token_id: claims.jti,
                credential_version: claims.ver,
                epoch: Epoch(claims.epoch),
                expires_at_s: claims.exp,
            },
            handle: claims.handle,
            display_name: claims.name,
        }
    }
}

//! Verifies tokens.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use jsonwebtoken::{Algorithm, Header, Validation};
use model::Clock;
use quick_cache::UnitWeighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use storage::{Deadline, FollowGraph};

use super::claims::Claims;
use super::extract::{Actor, Identity};
use super::keys::VerifyingKeys;
use crate::{Problem, problems};

/// Verified tokens that are kept. Each takes some 300 bytes.
const CACHED_TOKENS: usize = 100_000;

/// Several times what our tokens take.
const MAX_TOKEN_BYTES: usize = 4_096;

type TokenDigest = [u8; 32];

/// Verifies tokens: signature and form once, and remembered (verifying costs more than a read may); expiry and
/// revocation each time.
pub struct Authenticator {
    keys: VerifyingKeys,
    validation: Validation,
    graph: Arc<dyn FollowGraph>,
    clock: Arc<dyn Clock>,
    /// By a digest of the whole token, so that nothing but the very same token hits.
    verified: Cache<TokenDigest, Actor, UnitWeighter, ahash::RandomState>,
}

impl Authenticator {
    /// Verifies with these keys, and asks `graph` what has been revoked.
    pub fn new(keys: VerifyingKeys, graph: Arc<dyn FollowGraph>, clock: Arc<dyn Clock>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Times are checked here, against our own clock; the rest of the claims by their type.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            keys,
            validation,
            graph,
            clock,
            verified: Cache::with(
                CACHED_TOKENS,
                CACHED_TOKENS as u64,
                UnitWeighter,
                ahash::RandomState::new(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
        }
    }

    /// Whose request it is; `None` when it shows no token at all. A token that is shown must be good.
    pub async fn authenticate(&self, headers: &HeaderMap, deadline: Deadline) -> Result<Option<Actor>, Problem> {
        let Some(token) = bearer_token(headers)? else {
            return Ok(None);
        };
        let now_s = self.clock.unix_ms() / 1_000;
        let actor = self.verify_cached(token, now_s)?;
        if now_s >= actor.session.expires_at_s {
            return Err(Problem::new(
                &problems::EXPIRED_TOKEN,
                "The token has expired. Log in again.",
            ));
        }
        if self.graph.is_revoked(&actor.session, deadline).await? {
            return Err(Problem::new(
                &problems::REVOKED_TOKEN,
                "The token was revoked by logout, a new password or the deletion of its account. Log in again.",
            ));
        }
        Ok(Some(actor))
    }

    fn verify_cached(&self, token: &str, now_s: u64) -> Result<Actor, Problem> {
        let digest: TokenDigest = Sha256::digest(token).into();
        if let Some(actor) = self.verified.get(&digest) {
            return Ok(actor);
        }
        let actor = self.verify(token, now_s).ok_or_else(|| {
            invalid(
                "The token is not one of ours, or has been changed. Send it exactly as it was given, or log in again.",
            )
        })?;
        self.verified.insert(digest, actor.clone());
        Ok(actor)
    }

    fn verify(&self, token: &str, now_s: u64) -> Option<Actor> {
        let header = jsonwebtoken::decode_header(token).ok().filter(is_understood)?;
        let key = self.keys.get(header.kid.as_deref()?)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .ok()?
            .claims;
        claims.are_plausible(now_s).then(|| Actor::from(Identity::from(claims)))
    }
}

/// Only what our own tokens say. In particular nothing critical that we would have to understand (`crit`).
fn is_understood(header: &Header) -> bool {
    header.alg == Algorithm::EdDSA
        && header
            .typ
            .as_deref()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("JWT"))
        && header.crit.is_none()
        && header.enc.is_none()
        && header.zip.is_none()
}

fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES);
    token
        .map(Some)
        .ok_or_else(|| invalid("The header must be one `Authorization: Bearer <token>`."))
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(&problems::INVALID_TOKEN, detail)
}

//! Limits on how often an account, or an address without one, may ask.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::HttpRequest;
use actix_web::http::Method;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use model::UserId;

use crate::{Problem, problems};

/// Where passwords are hashed for whoever asks: worth a stricter limit, by address.
const SIGN_IN_PATHS: [&str; 2] = ["/v1/users", "/v1/sessions"];

/// After so many checks what has not been used lately is forgotten.
const CHECKS_BETWEEN_SWEEPS: u32 = 1 << 16;

/// How often one may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Reads a second, by account or address; also how many may come at once.
    pub reads_per_second: NonZeroU32,
    /// Writes a second, by account or address; also how many may come at once.
    pub writes_per_second: NonZeroU32,
    /// New accounts and log-ins a minute, by address; also how many may come at once.
    pub sign_ins_per_minute: NonZeroU32,
    /// Proxies in front of this server that add to `X-Forwarded-For`. 0: the header is not believed.
    pub trusted_proxies: u8,
}

/// Whom a limit is for. IPv6 users have a whole /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Account(UserId),
    Address(u128),
    Unknown,
}

type Limiter = DefaultKeyedRateLimiter<Key>;

/// The limits, with what was used of them. One for all workers of a server.
#[derive(Debug)]
pub struct Limits {
    reads: Limiter,
    writes: Limiter,
    sign_ins: Limiter,
    trusted_proxies: u8,
    checks: AtomicU32,
}

impl Limits {
    /// Nothing used yet.
    pub fn new(limits: RateLimits) -> Self {
        Self {
            reads: RateLimiter::keyed(Quota::per_second(limits.reads_per_second)),
            writes: RateLimiter::keyed(Quota::per_second(limits.writes_per_second)),
            sign_ins: RateLimiter::keyed(Quota::per_minute(limits.sign_ins_per_minute)),
            trusted_proxies: limits.trusted_proxies,
            checks: AtomicU32::new(0),
        }
    }

    /// Counts a request of this account, or else of its address.
    pub(crate) fn check(&self, request: &HttpRequest, account: Option<UserId>) -> Result<(), Problem> {
        let key = account.map_or_else(|| self.address(request), Key::Account);
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        self.count(if is_read { &self.reads } else { &self.writes }, key)
    }

    /// Counts the making of an account or session, whether or not it succeeds.
    pub(crate) fn check_sign_in(&self, request: &HttpRequest) -> Result<(), Problem> {
        if request.method() == Method::POST && SIGN_IN_PATHS.contains(&request.path()) {
            self.count(&self.sign_ins, self.address(request))
        } else {
            Ok(())
        }
    }

    fn count(&self, limiter: &Limiter, key: Key) -> Result<(), Problem> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_SWEEPS == CHECKS_BETWEEN_SWEEPS - 1 {
            for limiter in [&self.reads, &self.writes, &self.sign_ins] {
                limiter.retain_recent();
            }
        }
        limiter.check_key(&key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Problem::new(
                &problems::RATE_LIMITED,
                "You ask too often. Wait as long as Retry-After says.",
            )
            .retry_after(wait)
        })
    }

    fn address(&self, request: &HttpRequest) -> Key {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let forwarded = || forwarded_for(request, usize::from(self.trusted_proxies));
        forwarded().or(peer).map_or(Key::Unknown, address_key)
    }
}

/// The address that the outermost trusted proxy saw. What stands to its left, anybody may have written.
fn forwarded_for(request: &HttpRequest, trusted_proxies: usize) -> Option<IpAddr> {
    let lines = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|line| line.to_str().ok());
    let hops: Vec<_> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let hop = hops.get(hops.len().checked_sub(trusted_proxies)?)?;
    hop.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn address_key(address: IpAddr) -> Key {
    Key::Address(match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address) & !u128::from(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn limits(trusted_proxies: u8) -> Limits {
        let limit = |n| NonZeroU32::new(n).unwrap();
        Limits::new(RateLimits {
            reads_per_second: limit(1_000),
            writes_per_second: limit(1_000),
            sign_ins_per_minute: limit(2),
            trusted_proxies,
        })
    }

    fn sign_in(peer: &str, forwarded: &str) -> HttpRequest {
        TestRequest::post()
            .uri("/v1/sessions")
            .peer_addr(peer.parse().unwrap())
            .insert_header(("x-forwarded-for", forwarded))
            .to_http_request()
    }

    #[test]
    fn an_address_that_signs_in_too_often_is_refused() {
        let limits = limits(0);
        for forged in ["1.1.1.1", "2.2.2.2"] {
            assert!(limits.check_sign_in(&sign_in("9.9.9.9:1", forged)).is_ok());
        }
        let refused = limits.check_sign_in(&sign_in("9.9.9.9:2", "3.3.3.3")).unwrap_err();
        assert_eq!(refused.kind(), &problems::RATE_LIMITED);
        assert!(limits.check_sign_in(&sign_in("9.9.9.8:1", "")).is_ok());
    }

    #[test]
    fn behind_a_proxy_the_address_that_it_saw_counts() {
        let limits = limits(1);
        for forged in ["1.1.1.1, 7.7.7.7", "2.2.2.2,7.7.7.7:80"] {
            assert!(limits.check_sign_in(&sign_in("9.9.9.9:1", forged)).is_ok());
        }
        assert!(limits.check_sign_in(&sign_in("9.9.9.9:2", "7.7.7.7")).is_err());
        assert!(limits.check_sign_in(&sign_in("9.9.9.9:2", "7.7.7.7, 8.8.8.8")).is_ok());
    }

    #[test]
    fn an_ipv6_user_is_a_network() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:9.9.9.9"), key("9.9.9.9"));
    }
}

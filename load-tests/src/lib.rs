//! Load with a ledger: what was acknowledged is remembered, and in the end every timeline is compared with it.

pub mod latencies;
pub mod ledger;

//! The production stores behind the ports, opened as configured: the one place that knows which adapter the four services
//! run on.
//!
//! A service's binary opens [`Backends`], takes from them the ports that its library asks for, and starts a [`Running`].
//! While a store is not there yet, or at an older schema, the process waits and says so on `/readyz`.

mod backends;
mod error;
mod running;
mod settings;

pub use backends::{Backends, postgres};
pub use error::BackendError;
pub use running::{Running, program};
pub use settings::{delivery_rules, demands};

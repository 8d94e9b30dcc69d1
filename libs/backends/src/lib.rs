//! The production stores behind the ports, opened as configured.

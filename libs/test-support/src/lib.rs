//! The oracle's plain model, a client of the public API, and test processes

//! Wrappers over any backend: each is a backend itself, and passes the suite if what it wraps does.

mod flaky;
mod recorded;
mod traced;

pub use flaky::Flaky;
pub use recorded::{Difference, Outcome, Recorded, Recording};
pub use traced::{Call, Traced};

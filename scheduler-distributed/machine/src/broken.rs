//! What checks of the machines find.

/// What [`Scheduler::check`](crate::Scheduler::check) and [`Worker::check`](crate::Worker::check) found to be wrong: a defect of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

//! Between those who have a graph and those who run it: schedulers, runs, handles on results, events.

mod description;
pub mod events;
pub mod handle;
pub mod scheduler;

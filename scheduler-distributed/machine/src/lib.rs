//! The decisions of kvern's cluster: what the scheduler and the workers do next, and nothing of how it is done.
//!
//! Two state machines without clock, thread, socket or file, each with one door: `handle(now, event, &mut outbox)`. An event is
//! something that happened, an effect something that the shell must do; the README says what, effect by effect.
//!
//! [`scheduler`] has the tasks of all graphs and the workers; [`worker`] has one worker's attempts and objects, which are machines
//! of their own. [`wire`] is what they say to each other, [`spec`] what a graph is to them, [`story`] what is remembered of a task.

#![forbid(unsafe_code)]

pub mod broken;
mod ids;
mod outbox;
mod payload;
pub mod scheduler;
pub mod spec;
pub mod story;
pub mod wire;
pub mod worker;

pub use broken::Broken;
pub use ids::{Attempt, ClientId, Epoch, FetchId, GraphId, OutputRef, TaskRef, Tick, WorkerId};
pub use outbox::Outbox;
pub use payload::Payload;
pub use scheduler::Scheduler;
pub use spec::{Datum, GraphSpec, SpecError};
pub use worker::Worker;

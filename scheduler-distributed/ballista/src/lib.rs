//! Frames on an [Apache Ballista](https://datafusion.apache.org/ballista) 55 cluster: `ballista://HOST:PORT` for one that runs,
//! `ballista://local` for a scheduler and executors of our own on this machine, which live as long as the session.
//!
//! Code map: `open` reads URLs; `backend` is the cluster as a [`Scheduler`](kvern_core::Scheduler), which refuses all graphs but those of
//! frames; `engine` is what a frame hands its query to. `plan` looks whether Ballista would compute a plan rightly, `codec` writes it, `job`
//! has it run and fetches the rows, which go through `rows`. `process` is the scheduler and the executor, `slots` mends what the
//! scheduler forgets, `entry` makes a program one of them, `local` starts and
//! ends them.
//!
//! ```no_run
//! use kvern_ballista as _;
//! use kvern_core::Session;
//! use kvern_frame::Frame;
//!
//! fn main() -> kvern_core::Result<()> {
//!     kvern_ballista::init(); // the scheduler and the executors of ballista://local begin here
//!     let session = Session::open("ballista://local")?;
//!     println!("{}", Frame::read_parquet("flights.parquet")?.groupby("carrier").count()?.table_in(10, 80, &session)?);
//!     Ok(())
//! }
//! ```

mod backend;
mod codec;
mod engine;
mod entry;
mod error;
mod job;
mod local;
mod open;
mod plan;
mod process;
mod rows;
mod slots;
mod variables;

pub use backend::BallistaScheduler;
pub use entry::init;
pub use local::{BallistaCluster, LocalOptions};
pub use process::{ExecutorOptions, SchedulerOptions, run_executor, run_scheduler};

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

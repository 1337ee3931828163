//! The backends of one machine: [`ThreadScheduler`] (`threads://`) runs tasks on the threads of this process under a memory
//! budget, spilling what does not fit; [`SyncScheduler`] (`sync://`) runs them one by one in the same order each time.
//!
//! Code map: `run/` is one submitted plan and how a task is run, whoever drives it; `threads/` and `serial` are the two
//! drivers; `open` reads URLs. Results are kept in a `kvern_store::Store`, which counts, admits and spills.
//!
//! ```
//! use kvern_core::Session;
//! use kvern_scheduler_local as _; // linked, its URLs are known; `kvern` does so by itself
//!
//! let session = Session::open("threads://?workers=2&memory=64MiB")?;
//! let squares = session.map(|x: &u64| x * x, 0..4u64)?;
//! assert_eq!(session.gather(squares)?, [0, 1, 4, 9]);
//! # Ok::<(), kvern_core::Error>(())
//! ```

mod deep;
mod keys;
mod open;
mod run;
mod scatter;
mod serial;
mod threads;

pub use kvern_store::limits;
pub use serial::{SyncOptions, SyncScheduler};
pub use threads::{ThreadOptions, ThreadScheduler};

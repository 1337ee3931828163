//! The cluster backends: `cluster://` starts worker processes on this machine, `tcp://HOST:PORT` connects to a scheduler that runs.
//!
//! Code map: `server/` is the scheduler and `worker/` a worker, each a shell around its machine of
//! [`kvern-machine`](kvern_machine); `client/` is a cluster as a [`Scheduler`](kvern_core::Scheduler); `local` puts the three together
//! for one machine, `entry` makes a program a worker; `net/` is sockets, `data` bulk data, `data_layer` how values are named in a
//! graph on its way.
//!
//! ```no_run
//! use kvern_core::Session;
//!
//! fn main() -> kvern_core::Result<()> {
//!     kvern_scheduler_distributed::init(); // a worker begins here: it is this program, started again
//!     let session = Session::open("cluster://?workers=4")?;
//!     let squares = session.map(|x: &u64| x * x, 0..10u64)?;
//!     println!("{:?}", session.gather(&squares)?);
//!     Ok(())
//! }
//! ```

mod client;
mod data;
mod data_layer;
mod entry;
mod graph_code;
mod limits;
mod local;
mod log;
mod net;
mod open;
mod options;
mod parcel;
mod processes;
mod seat;
mod server;
mod status;
mod token;
mod variables;
mod worker;

pub use client::ClusterClient;
pub use entry::init;
pub use local::LocalCluster;
pub use net::address::token_for;
pub use options::ClusterOptions;
pub use server::{SchedulerOptions, SchedulerServer};
pub use token::{TOKEN_VARIABLE, Token};
pub use worker::{WorkerOptions, run_worker};

//! What a worker is made of, be it a thread of this process or a process of a cluster: its values under a memory budget, in memory or on disk.
//!
//! A [`Store`] counts what values take ([`Budget`]), lets tasks in while there is room for what they will make ([`Store::admit`]), and writes the
//! values that are used furthest in the future to one spill file when there is none ([`Store::make_room`]). It knows neither runs nor tasks:
//! whoever puts a value in answers for it as its [`ValueOwner`].
//!
//! Code map: `budget` has the counts, `store` the values, `spill_file` the disk, `admission` who may run, `run_task` runs one task, `options` what
//! URLs and the configuration say, [`limits`] what the machine allows.
//!
//! ```
//! use std::sync::Arc;
//!
//! use kvern_core::{Registry, Value};
//! use kvern_store::{Store, StoreOptions, ValueOwner};
//!
//! /// Of a value that nobody waits for.
//! struct Nobody;
//!
//! impl ValueOwner for Nobody {
//!     fn next_use(&self) -> u64 {
//!         u64::MAX
//!     }
//!     fn spilled(&self, _bytes: u64) {}
//!     fn unspilled(&self, _bytes: u64) {}
//! }
//!
//! let store = Store::new(StoreOptions::new(100_000), Arc::new(Registry::linked()?));
//! let value = Value::new(vec![1u8; 90_000]);
//! store.budget().count(value.nbytes());
//! let stored = store.insert(value, Nobody);
//! assert!(store.make_room(50_000)?);
//! assert!(stored.is_on_disk());
//! assert_eq!(stored.read()?.downcast_ref::<Vec<u8>>(), Some(&vec![1; 90_000]));
//! # Ok::<(), kvern_core::Error>(())
//! ```

mod admission;
mod budget;
mod keys;
pub mod limits;
mod options;
mod run_task;
mod spill_file;
mod store;

pub use admission::{Admitted, AdmittedHere, Waiting, admitted_here, as_waiting};
pub use budget::Budget;
pub use options::configured;
pub use run_task::{Clock, Made, Task, run_task};
pub use store::{
    Counted, Lent, PieceInHand, Pin, Reserved, SPILL_MIN, Spilled, Store, StoreOptions,
    StoredPieces, StoredValue, ValueOwner,
};

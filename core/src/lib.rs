//! The graph, operator and scheduler protocol that every kvern crate stands on.
//!
//! Where to look: a collection builds [`layer::Layer`]s, a [`Graph`] gathers them, [`Plan`] checks and optimises it, a
//! [`Scheduler`] runs it and answers with a [`Run`], whose results are [`Value`]s behind [`Handle`]s. What the tasks do is named by
//! [`OpRef`]s and found in a [`Registry`]. [`mod@reference`] runs any graph in the plainest way and is the oracle of every test.
//!
//! ```
//! use kvern_core::{delayed, op};
//!
//! // Any function can be a task, lazily; a wrong argument does not compile.
//! let square = delayed(|x: &i64| x * x);
//! let add = delayed(|a: &i64, b: &i64| a + b);
//! let sum = add.call((&square.call(3), &square.call(4)));
//! assert_eq!(sum.reference()?, 25); // with a backend linked: `sum.compute()?`
//!
//! // One with a name can be stored and sent, and equal calls are one.
//! #[op(name = "demo.double")]
//! fn double(x: &f64) -> f64 {
//!     2.0 * x
//! }
//! assert_eq!(double::delayed(21.0).reference()?, 42.0);
//! # Ok::<(), kvern_core::Error>(())
//! ```

mod base;
pub mod graph;
pub mod operator;
mod protocol;
pub mod session;
mod settings;
pub mod travel;
pub mod value;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// The serde whose traits values and parameters have.
pub use serde;

pub use base::{blocks, error, key, meta, pages, panics, text, unfinished};
#[doc(no_inline)]
pub use graph::{annotations, expand, explain, layer, optimize, order, picture, plan, registry};
#[doc(no_inline)]
pub use operator::program;
pub use protocol::{events, handle, scheduler};
#[doc(no_inline)]
pub use session::{collection, delayed, futures, reference, stop};
pub use settings::{config, url};
#[doc(no_inline)]
pub use value::bulk;

pub use annotations::Annotations;
pub use blocks::{AxisMap, BlockBytes, Grid, Splits};
pub use collection::{Collection, Computation};
pub use delayed::{Delayed, delayed};
pub use error::{Error, ErrorKind, Result};
pub use expand::TaskGraph;
pub use futures::{Gather, TaskHandle, as_completed};
pub use graph::{Graph, Outputs, Root};
pub use handle::{Handle, RunHandle};
pub use key::Key;
pub use layer::{Layer, LayerEntry, LayerKind, NamedTasks, TaskId, TaskList};
pub use meta::Meta;
pub use operator::{Kernel, OpRef, OpTraits, Operator, TaskContext, TypedOperator};
pub use plan::Plan;
pub use registry::{OperatorEntry, Registry};
pub use scheduler::{BackendEntry, Run, Scheduler};
pub use session::{Session, is_cancelled, set_home};
pub use value::{Piece, Pieces, TypeEntry, Value};

pub use kvern_macros::op;

//! Chunked n-d arrays for kvern, over ndarray.
//!
//! Where to look: [`Array`] is the lazy array; [`Chunks`] says how it is cut, [`Axes`] what a reduction goes over. Below it are
//! the expression (`expr`), its rewriting into layers of tasks (`lower`, `layers`), the operators that the tasks run (`ops`), the
//! chunk [`kernels`] that know nothing of tasks, and the array files of [`io`].
//!
//! ```
//! use kvern_array::{Array, where_};
//!
//! let x = Array::<f64>::from_fn((365, 20), (73, -1), |at| (at[0] % 30) as f64)?; // chunks of 73 rows
//! let anomaly = &x - x.mean(0)?; // nothing is computed yet
//! let warm = where_(&anomaly.greater(10.0)?, &anomaly, 0.0)?.max(())?;
//! assert!(warm.reference()?[[]] > 10.0); // with a backend linked: `warm.item()?`
//! # Ok::<(), kvern_core::Error>(())
//! ```

mod array;
mod chunks;
mod error;
mod expr;
mod geometry;
pub mod io;
mod keys;
mod layers;
mod lower;
mod ops;
mod value;

pub use array::*;
pub use chunks::{AxisChunks, Chunks};
pub use geometry::shape::IntoAxis;
pub use kernels::dtype::{self, DType, Element};
/// What one thread computes on chunks in memory.
pub use kvern_kernels as kernels;
/// The ndarray whose types chunks and results have.
pub use ndarray;

/// The examples of the README are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Operators for kvern from plain functions, in a crate of their own: loaded at run time from a file, or linked, from one source.
//!
//! ```
//! use kvern_plugin::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Scale { factor: f64 }
//!
//! #[plugin_op(name = "sample.scale", version = 1, elementwise)]
//! fn scale(x: TensorView<f64>, #[params] p: &Scale) -> Result<Tensor<f64>> {
//!     Ok(x.map(|v| v * p.factor))
//! }
//!
//! export_plugin!("sample");
//! # fn main() {}
//! ```
//!
//! Where to look: [`plugin_op`] says what a function may look like; [`input`] what it may take and [`output`] what it may give, [`tensor`],
//! `nd` (feature `ndarray`), `arrow` (feature `arrow`) and [`json`] the types; [`context`] what it may ask of the host; [`error`] how it
//! fails. [`operator`] is what the attribute writes, [`shim`] stands between that and the border, [`export`] is what a host finds.

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod context;
pub mod error;
pub mod export;
mod host;
pub mod input;
pub mod json;
#[cfg(feature = "linked")]
pub mod linked;
#[cfg(feature = "ndarray")]
pub mod nd;
pub mod operator;
pub mod output;
mod panics;
pub mod shim;
pub mod tensor;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use context::Ctx;
pub use error::{Error, Result};
pub use input::FromInput;
pub use json::Json;
/// The binary border, for operators that are written by hand.
pub use kvern_plugin_abi as abi;
pub use operator::{NoParams, PluginOperator};
pub use output::IntoOutput;
pub use tensor::{Element, Tensor, TensorView};

/// Makes an operator of a function.
///
/// # Keys
/// | key | default | meaning |
/// | --- | --- | --- |
/// | `name = "plugin.op"` | needed | the plugin's name, a dot, the operator's |
/// | `version = 1` | 1 | raised when equal inputs would give another result |
/// | `elementwise` | false | each element of the result is made of those at its place: the result has the shape of the first input |
/// | `pure = false` | true | equal inputs may give another result |
/// | `inline` | false | so cheap that it is better run again in each reader than kept |
///
/// # What the function may look like
/// Inputs are what implements [`FromInput`]: `TensorView<f64>`, `ArrayViewD<f64>` (feature `ndarray`), `Float64Array` or `RecordBatch` (feature
/// `arrow`), `&[u8]`, `&str`, `Json<T>`. At most one parameter is `#[params] p: &T`, where `T` is `serde::Deserialize`: read once, not at
/// every call. At most one is `&Ctx`. It gives what implements [`IntoOutput`], or a `Result` of that with any error.
///
/// ```
/// use kvern_plugin::prelude::*;
///
/// #[plugin_op(name = "demo.join")]
/// fn join(a: &str, b: &str, ctx: &Ctx) -> String {
///     ctx.info("joining");
///     format!("{a}{b}")
/// }
/// assert_eq!(<join as kvern_plugin::PluginOperator>::NAME, "demo.join");
/// ```
///
/// Mistakes are told by the compiler:
///
/// ```compile_fail
/// use kvern_plugin::prelude::*;
/// #[plugin_op(name = "noname")] // a name is "plugin.op"
/// fn f(a: &str) -> String { a.to_owned() }
/// ```
pub use kvern_macros::plugin_op;

/// What most plugins use.
pub mod prelude {
    #[cfg(feature = "arrow")]
    pub use crate::arrow::{
        ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
        StringArray,
    };
    pub use crate::{Ctx, Error, Json, Result, Tensor, TensorView, export_plugin, plugin_op};
    #[cfg(feature = "ndarray")]
    pub use ndarray::{ArrayD, ArrayViewD};
}

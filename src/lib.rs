//! **kvern** is Dask for Rust: one dynamic task engine under parallel arrays, frames, bags and plain functions, on data larger than memory.
//!
//! This crate is the facade: it re-exports the parts that its features name, so that most programs need no other.
//!
//! ```
//! use kvern::prelude::*;
//!
//! // Lazy functions: nothing runs until `compute`.
//! let square = delayed(|x: &i64| x * x);
//! let add = delayed(|a: &i64, b: &i64| a + b);
//! let sum = add.call((&square.call(3), &square.call(4)));
//!
//! let session = Session::open("threads://?workers=2&memory=256MiB")?;
//! assert_eq!(session.compute(&sum)?, 25);
//! # Ok::<(), kvern::Error>(())
//! ```
//!
//! Where things are: [`core`] has graphs, operators, values, the scheduler protocol and sessions; [`mod@array`] chunked n-d arrays;
//! [`mod@bag`] partitioned lists of anything; [`scheduler_local`] the backends of this machine, [`mod@cluster`] those of several
//! processes; [`progress`] a progress bar; with feature `frame`, `kvern::frame` has partitioned Arrow tables;
//! with feature `plugins`, `kvern::plugins` loads operators from files; with feature `ballista`, `kvern::ballista` has frames on a Ballista
//! cluster.

pub mod about;
mod absent;
#[cfg(all(feature = "array", feature = "bag", feature = "frame"))]
pub mod bridge;
#[cfg(feature = "config-file")]
pub mod config_file;
#[cfg(feature = "ctrl-c")]
mod ctrl_c;
#[cfg(feature = "plugins")]
pub mod plugins;
#[cfg(any(feature = "cluster", feature = "ballista"))]
mod processes;
#[cfg(feature = "progress")]
pub mod progress;

#[cfg(feature = "array")]
pub use kvern_array as array;
/// The ndarray whose types chunks and results have.
#[cfg(feature = "array")]
pub use kvern_array::ndarray;
#[cfg(feature = "bag")]
pub use kvern_bag as bag;
#[cfg(feature = "ballista")]
pub use kvern_ballista as ballista;
pub use kvern_core as core;
pub use kvern_core::serde;
#[cfg(feature = "frame")]
pub use kvern_frame as frame;
/// The arrow whose types the columns of frames have.
#[cfg(feature = "frame")]
pub use kvern_frame::arrow;
#[cfg(feature = "cluster")]
pub use kvern_scheduler_distributed as cluster;
#[cfg(feature = "local")]
pub use kvern_scheduler_local as scheduler_local;
#[cfg(any(feature = "cluster", feature = "ballista"))]
pub use processes::init;

pub use kvern_core::{
    Delayed, Error, ErrorKind, Handle, Result, Session, TaskHandle, Value, as_completed, delayed,
    is_cancelled,
};

/// Makes a named operator of a plain function; under this name write `#[kvern::op(crate = ::kvern::core)]`.
///
/// ```
/// #[kvern::op(name = "demo.double", version = 1, crate = ::kvern::core)]
/// fn double(x: &f64) -> f64 {
///     2.0 * x
/// }
///
/// let session = kvern::Session::open("sync://")?;
/// assert_eq!(session.compute(&double::delayed(21.0))?, 42.0);
/// # Ok::<(), kvern::Error>(())
/// ```
pub use kvern_core::op;

/// What most programs use, for `use kvern::prelude::*`.
pub mod prelude {
    #[cfg(feature = "array")]
    pub use kvern_array::ndarray::{array, s};
    #[cfg(feature = "array")]
    pub use kvern_array::{Array, Chunks, Slice, concatenate, keepdims, stack, where_};
    #[cfg(feature = "bag")]
    pub use kvern_bag::{
        Bag, Compression, InvalidUtf8, Item, OnBad, Text, TextOptions, read_json, read_json_with,
        read_text, read_text_with,
    };
    pub use kvern_core::delayed::{
        Delayed, delayed, delayed_local, try_delayed, try_delayed_local,
    };
    pub use kvern_core::{
        Annotations, Collection, ErrorKind, Session, TaskHandle, as_completed, is_cancelled, op,
    };
    #[cfg(feature = "frame")]
    pub use kvern_frame::{CsvOptions, Frame, JoinHow, col, lit, sql};
}

/// The book's programs, run as tests of this crate.
#[cfg(doctest)]
mod book {
    macro_rules! chapters {
        ($($Chapter:ident: $path:literal),+ $(,)?) => {
            $(
                #[doc = include_str!($path)]
                struct $Chapter;
            )+
        };
    }

    #[cfg(all(
        feature = "local",
        feature = "cluster",
        feature = "array",
        feature = "bag",
        feature = "progress"
    ))]
    chapters! {
        Readme: "../README.md",
        First: "../docs/src/first.md",
        Sessions: "../docs/src/sessions.md",
        Arrays: "../docs/src/arrays.md",
        Bags: "../docs/src/bags.md",
        Climatology: "../docs/src/climatology.md",
        Images: "../docs/src/images.md",
        Logs: "../docs/src/logs.md",
        Memory: "../docs/src/memory.md",
        Sweep: "../docs/src/sweep.md",
        Functions: "../docs/src/functions.md",
        Clusters: "../docs/src/clusters.md",
        Errors: "../docs/src/errors.md",
        FromDask: "../docs/src/from-dask.md",
        FromDaskNames: "../docs/names.md",
    }
    #[cfg(all(
        feature = "local",
        feature = "array",
        feature = "bag",
        feature = "frame"
    ))]
    chapters! {
        Frames: "../docs/src/frames.md",
        Join: "../docs/src/join.md",
    }
}

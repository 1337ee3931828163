//! Delayed calls of plain functions and closures: typed, so that a wrong argument does not compile.
//!
//! ```
//! use kvern_core::{delayed, reference};
//! let add = delayed(|a: &i64, b: &i64| a + b);
//! let double = delayed(|a: &i64| a * 2);
//! let sum = add.call((3i64, 4i64));
//! let out = double.call(&sum); // a delayed value is an argument like any other
//! assert_eq!(out.reference().unwrap(), 14);
//! ```
//!
//! An argument of the wrong type is a compile error:
//!
//! ```compile_fail
//! use kvern_core::delayed;
//! let double = delayed(|a: &i64| a * 2);
//! let text = delayed(|| String::from("two")).call(());
//! double.call(&text); // expected i64, found String
//! ```
//!
//! # Functions with a name
//! A closure lives in one process. A function marked [`#[op]`](macro@crate::op) is a named operator instead: equal calls are one, in
//! any process, and graphs of such calls can be stored ([`Graph::encode`](crate::Graph::encode)) and run by other processes that link
//! it. It stays a function; beside it stands a type of the same name, whose `delayed` takes the same arguments, each input a value or
//! a reference to a delayed one.
//!
//! ```
//! use kvern_core::{Graph, Registry, op};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Scale {
//!     factor: f64,
//! }
//!
//! #[op(name = "demo.scale", version = 1)]
//! fn scale(x: &[f64], #[params] p: &Scale) -> Vec<f64> {
//!     x.iter().map(|v| v * p.factor).collect()
//! }
//!
//! // The last parameter of this one takes any number of inputs; it may fail.
//! #[op(name = "demo.mean")]
//! fn mean(parts: &[&Vec<f64>]) -> Result<f64, String> {
//!     let n: usize = parts.iter().map(|p| p.len()).sum();
//!     let sum: f64 = parts.iter().flat_map(|p| p.iter()).sum();
//!     if n == 0 { Err("the mean of nothing".into()) } else { Ok(sum / n as f64) }
//! }
//!
//! assert_eq!(scale(&[1.0], &Scale { factor: 3.0 }), [3.0]); // now
//! let a = scale::delayed(vec![1.0, 2.0], &Scale { factor: 2.0 }); // later
//! let b = scale::delayed(&a, &Scale { factor: 10.0 });
//! let m = mean::delayed([&a, &b]);
//! assert_eq!(m.reference()?, 16.5);
//!
//! // For graphs that are written by hand; and the registry of any binary that links this crate knows it.
//! assert_eq!(scale::op(&Scale { factor: 2.0 })?.label(), "demo.scale@1");
//! assert!(Registry::linked()?.operator(mean::NAME, Some(mean::VERSION)).is_ok());
//! # Ok::<(), kvern_core::Error>(())
//! ```
//!
//! An argument of the wrong type is a compile error here as well, and so is one too few:
//!
//! ```compile_fail
//! #[kvern_core::op(name = "demo.double")]
//! fn double(x: &i64) -> i64 {
//!     x * 2
//! }
//! double::delayed(String::from("two")); // `String` cannot be an argument of type `i64`
//! ```
//!
//! ```compile_fail
//! # #[kvern_core::op(name = "demo.double")]
//! # fn double(x: &i64) -> i64 {
//! #     x * 2
//! # }
//! double::delayed();
//! ```
//!
//! Parameters and small arguments are keyed by their serialised bytes, so a `HashMap` in them keeps equal calls from being one: its
//! order differs from run to run. Use a `BTreeMap`.

mod arguments;
mod code;

pub use arguments::{
    Alone, Argument, Arguments, CallArguments, Function, InTuple, Local, WithList,
};
pub(crate) use code::{Fallible, Serde, operator};

use std::marker::PhantomData;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key;
use crate::graph::annotations::Annotations;
use crate::graph::expand::TaskGraph;
use crate::graph::layer::{Data, Edge, Layer, TaskList};
use crate::graph::optimize::Passes;
use crate::graph::picture::Picture;
use crate::graph::plan::Plan;
use crate::graph::registry::Registry;
use crate::graph::{Graph, Outputs, Root};
use crate::operator::{OpRef, OpTraits};
use crate::protocol::handle::Handle;
use crate::session::Session;
use crate::session::collection::Collection;
use crate::value::remote::Portable;
use crate::value::{Value, wrong_type};

/// A function made lazy by [`delayed`]; calling it gives a [`Delayed`].
pub struct DelayedFn<F, Args, Out> {
    op: OpRef,
    /// Equal calls are one.
    merged: bool,
    types: PhantomData<fn(F, Args) -> Out>,
}

impl<F, Args, Out> Clone for DelayedFn<F, Args, Out> {
    fn clone(&self) -> Self {
        Self::of(self.op.clone(), self.merged)
    }
}

/// Makes a function or closure lazy. It takes its arguments by reference (they may be shared with other calls) and gives either a
/// value or, if fallible, a `Result` (see [`try_delayed`]).
///
/// What it gives is of a serde type, so that it can be spilled, and sent from one process to another; [`delayed_local`] takes any type.
/// A function, or a closure that captures nothing, runs on any backend; one that captures runs on those of this process, and another
/// refuses it when it is submitted.
///
/// ```
/// use kvern_core::delayed;
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct Image { width: usize, pixels: Vec<u8> }
/// fn black(width: &usize) -> Image { Image { width: *width, pixels: vec![0; width * width] } }
/// let size = delayed(|i: &Image| i.pixels.len() / i.width);
/// assert_eq!(size.call(&delayed(black).call(3usize)).reference()?, 3);
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[track_caller]
pub fn delayed<F, Args, Out>(f: F) -> DelayedFn<F, Args, Out>
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: Portable,
{
    let op = code::operator::<F, Args, Out, code::Serde>(f);
    DelayedFn::of(op.function_at(Location::caller(), false), false)
}

/// Makes a fallible function lazy: an `Err` is the task's error and keeps its source chain.
///
/// ```
/// let parse = kvern_core::delayed::try_delayed(|s: &String| s.parse::<i64>());
/// let e = parse.call(String::from("six")).reference().unwrap_err();
/// assert!(e.to_string().contains("invalid digit"), "{e}");
/// ```
#[track_caller]
pub fn try_delayed<F, Args, Out, E>(f: F) -> DelayedFn<F, Args, Out>
where
    F: Function<Args, Result<Out, E>>,
    Args: 'static,
    Out: Portable,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let op = code::operator::<F, Args, Result<Out, E>, code::Fallible<code::Serde>>(f);
    DelayedFn::of(op.function_at(Location::caller(), false), false)
}

/// [`delayed`] for a function that gives anything. What it gives stays in this process, and so does the function: a backend with others
/// refuses it when it is submitted. (A registered type, such as batches of a frame, can leave like any other.)
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use kvern_core::delayed::{Local, delayed, delayed_local};
/// let counter = delayed_local(|from: &u64| Arc::new(AtomicU64::new(*from))).call(5);
/// let next = delayed(|c: &Arc<AtomicU64>| c.fetch_add(1, Ordering::Relaxed));
/// assert_eq!(next.call(&counter).reference()?, 5);
/// // A value of any type as an argument:
/// assert_eq!(next.call(Local(Arc::new(AtomicU64::new(7)))).reference()?, 7);
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[track_caller]
pub fn delayed_local<F, Args, Out>(f: F) -> DelayedFn<F, Args, Out>
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: Send + Sync + 'static,
{
    let op = code::local::<F, Args, Out, Out, code::Any>(f);
    DelayedFn::of(op.function_at(Location::caller(), false), false)
}

/// [`try_delayed`] for a function that gives anything, as [`delayed_local`].
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use kvern_core::delayed::try_delayed_local;
/// let shared = try_delayed_local(|n: &u64| if *n > 0 { Ok(Arc::new(Mutex::new(*n))) } else { Err("nothing") });
/// assert!(shared.call(0u64).reference().is_err());
/// ```
#[track_caller]
pub fn try_delayed_local<F, Args, Out, E>(f: F) -> DelayedFn<F, Args, Out>
where
    F: Function<Args, Result<Out, E>>,
    Args: 'static,
    Out: Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let op = code::local::<F, Args, Result<Out, E>, Out, code::Fallible<code::Any>>(f);
    DelayedFn::of(op.function_at(Location::caller(), false), false)
}

impl<F, Args, Out> DelayedFn<F, Args, Out> {
    /// Names it in errors, explanations and pictures; otherwise it has the place in the source where it was made lazy.
    ///
    /// ```
    /// let mean = kvern_core::delayed(|v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64).named("mean");
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self::of(self.op.renamed(name), self.merged)
    }

    /// Says that equal calls give equal values and do nothing besides: they are one task then, wherever they meet in a graph. Arguments that are
    /// values are equal if their serialised bytes are. Of a function of which this is not said, each [`call`](Self::call) is a task of its
    /// own.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU64, Ordering};
    /// static CALLS: AtomicU64 = AtomicU64::new(0);
    /// let square = kvern_core::delayed(|x: &u64| { CALLS.fetch_add(1, Ordering::Relaxed); x * x });
    /// let sum = kvern_core::delayed(|a: &u64, b: &u64| a + b);
    /// assert_eq!(sum.call((&square.call(3), &square.call(3))).reference()?, 18);
    /// assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    /// let square = square.pure();
    /// assert_eq!(sum.call((&square.call(3), &square.call(3))).reference()?, 18);
    /// assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn pure(self) -> Self {
        Self::of(self.op, true)
    }

    /// Says that calls do something that must not be done twice: a call that was lost with its worker is not run a second time, unless
    /// [`retries`](Annotations::retries) are annotated.
    ///
    /// ```
    /// use kvern_core::delayed;
    /// let send = delayed(|text: &String| text.len()).named("send").impure(); // a letter is not sent twice
    /// assert_eq!(send.call("hello".to_owned()).reference()?, 5);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn impure(self) -> Self {
        let traits = OpTraits {
            pure: false,
            ..self.op.traits()
        };
        Self::of(self.op.with_traits(traits), false)
    }

    fn of(op: OpRef, merged: bool) -> Self {
        Self {
            op,
            merged,
            types: PhantomData,
        }
    }

    /// Calls it lazily, with a tuple of arguments, or with the one argument of a function that takes one. Each is a value or a reference to a
    /// [`Delayed`] of the right type.
    ///
    /// ```
    /// use kvern_core::delayed;
    /// let power = delayed(|x: &f64, n: &i32| x.powi(*n));
    /// let four = power.call((2.0, 2));
    /// assert_eq!(power.call((&four, 3)).reference()?, 64.0);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn call<A: CallArguments<Args, Form>, Form>(&self, args: A) -> Delayed<Out> {
        let mut inputs = Vec::new();
        args.collect(&mut inputs);
        one_task(self.op.clone(), inputs, self.merged)
    }
}

/// One task that runs a named operator over outputs of other layers. Two calls of something impure are two calls, however equal they look.
#[doc(hidden)]
pub fn call<Out>(op: OpRef, inputs: Vec<(Arc<Layer>, u32)>) -> Delayed<Out> {
    let merged = op.traits().pure;
    one_task(op, inputs, merged)
}

/// One task that runs `op`; a task of its own unless equal ones are to be merged.
pub(crate) fn one_task<Out>(
    op: OpRef,
    inputs: Vec<(Arc<Layer>, u32)>,
    merged: bool,
) -> Delayed<Out> {
    let key = (!merged).then(|| key::unique("call"));
    let mut list = TaskList::new();
    let op = list.op(op);
    let mut layers: Vec<Arc<Layer>> = Vec::with_capacity(inputs.len());
    let edges: Vec<Edge> = inputs
        .into_iter()
        .map(|(layer, output)| {
            layers.push(layer);
            Edge::Input {
                slot: layers.len() as u32 - 1,
                output,
            }
        })
        .collect();
    let task = list.task_with(op, edges);
    let kind = Arc::new(list.into_kind([task]));
    Delayed {
        layer: Arc::new(Layer::build(kind, layers, key, None, None)),
        output: 0,
        types: PhantomData,
    }
}

/// A value of type `T` that will be there once it is computed.
pub struct Delayed<T> {
    layer: Arc<Layer>,
    output: u32,
    types: PhantomData<fn() -> T>,
}

impl<T> Clone for Delayed<T> {
    fn clone(&self) -> Self {
        Self {
            layer: self.layer.clone(),
            output: self.output,
            types: PhantomData,
        }
    }
}

impl<T> Delayed<T> {
    /// Output `output` of a layer.
    pub(crate) fn in_layer(layer: Arc<Layer>, output: u32) -> Self {
        Self {
            layer,
            output,
            types: PhantomData,
        }
    }

    /// The layer that makes it and the number of its output.
    pub(crate) fn into_layer(self) -> (Arc<Layer>, u32) {
        (self.layer, self.output)
    }
}

impl<T: Clone + Send + Sync + 'static> Delayed<T> {
    /// A value that is there already; one of any type is written `Local(value)`.
    ///
    /// ```
    /// use kvern_core::delayed;
    /// use kvern_core::Delayed;
    /// let table: Delayed<Vec<f64>> = Delayed::value(vec![1.0, 2.0]);
    /// let sum = delayed(|t: &Vec<f64>| t.iter().sum::<f64>());
    /// assert_eq!(sum.call(&table).reference()?, 3.0);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    pub fn value(value: impl Argument<T>) -> Self {
        let (layer, output) = value.place();
        Self::of_layer(layer, output)
    }

    /// Output `output` of a layer, which must be a `T` when it is computed.
    pub fn of_layer(layer: Arc<Layer>, output: u32) -> Self {
        Self {
            layer,
            output,
            types: PhantomData,
        }
    }

    /// Says how the call should be run.
    ///
    /// ```
    /// use kvern_core::delayed;
    /// use kvern_core::Annotations;
    /// let load = delayed(|n: &u64| n + 1).call(1u64).annotate(Annotations::new().retries(2).priority(1));
    /// assert_eq!(load.reference()?, 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn annotate(&self, annotations: Annotations) -> Self {
        Self {
            layer: self.layer.annotated(annotations),
            output: self.output,
            types: PhantomData,
        }
    }

    /// The layer that makes it and the number of its output.
    pub fn layer(&self) -> (&Arc<Layer>, u32) {
        (&self.layer, self.output)
    }

    /// Computes it in the current session and waits.
    ///
    /// ```no_run
    /// use kvern_core::delayed;
    /// let _session = kvern_core::Session::open("threads://")?;
    /// assert_eq!(delayed(|| 42u64).call(()).compute()?, 42);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<T> {
        self.compute_in(&Session::current()?)
    }

    /// Computes it in a session and waits.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn compute_in(&self, session: &Session) -> Result<T> {
        session.compute(self)
    }

    /// Starts computing it in the current session and returns at once: the same value, which the backend keeps.
    ///
    /// ```no_run
    /// use kvern_core::delayed;
    /// let _session = kvern_core::Session::open("threads://")?;
    /// let table = delayed(|| vec![1.0, 2.0]).call(()).persist()?; // is being made
    /// assert_eq!(table.compute()?.len(), 2);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist(&self) -> Result<Self> {
        self.persist_in(&Session::current()?)
    }

    /// [`Delayed::persist`] in a session.
    ///
    /// # Errors
    /// If the graph is refused.
    pub fn persist_in(&self, session: &Session) -> Result<Self> {
        session.persist(self)
    }

    /// The tasks that it takes, what each optimisation did, and their projected bytes, as text. Nothing is run.
    ///
    /// ```
    /// use kvern_core::delayed;
    /// let load = delayed(|n: &u64| vec![0.5; *n as usize]).named("load");
    /// let sum = delayed(|v: &Vec<f64>| v.iter().sum::<f64>()).named("sum");
    /// let words = sum.call(&load.call(3u64)).explain()?;
    /// assert!(words.contains("load") && words.contains("sum"), "{words}");
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the graph.
    pub fn explain(&self) -> Result<String> {
        let registry = Arc::new(Registry::linked()?);
        let graph = Graph::new(&self.roots()?);
        let plan = Plan::new(graph, registry, Passes::default())?;
        Ok(plan.explain(None)?.to_string())
    }

    /// Draws the tasks that it takes to a file, `.svg` or `.dot` (for Graphviz).
    ///
    /// ```
    /// let path = std::env::temp_dir().join(format!("kvern-delayed-{}.svg", std::process::id()));
    /// kvern_core::delayed(|n: &u64| n + 1).call(1u64).visualize(&path)?;
    /// assert!(std::fs::metadata(&path).unwrap().len() > 0);
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the file ends in neither or cannot be written.
    pub fn visualize(&self, path: impl AsRef<Path>) -> Result<()> {
        Picture::of(Graph::new(&self.roots()?))?.save(path)
    }

    /// Computes it with the reference executor, one task after another.
    ///
    /// ```
    /// use kvern_core::delayed;
    /// assert_eq!(delayed(|| 42u64).call(()).reference()?, 42);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<T> {
        let graph = Graph::new(&self.roots()?);
        let tasks = TaskGraph::expand(&graph)?;
        self.finish(crate::session::reference::run(
            &tasks,
            &Registry::linked()?,
        )?)
    }
}

impl<T: Clone + Send + Sync + 'static> Collection for Delayed<T> {
    type Output = T;

    fn roots(&self) -> Result<Vec<Root>> {
        Ok(vec![Root {
            layer: self.layer.clone(),
            outputs: Outputs::Only(vec![self.output]),
        }])
    }

    fn finish(&self, values: Vec<Value>) -> Result<T> {
        let value = values
            .into_iter()
            .next()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "no value came back"))?;
        value.try_into_inner::<T>().or_else(|v| {
            v.downcast_ref::<T>()
                .cloned()
                .ok_or_else(|| wrong_type::<T>(&v))
        })
    }

    fn rebuild(&self, handles: Vec<Handle>) -> Result<Self> {
        Ok(Self::of_layer(
            Layer::new(Data::handles(handles), Vec::new()),
            0,
        ))
    }
}

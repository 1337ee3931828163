//! Delayed calls of plain functions and closures: typed, so that a wrong argument does not compile.
//!
//! ```
//! use kvern_core::{delayed, reference};
//! let add = delayed(|a: &i64, b: &i64| a + b);
//! let double = delayed(|a: &i64| a * 2);
//! let sum = add.call((3i64, 4i64));
//! let out = double.call((&sum,)); // a delayed value is an argument like any other
//! assert_eq!(out.reference().unwrap(), 14);
//! ```
//!
//! An argument of the wrong type is a compile error:
//!
//! ```compile_fail
//! use kvern_core::delayed;
//! let double = delayed(|a: &i64| a * 2);
//! let text = delayed(|| String::from("two")).call(());
//! double.call((&text,)); // expected i64, found String
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

use arguments::literal;
pub use arguments::{Argument, Arguments, Function, WithList};

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::annotations::Annotations;
use crate::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Root;
use crate::handle::Handle;
use crate::key;
use crate::layer::{Data, Edge, Layer, TaskList};
use crate::operator::{Kernel, OpRef, OpTraits, TaskContext};
use crate::travel;
use crate::value::Value;

/// A function made lazy by [`delayed`]; calling it gives a [`Delayed`].
pub struct DelayedFn<F, Args, Out> {
    op: OpRef,
    types: PhantomData<fn(F, Args) -> Out>,
}

impl<F, Args, Out> Clone for DelayedFn<F, Args, Out> {
    fn clone(&self) -> Self {
        Self {
            op: self.op.clone(),
            types: PhantomData,
        }
    }
}

/// Makes a function or closure lazy. It takes its arguments by reference (they may be shared with other calls) and gives either a
/// value or, if fallible, a `Result` (see [`try_delayed`]).
pub fn delayed<F, Args, Out>(f: F) -> DelayedFn<F, Args, Out>
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: Send + Sync + 'static,
{
    DelayedFn {
        op: operator::<F, Args, Out, Plain>(f),
        types: PhantomData,
    }
}

/// Makes a fallible function lazy: an `Err` is the task's error and keeps its source chain.
///
/// ```
/// let parse = kvern_core::delayed::try_delayed(|s: &String| s.parse::<i64>());
/// let e = parse.call((String::from("six"),)).reference().unwrap_err();
/// assert!(e.to_string().contains("invalid digit"), "{e}");
/// ```
pub fn try_delayed<F, Args, Out, E>(f: F) -> DelayedFn<F, Args, Out>
where
    F: Function<Args, Result<Out, E>>,
    Args: 'static,
    Out: Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    DelayedFn {
        op: operator::<F, Args, Result<Out, E>, Fallible<Plain>>(f),
        types: PhantomData,
    }
}

/// The operator of a function: one that travels if the function does ([`remote!`](crate::remote)), else one of this process.
pub(crate) fn operator<F, Args, Out, W>(f: F) -> OpRef
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: 'static,
    W: Wrap<Out>,
{
    let name = std::any::type_name::<F>();
    let traits = OpTraits::default();
    match travel::recipe::<F, Call<Args, Out, W>>(&f) {
        Some(recipe) => OpRef::travelling(name, traits, recipe, Vec::new()),
        None => OpRef::local_kernel(name, traits, size_of::<F>(), kernel::<F, Args, Out, W>(f)),
    }
}

fn kernel<F, Args, Out, W>(f: F) -> Arc<dyn Kernel>
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: 'static,
    W: Wrap<Out>,
{
    Arc::new(move |inputs: &mut [Value], ctx: &TaskContext<'_>| {
        // A function that is not told its context can still ask for the session that runs it.
        W::wrap(ctx.enter(|| f.apply(inputs))?)
    })
}

/// Makes the kernel of a function in whatever process it runs.
struct Call<Args, Out, W> {
    args: PhantomData<fn() -> Args>,
    out: PhantomData<fn() -> Out>,
    wrap: PhantomData<fn() -> W>,
}

impl<F, Args, Out, W> travel::Maker<F> for Call<Args, Out, W>
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: 'static,
    W: Wrap<Out>,
{
    type Made = Arc<dyn Kernel>;

    fn make(f: F, _params: &[u8]) -> Result<Arc<dyn Kernel>> {
        Ok(kernel::<F, Args, Out, W>(f))
    }
}

/// How a task makes its value of what its function returned.
pub(crate) trait Wrap<R>: 'static {
    fn wrap(returned: R) -> Result<Value>;
}

/// A value of any type: it can leave the process if its type is registered.
pub(crate) struct Plain;

impl<T: Any + Send + Sync> Wrap<T> for Plain {
    fn wrap(returned: T) -> Result<Value> {
        Ok(Value::new(returned))
    }
}

impl<T, E> Wrap<Result<T, E>> for Fallible<Plain>
where
    T: Any + Send + Sync,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    fn wrap(returned: Result<T, E>) -> Result<Value> {
        returned
            .map(Value::new)
            .map_err(|e| crate::function::task_error(e.into()))
    }
}

/// A value of a serde type: it can leave the process.
pub(crate) struct Portable;

impl<T: Serialize + DeserializeOwned + Any + Send + Sync> Wrap<T> for Portable {
    fn wrap(returned: T) -> Result<Value> {
        Ok(Value::serde(returned))
    }
}

/// A `Result`, whose error is the task's.
pub(crate) struct Fallible<W>(PhantomData<W>);

impl<T, E> Wrap<Result<T, E>> for Fallible<Portable>
where
    T: Serialize + DeserializeOwned + Any + Send + Sync,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    fn wrap(returned: Result<T, E>) -> Result<Value> {
        returned
            .map(Value::serde)
            .map_err(|e| crate::function::task_error(e.into()))
    }
}

impl<F, Args, Out> DelayedFn<F, Args, Out> {
    /// Names it in errors, explanations and pictures; otherwise it has the compiler's name for the closure.
    ///
    /// ```
    /// let mean = kvern_core::delayed(|v: &Vec<f64>| v.iter().sum::<f64>() / v.len() as f64).named("mean");
    /// ```
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self {
            op: self.op.renamed(name),
            types: PhantomData,
        }
    }

    /// Says that equal calls need not give equal values (it draws random numbers, asks the clock) or that calls do something besides: each
    /// [`call`](Self::call) is a task of its own then, which is not run a second time after it was lost unless
    /// [`retries`](Annotations::retries) are annotated. Unless this is said, equal calls of a function are one task.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU64, Ordering};
    /// static DRAWN: AtomicU64 = AtomicU64::new(0);
    /// let draw = kvern_core::delayed(|| DRAWN.fetch_add(1, Ordering::Relaxed)).impure();
    /// let both = kvern_core::delayed(|a: &u64, b: &u64| a != b);
    /// assert!(both.call((&draw.call(()), &draw.call(()))).reference()?);
    /// # Ok::<(), kvern_core::Error>(())
    /// ```
    #[must_use]
    pub fn impure(self) -> Self {
        let traits = OpTraits {
            pure: false,
            ..self.op.traits()
        };
        Self {
            op: self.op.with_traits(traits),
            types: PhantomData,
        }
    }

    /// Calls it lazily. Each argument of the tuple is a value or a reference to a [`Delayed`] of the right type.
    pub fn call<A: Arguments<Args>>(&self, args: A) -> Delayed<Out> {
        let mut inputs = Vec::new();
        args.collect(&mut inputs);
        call(self.op.clone(), inputs)
    }
}

/// One task that runs `op` over outputs of other layers.
#[doc(hidden)]
pub fn call<Out>(op: OpRef, inputs: Vec<(Arc<Layer>, u32)>) -> Delayed<Out> {
    // Two calls of something impure are two calls, however equal they look.
    let key = (!op.traits().pure).then(|| key::unique("call"));
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
    /// A value that is there already.
    pub fn value(value: T) -> Self {
        let (layer, output) = literal(value);
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
    /// # Errors
    /// The first task that failed.
    pub fn compute(&self) -> Result<T> {
        crate::Session::current()?.compute(self)
    }

    /// Computes it with the reference executor, one task after another.
    ///
    /// # Errors
    /// The first task that failed.
    pub fn reference(&self) -> Result<T> {
        let graph = crate::Graph::new(&self.roots()?);
        let tasks = crate::TaskGraph::expand(&graph)?;
        self.finish(crate::reference::run(&tasks, &crate::Registry::linked()?)?)
    }
}

impl<T: Clone + Send + Sync + 'static> Collection for Delayed<T> {
    type Output = T;

    fn roots(&self) -> Result<Vec<Root>> {
        Ok(vec![Root {
            layer: self.layer.clone(),
            outputs: crate::Outputs::Only(vec![self.output]),
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

pub(crate) fn wrong_type<T>(v: &Value) -> Error {
    Error::bad_input(format!(
        "a {} was expected, got {}",
        std::any::type_name::<T>(),
        v.describe()
    ))
}

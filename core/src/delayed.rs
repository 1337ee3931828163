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

use std::marker::PhantomData;
use std::sync::Arc;

use crate::annotations::Annotations;
use crate::collection::Collection;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Root;
use crate::handle::Handle;
use crate::key::{self, Key};
use crate::layer::{Data, Edge, LITERAL_MAX, Layer, TaskList};
use crate::operator::{Kernel, OpRef, OpTraits, TaskContext};
use crate::value::{Value, encode_linked};

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
    Out: Send + Sync + 'static,
{
    let kernel = move |inputs: &mut [Value], _: &TaskContext<'_>| Ok(Value::new(f.apply(inputs)?));
    DelayedFn {
        op: local::<F>(Arc::new(kernel)),
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
    Out: Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let kernel = move |inputs: &mut [Value], _: &TaskContext<'_>| match f.apply(inputs)? {
        Ok(v) => Ok(Value::new(v)),
        Err(e) => Err(crate::function::task_error(e.into())),
    };
    DelayedFn {
        op: local::<F>(Arc::new(kernel)),
        types: PhantomData,
    }
}

fn local<F>(kernel: Arc<dyn Kernel>) -> OpRef {
    let name = std::any::type_name::<F>();
    OpRef::local_kernel(name, OpTraits::default(), size_of::<F>(), kernel)
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

fn wrong_type<T>(v: &Value) -> Error {
    Error::bad_input(format!(
        "a {} was expected, got {}",
        std::any::type_name::<T>(),
        v.describe()
    ))
}

/// A function of arguments `Args` (a tuple) that takes each by reference. Implemented for closures and `fn`s of up to six.
pub trait Function<Args, Out>: Send + Sync + 'static {
    /// Calls it with the tasks' values.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] if a value has another type, which typed calls cannot lead to.
    fn apply(&self, inputs: &[Value]) -> Result<Out>;
}

/// A tuple of arguments for a function of `Args`.
pub trait Arguments<Args> {
    /// Adds the layer and output of each argument.
    fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>);
}

/// Something that can be an argument of type `T`: a `T`, or a reference to a delayed one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of type `{T}`",
    label = "expected a `{T}` or a `&Delayed<{T}>`"
)]
pub trait Argument<T> {
    /// The layer and output that make it.
    fn place(self) -> (Arc<Layer>, u32);
}

impl<T> Argument<T> for &Delayed<T> {
    fn place(self) -> (Arc<Layer>, u32) {
        (self.layer.clone(), self.output)
    }
}

impl<T: Send + Sync + 'static> Argument<T> for T {
    fn place(self) -> (Arc<Layer>, u32) {
        literal(self)
    }
}

/// A value as a layer. A small one of a registered type is keyed by its content, so that equal calls are one; any other is equal to
/// nothing but itself.
fn literal<T: Send + Sync + 'static>(value: T) -> (Arc<Layer>, u32) {
    let value = Value::new(value);
    let data = match encode_linked(&value, LITERAL_MAX) {
        Some((tag, bytes)) => {
            let key = Key::builder("value").str(tag).bytes(&bytes).finish();
            Data::keyed(key, value)
        }
        None => Data::values(vec![value]),
    };
    (Layer::new(data, Vec::new()), 0)
}

/// All delayed values of a list as one argument `Vec<T>`.
impl<T: Clone + Send + Sync + 'static> Argument<Vec<T>> for &[Delayed<T>] {
    fn place(self) -> (Arc<Layer>, u32) {
        let mut list = TaskList::new();
        let gather = list.op(OpRef::local(
            "list",
            |inputs: &mut [Value], _: &TaskContext<'_>| {
                let items = inputs.iter().map(|v| {
                    v.downcast_ref::<T>()
                        .cloned()
                        .ok_or_else(|| wrong_type::<T>(v))
                });
                Ok(Value::new(items.collect::<Result<Vec<T>>>()?))
            },
        ));
        let edges = self.iter().enumerate().map(|(i, d)| Edge::Input {
            slot: i as u32,
            output: d.output,
        });
        let task = list.task_with(gather, edges);
        (
            Layer::new(
                list.into_kind([task]),
                self.iter().map(|d| d.layer.clone()).collect(),
            ),
            0,
        )
    }
}

impl<T: Clone + Send + Sync + 'static> Argument<Vec<T>> for &Vec<Delayed<T>> {
    fn place(self) -> (Arc<Layer>, u32) {
        <&[Delayed<T>] as Argument<Vec<T>>>::place(self.as_slice())
    }
}

macro_rules! functions {
    ($count:literal; $($name:ident $arg:ident $n:tt),*) => {
        impl<Func, Out, $($name),*> Function<($($name,)*), Out> for Func
        where
            Func: Fn($(&$name),*) -> Out + Send + Sync + 'static,
            $($name: 'static,)*
        {
            fn apply(&self, inputs: &[Value]) -> Result<Out> {
                if inputs.len() != $count {
                    let words = format!("{} takes {} arguments, got {}", std::any::type_name::<Func>(), $count, inputs.len());
                    return Err(Error::bad_input(words));
                }
                Ok(self($(inputs[$n].downcast_ref::<$name>().ok_or_else(|| wrong_type::<$name>(&inputs[$n]))?),*))
            }
        }

        impl<$($name, $arg: Argument<$name>),*> Arguments<($($name,)*)> for ($($arg,)*) {
            #[allow(unused_variables, reason = "the empty tuple has nothing to add")]
            fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>) {
                $(out.push(self.$n.place());)*
            }
        }
    };
}

functions!(0;);
functions!(1; A AA 0);
functions!(2; A AA 0, B BB 1);
functions!(3; A AA 0, B BB 1, C CC 2);
functions!(4; A AA 0, B BB 1, C CC 2, D DD 3);
functions!(5; A AA 0, B BB 1, C CC 2, D DD 3, E EE 4);
functions!(6; A AA 0, B BB 1, C CC 2, D DD 3, E EE 4, G GG 5);

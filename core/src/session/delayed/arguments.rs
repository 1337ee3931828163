//! What a delayed function takes: by reference each, and what may stand for each when it is called.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Delayed;
use crate::base::error::{Error, Result};
use crate::base::key::Key;
use crate::graph::layer::{Data, Edge, LITERAL_MAX, Layer, TaskList};
use crate::operator::remote::{self, KernelMaker};
use crate::operator::{Kernel, OpRef, OpTraits, TaskContext};
use crate::session::futures::TaskHandle;
use crate::value::remote::Portable;
use crate::value::{Value, encode_linked, wrong_type};

/// A function of arguments `Args` (a tuple) that takes each by reference. Implemented for closures and `fn`s of up to six, of which the
/// last may be a list `&[&T]` of any number ([`WithList`]): nothing is copied for it, however many tasks and bytes it reads.
///
/// ```
/// use kvern_core::{Delayed, delayed};
/// let total = delayed(|unit: &f64, parts: &[&Vec<f64>]| parts.iter().flat_map(|p| p.iter()).sum::<f64>() * unit);
/// let parts: Vec<Delayed<Vec<f64>>> = (1..4).map(|n| Delayed::value(vec![1.0; n])).collect();
/// assert_eq!(total.call((0.5, &parts)).reference()?, 3.0);
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called as a task",
    label = "takes at most six arguments, each by reference: `|x: &u64, v: &Vec<f64>|`; the last may be a list: `|parts: &[&Vec<f64>]|`",
    note = "their types are written out, and it is `Send + Sync + 'static` with all that it captures (`move`, if it borrows)"
)]
pub trait Function<Args, Out>: Send + Sync + 'static {
    /// Calls it with the tasks' values.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) if a value has another type, which typed calls cannot lead to.
    fn apply(&self, inputs: &[Value]) -> Result<Out>;
}

/// A tuple of arguments for a function of `Args`.
pub trait Arguments<Args> {
    /// Adds the layer and output of each argument.
    fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>);
}

/// What a function is called with: a tuple of arguments, or the one argument of a function that takes one. `Form` says which; the compiler finds it.
///
/// ```no_run
/// # use kvern_core::Session;
/// # let session = Session::open("threads://")?;
/// let squares = session.map(|x: &u64| x * x, 0..10u64)?;
/// let sums = session.map(|x: &u64, y: &u64| x + y, [(1u64, 2u64), (3, 4)])?;
/// # Ok::<(), kvern_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit the arguments of the function",
    label = "expected a tuple with one value for each argument, or the value of the only argument",
    note = "an argument of type `T` is a `T`, a `&Delayed<T>` or a `&TaskHandle<T>`"
)]
pub trait CallArguments<Args, Form> {
    /// Adds the layer and output of each argument.
    fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>);
}

/// The form of [`CallArguments`] that is a tuple of arguments.
#[derive(Debug)]
pub enum InTuple {}

/// The form of [`CallArguments`] that is the only argument.
#[derive(Debug)]
pub enum Alone {}

impl<Args, A: Arguments<Args>> CallArguments<Args, InTuple> for A {
    fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>) {
        Arguments::collect(self, out);
    }
}

impl<T, A: Argument<T>> CallArguments<(T,), Alone> for A {
    fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>) {
        out.push(self.place());
    }
}

/// The arguments of a function whose last one is a list `&[&T]`: those before it (a tuple), and the type of an item. Where it is
/// called, anything that can be iterated stands for the list: `(0.5, &parts)`, or `([&a, &b],)`.
#[derive(Debug)]
pub struct WithList<Before, T>(PhantomData<fn(Before, T)>);

/// Something that can be an argument of type `T`: a `T` of a serde type, a reference to a delayed one or to the handle of one, or a `T` of any
/// type as [`Local`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of type `{T}`",
    label = "expected a `{T}`, a `&Delayed<{T}>` or a `&TaskHandle<{T}>`",
    note = "a value of a type that serde does not know is written `Local(value)`; it stays in this process"
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

impl<T> Argument<T> for &TaskHandle<T> {
    fn place(self) -> (Arc<Layer>, u32) {
        self.delayed().into_layer()
    }
}

impl<T: Portable> Argument<T> for T {
    fn place(self) -> (Arc<Layer>, u32) {
        literal(Value::serde(self))
    }
}

/// A value of any type as an argument: a lock, a channel, an `Arc`. It stays in this process (unless its type is registered), and a backend
/// with others refuses it when it is submitted.
#[derive(Debug, Clone, Copy)]
pub struct Local<T>(pub T);

impl<T: Send + Sync + 'static> Argument<T> for Local<T> {
    fn place(self) -> (Arc<Layer>, u32) {
        literal(Value::new(self.0))
    }
}

/// A value as a layer. A small one of a registered type is keyed by its content, so that equal calls of a pure function are one; any other
/// is equal to nothing but itself.
fn literal(value: Value) -> (Arc<Layer>, u32) {
    let data = match encode_linked(&value, LITERAL_MAX) {
        Some((tag, bytes)) => {
            let key = Key::builder("value").str(tag).bytes(&bytes).finish();
            Data::keyed(key, value)
        }
        None => Data::values(vec![value]),
    };
    (Layer::new(data, Vec::new()), 0)
}

/// All of a list as one argument `Vec<T>`, which takes a copy of each that others hold too. A function of `&[&T]` needs none.
fn as_vec<T, I>(items: I) -> (Arc<Layer>, u32)
where
    T: Clone + Send + Sync + 'static,
    I: IntoIterator<Item: Argument<T>>,
{
    let (layers, outputs): (Vec<_>, Vec<_>) = items.into_iter().map(Argument::place).unzip();
    let mut list = TaskList::new();
    let gather = list.op(list_of::<T>());
    let edges = (0..).zip(outputs);
    let task = list.task_with(
        gather,
        edges.map(|(slot, output)| Edge::Input { slot, output }),
    );
    (Layer::new(list.into_kind([task]), layers), 0)
}

/// The operator that makes a `Vec<T>` of its inputs.
fn list_of<T: Clone + Send + Sync + 'static>() -> OpRef {
    struct List<T>(PhantomData<fn() -> T>);
    impl<T: Clone + Send + Sync + 'static> KernelMaker for List<T> {
        fn make(_params: &[u8]) -> Result<Arc<dyn Kernel>> {
            Ok(Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
                let held = inputs.iter().map(Value::nbytes).sum();
                let items = inputs.iter_mut().map(|v| {
                    std::mem::replace(v, Value::UNIT)
                        .try_into_inner::<T>()
                        .or_else(|v| {
                            v.downcast_ref::<T>()
                                .cloned()
                                .ok_or_else(|| wrong_type::<T>(&v))
                        })
                });
                Ok(Value::list(items.collect::<Result<Vec<T>>>()?, held))
            }))
        }
    }
    let op = remote::operator::<List<T>>("list", OpTraits::default(), Vec::new());
    crate::operator::function::op_or_error("list", op)
}

macro_rules! lists {
    ($($list:ty),*) => {
        $(impl<T: Clone + Send + Sync + 'static> Argument<Vec<T>> for $list {
            fn place(self) -> (Arc<Layer>, u32) {
                as_vec::<T, _>(self)
            }
        })*
    };
}

lists!(
    &[Delayed<T>],
    &Vec<Delayed<T>>,
    &[TaskHandle<T>],
    &Vec<TaskHandle<T>>
);

fn argument<T: 'static>(value: &Value) -> Result<&T> {
    value.downcast_ref().ok_or_else(|| wrong_type::<T>(value))
}

#[cold]
fn wrong_number<F>(takes: &str, got: usize) -> Error {
    Error::bad_input(format!(
        "{} takes {takes} arguments, got {got}",
        std::any::type_name::<F>()
    ))
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
                    return Err(wrong_number::<Func>(stringify!($count), inputs.len()));
                }
                Ok(self($(argument::<$name>(&inputs[$n])?),*))
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

macro_rules! functions_of_a_list {
    ($before:tt; $($name:ident $arg:ident $n:tt),*) => {
        impl<Func, Out, $($name,)* Item> Function<WithList<($($name,)*), Item>, Out> for Func
        where
            Func: Fn($(&$name,)* &[&Item]) -> Out + Send + Sync + 'static,
            $($name: 'static,)*
            Item: 'static,
        {
            fn apply(&self, inputs: &[Value]) -> Result<Out> {
                let Some(list) = inputs.get($before..) else {
                    return Err(wrong_number::<Func>(concat!("at least ", $before), inputs.len()));
                };
                let list = list.iter().map(argument::<Item>).collect::<Result<Vec<_>>>()?;
                Ok(self($(argument::<$name>(&inputs[$n])?,)* &list))
            }
        }

        impl<$($name, $arg: Argument<$name>,)* Item, Items> Arguments<WithList<($($name,)*), Item>> for ($($arg,)* Items,)
        where
            Items: IntoIterator<Item: Argument<Item>>,
        {
            fn collect(self, out: &mut Vec<(Arc<Layer>, u32)>) {
                $(out.push(self.$n.place());)*
                out.extend(self.$before.into_iter().map(Argument::place));
            }
        }
    };
}

functions_of_a_list!(0;);
functions_of_a_list!(1; A AA 0);
functions_of_a_list!(2; A AA 0, B BB 1);
functions_of_a_list!(3; A AA 0, B BB 1, C CC 2);
functions_of_a_list!(4; A AA 0, B BB 1, C CC 2, D DD 3);
functions_of_a_list!(5; A AA 0, B BB 1, C CC 2, D DD 3, E EE 4);

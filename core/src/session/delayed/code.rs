//! The operator that a function becomes: one that travels if the function does, else one of this process.

use std::any::{TypeId, type_name};
use std::marker::PhantomData;
use std::sync::Arc;

use super::Function;
use crate::base::error::Result;
use crate::operator::remote::stays;
use crate::operator::{Kernel, OpRef, OpTraits, Stays, TaskContext};
use crate::value::remote::{Maker, Portable, recipe};
use crate::value::{Value, is_registered};

/// The operator of a function whose results can leave the process.
pub(crate) fn operator<F, Args, Out, W>(f: F) -> OpRef
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: 'static,
    W: Wrap<Out>,
{
    let (name, traits) = (type_name::<F>(), OpTraits::default());
    match recipe::<F, Call<Args, Out, W>>(&f) {
        Some(recipe) => OpRef::travelling(name, traits, recipe, Vec::new()),
        None => {
            let stays = stays(&f);
            OpRef::local_kernel(name, traits, stays, kernel::<F, Args, Out, W>(f))
        }
    }
}

/// The operator of a function that gives a `Given` of any type.
pub(super) fn local<F, Args, Out, Given, W>(f: F) -> OpRef
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: 'static,
    Given: 'static,
    W: Wrap<Out>,
{
    // A value is handed on as what it holds.
    if is_registered::<Given>() || TypeId::of::<Given>() == TypeId::of::<Value>() {
        return operator::<F, Args, Out, W>(f);
    }
    let (name, stays) = (type_name::<F>(), Stays::Gives(type_name::<Given>()));
    OpRef::local_kernel(
        name,
        OpTraits::default(),
        stays,
        kernel::<F, Args, Out, W>(f),
    )
}

fn kernel<F, Args, Out, W>(f: F) -> Arc<dyn Kernel>
where
    F: Function<Args, Out>,
    Args: 'static,
    Out: 'static,
    W: Wrap<Out>,
{
    Arc::new(move |inputs: &mut [Value], _: &TaskContext<'_>| W::wrap(f.apply(inputs)?))
}

/// Makes the kernel of a function in whatever process it runs.
struct Call<Args, Out, W> {
    args: PhantomData<fn() -> Args>,
    out: PhantomData<fn() -> Out>,
    wrap: PhantomData<fn() -> W>,
}

impl<F, Args, Out, W> Maker<F> for Call<Args, Out, W>
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
pub(crate) struct Any;

impl<T: std::any::Any + Send + Sync> Wrap<T> for Any {
    fn wrap(returned: T) -> Result<Value> {
        Ok(Value::new(returned))
    }
}

/// A value of a serde type: it can leave the process.
pub(crate) struct Serde;

impl<T: Portable> Wrap<T> for Serde {
    fn wrap(returned: T) -> Result<Value> {
        Ok(Value::serde(returned))
    }
}

/// A `Result`, whose error is the task's.
pub(crate) struct Fallible<W>(PhantomData<W>);

impl<T, E, W: Wrap<T>> Wrap<Result<T, E>> for Fallible<W>
where
    T: 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    fn wrap(returned: Result<T, E>) -> Result<Value> {
        match returned {
            Ok(value) => W::wrap(value),
            Err(e) => Err(crate::operator::function::task_error(e.into())),
        }
    }
}

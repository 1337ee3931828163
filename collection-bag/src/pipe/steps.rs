//! Steps over items: map, filter, flat_map and their kin.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use kvern_core::{Error, ErrorKind, Result};
use serde::de::DeserializeOwned;

use super::pull::Pull;
use super::sources::IterStage;
use super::{AnyStage, Env, Flow, FromClosure, Stage, Step};

/// What a step holds: the function, and parameters where there are some.
pub(crate) struct Call<F, P, K>(Arc<(F, P)>, PhantomData<fn() -> K>);

impl<F: 'static, K: 'static> FromClosure<F> for Call<F, (), K> {
    fn from_closure(f: F, _: &[u8]) -> Result<Self> {
        Ok(Self(Arc::new((f, ())), PhantomData))
    }
}

/// [`Call`] with parameters that were serialised.
pub(crate) struct CallWith<F, P, K>(Call<F, P, K>);

impl<F: 'static, P: DeserializeOwned + 'static, K: 'static> FromClosure<F> for CallWith<F, P, K> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        let params = kvern_core::operator::decode_params(std::any::type_name::<F>(), params)?;
        Ok(Self(Call(Arc::new((f, params)), PhantomData)))
    }
}

impl<F, P, K> Step for CallWith<F, P, K>
where
    Call<F, P, K>: Step,
    K: 'static,
{
    fn attach(&self, upstream: AnyStage, env: &Rc<Env>) -> Result<AnyStage> {
        self.0.attach(upstream, env)
    }
}

/// What is done for each item: from a `T` to whatever is pushed on.
struct Each<T, C> {
    upstream: Box<dyn Stage<T>>,
    call: C,
}

/// Attaches a stage that calls `each` with every item and the sink below.
fn each<T: 'static, U: 'static>(
    upstream: AnyStage,
    call: impl Fn(T, &mut dyn FnMut(U) -> Flow) -> Flow + 'static,
) -> Result<AnyStage> {
    Ok(AnyStage::items::<U>(Each {
        upstream: upstream.into_items::<T>()?,
        call,
    }))
}

impl<T, U, C: Fn(T, &mut dyn FnMut(U) -> Flow) -> Flow> Stage<U> for Each<T, C> {
    fn advance(&mut self, sink: &mut dyn FnMut(U) -> Flow) -> Flow<bool> {
        let call = &self.call;
        self.upstream.advance(&mut |item| call(item, sink))
    }
}

/// What user code returned as an error, as that of the task: a kvern error stays what it is.
#[cold]
pub(crate) fn task_error(e: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match e.downcast::<Error>() {
        Ok(own) => *own,
        Err(other) => Error::with_source(ErrorKind::Task, other.to_string(), other),
    }
}

/// `map(f)`.
pub(crate) struct MapKind<T, U>(PhantomData<fn(T) -> U>);

impl<F, T: 'static, U: 'static> Step for Call<F, (), MapKind<T, U>>
where
    F: Fn(T) -> U + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        each(upstream, move |x: T, sink| sink((f.0)(x)))
    }
}

/// `map_with(params, f)`.
pub(crate) struct MapWithKind<T, U>(PhantomData<fn(T) -> U>);

impl<F, P, T: 'static, U: 'static> Step for Call<F, P, MapWithKind<T, U>>
where
    F: Fn(&P, T) -> U + Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        each(upstream, move |x: T, sink| sink((f.0)(&f.1, x)))
    }
}

/// `try_map(f)`.
pub(crate) struct TryMapKind<T, U, E>(PhantomData<fn(T) -> (U, E)>);

impl<F, T: 'static, U: 'static, E> Step for Call<F, (), TryMapKind<T, U, E>>
where
    F: Fn(T) -> Result<U, E> + Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        each(upstream, move |x: T, sink| match (f.0)(x) {
            Ok(y) => sink(y),
            Err(e) => Err(task_error(e.into()).into()),
        })
    }
}

/// `filter(f)`.
pub(crate) struct FilterKind<T>(PhantomData<fn(T)>);

impl<F, T: 'static> Step for Call<F, (), FilterKind<T>>
where
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        each(upstream, move |x: T, sink| match (f.0)(&x) {
            true => sink(x),
            false => Ok(()),
        })
    }
}

/// `filter_with(params, f)`.
pub(crate) struct FilterWithKind<T>(PhantomData<fn(T)>);

impl<F, P, T: 'static> Step for Call<F, P, FilterWithKind<T>>
where
    F: Fn(&P, &T) -> bool + Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        each(upstream, move |x: T, sink| match (f.0)(&f.1, &x) {
            true => sink(x),
            false => Ok(()),
        })
    }
}

/// `flat_map(f)`.
pub(crate) struct FlatMapKind<T, I>(PhantomData<fn(T) -> I>);

impl<F, T: 'static, I> Step for Call<F, (), FlatMapKind<T, I>>
where
    F: Fn(T) -> I + Send + Sync + 'static,
    I: IntoIterator + 'static,
    I::Item: 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        each(upstream, move |x: T, sink| {
            (f.0)(x).into_iter().try_for_each(&mut *sink)
        })
    }
}

/// The items of a partition as `map_partitions` hands them to its function.
pub struct Items<T>(pub(crate) Pull<T>);

impl<T> Iterator for Items<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next()
    }
}

/// Attaches a stage over what a function makes of the iterator over a partition's items.
fn pulled<T: 'static, I>(
    upstream: AnyStage,
    f: impl FnOnce(Items<T>) -> I + 'static,
) -> Result<AnyStage>
where
    I: Iterator + 'static,
    I::Item: 'static,
{
    let pull = Pull::new(upstream.into_items::<T>()?);
    let failed = pull.failed();
    // The function is called when the first item is wanted, not when the chain is put together.
    let items = super::pull::Later::new(move || f(Items(pull)));
    Ok(AnyStage::items(super::pull::Checked {
        stage: IterStage::new(items),
        failed,
    }))
}

/// `map_partitions(f)`.
pub(crate) struct PartitionsKind<T, I>(PhantomData<fn(T) -> I>);

impl<F, T: 'static, I> Step for Call<F, (), PartitionsKind<T, I>>
where
    F: Fn(Items<T>) -> I + Send + Sync + 'static,
    I: IntoIterator + 'static,
    I::Item: 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        pulled(upstream, move |items| (f.0)(items).into_iter())
    }

    fn pulls(&self) -> bool {
        true
    }
}

/// The first function of `reduction(f, …)`: one item a partition. A step of its own, because a closure around the user's function
/// would not travel.
pub(crate) struct WholeKind<T, A>(PhantomData<fn(T) -> A>);

impl<F, T: 'static, A: 'static> Step for Call<F, (), WholeKind<T, A>>
where
    F: Fn(Items<T>) -> A + Send + Sync + 'static,
{
    fn attach(&self, upstream: AnyStage, _: &Rc<Env>) -> Result<AnyStage> {
        let f = self.0.clone();
        pulled(upstream, move |items| std::iter::once((f.0)(items)))
    }

    fn pulls(&self) -> bool {
        true
    }
}

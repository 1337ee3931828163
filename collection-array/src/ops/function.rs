//! Functions of users over chunks: the operator that such a function becomes, one that travels if the function does.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use kvern_core::operator::{Kernel, decode_params};
use kvern_core::travel::{self, Maker};
use kvern_core::{Error, ErrorKind, Key, OpRef, Result, Splits, TaskContext, Value};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{BY_BLOCK, block_ranges};
use crate::value::{chunk_of, to_value};
use kvern_kernels::dtype::Element;

/// Where a chunk lies: a range of positions an axis.
type Place = [Range<usize>];

/// How a chunk is made by a function. A type says it, and not a closure around the function: what another process makes of the function can
/// hold nothing that was captured here.
pub(crate) trait Way<F>: 'static {
    /// The method that the user called.
    const METHOD: &'static str;
    /// What goes along with the function.
    type Params: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The elements it makes.
    type Out: Element;

    /// The chunk at this place.
    ///
    /// # Errors
    /// If the inputs are not what the function takes.
    fn chunk(
        f: &F,
        params: &Self::Params,
        inputs: &[Value],
        place: &Place,
    ) -> Result<ArrayD<Self::Out>>;
}

/// The operator that makes the chunks of an array that is cut like this. It travels if the function does.
/// It is equal to nothing but itself: nobody has said that the function gives the same whenever it is asked.
pub(crate) fn function_op<W, F>(chunks: &[Splits], params: W::Params, f: F) -> OpRef
where
    W: Way<F>,
    F: Send + Sync + 'static,
{
    let name = format!("array.{}", W::METHOD);
    // Lengths can always be written; who takes parameters from a user has written them before.
    let own = kvern_core::key::unique("array.function");
    let sent = postcard::to_allocvec(&(chunks, &params, own)).ok();
    match travel::recipe::<F, Make<W>>(&f).zip(sent) {
        Some((recipe, sent)) => OpRef::travelling(name, BY_BLOCK, recipe, sent),
        None => {
            let (chunks, stays) = (chunks.to_vec(), travel::stays(&f));
            let kernel = Run::<F, W> { f, chunks, params };
            OpRef::local_kernel(name, BY_BLOCK, stays, Arc::new(kernel))
        }
    }
}

/// Parameters as the processes that run a function will have them, this one among them: written, and read again.
///
/// # Errors
/// If either cannot be done.
pub(crate) fn as_sent<P: Serialize + DeserializeOwned>(method: &str, params: &P) -> Result<P> {
    let bytes = postcard::to_allocvec(params).map_err(|e| {
        let words = format!("the parameters of {method} cannot be serialised");
        Error::with_source(ErrorKind::BadInput, words, e)
    })?;
    decode_params(method, &bytes)
}

struct Run<F, W: Way<F>> {
    f: F,
    chunks: Vec<Splits>,
    params: W::Params,
}

impl<F: Send + Sync, W: Way<F>> Kernel for Run<F, W> {
    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let place: Vec<Range<usize>> = block_ranges(&self.chunks, ctx.block())
            .into_iter()
            .map(|(start, len)| start as usize..(start + len) as usize)
            .collect();
        let made = W::chunk(&self.f, &self.params, inputs, &place)?;
        let wanted = lengths(&place);
        if made.shape() != wanted {
            return Err(Error::bad_input(format!(
                "the function of {} made a chunk of shape {:?} at {place:?}, where {wanted:?} is needed",
                W::METHOD,
                made.shape()
            )));
        }
        Ok(to_value(made.into()))
    }
}

/// Makes a [`Run`] in whatever process it runs.
struct Make<W>(PhantomData<fn() -> W>);

impl<F: Send + Sync + 'static, W: Way<F>> Maker<F> for Make<W> {
    type Made = Arc<dyn Kernel>;

    fn make(f: F, sent: &[u8]) -> Result<Self::Made> {
        let (chunks, params, _own): (_, _, Key) = decode_params(W::METHOD, sent)?;
        Ok(Arc::new(Run::<F, W> { f, chunks, params }))
    }
}

fn lengths(place: &Place) -> Vec<usize> {
    place.iter().map(ExactSizeIterator::len).collect()
}

/// The view of the only input.
fn input<'a, T: Element>(method: &str, inputs: &'a [Value]) -> Result<ArrayViewD<'a, T>> {
    let [value] = inputs else {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("{method} takes one chunk, got {}", inputs.len()),
        ));
    };
    let chunk = chunk_of(value)?;
    chunk.peek::<T>().map(|typed| typed.view()).ok_or_else(|| {
        Error::bad_input(format!(
            "{method}: a chunk of {}, expected {}",
            chunk.dtype(),
            T::DTYPE
        ))
    })
}

/// An element by its position.
pub(crate) struct FromFn<T>(PhantomData<fn() -> T>);

impl<T: Element, F: Fn(&[usize]) -> T> Way<F> for FromFn<T> {
    const METHOD: &'static str = "from_fn";
    type Params = ();
    type Out = T;

    fn chunk(f: &F, (): &(), _: &[Value], place: &Place) -> Result<ArrayD<T>> {
        let mut at = vec![0; place.len()];
        Ok(ArrayD::from_shape_fn(IxDyn(&lengths(place)), |i| {
            for (axis, r) in place.iter().enumerate() {
                at[axis] = r.start + i[axis];
            }
            f(&at)
        }))
    }
}

/// A chunk by its place.
pub(crate) struct FromBlockFn<T>(PhantomData<fn() -> T>);

impl<T: Element, F: Fn(&Place) -> ArrayD<T>> Way<F> for FromBlockFn<T> {
    const METHOD: &'static str = "from_block_fn";
    type Params = ();
    type Out = T;

    fn chunk(f: &F, (): &(), _: &[Value], place: &Place) -> Result<ArrayD<T>> {
        Ok(f(place))
    }
}

/// A chunk by another of its shape.
pub(crate) struct MapBlocks<T, U>(PhantomData<fn(T) -> U>);

impl<T: Element, U: Element, F> Way<F> for MapBlocks<T, U>
where
    F: Fn(ArrayViewD<'_, T>) -> ArrayD<U>,
{
    const METHOD: &'static str = "map_blocks";
    type Params = ();
    type Out = U;

    fn chunk(f: &F, (): &(), inputs: &[Value], _: &Place) -> Result<ArrayD<U>> {
        Ok(f(input(<Self as Way<F>>::METHOD, inputs)?))
    }
}

/// A chunk by parameters and another of its shape.
pub(crate) struct MapBlocksWith<P, T, U>(PhantomData<fn(P, T) -> U>);

impl<P, T: Element, U: Element, F> Way<F> for MapBlocksWith<P, T, U>
where
    P: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn(&P, ArrayViewD<'_, T>) -> ArrayD<U>,
{
    const METHOD: &'static str = "map_blocks_with";
    type Params = P;
    type Out = U;

    fn chunk(f: &F, params: &P, inputs: &[Value], _: &Place) -> Result<ArrayD<U>> {
        Ok(f(params, input(<Self as Way<F>>::METHOD, inputs)?))
    }
}

/// A chunk by another and the place of the result.
pub(crate) struct MapBlocksTo<T, U>(PhantomData<fn(T) -> U>);

impl<T: Element, U: Element, F> Way<F> for MapBlocksTo<T, U>
where
    F: Fn(ArrayViewD<'_, T>, &Place) -> ArrayD<U>,
{
    const METHOD: &'static str = "map_blocks_to";
    type Params = ();
    type Out = U;

    fn chunk(f: &F, (): &(), inputs: &[Value], place: &Place) -> Result<ArrayD<U>> {
        Ok(f(input(<Self as Way<F>>::METHOD, inputs)?, place))
    }
}

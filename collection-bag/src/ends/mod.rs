//! What eats the items of a partition: lists, and reductions whose partial results are put together in a tree.

pub(crate) mod collect;
pub(crate) mod count;
pub(crate) mod distinct;
pub(crate) mod exact;
pub(crate) mod fold;
pub(crate) mod foldby;
pub(crate) mod frequencies;
pub(crate) mod number;
pub(crate) mod order;
pub(crate) mod staged;
pub(crate) mod topk;
pub(crate) mod write;

use std::marker::PhantomData;
use std::rc::Rc;

use kvern_core::{Pieces, Result, Value};

use crate::pipe::{
    AnyStage, Eating, End, Env, Flow, FromClosure, FromParams, Stage, TextStage, more,
};
use crate::skipped::Skipped;
use crate::value::{Partial, Partition, Portable, written};

/// A reduction: items to a partial result, partial results to one, one to the result.
pub(crate) trait Reduce: Send + Sync + 'static {
    /// The partial result.
    type Acc: Portable;

    /// The partial result of no items.
    fn start(&self) -> Self::Acc;

    /// Two neighbouring partial results in one.
    ///
    /// # Errors
    /// If they cannot be put together.
    fn merge(&self, acc: &mut Self::Acc, next: Self::Acc) -> Result<()>;

    /// The result as a value: [`item`] or [`partition`].
    ///
    /// # Errors
    /// If there is none.
    fn result(&self, acc: Self::Acc, skipped: Skipped) -> Result<Value>;

    /// About how many bytes a partial result holds.
    fn nbytes(acc: &Self::Acc) -> u64 {
        size_of::<Self::Acc>() as u64 + written(acc)
    }

    /// A partial result by key in `n`; `None`: it has no keys.
    fn split(&self, _acc: Self::Acc, _n: usize) -> Option<Vec<Self::Acc>> {
        None
    }

    /// The partial result as it is kept until it is merged: room to grow given back, what is not needed left out.
    fn settle(&self, _acc: &mut Self::Acc) {}
}

/// A reduction over items of type `T`.
pub(crate) trait ReduceItems<T>: Reduce {
    /// Adds an item.
    fn step(&self, acc: &mut Self::Acc, item: T) -> Flow;
}

/// A reduction over text.
pub(crate) trait ReduceText: Reduce {
    /// Adds a text.
    fn step(&self, acc: &mut Self::Acc, text: &str) -> Flow;
}

/// The result of an `Item`.
pub(crate) fn item<A: Portable>(result: A, skipped: Skipped) -> Result<Value> {
    let bytes = size_of::<A>() as u64 + written(&result);
    Ok(Partial::value(result, skipped, bytes))
}

/// The result that is a bag of one partition.
pub(crate) fn partition<T: Portable>(items: Vec<T>, skipped: Skipped) -> Result<Value> {
    Ok(Partition::value(items, skipped))
}

/// The end that a reduction of items of type `T` is.
pub(crate) struct Eat<R, T>(R, PhantomData<fn(T)>);

/// The end that a reduction of text is.
pub(crate) struct EatText<R>(R);

impl<F, R: FromClosure<F>, T: 'static> FromClosure<F> for Eat<R, T> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        Ok(Self(R::from_closure(f, params)?, PhantomData))
    }
}

impl<R: FromParams, T: 'static> FromParams for Eat<R, T> {
    fn from_params(params: &[u8]) -> Result<Self> {
        Ok(Self(R::from_params(params)?, PhantomData))
    }
}

impl<F, R: FromClosure<F>> FromClosure<F> for EatText<R> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        Ok(Self(R::from_closure(f, params)?))
    }
}

impl<R: FromParams> FromParams for EatText<R> {
    fn from_params(params: &[u8]) -> Result<Self> {
        Ok(Self(R::from_params(params)?))
    }
}

fn split<R: Reduce>(reduce: &R, part: Value, n: usize) -> Result<Pieces> {
    let (acc, skipped) = Partial::<R::Acc>::take(part)?;
    let accs = reduce.split(acc, n).ok_or_else(|| {
        kvern_core::Error::new(
            kvern_core::ErrorKind::Internal,
            "a result without keys is not split",
        )
    })?;
    // What was skipped is counted once.
    let mut skipped = Some(skipped);
    let parts = accs.into_iter();
    let parts = parts.map(|acc| partial(reduce, acc, skipped.take().unwrap_or_default()));
    Ok(Pieces(parts.collect()))
}

fn partial<R: Reduce>(reduce: &R, mut acc: R::Acc, skipped: Skipped) -> Value {
    reduce.settle(&mut acc);
    let bytes = R::nbytes(&acc);
    Partial::value(acc, skipped, bytes)
}

/// All partial results in one, in their order.
fn merged<R: Reduce>(reduce: &R, parts: &mut [Value]) -> Result<(R::Acc, Skipped)> {
    let mut parts = parts.iter_mut();
    let (mut acc, mut skipped) = match parts.next() {
        Some(first) => Partial::<R::Acc>::take(std::mem::replace(first, Value::UNIT))?,
        None => (reduce.start(), Skipped::default()),
    };
    for part in parts {
        let (next, more) = Partial::<R::Acc>::take(std::mem::replace(part, Value::UNIT))?;
        reduce.merge(&mut acc, next)?;
        skipped.add(&more);
    }
    Ok((acc, skipped))
}

/// A reduction of what stage `S` gives.
struct Reducing<'a, R: Reduce, S> {
    reduce: &'a R,
    stage: S,
    acc: R::Acc,
    env: Rc<Env>,
}

impl<R: Reduce, S> Reducing<'_, R, S> {
    fn result(self) -> Value {
        partial(self.reduce, self.acc, self.env.skipped())
    }
}

impl<R: ReduceItems<T>, T: 'static> Eating for Reducing<'_, R, Box<dyn Stage<T>>> {
    fn advance(&mut self) -> Result<bool> {
        let (reduce, acc) = (self.reduce, &mut self.acc);
        more(self.stage.advance(&mut |item| reduce.step(acc, item)))
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        Ok(self.result())
    }
}

impl<R: ReduceText> Eating for Reducing<'_, R, Box<dyn TextStage>> {
    fn advance(&mut self) -> Result<bool> {
        let (reduce, acc) = (self.reduce, &mut self.acc);
        more(self.stage.advance(&mut |text| reduce.step(acc, text)))
    }

    fn finish(self: Box<Self>) -> Result<Value> {
        Ok(self.result())
    }
}

impl<R: ReduceItems<T>, T: 'static> End for Eat<R, T> {
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        Ok(Box::new(Reducing {
            reduce: &self.0,
            stage: stage.into_items::<T>()?,
            acc: self.0.start(),
            env: env.clone(),
        }))
    }

    fn combine(&self, parts: &mut [Value]) -> Result<Value> {
        let (acc, skipped) = merged(&self.0, parts)?;
        Ok(partial(&self.0, acc, skipped))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        let (acc, skipped) = merged(&self.0, parts)?;
        self.0.result(acc, skipped)
    }

    fn split(&self, part: Value, n: usize) -> Result<Pieces> {
        split(&self.0, part, n)
    }
}

impl<R: ReduceText> End for EatText<R> {
    fn begin<'a>(&'a self, stage: AnyStage, env: &Rc<Env>) -> Result<Box<dyn Eating + 'a>> {
        Ok(Box::new(Reducing {
            reduce: &self.0,
            stage: stage.into_text()?,
            acc: self.0.start(),
            env: env.clone(),
        }))
    }

    fn combine(&self, parts: &mut [Value]) -> Result<Value> {
        let (acc, skipped) = merged(&self.0, parts)?;
        Ok(partial(&self.0, acc, skipped))
    }

    fn finish(&self, parts: &mut [Value]) -> Result<Value> {
        let (acc, skipped) = merged(&self.0, parts)?;
        self.0.result(acc, skipped)
    }

    fn split(&self, part: Value, n: usize) -> Result<Pieces> {
        split(&self.0, part, n)
    }
}

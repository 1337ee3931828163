//! `fold`: any reduction by two functions; `reduction`: by a function of a whole partition.

use kvern_core::{Result, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Reduce, ReduceItems, ReduceText, item};
use crate::pipe::{Flow, FromClosure};
use crate::skipped::Skipped;
use crate::value::{Packed, Portable};

/// A value that a function takes and gives back. Written as a list, so that an `Option` in it stays one.
#[derive(Debug, Clone)]
pub(crate) struct Held<A>(pub(crate) Option<A>);

impl<A: Serialize> Serialize for Held<A> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.as_slice())
    }
}

impl<'de, A: Deserialize<'de>> Deserialize<'de> for Held<A> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self(Vec::<A>::deserialize(d)?.pop()))
    }
}

/// The functions are `(step, combine)`.
pub(crate) struct Fold<F, A> {
    f: F,
    init: A,
}

impl<F: 'static, A: Portable> FromClosure<F> for Fold<F, A> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        let Packed(init) = kvern_core::operator::decode_params("fold", params)?;
        Ok(Self { f, init })
    }
}

impl<S, C, A> Reduce for Fold<(S, C), A>
where
    S: Send + Sync + 'static,
    C: Fn(A, A) -> A + Send + Sync + 'static,
    A: Portable,
{
    type Acc = Held<A>;

    fn start(&self) -> Held<A> {
        Held(Some(self.init.clone()))
    }

    fn merge(&self, acc: &mut Held<A>, next: Held<A>) -> Result<()> {
        *acc = match (acc.0.take(), next.0) {
            (Some(a), Some(b)) => Held(Some((self.f.1)(a, b))),
            (a, b) => Held(a.or(b)),
        };
        Ok(())
    }

    fn result(&self, acc: Held<A>, skipped: Skipped) -> Result<Value> {
        item(acc.0.unwrap_or_else(|| self.init.clone()), skipped)
    }
}

impl<T, S, C, A> ReduceItems<T> for Fold<(S, C), A>
where
    S: Fn(A, T) -> A + Send + Sync + 'static,
    C: Fn(A, A) -> A + Send + Sync + 'static,
    A: Portable,
{
    #[inline]
    fn step(&self, acc: &mut Held<A>, x: T) -> Flow {
        let a = acc.0.take().unwrap_or_else(|| self.init.clone());
        acc.0 = Some((self.f.0)(a, x));
        Ok(())
    }
}

impl<S, C, A> ReduceText for Fold<(S, C), A>
where
    S: Fn(A, &str) -> A + Send + Sync + 'static,
    C: Fn(A, A) -> A + Send + Sync + 'static,
    A: Portable,
{
    #[inline]
    fn step(&self, acc: &mut Held<A>, text: &str) -> Flow {
        let a = acc.0.take().unwrap_or_else(|| self.init.clone());
        acc.0 = Some((self.f.0)(a, text));
        Ok(())
    }
}

/// What partitions were made into, put together by a function of all of them. Items are one a partition.
pub(crate) struct Aggregate<F, A, B> {
    f: F,
    types: std::marker::PhantomData<fn(A) -> B>,
}

impl<F: 'static, A: 'static, B: 'static> FromClosure<F> for Aggregate<F, A, B> {
    fn from_closure(f: F, _: &[u8]) -> Result<Self> {
        Ok(Self {
            f,
            types: std::marker::PhantomData,
        })
    }
}

impl<F, A: Portable, B: Portable> Reduce for Aggregate<F, A, B>
where
    F: Fn(Vec<A>) -> B + Send + Sync + 'static,
{
    type Acc = Vec<A>;

    fn start(&self) -> Vec<A> {
        Vec::new()
    }

    fn merge(&self, acc: &mut Vec<A>, next: Vec<A>) -> Result<()> {
        acc.extend(next);
        Ok(())
    }

    fn result(&self, acc: Vec<A>, skipped: Skipped) -> Result<Value> {
        item((self.f)(acc), skipped)
    }
}

impl<F, A: Portable, B: Portable> ReduceItems<A> for Aggregate<F, A, B>
where
    F: Fn(Vec<A>) -> B + Send + Sync + 'static,
{
    fn step(&self, acc: &mut Vec<A>, x: A) -> Flow {
        acc.push(x);
        Ok(())
    }
}

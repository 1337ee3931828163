//! `foldby`: a fold for each key, in the order in which keys are first seen; `groupby`: the items of each key.

use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use indexmap::IndexMap;
use kvern_core::{Result, Value};
use serde::{Deserialize, Serialize};

use super::fold::Held;
use super::{Reduce, ReduceItems, ReduceText, partition};
use crate::hash::FoldState;
use crate::pipe::{Flow, FromClosure};
use crate::skipped::Skipped;
use crate::value::{Packed, Portable, written};

/// Partial results by key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize + Hash + Eq, A: Serialize",
    deserialize = "K: Deserialize<'de> + Hash + Eq, A: Deserialize<'de>"
))]
pub(crate) struct Groups<K, A>(
    #[serde(with = "indexmap::map::serde_seq")] pub(crate) IndexMap<K, A, FoldState>,
);

impl<K: Portable, A: Portable> Groups<K, A> {
    pub(crate) fn new() -> Self {
        Self(IndexMap::default())
    }

    /// Each key in the one of `n` that its hash says, which is the same in all processes.
    pub(crate) fn split(self, n: usize) -> Vec<Self>
    where
        K: Hash + Eq,
    {
        let mut parts: Vec<Self> = (0..n).map(|_| Self::new()).collect();
        for (k, a) in self.0 {
            let h = FoldState::STABLE.hash_one(&k);
            // The upper half: of the lower one, the table of each part would have the same bits for all.
            parts[((h >> 32) as usize) % n].0.insert(k, a);
        }
        parts
    }

    /// About how many bytes they hold.
    pub(crate) fn nbytes(&self) -> u64 {
        let inline = self.0.capacity() * (size_of::<(K, A, u64)>() + 12);
        let every = self.0.len().div_ceil(256).max(1);
        let measured = (0..self.0.len()).step_by(every);
        let n = measured.len().max(1) as u64;
        let bytes: u64 = measured
            .filter_map(|i| self.0.get_index(i))
            .map(|(k, a)| written(k) + written(a))
            .sum();
        inline as u64 + bytes * self.0.len() as u64 / n
    }
}

/// The functions are `(key, (step, combine))`.
pub(crate) struct FoldBy<F, K, A> {
    f: F,
    init: A,
    key: PhantomData<fn() -> K>,
}

impl<F: 'static, K: 'static, A: Portable> FromClosure<F> for FoldBy<F, K, A> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        let Packed(init) = kvern_core::operator::decode_params("foldby", params)?;
        Ok(Self {
            f,
            init,
            key: PhantomData,
        })
    }
}

impl<B, S, C, K, A> Reduce for FoldBy<(B, (S, C)), K, A>
where
    B: Send + Sync + 'static,
    S: Send + Sync + 'static,
    C: Fn(A, A) -> A + Send + Sync + 'static,
    K: Portable + Hash + Eq,
    A: Portable,
{
    type Acc = Groups<K, Held<A>>;

    fn start(&self) -> Self::Acc {
        Groups::new()
    }

    fn merge(&self, acc: &mut Self::Acc, next: Self::Acc) -> Result<()> {
        for (key, Held(b)) in next.0 {
            let slot = acc.0.entry(key).or_insert(Held(None));
            *slot = match (slot.0.take(), b) {
                (Some(a), Some(b)) => Held(Some((self.f.1.1)(a, b))),
                (a, b) => Held(a.or(b)),
            };
        }
        Ok(())
    }

    fn result(&self, acc: Self::Acc, skipped: Skipped) -> Result<Value> {
        let pairs = acc.0.into_iter();
        let pairs = pairs.filter_map(|(k, a)| Some((k, a.0?)));
        partition(pairs.collect(), skipped)
    }

    fn nbytes(acc: &Self::Acc) -> u64 {
        acc.nbytes()
    }

    fn split(&self, acc: Self::Acc, n: usize) -> Option<Vec<Self::Acc>> {
        Some(acc.split(n))
    }
}

impl<B, S, C, K, A> FoldBy<(B, (S, C)), K, A>
where
    K: Portable + Hash + Eq,
    A: Portable,
{
    #[inline]
    fn slot<'a>(&self, acc: &'a mut Groups<K, Held<A>>, key: K) -> (&'a mut Held<A>, A) {
        let slot = acc.0.entry(key).or_insert(Held(None));
        let a = slot.0.take().unwrap_or_else(|| self.init.clone());
        (slot, a)
    }
}

impl<T, B, S, C, K, A> ReduceItems<T> for FoldBy<(B, (S, C)), K, A>
where
    B: Fn(&T) -> K + Send + Sync + 'static,
    S: Fn(A, T) -> A + Send + Sync + 'static,
    C: Fn(A, A) -> A + Send + Sync + 'static,
    K: Portable + Hash + Eq,
    A: Portable,
{
    #[inline]
    fn step(&self, acc: &mut Self::Acc, x: T) -> Flow {
        let (slot, a) = self.slot(acc, (self.f.0)(&x));
        slot.0 = Some((self.f.1.0)(a, x));
        Ok(())
    }
}

impl<B, S, C, K, A> ReduceText for FoldBy<(B, (S, C)), K, A>
where
    B: Fn(&str) -> K + Send + Sync + 'static,
    S: Fn(A, &str) -> A + Send + Sync + 'static,
    C: Fn(A, A) -> A + Send + Sync + 'static,
    K: Portable + Hash + Eq,
    A: Portable,
{
    #[inline]
    fn step(&self, acc: &mut Self::Acc, text: &str) -> Flow {
        let (slot, a) = self.slot(acc, (self.f.0)(text));
        slot.0 = Some((self.f.1.0)(a, text));
        Ok(())
    }
}

/// The items of each key.
pub(crate) struct GroupBy<F, K, T> {
    key: F,
    of: PhantomData<fn(T) -> K>,
}

impl<F: 'static, K: 'static, T: 'static> FromClosure<F> for GroupBy<F, K, T> {
    fn from_closure(key: F, _: &[u8]) -> Result<Self> {
        Ok(Self {
            key,
            of: PhantomData,
        })
    }
}

impl<F, K, T> Reduce for GroupBy<F, K, T>
where
    F: Fn(&T) -> K + Send + Sync + 'static,
    K: Portable + Hash + Eq,
    T: Portable,
{
    type Acc = Groups<K, Vec<T>>;

    fn start(&self) -> Self::Acc {
        Groups::new()
    }

    fn merge(&self, acc: &mut Self::Acc, next: Self::Acc) -> Result<()> {
        for (key, items) in next.0 {
            acc.0.entry(key).or_default().extend(items);
        }
        Ok(())
    }

    fn result(&self, acc: Self::Acc, skipped: Skipped) -> Result<Value> {
        partition(acc.0.into_iter().collect(), skipped)
    }

    fn nbytes(acc: &Self::Acc) -> u64 {
        acc.nbytes()
    }

    fn split(&self, acc: Self::Acc, n: usize) -> Option<Vec<Self::Acc>> {
        Some(acc.split(n))
    }
}

impl<F, K, T> ReduceItems<T> for GroupBy<F, K, T>
where
    F: Fn(&T) -> K + Send + Sync + 'static,
    K: Portable + Hash + Eq,
    T: Portable,
{
    #[inline]
    fn step(&self, acc: &mut Self::Acc, x: T) -> Flow {
        acc.0.entry((self.key)(&x)).or_default().push(x);
        Ok(())
    }
}

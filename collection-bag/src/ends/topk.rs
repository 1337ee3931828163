//! `topk`: the greatest items, in order.

use std::cmp::Ordering;
use std::marker::PhantomData;

use kvern_core::{Result, Value};
use serde::{Deserialize, Serialize};

use super::{Reduce, ReduceItems, partition};
use crate::pipe::{Flow, FromClosure, FromParams};
use crate::skipped::Skipped;
use crate::value::{Portable, weigh};

/// How items are compared.
pub(crate) trait Compare<T>: Send + Sync + 'static {
    fn compare(&self, a: &T, b: &T) -> Ordering;
}

/// By their own order.
pub(crate) struct Natural;

impl<T: Ord> Compare<T> for Natural {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        a.cmp(b)
    }
}

/// By a function of two.
pub(crate) struct By<F>(F);

impl<T, F: Fn(&T, &T) -> Ordering + Send + Sync + 'static> Compare<T> for By<F> {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        (self.0)(a, b)
    }
}

/// By a key.
pub(crate) struct ByKey<F, K>(F, PhantomData<fn() -> K>);

impl<T, K: Ord + 'static, F: Fn(&T) -> K + Send + Sync + 'static> Compare<T> for ByKey<F, K> {
    #[inline]
    fn compare(&self, a: &T, b: &T) -> Ordering {
        (self.0)(a).cmp(&(self.0)(b))
    }
}

/// The `k` greatest.
pub(crate) struct TopK<T, C> {
    k: u64,
    by: C,
    of: PhantomData<fn() -> T>,
}

fn k_of(params: &[u8]) -> Result<u64> {
    kvern_core::operator::decode_params("topk", params)
}

impl<T: 'static> FromParams for TopK<T, Natural> {
    fn from_params(params: &[u8]) -> Result<Self> {
        let (k, by, of) = (k_of(params)?, Natural, PhantomData);
        Ok(Self { k, by, of })
    }
}

impl<T: 'static, F: 'static> FromClosure<F> for TopK<T, By<F>> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        let (k, by, of) = (k_of(params)?, By(f), PhantomData);
        Ok(Self { k, by, of })
    }
}

impl<T: 'static, K: 'static, F: 'static> FromClosure<F> for TopK<T, ByKey<F, K>> {
    fn from_closure(f: F, params: &[u8]) -> Result<Self> {
        let (k, by, of) = (k_of(params)?, ByKey(f, PhantomData), PhantomData);
        Ok(Self { k, by, of })
    }
}

/// The best so far, and some more that have not been sorted in yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Best<T> {
    items: Vec<T>,
    /// The first so many are in order, and no item that is not above the last of them is wanted.
    sorted: usize,
}

impl<T: Portable, C: Compare<T>> TopK<T, C> {
    fn k(&self) -> usize {
        usize::try_from(self.k).unwrap_or(usize::MAX)
    }

    /// Sorts, and drops what is beyond `k`. Stable, so that of equal items the earlier ones stay.
    fn sort(&self, best: &mut Best<T>) {
        best.items.sort_by(|a, b| self.by.compare(b, a));
        best.items.truncate(self.k());
        best.sorted = best.items.len();
    }

    #[inline]
    fn offer(&self, best: &mut Best<T>, x: T) {
        let k = self.k();
        if best.sorted == k {
            let Some(least) = best.sorted.checked_sub(1) else {
                return;
            };
            if self.by.compare(&x, &best.items[least]) != Ordering::Greater {
                return;
            }
        }
        best.items.push(x);
        // As many again as are kept: each item is sorted a constant number of times.
        if best.items.len() >= k.saturating_mul(2).saturating_add(16) {
            self.sort(best);
        }
    }
}

impl<T: Portable, C: Compare<T>> Reduce for TopK<T, C> {
    type Acc = Best<T>;

    fn start(&self) -> Best<T> {
        Best {
            items: Vec::new(),
            sorted: 0,
        }
    }

    fn merge(&self, acc: &mut Best<T>, next: Best<T>) -> Result<()> {
        acc.items.extend(next.items);
        self.sort(acc);
        Ok(())
    }

    fn result(&self, mut acc: Best<T>, skipped: Skipped) -> Result<Value> {
        self.sort(&mut acc);
        partition(acc.items, skipped)
    }

    fn nbytes(acc: &Best<T>) -> u64 {
        weigh(&acc.items)
    }

    fn settle(&self, acc: &mut Best<T>) {
        self.sort(acc);
        acc.items.shrink_to_fit();
    }
}

impl<T: Portable, C: Compare<T>> ReduceItems<T> for TopK<T, C> {
    #[inline]
    fn step(&self, acc: &mut Best<T>, x: T) -> Flow {
        self.offer(acc, x);
        Ok(())
    }
}

//! Where items come from, files apart: partitions that other tasks made, and functions that make them.

use std::any::type_name;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvern_core::{Error, Result, Value};
use serde::{Deserialize, Serialize};

use super::{AnyStage, Env, Flow, FromClosure, FromParams, Source, Stage};
use crate::skipped::Skipped;
use crate::value::{Partition, Portable};

/// So many items at most are pushed before somebody asks whether the run goes on.
const MOST: usize = 4096;

/// How long that should take: fewer are pushed where each takes long.
const SOON: Duration = Duration::from_millis(10);

/// How many items are pushed at once.
pub(crate) struct Pace(usize);

impl Default for Pace {
    fn default() -> Self {
        Self(1)
    }
}

impl Pace {
    /// Calls `one` a bounded number of times, or until it says that there is no more.
    pub(crate) fn run(&mut self, mut one: impl FnMut() -> Flow<bool>) -> Flow<bool> {
        let begun = Instant::now();
        for _ in 0..self.0 {
            if !one()? {
                return Ok(false);
            }
        }
        self.0 = match begun.elapsed() {
            took if took > SOON => (self.0 / 8).max(1),
            took if took > SOON / 4 => self.0,
            _ => (self.0 * 2).min(MOST),
        };
        Ok(true)
    }
}

/// Items of an iterator.
pub(crate) struct IterStage<I> {
    items: I,
    pace: Pace,
}

impl<I> IterStage<I> {
    pub(crate) fn new(items: I) -> Self {
        let pace = Pace::default();
        Self { items, pace }
    }
}

impl<I: Iterator> Stage<I::Item> for IterStage<I> {
    fn advance(&mut self, sink: &mut dyn FnMut(I::Item) -> Flow) -> Flow<bool> {
        let items = &mut self.items;
        self.pace.run(|| match items.next() {
            Some(item) => {
                sink(item)?;
                Ok(true)
            }
            None => Ok(false),
        })
    }
}

/// All items of the partitions that the task reads, one after another.
pub(crate) struct Inputs<T>(std::marker::PhantomData<fn() -> T>);

impl<T: Portable> FromParams for Inputs<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(std::marker::PhantomData))
    }
}

impl<T: Portable> Source for Inputs<T> {
    fn open(&self, inputs: &mut [Value], _: u64, env: &Rc<Env>) -> Result<AnyStage> {
        let lists = inputs.iter_mut().map(|v| take::<T>(v, env));
        let lists = lists.collect::<Result<Vec<_>>>()?;
        Ok(AnyStage::items(IterStage::new(lists.into_iter().flatten())))
    }
}

fn take<T: Portable>(input: &mut Value, env: &Env) -> Result<Vec<T>> {
    let (items, skipped) = parts::<T>(input)?;
    env.skipped_before(&skipped);
    Ok(items)
}

/// The items of a partition, and what was left out where they come from.
fn parts<T: Portable>(input: &mut Value) -> Result<(Vec<T>, Skipped)> {
    Partition::<T>::take(std::mem::replace(input, Value::UNIT))
}

/// Partition `block` of `to`, of the items of `from` partitions: several of them, or a piece of one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pieces {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Pieces {
    /// The partitions that partition `block` reads. Borders are at the multiples of `1 / from` and `1 / to`.
    pub(crate) fn reads(&self, block: u64) -> std::ops::Range<u64> {
        let first = block * self.from / self.to;
        let end = ((block + 1) * self.from).div_ceil(self.to);
        first..end.max(first + 1).min(self.from)
    }

    /// Whether the beginning of partition `read` is in partition `block`: it is in one.
    fn begins(&self, block: u64, read: u64) -> bool {
        (block * self.from..(block + 1) * self.from).contains(&(read * self.to))
    }

    /// The items of partition `read`, of `len`, that partition `block` gets.
    fn share(&self, block: u64, read: u64, len: usize) -> std::ops::Range<usize> {
        // In units of 1 / (from * to) of the whole.
        let (begin, end) = (read * self.to, (read + 1) * self.to);
        let cut = |at: u64| {
            let inside = at.clamp(begin, end) - begin;
            (len as u128 * u128::from(inside) / u128::from(self.to)) as usize
        };
        cut(block * self.from)..cut((block + 1) * self.from)
    }
}

/// [`Pieces`] of partitions of `T`.
pub(crate) struct PiecesOf<T>(Pieces, std::marker::PhantomData<fn() -> T>);

impl<T: Portable> FromParams for PiecesOf<T> {
    fn from_params(params: &[u8]) -> Result<Self> {
        let pieces = kvern_core::operator::decode_params("repartition", params)?;
        Ok(Self(pieces, std::marker::PhantomData))
    }
}

impl<T: Portable> Source for PiecesOf<T> {
    fn open(&self, inputs: &mut [Value], block: u64, env: &Rc<Env>) -> Result<AnyStage> {
        let mut lists = Vec::with_capacity(inputs.len());
        for (read, input) in self.0.reads(block).zip(inputs) {
            let (mut items, skipped) = parts::<T>(input)?;
            // A partition may feed several pieces: what it left out counts in the one that its beginning goes to.
            if self.0.begins(block, read) {
                env.skipped_before(&skipped);
            }
            let share = self.0.share(block, read, items.len());
            items.truncate(share.end);
            items.drain(..share.start);
            lists.push(items);
        }
        Ok(AnyStage::items(IterStage::new(lists.into_iter().flatten())))
    }
}

/// Partition `block` of what a function makes.
pub(crate) struct Generate<F>(Arc<F>);

impl<F: 'static> FromClosure<F> for Generate<F> {
    fn from_closure(f: F, _: &[u8]) -> Result<Self> {
        Ok(Self(Arc::new(f)))
    }
}

impl<F, I> Source for Generate<F>
where
    F: Fn(usize) -> I + Send + Sync + 'static,
    I: IntoIterator + 'static,
{
    fn open(&self, _: &mut [Value], block: u64, _: &Rc<Env>) -> Result<AnyStage> {
        let items = (self.0)(block as usize).into_iter();
        Ok(AnyStage::items(IterStage::new(items)))
    }
}

/// The numbers from 0 to `n` in `parts` partitions.
#[derive(Serialize, Deserialize)]
pub(crate) struct Numbers {
    pub(crate) n: u64,
    pub(crate) parts: u64,
}

impl FromParams for Numbers {
    fn from_params(params: &[u8]) -> Result<Self> {
        kvern_core::operator::decode_params("range", params)
    }
}

impl Source for Numbers {
    fn open(&self, _: &mut [Value], block: u64, _: &Rc<Env>) -> Result<AnyStage> {
        let cut = |i: u64| {
            let at = u128::from(self.n) * u128::from(i) / u128::from(self.parts.max(1));
            at as u64
        };
        Ok(AnyStage::items(IterStage::new(cut(block)..cut(block + 1))))
    }
}

/// Pairs of the items of two partitions, which must have equally many.
pub(crate) struct Zip<T, U>(std::marker::PhantomData<fn() -> (T, U)>);

impl<T: Portable, U: Portable> FromParams for Zip<T, U> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(std::marker::PhantomData))
    }
}

impl<T: Portable, U: Portable> Source for Zip<T, U> {
    fn open(&self, inputs: &mut [Value], block: u64, env: &Rc<Env>) -> Result<AnyStage> {
        let [a, b] = inputs else {
            let words = format!("zip reads 2 partitions, got {}", inputs.len());
            return Err(Error::bad_input(words));
        };
        let (a, b) = (take::<T>(a, env)?, take::<U>(b, env)?);
        if a.len() != b.len() {
            return Err(Error::bad_input(format!(
                "zip: partition {block} has {} items of {} and {} of {}: they must be equally many in each partition",
                a.len(),
                type_name::<T>(),
                b.len(),
                type_name::<U>()
            )));
        }
        Ok(AnyStage::items(IterStage::new(a.into_iter().zip(b))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_of_every_partition_goes_to_one_piece_in_order() {
        for from in 1..9u64 {
            for to in 1..9u64 {
                let pieces = Pieces { from, to };
                for len in [0usize, 1, 2, 7] {
                    let mut seen = Vec::new();
                    for block in 0..to {
                        for read in pieces.reads(block) {
                            seen.extend(pieces.share(block, read, len).map(|i| (read, i)));
                        }
                    }
                    let all: Vec<_> = (0..from)
                        .flat_map(|read| (0..len).map(move |i| (read, i)))
                        .collect();
                    assert_eq!(seen, all, "{from} to {to} of {len}");
                }
                for read in 0..from {
                    let begins = |&block: &u64| {
                        pieces.begins(block, read) && pieces.reads(block).contains(&read)
                    };
                    assert_eq!(
                        (0..to).filter(begins).count(),
                        1,
                        "{read} of {from} to {to}"
                    );
                }
            }
        }
    }
}

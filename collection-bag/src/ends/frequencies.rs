//! `frequencies`: how often each item is there, in the order in which they are first seen.

use std::hash::Hash;
use std::marker::PhantomData;

use kvern_core::{Result, Value};

use super::foldby::Groups;
use super::{Reduce, ReduceItems, ReduceText, partition};
use crate::counts::Counts;
use crate::pipe::{Flow, FromParams};
use crate::skipped::Skipped;
use crate::value::Portable;

/// Of items.
pub(crate) struct Frequencies<T>(PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Frequencies<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

impl<T: Portable + Hash + Eq> Reduce for Frequencies<T> {
    type Acc = Groups<T, u64>;

    fn start(&self) -> Self::Acc {
        Groups::new()
    }

    fn merge(&self, acc: &mut Self::Acc, next: Self::Acc) -> Result<()> {
        for (x, n) in next.0 {
            *acc.0.entry(x).or_insert(0) += n;
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

impl<T: Portable + Hash + Eq> ReduceItems<T> for Frequencies<T> {
    #[inline]
    fn step(&self, acc: &mut Self::Acc, x: T) -> Flow {
        *acc.0.entry(x).or_insert(0) += 1;
        Ok(())
    }
}

/// Of text: allocates for a text when it is first seen.
pub(crate) struct TextFrequencies;

impl FromParams for TextFrequencies {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Reduce for TextFrequencies {
    type Acc = Counts;

    fn start(&self) -> Counts {
        Counts::default()
    }

    fn merge(&self, acc: &mut Counts, next: Counts) -> Result<()> {
        for (s, n) in next.iter() {
            acc.add_times(s, n)?;
        }
        Ok(())
    }

    fn result(&self, acc: Counts, skipped: Skipped) -> Result<Value> {
        let pairs: Vec<(String, u64)> = acc.iter().map(|(s, n)| (s.to_owned(), n)).collect();
        partition(pairs, skipped)
    }

    fn nbytes(acc: &Counts) -> u64 {
        acc.nbytes()
    }

    fn split(&self, acc: Counts, n: usize) -> Option<Vec<Counts>> {
        acc.split(n)
    }

    fn settle(&self, acc: &mut Counts) {
        acc.settle();
    }
}

impl ReduceText for TextFrequencies {
    #[inline]
    fn step(&self, acc: &mut Counts, text: &str) -> Flow {
        acc.add(text).map_err(|e| kvern_core::Error::from(e).into())
    }
}

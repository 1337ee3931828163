//! `distinct`: each item once, in the order in which they are first seen.

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
pub(crate) struct Distinct<T>(PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Distinct<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

impl<T: Portable + Hash + Eq> Reduce for Distinct<T> {
    type Acc = Groups<T, ()>;

    fn start(&self) -> Self::Acc {
        Groups::new()
    }

    fn merge(&self, acc: &mut Self::Acc, next: Self::Acc) -> Result<()> {
        acc.0.extend(next.0);
        Ok(())
    }

    fn result(&self, acc: Self::Acc, skipped: Skipped) -> Result<Value> {
        partition(acc.0.into_keys().collect(), skipped)
    }

    fn nbytes(acc: &Self::Acc) -> u64 {
        acc.nbytes()
    }

    fn split(&self, acc: Self::Acc, n: usize) -> Option<Vec<Self::Acc>> {
        Some(acc.split(n))
    }
}

impl<T: Portable + Hash + Eq> ReduceItems<T> for Distinct<T> {
    #[inline]
    fn step(&self, acc: &mut Self::Acc, x: T) -> Flow {
        acc.0.entry(x).or_insert(());
        Ok(())
    }
}

/// Of text.
pub(crate) struct TextDistinct;

impl FromParams for TextDistinct {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Reduce for TextDistinct {
    type Acc = Counts;

    fn start(&self) -> Counts {
        Counts::default()
    }

    fn merge(&self, acc: &mut Counts, next: Counts) -> Result<()> {
        for (s, _) in next.iter() {
            acc.add_times(s, 0)?;
        }
        Ok(())
    }

    fn result(&self, acc: Counts, skipped: Skipped) -> Result<Value> {
        let texts: Vec<String> = acc.iter().map(|(s, _)| s.to_owned()).collect();
        partition(texts, skipped)
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

impl ReduceText for TextDistinct {
    #[inline]
    fn step(&self, acc: &mut Counts, text: &str) -> Flow {
        acc.add(text).map_err(|e| kvern_core::Error::from(e).into())
    }
}

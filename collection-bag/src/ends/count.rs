//! `count`, `any` and `all`.

use kvern_core::{Result, Value};

use super::{Reduce, ReduceItems, ReduceText, item};
use crate::pipe::{Flow, FromClosure, FromParams, enough};
use crate::skipped::Skipped;

/// How many items.
pub(crate) struct Count;

impl FromParams for Count {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self)
    }
}

impl Reduce for Count {
    type Acc = u64;

    fn start(&self) -> u64 {
        0
    }

    fn merge(&self, acc: &mut u64, next: u64) -> Result<()> {
        *acc += next;
        Ok(())
    }

    fn result(&self, acc: u64, skipped: Skipped) -> Result<Value> {
        item(acc, skipped)
    }
}

impl<T> ReduceItems<T> for Count {
    #[inline]
    fn step(&self, acc: &mut u64, _: T) -> Flow {
        *acc += 1;
        Ok(())
    }
}

impl ReduceText for Count {
    #[inline]
    fn step(&self, acc: &mut u64, _: &str) -> Flow {
        *acc += 1;
        Ok(())
    }
}

/// Whether any item (`WANTED`: true) passes; whether none does not (false).
pub(crate) struct Some1<F, const WANTED: bool>(F);

impl<F: 'static, const WANTED: bool> FromClosure<F> for Some1<F, WANTED> {
    fn from_closure(f: F, _: &[u8]) -> Result<Self> {
        Ok(Self(f))
    }
}

impl<F: Send + Sync + 'static, const WANTED: bool> Reduce for Some1<F, WANTED> {
    type Acc = bool;

    fn start(&self) -> bool {
        false
    }

    fn merge(&self, found: &mut bool, next: bool) -> Result<()> {
        *found |= next;
        Ok(())
    }

    fn result(&self, found: bool, skipped: Skipped) -> Result<Value> {
        item(found == WANTED, skipped)
    }
}

impl<T, F, const WANTED: bool> ReduceItems<T> for Some1<F, WANTED>
where
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn step(&self, found: &mut bool, x: T) -> Flow {
        if (self.0)(&x) == WANTED {
            *found = true;
            return enough();
        }
        Ok(())
    }
}

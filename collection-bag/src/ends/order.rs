//! `min` and `max`.

use std::cmp::Ordering;
use std::marker::PhantomData;

use kvern_core::{Error, Result, Value};

use super::fold::Held;
use super::{Reduce, ReduceItems, item};
use crate::pipe::{Flow, FromParams};
use crate::skipped::Skipped;
use crate::value::Portable;

/// The least item (`Greater`: false) or the greatest; the first of equal ones.
pub(crate) struct Extreme<T, const GREATEST: bool>(PhantomData<fn() -> T>);

impl<T: 'static, const GREATEST: bool> FromParams for Extreme<T, GREATEST> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

impl<T: PartialOrd, const GREATEST: bool> Extreme<T, GREATEST> {
    #[inline]
    fn keep(acc: &mut Held<T>, x: T) -> Result<()> {
        let best = match &acc.0 {
            None => true,
            Some(a) => {
                let wanted = match GREATEST {
                    true => Ordering::Greater,
                    false => Ordering::Less,
                };
                x.partial_cmp(a).ok_or_else(no_order::<T>)? == wanted
            }
        };
        // Something that is not even equal to itself has no place in an order.
        if best && x.partial_cmp(&x).is_none() {
            return Err(no_order::<T>());
        }
        if best {
            acc.0 = Some(x);
        }
        Ok(())
    }
}

#[cold]
fn no_order<T>() -> Error {
    Error::bad_input(format!(
        "min, max: two items of type {} have no order (NaN?): filter them out, or fold",
        std::any::type_name::<T>()
    ))
}

impl<T: Portable + PartialOrd, const GREATEST: bool> Reduce for Extreme<T, GREATEST> {
    type Acc = Held<T>;

    fn start(&self) -> Held<T> {
        Held(None)
    }

    fn merge(&self, acc: &mut Held<T>, next: Held<T>) -> Result<()> {
        next.0.map_or(Ok(()), |x| Self::keep(acc, x))
    }

    fn result(&self, acc: Held<T>, skipped: Skipped) -> Result<Value> {
        item(acc.0, skipped)
    }
}

impl<T: Portable + PartialOrd, const GREATEST: bool> ReduceItems<T> for Extreme<T, GREATEST> {
    #[inline]
    fn step(&self, acc: &mut Held<T>, x: T) -> Flow {
        Ok(Self::keep(acc, x)?)
    }
}

//! Sums and moments of numbers.

use std::marker::PhantomData;

use kvern_core::{Error, Result, Value};
use serde::{Deserialize, Serialize};

use super::{Reduce, ReduceItems, item};
use crate::pipe::{Flow, FromParams};
use crate::skipped::Skipped;
use crate::value::Portable;

/// A number that bags can sum and average.
pub trait Number: Copy + Send + Sync + 'static {
    /// The type of sums: 64 bits.
    type Sum: Portable + Copy + Default;

    /// The sum and this number; `None` if it does not fit.
    fn add_to(self, sum: Self::Sum) -> Option<Self::Sum>;

    /// Two sums in one; `None` if it does not fit.
    fn both(a: Self::Sum, b: Self::Sum) -> Option<Self::Sum>;

    /// The number for means and variances.
    fn to_f64(self) -> f64;
}

macro_rules! numbers {
    ($($t:ty: $sum:ty, $add:expr;)*) => {$(
        impl Number for $t {
            type Sum = $sum;

            #[inline]
            fn add_to(self, sum: $sum) -> Option<$sum> {
                Self::both(sum, self as $sum)
            }

            #[inline]
            fn both(a: $sum, b: $sum) -> Option<$sum> {
                let add: fn($sum, $sum) -> Option<$sum> = $add;
                add(a, b)
            }

            #[inline]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

numbers! {
    i8: i64, i64::checked_add;
    i16: i64, i64::checked_add;
    i32: i64, i64::checked_add;
    i64: i64, i64::checked_add;
    isize: i64, i64::checked_add;
    u8: u64, u64::checked_add;
    u16: u64, u64::checked_add;
    u32: u64, u64::checked_add;
    u64: u64, u64::checked_add;
    usize: u64, u64::checked_add;
    f32: f64, |a, b| Some(a + b);
    f64: f64, |a, b| Some(a + b);
}

/// `sum()`.
pub(crate) struct Sum<T>(PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Sum<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

#[cold]
fn overflow<S>() -> Error {
    Error::bad_input(format!(
        "sum: the result does not fit a {}; map to f64 or i128 and fold",
        std::any::type_name::<S>()
    ))
}

impl<T: Number> Reduce for Sum<T> {
    type Acc = T::Sum;

    fn start(&self) -> T::Sum {
        T::Sum::default()
    }

    fn merge(&self, acc: &mut T::Sum, next: T::Sum) -> Result<()> {
        *acc = T::both(*acc, next).ok_or_else(overflow::<T::Sum>)?;
        Ok(())
    }

    fn result(&self, acc: T::Sum, skipped: Skipped) -> Result<Value> {
        item(acc, skipped)
    }
}

impl<T: Number> ReduceItems<T> for Sum<T> {
    #[inline]
    fn step(&self, acc: &mut T::Sum, x: T) -> Flow {
        *acc = x.add_to(*acc).ok_or_else(overflow::<T::Sum>)?;
        Ok(())
    }
}

/// Count, mean and sum of squared deviations. Added to as Welford (1962) does, merged as Chan, Golub and LeVeque (1979) do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, x: f64) {
        self.n += 1;
        let d = x - self.mean;
        self.mean += d / self.n as f64;
        self.squares += d * (x - self.mean);
    }

    fn merge(&mut self, other: Self) {
        if other.n == 0 {
            return;
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let d = other.mean - self.mean;
        self.n += other.n;
        self.mean += d * b / (a + b);
        self.squares += other.squares + d * d * a * b / (a + b);
    }
}

/// Which of them is asked for.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Moment {
    Mean,
    Var { ddof: u32 },
    Std { ddof: u32 },
}

/// `mean()`, `var(ddof)`, `std(ddof)`.
pub(crate) struct Moments<T>(Moment, PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Moments<T> {
    fn from_params(params: &[u8]) -> Result<Self> {
        let moment = kvern_core::operator::decode_params("mean", params)?;
        Ok(Self(moment, PhantomData))
    }
}

impl<T: Number> Reduce for Moments<T> {
    type Acc = Spread;

    fn start(&self) -> Spread {
        Spread::default()
    }

    fn merge(&self, acc: &mut Spread, next: Spread) -> Result<()> {
        acc.merge(next);
        Ok(())
    }

    fn result(&self, acc: Spread, skipped: Skipped) -> Result<Value> {
        let var = |ddof: u32| {
            let free = acc.n.checked_sub(u64::from(ddof)).filter(|&n| n > 0)?;
            Some(acc.squares / free as f64)
        };
        let result: Option<f64> = match self.0 {
            Moment::Mean => (acc.n > 0).then_some(acc.mean),
            Moment::Var { ddof } => var(ddof),
            Moment::Std { ddof } => var(ddof).map(f64::sqrt),
        };
        item(result, skipped)
    }
}

impl<T: Number> ReduceItems<T> for Moments<T> {
    #[inline]
    fn step(&self, acc: &mut Spread, x: T) -> Flow {
        acc.add(x.to_f64());
        Ok(())
    }
}

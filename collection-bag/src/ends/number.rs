//! Sums and moments of numbers. Nothing is rounded before the end: the same items give the same result in any order and in any
//! partitions.

use std::marker::PhantomData;

use kvern_core::{Error, Result, Value};
use serde::{Deserialize, Serialize};

use super::exact::{Digits, Exact, LEAST, Scaled};
use super::{Reduce, ReduceItems, item};
use crate::pipe::{Flow, FromParams};
use crate::skipped::Skipped;
use crate::value::Portable;

/// A number that bags can sum and average: the integers of Rust up to 64 bits, `f32` and `f64`.
pub trait Number:
    Copy + Send + Sync + 'static + Totalled + sealed::Summed<<Self as Totalled>::Sum>
{
}

/// What sums of numbers come out as. Implemented for every [`Number`].
///
/// That of floats is one implementation, so that the type of a sum of literals is known while theirs is not: `[0.1, 0.2]`.
pub trait Totalled {
    /// The type of sums: 64 bits.
    type Sum: Portable + Copy + Default;
}

/// `f32` and `f64`.
pub trait Float {}

impl<T: Float> Totalled for T {
    type Sum = f64;
}

pub(crate) mod sealed {
    use super::Term;
    use crate::value::Portable;

    /// How a number is summed, which is nobody else's business.
    pub trait Summed<S> {
        /// A partial sum.
        type Acc: Portable + Default;

        /// Adds the number.
        fn add_to(self, acc: &mut Self::Acc);

        /// Two partial sums in one.
        ///
        /// # Errors
        /// If the bytes of one were forged.
        fn both(acc: &mut Self::Acc, other: Self::Acc) -> kvern_core::Result<()>;

        /// The sum, rounded once.
        ///
        /// # Errors
        /// If it does not fit.
        fn total(acc: Self::Acc) -> kvern_core::Result<S>;

        /// The number as moments take it.
        fn term(self) -> Term;
    }
}

use sealed::Summed;

/// A number without rounding.
pub enum Term {
    /// `m` times 2^(`shift` + [`LEAST`]).
    Finite {
        /// Its sign.
        negative: bool,
        /// The digits.
        m: u64,
        /// Where they stand.
        shift: usize,
    },
    /// Plus infinity, minus infinity, or NaN.
    Other(f64),
}

impl Term {
    #[inline]
    fn of_float(x: f64) -> Self {
        let bits = x.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7ff) as usize, bits & ((1 << 52) - 1));
        let negative = x.is_sign_negative();
        match exponent {
            0x7ff => Self::Other(x),
            0 => Self::Finite {
                negative,
                m: fraction,
                shift: 0,
            },
            e => Self::Finite {
                negative,
                m: fraction | 1 << 52,
                shift: e - 1,
            },
        }
    }
}

/// What is not finite among the items, as a sum of it: 0.0 if there was nothing of the kind.
fn beyond(acc: f64, x: f64) -> f64 {
    acc + x
}

/// A partial sum of floats.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FloatSum {
    finite: Exact,
    /// The sum of what is not finite.
    beyond: f64,
}

impl Default for FloatSum {
    fn default() -> Self {
        Self {
            finite: Exact::of_numbers(),
            beyond: 0.0,
        }
    }
}

impl FloatSum {
    #[inline]
    fn add(&mut self, x: f64) {
        match Term::of_float(x) {
            Term::Finite { negative, m, shift } => self.finite.add(negative, m, shift),
            Term::Other(x) => self.beyond = beyond(self.beyond, x),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.beyond = beyond(self.beyond, other.beyond);
        self.finite.merge(other.finite)
    }

    fn total(self) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        let (negative, digits) = self.finite.digits();
        signed(negative, digits.over(&[], LEAST).to_f64())
    }
}

fn signed(negative: bool, x: f64) -> f64 {
    if negative { -x } else { x }
}

macro_rules! integers {
    ($($sum:ty: $($t:ty)*;)*) => {$($(
        impl Number for $t {}
        impl Totalled for $t {
            type Sum = $sum;
        }

        impl Summed<$sum> for $t {
            /// 2^63 items of 64 bits fit: more than there can be.
            type Acc = i128;

            #[inline]
            fn add_to(self, acc: &mut i128) {
                *acc = acc.wrapping_add(self as i128);
            }

            fn both(acc: &mut i128, other: i128) -> Result<()> {
                *acc = acc.wrapping_add(other);
                Ok(())
            }

            fn total(acc: i128) -> Result<$sum> {
                <$sum>::try_from(acc).map_err(|_| {
                    Error::bad_input(format!(
                        "sum: {acc} does not fit a {} ({} to {}); map the items to f64, or fold them into an i128",
                        stringify!($sum),
                        <$sum>::MIN,
                        <$sum>::MAX
                    ))
                })
            }

            #[inline]
            #[allow(unused_comparisons, reason = "unsigned ones, too")]
            fn term(self) -> Term {
                Term::Finite {
                    negative: self < 0,
                    m: (self as i128).unsigned_abs() as u64,
                    shift: LEAST.unsigned_abs() as usize,
                }
            }
        }
    )*)*};
}

integers! {
    i64: i8 i16 i32 i64 isize;
    u64: u8 u16 u32 u64 usize;
}

macro_rules! floats {
    ($($t:ty)*) => {$(
        impl Float for $t {}
        impl Number for $t {}

        impl Summed<f64> for $t {
            type Acc = FloatSum;

            #[inline]
            fn add_to(self, acc: &mut FloatSum) {
                acc.add(f64::from(self));
            }

            fn both(acc: &mut FloatSum, other: FloatSum) -> Result<()> {
                acc.merge(other)
            }

            fn total(acc: FloatSum) -> Result<f64> {
                Ok(acc.total())
            }

            #[inline]
            fn term(self) -> Term {
                Term::of_float(f64::from(self))
            }
        }
    )*};
}

floats! { f32 f64 }

/// `sum()`.
pub(crate) struct Sum<T>(PhantomData<fn() -> T>);

impl<T: 'static> FromParams for Sum<T> {
    fn from_params(_: &[u8]) -> Result<Self> {
        Ok(Self(PhantomData))
    }
}

impl<T: Number> Reduce for Sum<T> {
    type Acc = <T as Summed<T::Sum>>::Acc;

    fn start(&self) -> Self::Acc {
        Self::Acc::default()
    }

    fn merge(&self, acc: &mut Self::Acc, next: Self::Acc) -> Result<()> {
        T::both(acc, next)
    }

    fn result(&self, acc: Self::Acc, skipped: Skipped) -> Result<Value> {
        item(T::total(acc)?, skipped)
    }
}

impl<T: Number> ReduceItems<T> for Sum<T> {
    #[inline]
    fn step(&self, acc: &mut Self::Acc, x: T) -> Flow {
        x.add_to(acc);
        Ok(())
    }
}

/// Count, sum, and sum of squares where it is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spread {
    n: u64,
    sum: FloatSum,
    squares: Option<Exact>,
}

impl Spread {
    #[inline]
    fn add(&mut self, x: Term) {
        self.n += 1;
        match x {
            Term::Finite { negative, m, shift } => {
                self.sum.finite.add(negative, m, shift);
                if let Some(squares) = &mut self.squares {
                    squares.add_square(m, shift);
                }
            }
            Term::Other(x) => self.sum.beyond = beyond(self.sum.beyond, x),
        }
    }

    fn merge(&mut self, other: Self) -> Result<()> {
        self.n += other.n;
        self.sum.merge(other.sum)?;
        match (&mut self.squares, other.squares) {
            (Some(a), Some(b)) => a.merge(b),
            _ => Ok(()),
        }
    }

    /// The mean, also where the sum is beyond all floats.
    fn mean(self) -> Option<f64> {
        if self.n == 0 {
            return None;
        }
        if self.sum.beyond != 0.0 {
            return Some(self.sum.beyond);
        }
        let (negative, digits) = self.sum.finite.digits();
        Some(signed(negative, digits.over(&[self.n], LEAST).to_f64()))
    }

    /// The variance, before it is rounded; `Err`: NaN, since something was not finite. As the mean of the squares less the square of the
    /// mean, which is right because nothing has been rounded.
    fn variance(self, ddof: u32) -> Option<Result<Scaled, f64>> {
        let free = self.n.checked_sub(u64::from(ddof)).filter(|&n| n > 0)?;
        if self.sum.beyond != 0.0 {
            return Some(Err(f64::NAN));
        }
        let (_, sum) = self.sum.finite.digits();
        let (_, squares) = self.squares?.digits();
        let deviations = Digits::of(self.n).times(&squares).minus(&sum.times(&sum));
        Some(Ok(deviations.over(&[self.n, free], 2 * LEAST)))
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
        let squares = !matches!(self.0, Moment::Mean);
        Spread {
            n: 0,
            sum: FloatSum::default(),
            squares: squares.then(Exact::of_squares),
        }
    }

    fn merge(&self, acc: &mut Spread, next: Spread) -> Result<()> {
        acc.merge(next)
    }

    fn result(&self, acc: Spread, skipped: Skipped) -> Result<Value> {
        let result: Option<f64> = match self.0 {
            Moment::Mean => acc.mean(),
            Moment::Var { ddof } => acc
                .variance(ddof)
                .map(|v| v.map_or_else(|nan| nan, Scaled::to_f64)),
            Moment::Std { ddof } => acc
                .variance(ddof)
                .map(|v| v.map_or_else(|nan| nan, Scaled::sqrt)),
        };
        item(result, skipped)
    }
}

impl<T: Number> ReduceItems<T> for Moments<T> {
    #[inline]
    fn step(&self, acc: &mut Spread, x: T) -> Flow {
        acc.add(x.term());
        Ok(())
    }
}

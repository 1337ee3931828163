//! The partial result of a reduction: what tasks pass on until the last one finishes it.

use serde::{Deserialize, Serialize};

use super::super::any::{AnyChunk, AnyVec};
use super::super::error::KernelError;
use super::accumulate::Finished;
use super::moments::merge;
use super::products::{times, together};
use super::sums::two_sum;
use super::{Reduce, extremes};
use crate::dtype::{DType, Element, each_variant};

/// What a reduction knows of some chunks, one value (or two) for every output element.
///
/// Plain data: it can be sent to another thread or process and spilled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partial {
    reduce: Reduce,
    /// Of the elements.
    dtype: DType,
    /// Shape with reduced axes at length 1.
    shape: Vec<usize>,
    reduced: Vec<bool>,
    /// Shape before, kept for messages; along reduced axes, of the first chunk only.
    before: Vec<usize>,
    /// Elements that each output has eaten.
    count: u64,
    state: Finished,
}

impl Partial {
    pub(super) fn new(
        reduce: Reduce,
        dtype: DType,
        before: &[usize],
        reduced: &[bool],
        state: Finished,
    ) -> Self {
        let count = before
            .iter()
            .zip(reduced)
            .filter(|(_, r)| **r)
            .map(|(&n, _)| n as u64)
            .product();
        let shape = before
            .iter()
            .zip(reduced)
            .map(|(&n, &r)| if r { 1 } else { n })
            .collect();
        Self {
            reduce,
            dtype,
            shape,
            reduced: reduced.to_vec(),
            before: before.to_vec(),
            count,
            state,
        }
    }

    /// The reduction.
    #[must_use]
    pub fn reduce(&self) -> Reduce {
        self.reduce
    }

    /// Shape of the output with reduced axes at length 1.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements that each output element stands for.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the values.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        self.state.nbytes()
    }

    /// The result, without the reduced axes or with them at length 1.
    ///
    /// # Errors
    /// When the reduction is not defined for no elements and there were none.
    pub fn finish(self, keepdims: bool) -> Result<AnyChunk, KernelError> {
        let outputs: usize = self.shape.iter().product();
        let needs_one = matches!(
            self.reduce,
            Reduce::Min | Reduce::Max | Reduce::ArgMin | Reduce::ArgMax
        );
        if needs_one && self.count == 0 && outputs > 0 {
            let axes = (0..self.reduced.len())
                .filter(|&a| self.reduced[a])
                .collect();
            return Err(KernelError::Empty {
                reduce: self.reduce.name(),
                shape: self.before,
                axes,
            });
        }
        let shape: Vec<usize> = self
            .shape
            .iter()
            .zip(&self.reduced)
            .filter(|(_, r)| keepdims || !**r)
            .map(|(&n, _)| n)
            .collect();
        let to = self.reduce.result_dtype(self.dtype);
        let n = self.count as f64;
        let values = match (self.reduce, self.state) {
            (Reduce::Mean, Finished::Plain(AnyVec::F64(sum))) => {
                AnyVec::F64(sum.into_iter().map(|s| s / n).collect())
            }
            (Reduce::Var { ddof }, Finished::Moments { m2, .. }) => {
                AnyVec::F64(variance(m2, n, ddof))
            }
            (Reduce::Std { ddof }, Finished::Moments { m2, .. }) => {
                AnyVec::F64(variance(m2, n, ddof).into_iter().map(f64::sqrt).collect())
            }
            (_, Finished::Products { mantissa, exponent }) => {
                AnyVec::F64(mantissa.into_iter().zip(exponent).map(together).collect())
            }
            (_, Finished::Arg { index, .. }) => AnyVec::I64(index),
            (_, Finished::Plain(values)) => values,
            (reduce, Finished::Moments { .. }) => {
                return Err(misfit(format!("{} with moments", reduce.name())));
            }
        };
        let (len, from) = (values.len(), values.dtype());
        let chunk = values
            .into_chunk(&shape)
            .ok_or_else(|| misfit(format!("{len} values for shape {shape:?}")))?;
        if from == to {
            return Ok(chunk);
        }
        // Sums of f32 are kept in f64 until here.
        super::super::eval(
            &super::super::program::Program::identity(from).cast(to),
            &[chunk],
            &shape,
        )
    }
}

/// NaN where there are no more elements than `ddof` takes off, as NumPy has it (infinite where the squares are not 0).
fn variance(m2: Vec<f64>, n: f64, ddof: u32) -> Vec<f64> {
    let divisor = (n - f64::from(ddof)).max(0.0);
    m2.into_iter().map(|m| m / divisor).collect()
}

fn misfit(why: String) -> KernelError {
    KernelError::Partials { why }
}

pub(super) fn combine(partials: Vec<Partial>) -> Result<Partial, KernelError> {
    let mut rest = partials.into_iter();
    let Some(mut first) = rest.next() else {
        return Err(misfit("there are none".to_owned()));
    };
    // Rounding errors of float sums, kept aside over the whole list.
    let mut errors: Vec<f64> = Vec::new();
    for next in rest {
        if (next.reduce, next.dtype) != (first.reduce, first.dtype) {
            let told = |p: &Partial| format!("{} of {}", p.reduce.name(), p.dtype);
            return Err(misfit(format!("{} and {}", told(&first), told(&next))));
        }
        if next.shape != first.shape || next.reduced != first.reduced {
            return Err(misfit(format!(
                "output shapes {:?} and {:?}",
                first.shape, next.shape
            )));
        }
        if next.count == 0 {
            continue;
        }
        if first.count == 0 {
            first = next;
            continue;
        }
        let (na, nb) = (first.count as f64, next.count as f64);
        first.count += next.count;
        let min = matches!(first.reduce, Reduce::Min | Reduce::All | Reduce::ArgMin);
        let merged = match (first.reduce, &mut first.state, &next.state) {
            (
                Reduce::Sum | Reduce::Mean,
                Finished::Plain(AnyVec::F64(a)),
                Finished::Plain(AnyVec::F64(b)),
            ) => {
                errors.resize(a.len(), 0.0);
                for ((a, &b), e) in a.iter_mut().zip(b).zip(&mut errors) {
                    let (sum, error) = two_sum(*a, b);
                    *a = sum;
                    *e += error;
                }
                true
            }
            (
                _,
                Finished::Products { mantissa, exponent },
                Finished::Products {
                    mantissa: mb,
                    exponent: eb,
                },
            ) => {
                let both = mantissa.iter_mut().zip(exponent).zip(mb.iter().zip(eb));
                for ((m, e), (&mb, &eb)) in both {
                    (*m, *e) = times((*m, *e), (mb, eb));
                }
                true
            }
            (Reduce::Prod, Finished::Plain(AnyVec::I64(a)), Finished::Plain(AnyVec::I64(b))) => {
                zip(a, b, i64::wrapping_mul)
            }
            (Reduce::Prod, Finished::Plain(AnyVec::U64(a)), Finished::Plain(AnyVec::U64(b))) => {
                zip(a, b, u64::wrapping_mul)
            }
            (
                Reduce::Sum | Reduce::CountNonzero,
                Finished::Plain(AnyVec::I64(a)),
                Finished::Plain(AnyVec::I64(b)),
            ) => zip(a, b, i64::wrapping_add),
            (Reduce::Sum, Finished::Plain(AnyVec::U64(a)), Finished::Plain(AnyVec::U64(b))) => {
                zip(a, b, u64::wrapping_add)
            }
            (
                _,
                Finished::Moments { mean, m2 },
                Finished::Moments {
                    mean: mean_b,
                    m2: m2_b,
                },
            ) => {
                for i in 0..mean.len().min(mean_b.len()) {
                    (mean[i], m2[i]) = merge(na, (mean[i], m2[i]), nb, (mean_b[i], m2_b[i]));
                }
                true
            }
            (_, Finished::Plain(a), Finished::Plain(b)) => {
                match extremes::combine_values(a.dtype(), a, b, min) {
                    Some(v) => {
                        *a = v;
                        true
                    }
                    None => false,
                }
            }
            (
                _,
                Finished::Arg { values, index },
                Finished::Arg {
                    values: vb,
                    index: ib,
                },
            ) => {
                match extremes::combine_positions(values.dtype(), (values, index), (vb, ib), min) {
                    Some((v, i)) => {
                        (*values, *index) = (v, i);
                        true
                    }
                    None => false,
                }
            }
            _ => false,
        };
        if !merged {
            return Err(misfit("their values are of different kinds".to_owned()));
        }
    }
    if let Finished::Plain(AnyVec::F64(sums)) = &mut first.state {
        for (s, e) in sums.iter_mut().zip(errors) {
            if e.is_finite() {
                *s += e;
            }
        }
    }
    Ok(first)
}

fn zip<T: Copy>(a: &mut [T], b: &[T], f: impl Fn(T, T) -> T) -> bool {
    for (a, &b) in a.iter_mut().zip(b) {
        *a = f(*a, b);
    }
    true
}

impl AnyVec {
    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        each_variant!(Self, self, v => of(v))
    }

    /// The values as a chunk of `shape` in C order; none if there are more or fewer than that takes.
    #[must_use]
    pub fn into_chunk(self, shape: &[usize]) -> Option<AnyChunk> {
        each_variant!(Self, self, v => ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(shape), v).ok().map(AnyChunk::from))
    }
}

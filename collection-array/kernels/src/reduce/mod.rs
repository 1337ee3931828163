//! Reductions in three stages: chunks to [`Partial`]s, partials to one, one to the result.
//!
//! A reduction eats a [`Program`], so `((x - m) / s).sum()` reads `x` once and writes nothing in between. Partials of the
//! chunks along reduced axes are combined in any grouping, in the order of the chunks.

mod accumulate;
mod extremes;
mod moments;
mod partial;
mod products;
mod rows;
mod sums;
mod walk;

use serde::{Deserialize, Serialize};

pub use partial::Partial;

use self::accumulate::{Accumulate, Finished};
use super::any::AnyChunk;
use super::error::KernelError;
use super::eval::{check_inputs, input_strides, turn, walking_order};
use super::level::Level;
use super::program::Program;
use super::space::Space;
use super::tiles::Tiles;
use crate::dtype::DType;

/// A reduction, with NumPy's name and meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reduce {
    /// Sum; 0 of nothing.
    Sum,
    /// Product; 1 of nothing. Of floats it does not overflow on the way.
    Prod,
    /// Mean; NaN of nothing.
    Mean,
    /// Variance, the divisor being the count less `ddof`.
    Var {
        /// Degrees of freedom taken off the count.
        ddof: u32,
    },
    /// Standard deviation, the divisor being the count less `ddof`.
    Std {
        /// Degrees of freedom taken off the count.
        ddof: u32,
    },
    /// Least element; NaN if there is one; an error of nothing.
    Min,
    /// Greatest element; NaN if there is one; an error of nothing.
    Max,
    /// Whether any element is not zero; `false` of nothing.
    Any,
    /// Whether no element is zero; `true` of nothing.
    All,
    /// Position of the first least element, of the first NaN if there is one; an error of nothing.
    ArgMin,
    /// Position of the first greatest element, of the first NaN if there is one; an error of nothing.
    ArgMax,
    /// How many elements are not zero.
    CountNonzero,
}

impl Reduce {
    /// NumPy's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Mean => "mean",
            Self::Var { .. } => "var",
            Self::Std { .. } => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Any => "any",
            Self::All => "all",
            Self::ArgMin => "argmin",
            Self::ArgMax => "argmax",
            Self::CountNonzero => "count_nonzero",
        }
    }

    /// The dtype of the result over elements of `dtype`.
    #[must_use]
    pub const fn result_dtype(self, dtype: DType) -> DType {
        match self {
            Self::Sum | Self::Prod => dtype.sum_dtype(),
            Self::Mean | Self::Var { .. } | Self::Std { .. } => dtype.mean_dtype(),
            Self::Min | Self::Max => dtype,
            Self::Any | Self::All => DType::Bool,
            Self::ArgMin | Self::ArgMax | Self::CountNonzero => DType::I64,
        }
    }

    /// The dtype that elements are converted to before they are accumulated.
    const fn working_dtype(self, dtype: DType) -> DType {
        match self {
            Self::Sum if matches!(dtype, DType::Bool) => DType::Bool,
            Self::Mean | Self::Var { .. } | Self::Std { .. } => DType::F64,
            Self::Sum | Self::Prod => match dtype.sum_dtype() {
                DType::F32 => DType::F64,
                other => other,
            },
            Self::Any | Self::All | Self::CountNonzero => DType::Bool,
            Self::Min | Self::Max | Self::ArgMin | Self::ArgMax => dtype,
        }
    }

    /// Bytes that [`Partial`] takes for each output element.
    #[must_use]
    pub const fn partial_itemsize(self, dtype: DType) -> usize {
        match self {
            Self::Min | Self::Max => dtype.itemsize(),
            Self::Any | Self::All => 1,
            Self::ArgMin | Self::ArgMax => 8 + dtype.itemsize(),
            Self::Var { .. } | Self::Std { .. } => 16,
            Self::Prod if dtype.is_float() => 16,
            Self::Sum | Self::Prod | Self::Mean | Self::CountNonzero => 8,
        }
    }
}

/// Where a chunk lies in the whole array: what positions found by `argmin` and `argmax` count from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Position of the chunk's first element.
    pub offset: Vec<usize>,
    /// Shape of the whole array.
    pub shape: Vec<usize>,
}

/// Reduces one chunk: `program` over `inputs` broadcast to `shape`, over `axes`.
///
/// Positions count along the axis, or through all reduced axes in C order, of the whole array that `origin` tells of;
/// without it, of this chunk.
///
/// ```
/// use kvern_kernels::{AnyChunk, Program, Reduce, combine, reduce_chunk};
/// use kvern_kernels::dtype::DType;
/// use ndarray::arr2;
///
/// let x = AnyChunk::from(arr2(&[[1.0, 2.0], [3.0, 5.0]]).into_dyn());
/// let program = Program::identity(DType::F64);
/// let part = reduce_chunk(Reduce::Mean, &program, &[x], &[2, 2], &[0], None).unwrap();
/// let mean = combine(vec![part]).unwrap().finish(false).unwrap();
/// assert_eq!(mean.peek::<f64>().unwrap().as_slice().unwrap(), [2.0, 3.5]);
/// ```
///
/// # Errors
/// When the inputs do not fit the program or the shape, or an axis is out of range or named twice.
pub fn reduce_chunk(
    reduce: Reduce,
    program: &Program,
    inputs: &[AnyChunk],
    shape: &[usize],
    axes: &[usize],
    origin: Option<&Origin>,
) -> Result<Partial, KernelError> {
    reduce_chunk_at(Level::best(), reduce, program, inputs, shape, axes, origin)
}

/// As [`reduce_chunk`], with the loops of one instruction set; for tests and measurements.
///
/// # Errors
/// As [`reduce_chunk`].
///
/// # Panics
/// When this machine does not have the instruction set.
pub fn reduce_chunk_at(
    level: Level,
    reduce: Reduce,
    program: &Program,
    inputs: &[AnyChunk],
    shape: &[usize],
    axes: &[usize],
    origin: Option<&Origin>,
) -> Result<Partial, KernelError> {
    assert!(level <= Level::best(), "this machine has no {level:?}");
    check_inputs(program, inputs)?;
    let reduced = reduced_axes(shape.len(), axes)?;
    if let Some(o) = origin {
        check_origin(o, shape)?;
    }
    let strides = input_strides(inputs, shape)?;
    // Positions are found first to last only when elements are walked in C order.
    let order = match reduce {
        Reduce::ArgMin | Reduce::ArgMax => (0..shape.len()).collect(),
        _ => walking_order(inputs, &strides, shape),
    };
    if let Some(turned) = turn(inputs, &strides, &order, shape) {
        return reduce_chunk_at(level, reduce, program, &turned, shape, axes, origin);
    }
    let kept: Vec<usize> = order.iter().copied().filter(|&a| !reduced[a]).collect();
    let out_strides = strides_through(shape, &kept);
    let through: Vec<usize> = order.iter().copied().filter(|&a| reduced[a]).collect();
    let red_strides = strides_through(shape, &through);
    let mut refs: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
    refs.push(&out_strides);
    refs.push(&red_strides);
    let space = Space::new(shape, &order, &refs);

    let outputs: usize = kept.iter().map(|&a| shape[a]).product();
    let dtype = program.dtype();
    let working = program.cast(reduce.working_dtype(dtype));
    let count: usize = through.iter().map(|&a| shape[a]).product();
    let mut acc = accumulator(reduce, working.dtype(), outputs, count, level);
    if outputs > 0 && count > 0 {
        let mut tiles = Tiles::new(&working, inputs, &space, level, None)?;
        walk::walk(&mut tiles, &space, inputs.len(), acc.as_mut());
    }
    let kept_c: Vec<usize> = (0..shape.len()).filter(|&a| !reduced[a]).collect();
    let mut state = acc.finish();
    if kept != kept_c {
        state = state.reorder(
            &kept_c.iter().map(|&a| shape[a]).collect::<Vec<_>>(),
            &kept_c.iter().map(|&a| out_strides[a]).collect::<Vec<_>>(),
        );
    }
    if let (Finished::Arg { index, .. }, Some(o)) = (&mut state, origin) {
        globalise(index, shape, &through, o);
    }
    Ok(Partial::new(reduce, dtype, shape, &reduced, state))
}

/// Combines the partials of chunks that lie behind one another along reduced axes, in that order.
///
/// # Errors
/// When there is none, or they are of different reductions, dtypes or shapes.
pub fn combine(partials: Vec<Partial>) -> Result<Partial, KernelError> {
    partial::combine(partials)
}

/// A whole reduction of one chunk.
///
/// # Errors
/// As [`reduce_chunk`] and [`Partial::finish`].
pub fn reduce(
    reduce: Reduce,
    program: &Program,
    inputs: &[AnyChunk],
    shape: &[usize],
    axes: &[usize],
    keepdims: bool,
) -> Result<AnyChunk, KernelError> {
    reduce_chunk(reduce, program, inputs, shape, axes, None)?.finish(keepdims)
}

fn reduced_axes(ndim: usize, axes: &[usize]) -> Result<Vec<bool>, KernelError> {
    let mut reduced = vec![false; ndim];
    for &axis in axes {
        match reduced.get_mut(axis) {
            Some(r) if !*r => *r = true,
            _ => return Err(KernelError::Axis { axis, ndim }),
        }
    }
    Ok(reduced)
}

fn check_origin(o: &Origin, shape: &[usize]) -> Result<(), KernelError> {
    let fits = o.offset.len() == shape.len()
        && o.shape.len() == shape.len()
        && (0..shape.len()).all(|a| o.offset[a] + shape[a] <= o.shape[a]);
    if fits {
        return Ok(());
    }
    let end = o.offset.iter().zip(shape).map(|(a, b)| a + b).collect();
    Err(KernelError::Shape {
        what: "the end of a chunk must lie inside the whole array",
        got: end,
        expected: o.shape.clone(),
    })
}

/// C strides over the axes of `order` alone; 0 along the others.
fn strides_through(shape: &[usize], order: &[usize]) -> Vec<isize> {
    let mut out = vec![0; shape.len()];
    let mut step = 1;
    for &a in order.iter().rev() {
        out[a] = step;
        step *= shape[a].max(1) as isize;
    }
    out
}

/// From positions in the reduced axes of a chunk to positions in those of the whole array.
fn globalise(index: &mut [i64], shape: &[usize], through: &[usize], origin: &Origin) {
    for value in index {
        let (mut left, mut global, mut step) = (*value, 0, 1);
        for &a in through.iter().rev() {
            let len = shape[a].max(1) as i64;
            global += (left % len + origin.offset[a] as i64) * step;
            step *= origin.shape[a] as i64;
            left /= len;
        }
        *value = global;
    }
}

/// Sums of no more elements than this are added up without keeping rounding errors aside.
const FEW: usize = 64;

fn accumulator(
    reduce: Reduce,
    d: DType,
    outputs: usize,
    count: usize,
    level: Level,
) -> Box<dyn Accumulate> {
    match reduce {
        Reduce::Sum if matches!(d, DType::Bool) => Box::new(sums::Count::new(outputs, level)),
        Reduce::CountNonzero => Box::new(sums::Count::new(outputs, level)),
        Reduce::Sum | Reduce::Mean => sums::sum(d, outputs, count <= FEW, level),
        Reduce::Prod => sums::product(d, outputs, level),
        Reduce::Var { .. } | Reduce::Std { .. } => Box::new(moments::Moments::new(outputs, level)),
        Reduce::Min | Reduce::All => extremes::extreme(d, outputs, level, true),
        Reduce::Max | Reduce::Any => extremes::extreme(d, outputs, level, false),
        Reduce::ArgMin => extremes::position(d, outputs, level, true),
        Reduce::ArgMax => extremes::position(d, outputs, level, false),
    }
}

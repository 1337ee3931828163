//! Elementwise evaluation: a program over whole chunks, in one pass and one allocation.

use ndarray::{ArcArray, IxDyn};

use kvern_pages::buffer;

use super::any::AnyChunk;
use super::any_slice::{AnyRoom, AnySlice};
use super::copy::in_c_order;
use super::error::KernelError;
use super::level::Level;
use super::program::Program;
use super::register::TILE;
use super::space::{Space, broadcast, memory_order};
use super::tiles::Tiles;
use crate::dtype::{Element, each_variant, with_dtype};

/// Evaluates `program` for every element of `out_shape`, broadcasting the inputs to it by NumPy's rule.
///
/// The result is laid out as the largest input is (in C order, if that one is).
///
/// # Errors
/// When number, dtypes or shapes of the inputs do not fit.
pub fn eval(
    program: &Program,
    inputs: &[AnyChunk],
    out_shape: &[usize],
) -> Result<AnyChunk, KernelError> {
    eval_at(Level::best(), program, inputs, out_shape)
}

/// As [`eval`], with the loops of one instruction set; for tests and measurements.
///
/// # Errors
/// As [`eval`].
///
/// # Panics
/// When this machine does not have the instruction set.
pub fn eval_at(
    level: Level,
    program: &Program,
    inputs: &[AnyChunk],
    out_shape: &[usize],
) -> Result<AnyChunk, KernelError> {
    assert!(level <= Level::best(), "this machine has no {level:?}");
    check_inputs(program, inputs)?;
    with_dtype!(program.dtype(), T => {
        run::<T>(level, program, inputs, out_shape).map(T::erase)
    })
}

/// As [`eval`], writing over the buffer of an input that nobody else holds where dtype and shape allow it.
///
/// # Errors
/// As [`eval`].
pub fn eval_reusing(
    program: &Program,
    mut inputs: Vec<AnyChunk>,
    out_shape: &[usize],
) -> Result<AnyChunk, KernelError> {
    check_inputs(program, &inputs)?;
    with_dtype!(program.dtype(), T => {
        for i in 0..inputs.len() {
            let fits = inputs[i].dtype() == T::DTYPE && inputs[i].shape() == out_shape && inputs[i].is_contiguous();
            let tileable = inputs.iter().all(|c| c.shape() == out_shape && c.is_contiguous() || c.len() == 1);
            if !fits || !tileable || inputs[i].len() < TILE {
                continue;
            }
            if !each_variant!(AnyChunk, &mut inputs[i], a => a.is_unique()) {
                continue;
            }
            return run_in_place::<T>(program, inputs, i, out_shape);
        }
        run::<T>(Level::best(), program, &inputs, out_shape).map(T::erase)
    })
}

/// Checks number and dtypes of the inputs.
pub(crate) fn check_inputs(program: &Program, inputs: &[AnyChunk]) -> Result<(), KernelError> {
    let expected = program.inputs();
    if inputs.len() != expected.len() {
        return Err(KernelError::InputCount {
            got: inputs.len(),
            expected: expected.len(),
        });
    }
    for (input, (chunk, &expected)) in inputs.iter().zip(expected).enumerate() {
        if chunk.dtype() != expected {
            return Err(KernelError::InputDType {
                input,
                got: chunk.dtype(),
                expected,
            });
        }
    }
    Ok(())
}

/// The strides of every input when broadcast to `shape`.
pub(crate) fn input_strides(
    inputs: &[AnyChunk],
    shape: &[usize],
) -> Result<Vec<Vec<isize>>, KernelError> {
    inputs
        .iter()
        .enumerate()
        .map(|(input, c)| {
            broadcast(c.shape(), c.strides(), shape).ok_or_else(|| KernelError::Broadcast {
                input,
                shape: c.shape().to_vec(),
                to: shape.to_vec(),
            })
        })
        .collect()
}

/// The order to walk `shape` in: the memory order of the first input that has all of it, else C order.
pub(crate) fn walking_order(
    inputs: &[AnyChunk],
    strides: &[Vec<isize>],
    shape: &[usize],
) -> Vec<usize> {
    let full = inputs.iter().zip(strides).find(|(c, _)| c.shape() == shape);
    match full {
        Some((_, s)) => memory_order(s),
        None => (0..shape.len()).collect(),
    }
}

/// The inputs with those that would be walked across their memory copied into walking order; none if there are none.
///
/// A tile of such an input touches as many cache lines as it has elements; a blocked copy touches each line once.
pub(crate) fn turn(
    inputs: &[AnyChunk],
    strides: &[Vec<isize>],
    axes: &[usize],
    shape: &[usize],
) -> Option<Vec<AnyChunk>> {
    let inner = axes.iter().rev().copied().find(|&a| shape[a] > 1)?;
    let across = |s: &[isize]| {
        s[inner].unsigned_abs() > 1 && axes.iter().any(|&a| s[a] == 1 && shape[a] > 1)
    };
    if !inputs
        .iter()
        .zip(strides)
        .any(|(c, s)| c.len() > TILE && across(s))
    {
        return None;
    }
    let copy = |(c, s): (&AnyChunk, &Vec<isize>)| {
        if c.len() <= TILE || !across(s) {
            return c.clone();
        }
        // The chunk's own axes in the order in which the space walks them.
        let lead = shape.len() - c.ndim();
        let own: Vec<usize> = axes
            .iter()
            .filter(|&&a| a >= lead)
            .map(|&a| a - lead)
            .collect();
        let mut back = vec![0; own.len()];
        for (i, &a) in own.iter().enumerate() {
            back[a] = i;
        }
        c.permuted(&own).compact().permuted(&back)
    };
    Some(inputs.iter().zip(strides).map(copy).collect())
}

fn run<T: Element>(
    level: Level,
    program: &Program,
    inputs: &[AnyChunk],
    shape: &[usize],
) -> Result<ArcArray<T, IxDyn>, KernelError> {
    let len: usize = shape.iter().product();
    let mut order: Option<Vec<usize>> = None;
    let space = if inputs
        .iter()
        .all(|c| c.shape() == shape && c.is_contiguous())
    {
        Space::flat(len, inputs.len())
    } else {
        let strides = input_strides(inputs, shape)?;
        let axes = walking_order(inputs, &strides, shape);
        if let Some(turned) = turn(inputs, &strides, &axes, shape) {
            return run(level, program, &turned, shape);
        }
        let refs: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
        let space = Space::new(shape, &axes, &refs);
        if !axes.is_sorted() {
            order = Some(axes);
        }
        space
    };
    let mut out: Vec<T> = buffer(len);
    if len > 0 {
        let mut tiles = Tiles::new(program, inputs, &space, level, None)?;
        let step = tile_len(&space);
        let mut left = &mut out.spare_capacity_mut()[..len];
        while !left.is_empty() {
            let start = len - left.len();
            let (tile, rest) = left.split_at_mut(step(start).min(left.len()));
            tiles.tile_into(start, AnyRoom::of(tile));
            left = rest;
        }
        // SAFETY: every tile has been written, and together they are all of it.
        unsafe { out.set_len(len) };
    }
    let walked: Vec<usize> = match &order {
        None => shape.to_vec(),
        Some(axes) => axes.iter().map(|&a| shape[a]).collect(),
    };
    let array = in_c_order(&walked, out);
    let array = match order {
        None => array,
        Some(axes) => {
            let mut back = vec![0; axes.len()];
            for (i, &a) in axes.iter().enumerate() {
                back[a] = i;
            }
            array.permuted_axes(IxDyn(&back))
        }
    };
    Ok(array.into_shared())
}

/// How many elements the tile that starts at an element should have: whole rows, or an even part of one, so that
/// broadcast rows and strided runs are met at the same columns.
pub(crate) fn tile_len(space: &Space) -> impl Fn(usize) -> usize + use<> {
    let inner = space.inner();
    let flat = space.ndim() == 1;
    move |start| {
        if flat {
            TILE
        } else if inner * 2 <= TILE {
            TILE / inner * inner
        } else {
            let left = inner - start % inner;
            let parts = left.div_ceil(TILE);
            left.div_ceil(parts).min(TILE)
        }
    }
}

/// Every input is contiguous and of `shape`, or one element; input `i` is of the program's dtype and uniquely held.
fn run_in_place<T: Element>(
    program: &Program,
    mut inputs: Vec<AnyChunk>,
    i: usize,
    shape: &[usize],
) -> Result<AnyChunk, KernelError> {
    let strides = input_strides(&inputs, shape)?;
    let refs: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
    let axes: Vec<usize> = (0..shape.len()).collect();
    let space = Space::new(shape, &axes, &refs);
    let taken = AnyChunk::full(&[0], T::ZERO.to_scalar());
    let chunk = std::mem::replace(&mut inputs[i], taken);
    let Ok(mut array) = chunk.downcast::<T>() else {
        unreachable!("the caller has compared the dtypes");
    };
    let Some(elements) = array.as_slice_mut() else {
        unreachable!("the caller has seen that it is contiguous");
    };
    let mut tiles = Tiles::new(program, &inputs, &space, Level::best(), Some(i))?;
    for (n, tile) in elements.chunks_mut(TILE).enumerate() {
        // The input's tile is copied to a register, and the result written over it, for no later tile reads it.
        tiles.give(AnySlice::of(tile));
        // SAFETY: a tile is values of the program's dtype, which is that of `T`.
        tiles.tile_into(n * TILE, unsafe { AnyRoom::over(tile) });
    }
    Ok(T::erase(array))
}

//! Elementwise evaluation: a program over whole chunks, in one pass and one allocation.

use ndarray::{ArcArray, ArrayD, IxDyn};

use kvern_pages::buffer;

use super::chunk::AnyChunk;
use super::error::KernelError;
use super::level::Level;
use super::program::Program;
use super::space::{Space, broadcast, memory_order};
use super::tiles::{TILE, Tiles};
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
        let mut tiles = Tiles::new(program, inputs, &space, level)?;
        let computed = tiles.is_computed();
        let step = tile_len(&space);
        let base = out.as_mut_ptr();
        let mut start = 0;
        while start < len {
            let n = step(start).min(len - start);
            // SAFETY: the buffer has room for `len` elements, and no input points into it.
            unsafe {
                let to = base.add(start);
                let from = tiles.tile(start, n, Some(to.cast()));
                if !computed {
                    std::ptr::copy_nonoverlapping(from.cast::<T>(), to, n);
                }
            }
            start += n;
        }
        // SAFETY: every tile has been written.
        unsafe { out.set_len(len) };
    }
    let array = match order {
        None => {
            // SAFETY: the buffer has just the elements of `shape`, in C order.
            unsafe { ArrayD::from_shape_vec_unchecked(IxDyn(shape), out) }
        }
        Some(axes) => {
            let walked: Vec<usize> = axes.iter().map(|&a| shape[a]).collect();
            let mut back = vec![0; axes.len()];
            for (i, &a) in axes.iter().enumerate() {
                back[a] = i;
            }
            // SAFETY: the buffer has just the elements of the permuted shape, in C order.
            unsafe { ArrayD::from_shape_vec_unchecked(IxDyn(&walked), out) }
                .permuted_axes(IxDyn(&back))
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
    let len: usize = shape.iter().product();
    let strides = input_strides(&inputs, shape)?;
    let refs: Vec<&[isize]> = strides.iter().map(Vec::as_slice).collect();
    let axes: Vec<usize> = (0..shape.len()).collect();
    let space = Space::new(shape, &axes, &refs);
    let base: *mut T = match T::peek(&inputs[i]) {
        Some(_) => each_variant!(AnyChunk, &mut inputs[i], a => a.as_mut_ptr().cast()),
        None => return run::<T>(Level::best(), program, &inputs, shape).map(T::erase),
    };
    {
        let mut tiles = Tiles::new(program, &inputs, &space, Level::best())?;
        let mut start = 0;
        while start < len {
            let n = TILE.min(len - start);
            // SAFETY: the tile is computed into a register (or is an input as it is) and copied only then over the same
            // positions of input `i`, which no later tile reads; `copy` allows for source and destination being the same.
            unsafe {
                let from = tiles.tile(start, n, None);
                std::ptr::copy(from.cast::<T>(), base.add(start), n);
            }
            start += n;
        }
    }
    Ok(inputs.swap_remove(i))
}

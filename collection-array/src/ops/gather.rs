//! `array.gather`: one output chunk from the overlapping pieces of its input chunks, each copied once. Rechunks, slices, flips.
//!
//! [`Geometry`] says which; the layer that makes the tasks and the kernel that runs them both read it, so that a task's inputs
//! and the kernel's pieces are in one order: row-major over the input blocks that give something.

use kvern_core::pages::filled;
use kvern_core::{
    Error, OpTraits, Result, Splits, TaskContext, TypedOperator, Value, typed_operator,
};
use ndarray::{ArrayD, ArrayViewMutD, IxDyn, Slice, SliceInfoElem};
use serde::{Deserialize, Serialize};

use super::{BY_BLOCK, block_ranges};
use crate::error::refused;
use crate::geometry::grid_of;
use crate::geometry::pick::{Pick, Piece};
use crate::value::{chunk_of, describe, take_chunk, to_value};
use kvern_kernels::dtype::{DType, Element, with_dtype};
use kvern_kernels::{AnyChunk, copy_into};

/// Where the elements of every output block are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Geometry {
    pub(crate) dtype: DType,
    /// One an axis of the input.
    pub(crate) picks: Vec<Pick>,
    /// How the input is cut.
    pub(crate) from: Vec<Splits>,
    /// How the output is cut: one an axis that is not dropped.
    pub(crate) to: Vec<Splits>,
}

typed_operator!(Geometry);

impl TypedOperator for Geometry {
    const NAME: &'static str = "array.gather";

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    /// Refuses what does not fit together: a geometry may come from outside.
    fn check(&self) -> Result<()> {
        let bad = |why: String| Err(Error::bad_input(format!("array.gather: {why}")));
        if self.picks.len() != self.from.len() {
            return bad(format!(
                "{} picks for {} axes",
                self.picks.len(),
                self.from.len()
            ));
        }
        let kept = self
            .picks
            .iter()
            .filter(|p| matches!(p, Pick::Step { .. }))
            .count();
        if kept != self.to.len() {
            return bad(format!("{kept} axes are kept, {} are cut", self.to.len()));
        }
        let blocks = |list: &[Splits]| {
            let counts = list
                .iter()
                .map(|s| s.runs().iter().map(|r| u64::from(r.1)).sum::<u64>());
            counts.fold(1u64, u64::saturating_mul)
        };
        let total = |s: &Splits| {
            s.runs().iter().try_fold(0u64, |all, &(len, n)| {
                all.checked_add(len.checked_mul(u64::from(n))?)
            })
        };
        let most = u64::from(u32::MAX) - 1;
        if blocks(&self.from) > most || blocks(&self.to) > most {
            return bad(format!("more than {most} blocks"));
        }
        let mut to = self.to.iter();
        for (axis, (pick, from)) in self.picks.iter().zip(&self.from).enumerate() {
            let len = match pick {
                Pick::At(_) => Some(1),
                Pick::Step { .. } => to.next().and_then(total),
            };
            let fits = match (len, total(from)) {
                (Some(n), Some(all)) => {
                    all <= i64::MAX as u64 && n <= i64::MAX as u64 && pick.fits(n, all)
                }
                _ => false,
            };
            if !fits {
                return bad(format!(
                    "{pick:?} leaves axis {axis}, which is cut {:?}",
                    from.runs()
                ));
            }
        }
        Ok(())
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let pieces = self.pieces(ctx.block());
        let shape: Vec<usize> = block_ranges(&self.to, ctx.block())
            .into_iter()
            .map(|r| r.1 as usize)
            .collect();
        let count: usize = pieces.iter().map(Vec::len).product();
        if count != inputs.len() {
            return Err(Error::bad_input(format!(
                "array.gather: {} inputs, {count} pieces",
                inputs.len()
            )));
        }
        for v in inputs.iter() {
            self.expect(chunk_of(v)?)?;
        }
        if let [only] = inputs {
            return self.view(only, &pieces);
        }
        with_dtype!(self.dtype, T => self.assemble::<T>(inputs, &pieces, &shape, true))
    }
}

impl Geometry {
    /// Refuses a chunk that is not one of the input.
    pub(super) fn expect(&self, chunk: &AnyChunk) -> Result<()> {
        if chunk.dtype() == self.dtype && chunk.ndim() == self.from.len() {
            return Ok(());
        }
        Err(Error::bad_input(format!(
            "{}: {} among blocks of {} with {} axes",
            Self::NAME,
            describe(chunk.dtype(), chunk.shape()),
            self.dtype,
            self.from.len()
        )))
    }

    /// Bytes of the result.
    pub(super) fn bytes(&self) -> u64 {
        let lengths = self.to.iter().map(Splits::total);
        lengths.fold(self.dtype.itemsize() as u64, u64::saturating_mul)
    }

    /// Whether every block of the output is made of something of every block of the input.
    pub(super) fn is_complete(&self) -> bool {
        let all = grid_of(&self.from).len();
        let blocks = 0..grid_of(&self.to).len() as u64;
        let read = |block| self.pieces(block).iter().map(Vec::len).product::<usize>();
        blocks.into_iter().all(|block| read(block) == all)
    }

    /// A block of the output from what its pieces are of themselves, in the order in which it reads them.
    pub(super) fn merge(&self, inputs: &[Value], block: u64, shape: &[usize]) -> Result<Value> {
        let pieces = self.pieces(block);
        let count: usize = pieces.iter().map(Vec::len).product();
        if count != inputs.len() {
            return Err(Error::bad_input(format!(
                "array.merge: {} inputs, {count} pieces",
                inputs.len()
            )));
        }
        for v in inputs {
            let chunk = chunk_of(v)?;
            if chunk.dtype() != self.dtype || chunk.ndim() != self.to.len() {
                return Err(Error::bad_input(format!(
                    "array.merge: {} among pieces of {} with {} axes",
                    describe(chunk.dtype(), chunk.shape()),
                    self.dtype,
                    self.to.len()
                )));
            }
        }
        with_dtype!(self.dtype, T => self.assemble::<T>(inputs, &pieces, shape, false))
    }

    /// For each axis of the input, the pieces that make a block of the output.
    pub(crate) fn pieces(&self, block: u64) -> Vec<Vec<Piece>> {
        let ranges = block_ranges(&self.to, block);
        let mut kept = ranges.iter();
        self.picks
            .iter()
            .zip(&self.from)
            .map(|(pick, splits)| match pick {
                Pick::At(_) => pick.pieces(splits, 0, 1),
                Pick::Step { .. } => {
                    let &(at, len) = kept.next().unwrap_or(&(0, 0));
                    pick.pieces(splits, at, len)
                }
            })
            .collect()
    }

    /// The input blocks that a block of the output reads, in order.
    pub(crate) fn reads(&self, block: u64, mut each: impl FnMut(u32)) {
        let pieces = self.pieces(block);
        let grid = grid_of(&self.from);
        for_each_combination(&pieces, |combination| {
            let index = combination
                .iter()
                .zip(grid.counts())
                .fold(0u64, |all, (p, &n)| all * u64::from(n) + u64::from(p.block));
            each(index as u32);
        });
    }

    fn step(&self, axis: usize) -> isize {
        match self.picks[axis] {
            Pick::At(_) => 1,
            Pick::Step { step, .. } => step as isize,
        }
    }

    /// What a piece takes of its block.
    pub(super) fn source(&self, combination: &[Piece]) -> Vec<SliceInfoElem> {
        let element = |(axis, p): (usize, &Piece)| {
            if let Pick::At(_) = self.picks[axis] {
                return SliceInfoElem::Index(p.from as isize);
            }
            let (step, from) = (self.step(axis), p.from as isize);
            let last = from + step * (p.len as isize - 1);
            // ndarray cuts first and then steps through the cut, from its end if the step is negative.
            SliceInfoElem::Slice {
                start: from.min(last),
                end: Some(from.max(last) + 1),
                step: if p.len == 1 { 1 } else { step },
            }
        };
        combination.iter().enumerate().map(element).collect()
    }

    /// Where in the output block a piece goes.
    fn target(&self, combination: &[Piece]) -> Vec<Slice> {
        let kept = combination
            .iter()
            .zip(&self.picks)
            .filter(|(_, p)| matches!(p, Pick::Step { .. }));
        kept.map(|(p, _)| Slice::from(p.to..p.to + p.len)).collect()
    }

    /// A block made of one piece: a view, unless that would keep alive a chunk of which little is wanted.
    fn view(&self, input: &mut Value, pieces: &[Vec<Piece>]) -> Result<Value> {
        let held = input.nbytes();
        let chunk = take_chunk(input)?;
        let combination: Vec<Piece> = pieces.iter().filter_map(|p| p.first().copied()).collect();
        let info = self.source(&combination);
        fits(&info, chunk.shape())?;
        let part = chunk.slice(&info);
        if held == 0 || part.nbytes() * 2 >= chunk.nbytes() {
            let bytes = held.min(chunk.nbytes() as u64);
            return Ok(Value::with_bytes(part, bytes));
        }
        Ok(to_value(
            with_dtype!(self.dtype, T => match part.peek::<T>() {
                Some(a) => AnyChunk::from(kvern_kernels::to_contiguous(&a.view())),
                None => part,
            }),
        ))
    }

    /// `cut`: the inputs are blocks, of which the pieces are cut; else they are the pieces.
    fn assemble<T: Element>(
        &self,
        inputs: &[Value],
        pieces: &[Vec<Piece>],
        shape: &[usize],
        cut: bool,
    ) -> Result<Value> {
        let len = shape.iter().product();
        let mut out = ArrayD::from_shape_vec(IxDyn(shape), filled(T::ZERO, len))
            .map_err(|e| Error::bad_input(format!("array.gather: {e}")))?;
        let mut inputs = inputs.iter();
        let mut result = Ok(());
        for_each_combination(pieces, |combination| {
            if result.is_ok()
                && let Some(value) = inputs.next()
            {
                result = self.copy::<T>(value, combination, out.view_mut(), cut);
            }
        });
        result?;
        Ok(to_value(AnyChunk::from(out)))
    }

    fn copy<T: Element>(
        &self,
        value: &Value,
        combination: &[Piece],
        out: ArrayViewMutD<'_, T>,
        cut: bool,
    ) -> Result<()> {
        let Some(chunk) = chunk_of(value)?.peek::<T>() else {
            return Ok(());
        };
        let target = self.target(combination);
        let mut out = out;
        out.slice_each_axis_inplace(|axis| target[axis.axis.index()]);
        if !cut {
            return copy_into(out, chunk.view()).map_err(refused);
        }
        let info = self.source(combination);
        fits(&info, chunk.shape())?;
        copy_into(out, chunk.view().slice_move(info.as_slice()).into_dyn()).map_err(refused)
    }
}

/// A chunk of another shape than announced is an error, not a panic.
pub(super) fn fits(info: &[SliceInfoElem], shape: &[usize]) -> Result<()> {
    for (i, &n) in info.iter().zip(shape) {
        let end = match *i {
            SliceInfoElem::Index(i) => i + 1,
            SliceInfoElem::Slice { end, .. } => end.unwrap_or(0),
            SliceInfoElem::NewAxis => 0,
        };
        if end > n as isize {
            return Err(Error::bad_input(format!(
                "array.gather: a piece up to {end} was expected in a chunk of shape {shape:?}"
            )));
        }
    }
    Ok(())
}

/// Row-major through one piece of each axis.
fn for_each_combination(pieces: &[Vec<Piece>], mut each: impl FnMut(&[Piece])) {
    if pieces.iter().any(Vec::is_empty) {
        return;
    }
    let mut at = vec![0; pieces.len()];
    let mut now: Vec<Piece> = pieces.iter().map(|p| p[0]).collect();
    loop {
        each(&now);
        let mut axis = pieces.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            at[axis] += 1;
            if at[axis] < pieces[axis].len() {
                now[axis] = pieces[axis][at[axis]];
                break;
            }
            at[axis] = 0;
            now[axis] = pieces[axis][0];
        }
    }
}

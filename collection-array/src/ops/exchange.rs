//! `array.split` and `array.merge`: a rechunk in two halves, for arrays whose chunks all give something to all chunks of the result. A chunk is cut
//! into what each of them takes of it, and a chunk of the result is put together from its pieces: no task has more than one chunk of each
//! side in memory, where `array.gather` has all that its chunk is made of.

use kvern_core::layer::Exchange;
use kvern_core::{
    Error, OpTraits, Pieces, Result, TaskContext, TypedOperator, Value, typed_operator,
};
use serde::{Deserialize, Serialize};

use super::gather::{Geometry, fits};
use super::{BY_BLOCK, block_shape};
use crate::geometry::grid_of;
use crate::value::{chunk_of, to_value};
use kvern_kernels::AnyChunk;
use kvern_kernels::dtype::with_dtype;

/// Arrays up to so many bytes are gathered: that copies each element once and not twice, and there is memory for that.
const GATHERED: u64 = 16 << 20;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Split(Geometry);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Merge(Geometry);

typed_operator!(Split);
typed_operator!(Merge);

impl TypedOperator for Split {
    const NAME: &'static str = "array.split";
    const INPUTS: Option<usize> = Some(1);

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let geometry = &self.0;
        let chunk = chunk_of(&inputs[0])?;
        geometry.expect(chunk)?;
        let mut coords = Vec::new();
        grid_of(&geometry.from).coords(ctx.block(), &mut coords);
        let mut pieces = Vec::new();
        for block in 0..grid_of(&geometry.to).len() as u64 {
            ctx.check_cancelled()?;
            let of_axes = geometry.pieces(block).into_iter().zip(&coords);
            let mine = of_axes.map(|(axis, &c)| axis.into_iter().find(|p| p.block == c));
            let mine = mine.collect::<Option<Vec<_>>>().ok_or_else(|| {
                Error::bad_input(format!(
                    "array.split: chunk {} gives nothing to chunk {block}",
                    ctx.block()
                ))
            })?;
            let info = geometry.source(&mine);
            fits(&info, chunk.shape())?;
            let part = chunk.slice(&info);
            pieces.push(to_value(
                with_dtype!(geometry.dtype, T => match part.peek::<T>() {
                    Some(a) => AnyChunk::from(kvern_kernels::to_contiguous(&a.view())),
                    None => part,
                }),
            ));
        }
        Ok(Pieces(pieces).into_value())
    }
}

impl TypedOperator for Merge {
    const NAME: &'static str = "array.merge";

    fn traits(&self) -> OpTraits {
        BY_BLOCK
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }

    fn run(&self, inputs: &mut [Value], ctx: &TaskContext<'_>) -> Result<Value> {
        let shape = block_shape(&self.0.to, ctx.block());
        self.0.merge(inputs, ctx.block(), &shape)
    }
}

/// The rechunk as an exchange, if every chunk gives something to every chunk and the array is large; else it is gathered.
pub(crate) fn exchange(geometry: &Geometry) -> Result<Option<Exchange>> {
    if geometry.bytes() <= GATHERED {
        return Ok(None);
    }
    complete(geometry)
}

/// The same whatever the size.
fn complete(geometry: &Geometry) -> Result<Option<Exchange>> {
    let (from, to) = (grid_of(&geometry.from).len(), grid_of(&geometry.to).len());
    if from < 2 || to < 2 || !geometry.is_complete() {
        return Ok(None);
    }
    let ops = [Split(geometry.clone()).op()?, Merge(geometry.clone()).op()?];
    let each = |n: usize| geometry.bytes().div_ceil(n as u64);
    Exchange::new(ops, from as u32, to as u32, each(from), each(to)).map(Some)
}

#[cfg(test)]
mod tests {
    use kvern_core::layer::Data;
    use kvern_core::{Layer, Splits, reference};
    use kvern_kernels::dtype::DType;
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::geometry::pick::Pick;
    use crate::layers::gather::Gather;

    /// The chunks of numbers that count up, in an array that is so cut.
    fn chunks(from: &[Splits]) -> Vec<Value> {
        let shape: Vec<usize> = from.iter().map(|s| s.total() as usize).collect();
        let n = shape.iter().product::<usize>() as i32;
        let all = ArrayD::from_shape_vec(IxDyn(&shape), (0..n).collect()).unwrap();
        let blocks = 0..grid_of(from).len() as u64;
        let chunk = |block| {
            let ranges = super::super::block_ranges(from, block);
            let part = all.slice_each_axis(|axis| {
                let (at, len) = ranges[axis.axis.index()];
                ndarray::Slice::from(at as usize..(at + len) as usize)
            });
            to_value(AnyChunk::from(part.to_owned()))
        };
        blocks.map(chunk).collect()
    }

    #[test]
    fn in_two_halves_equals_gathered() {
        let cut = |lengths: &[u64]| Splits::from_lengths(lengths.to_vec());
        let turned = Pick::Step { start: 8, step: -1 };
        let rows = vec![cut(&[4, 1, 4]), cut(&[7])];
        let cases = [
            (
                rows.clone(),
                vec![Pick::WHOLE; 2],
                vec![cut(&[9]), cut(&[3, 2, 2])],
            ),
            (
                rows.clone(),
                vec![turned, Pick::WHOLE],
                vec![cut(&[9]), cut(&[1, 6])],
            ),
            (
                vec![cut(&[2, 3]), cut(&[3]), cut(&[2, 2, 1])],
                vec![Pick::WHOLE, Pick::At(1), Pick::WHOLE],
                vec![cut(&[5]), cut(&[5])],
            ),
            (
                vec![cut(&[2, 3]), cut(&[6]), cut(&[4])],
                vec![Pick::WHOLE, Pick::Step { start: 1, step: 2 }, Pick::WHOLE],
                vec![cut(&[5]), cut(&[2, 1]), cut(&[1, 3])],
            ),
        ];
        for (from, picks, to) in cases {
            let one = grid_of(&to).len() < 2;
            let geometry = Geometry {
                dtype: DType::I32,
                picks,
                from,
                to,
            };
            let data = Layer::new(Data::values(chunks(&geometry.from)), vec![]);
            let gather = Gather::new(geometry.clone()).unwrap();
            let gathered = reference::compute(&Layer::new(gather, vec![data.clone()])).unwrap();
            let Some(exchange) = complete(&geometry).unwrap() else {
                assert!(one, "{geometry:?}");
                continue;
            };
            let merged = reference::compute(&Layer::new(exchange, vec![data])).unwrap();
            assert_eq!(merged.len(), gathered.len());
            for (a, b) in merged.iter().zip(&gathered) {
                let array = |v| chunk_of(v).unwrap().peek::<i32>().unwrap().to_owned();
                assert_eq!(array(a), array(b), "{geometry:?}");
            }
        }
    }

    #[test]
    fn what_is_small_or_has_strangers_is_gathered() {
        let cut = |lengths: &[u64]| Splits::from_lengths(lengths.to_vec());
        let geometry = |n: u64, columns: &[u64]| Geometry {
            dtype: DType::F64,
            picks: vec![Pick::WHOLE; 2],
            from: vec![cut(&[n, n]), cut(&[n, n])],
            to: vec![cut(&[2 * n]), cut(columns)],
        };
        // Of four chunks each half of the columns is made of two.
        assert!(complete(&geometry(8, &[8, 8])).unwrap().is_none());
        assert!(complete(&geometry(8, &[4, 12])).unwrap().is_none());
        let rows = |n: u64| Geometry {
            from: vec![cut(&[n, n]), cut(&[2 * n])],
            ..geometry(n, &[n, n])
        };
        assert!(exchange(&rows(100)).unwrap().is_none(), "it is small");
        assert!(exchange(&rows(1000)).unwrap().is_some());
    }
}

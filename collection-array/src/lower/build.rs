//! The layers of regions and of the nodes between them.

use std::collections::HashMap;
use std::sync::Arc;

use kvern_core::layer::{BlockArg, Blockwise, TreeBytes, TreeReduction};
use kvern_core::{
    AxisMap, BlockBytes, Error, ErrorKind, Layer, LayerKind, OpRef, Result, Splits, TypedOperator,
};

use super::Regions;
use super::product::{gram, gram_of, product};
use crate::error::refused;
use crate::expr::{Expr, Node};
use crate::geometry::grid_of;
use crate::layers::concat::Concat;
use crate::layers::gather::Gather;
use crate::ops::elementwise::{Extent, Region};
use crate::ops::exchange::exchange;
use crate::ops::gather::Geometry;
use crate::ops::reduction::{Reduction, combine_op, finish_op};
use crate::ops::view::{reblock_op, view_op};
use kvern_kernels::{Program, ProgramBuilder, Reduce, Reg};

/// How many partials one task combines: few where they are large, since all are alive at once.
const FAN_IN: u32 = 16;
const FAN_IN_LARGE: u32 = 4;
const LARGE_PARTIAL: u64 = 256 << 10;

/// The layer of the root.
pub(super) fn build(regions: &Regions) -> Result<Arc<Layer>> {
    let parts = Parts::new(regions);
    let mut layers: Vec<Option<Arc<Layer>>> = vec![None; regions.nodes.len()];
    for n in 0..regions.nodes.len() {
        if regions.kept[n] && parts.needed[n] {
            layers[n] = Some(node(regions, n, &parts, &layers)?);
        }
    }
    layers.pop().flatten().ok_or_else(missing)
}

/// What concatenations are put together from: one of a concatenation along the same axis reads the parts of that, so a loop that
/// appends becomes one layer and not a chain of them.
struct Parts {
    /// For each concatenation that somebody reads, the nodes that it is made of.
    of: HashMap<usize, Vec<usize>>,
    /// Nodes that the root needs when concatenations are taken apart like that.
    needed: Vec<bool>,
}

impl Parts {
    fn new(regions: &Regions) -> Self {
        let mut of = HashMap::new();
        let mut needed = vec![false; regions.nodes.len()];
        if let Some(root) = needed.last_mut() {
            *root = true;
        }
        for n in (0..regions.nodes.len()).rev() {
            if !needed[n] {
                continue;
            }
            let read = match regions.nodes[n].node {
                Node::Concat(axis) => of.entry(n).or_insert_with(|| taken_apart(regions, n, axis)),
                _ => &regions.args[n],
            };
            for &a in read {
                needed[a] = true;
            }
        }
        Self { of, needed }
    }
}

/// The nodes that concatenation `n` puts one behind the other, in order, through concatenations along the same axis.
fn taken_apart(regions: &Regions, n: usize, axis: usize) -> Vec<usize> {
    let mut out = Vec::new();
    let mut stack: Vec<usize> = regions.args[n].iter().rev().copied().collect();
    while let Some(a) = stack.pop() {
        match regions.nodes[a].node {
            Node::Concat(inner) if inner == axis => stack.extend(regions.args[a].iter().rev()),
            _ => out.push(a),
        }
    }
    out
}

fn missing() -> Error {
    Error::new(
        ErrorKind::Internal,
        "a node of the expression was read before it was built",
    )
}

fn node(
    regions: &Regions,
    n: usize,
    parts: &Parts,
    layers: &[Option<Arc<Layer>>],
) -> Result<Arc<Layer>> {
    let e = &regions.nodes[n];
    let input = |i: usize| layers[regions.args[n][i]].clone().ok_or_else(missing);
    let inputs = || (0..e.args.len()).map(input).collect::<Result<Vec<_>>>();
    let layer = match &e.node {
        Node::Held(layer) => return Ok(layer.clone()),
        Node::Source(s) => make(
            Blockwise::source(s.op.clone(), e.grid(), e.block_bytes()),
            vec![],
        ),
        Node::Full(_) | Node::Map(_) => elementwise(regions, n, layers)?,
        Node::Reduce {
            reduce,
            axes,
            keepdims,
        } => reduction(regions, n, layers, *reduce, axes, *keepdims)?,
        Node::Gather(picks) => {
            let geometry = Geometry {
                dtype: e.dtype,
                picks: picks.clone(),
                from: e.args[0].chunks.clone(),
                to: e.chunks.clone(),
            };
            match exchange(&geometry)? {
                Some(kind) => make(kind, inputs()?),
                None => make(Gather::new(geometry)?, inputs()?),
            }
        }
        Node::View(axes) => {
            let mut maps = vec![AxisMap::Fixed(0); e.args[0].ndim()];
            for (out, axis) in axes.iter().enumerate() {
                if let Some(a) = axis {
                    maps[*a] = AxisMap::Out(out as u32);
                }
            }
            let arg = BlockArg {
                slot: 0,
                grid: e.args[0].grid(),
                axes: maps,
            };
            make(
                Blockwise::new(view_op(axes)?, e.grid(), vec![arg], e.block_bytes())?,
                inputs()?,
            )
        }
        Node::Reblock => {
            // Block numbers agree, since the blocks are as many and in the same order.
            let grid = kvern_core::Grid::new(vec![e.grid().len() as u32]);
            if e.args[0].grid().len() != e.grid().len() {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "a reshape changes the number of chunks",
                ));
            }
            let arg = BlockArg::same(0, &grid);
            let bytes = reblock_bytes(e);
            make(
                Blockwise::new(reblock_op(&e.chunks)?, grid, vec![arg], bytes)?,
                inputs()?,
            )
        }
        Node::Concat(axis) => {
            let read = parts.of.get(&n).ok_or_else(missing)?;
            let counts = read
                .iter()
                .map(|&a| regions.nodes[a].chunks[*axis].len() as u32)
                .collect();
            let inputs = read
                .iter()
                .map(|&a| layers[a].clone().ok_or_else(missing))
                .collect::<Result<_>>()?;
            make(
                Concat::new(*axis, e.grid(), counts, e.block_bytes())?,
                inputs,
            )
        }
        Node::Blocks(op) => {
            let args = e
                .args
                .iter()
                .enumerate()
                .map(|(slot, a)| BlockArg::same(slot as u32, &a.grid()))
                .collect();
            make(
                Blockwise::new(op.clone(), e.grid(), args, e.block_bytes())?,
                inputs()?,
            )
        }
        Node::Product => match gram_of(&e.args[0], &e.args[1]) {
            Some(x) => gram(e, x, input(1)?)?,
            None => product(e, &e.args[0], &e.args[1], inputs()?)?,
        },
    };
    Ok(layer.with_meta(e.meta()))
}

fn make(kind: impl LayerKind, inputs: Vec<Arc<Layer>>) -> Arc<Layer> {
    Layer::new(kind, inputs)
}

/// Projected bytes where blocks are counted along one axis only: those of the largest, unless all are alike.
fn reblock_bytes(e: &Expr) -> BlockBytes {
    let longest = e
        .chunks
        .iter()
        .map(Splits::longest)
        .fold(e.dtype.itemsize() as u64, u64::saturating_mul);
    BlockBytes::Each(longest)
}

/// Which blocks of `arg` belong to the blocks of a result to which it is broadcast.
fn arg_of(slot: usize, arg: &Expr, chunks: &[Splits], shape: &[usize]) -> BlockArg {
    let lead = shape.len() - arg.ndim();
    let axes = (0..arg.ndim())
        .map(|a| {
            match arg.shape[a] == shape[lead + a] && arg.chunks[a].len() == chunks[lead + a].len() {
                true => AxisMap::Out((lead + a) as u32),
                false => AxisMap::Fixed(0),
            }
        })
        .collect();
    BlockArg {
        slot: slot as u32,
        grid: arg.grid(),
        axes,
    }
}

/// The program of a region, with what it reads: the nodes that become its inputs, in order.
struct Body {
    program: Program,
    leaves: Vec<usize>,
}

/// Merges what region `root` computes into one program over the kept nodes; `root` itself only if it is elementwise.
fn body(regions: &Regions, root: usize) -> Result<Body> {
    let (mut inside, leaves) = regions.members(root);
    let top = match regions.nodes[root].node {
        Node::Map(_) | Node::Full(_) => {
            inside.push(root);
            root
        }
        _ => regions.args[root][0],
    };
    let mut b = ProgramBuilder::new();
    let mut reg: HashMap<usize, Reg> = HashMap::new();
    for &l in &leaves {
        reg.insert(l, b.input(regions.nodes[l].dtype));
    }
    for &n in &inside {
        let r = match &regions.nodes[n].node {
            Node::Full(v) => b.constant(*v),
            Node::Map(p) => {
                let args = regions.args[n]
                    .iter()
                    .map(|a| reg.get(a).copied().ok_or_else(missing));
                b.inline(p, &args.collect::<Result<Vec<_>>>()?)
                    .map_err(refused)?
            }
            _ => return Err(missing()),
        };
        reg.insert(n, r);
    }
    let out = reg.get(&top).copied().ok_or_else(missing)?;
    Ok(Body {
        program: b.finish(out).map_err(refused)?,
        leaves,
    })
}

/// The arguments of a region over `chunks`, the layers that they read, and how the shape of a block is known.
fn region_args(
    regions: &Regions,
    body: &Body,
    (chunks, shape): (&[Splits], &[usize]),
    layers: &[Option<Arc<Layer>>],
) -> Result<(Vec<BlockArg>, Vec<Arc<Layer>>, Extent)> {
    let mut covered = vec![false; shape.len()];
    let mut args = Vec::with_capacity(body.leaves.len());
    let mut inputs = Vec::with_capacity(body.leaves.len());
    for (slot, &l) in body.leaves.iter().enumerate() {
        let leaf = &regions.nodes[l];
        let lead = shape.len() - leaf.ndim();
        for (a, &n) in leaf.shape.iter().enumerate() {
            covered[lead + a] |= n == shape[lead + a];
        }
        args.push(arg_of(slot, leaf, chunks, shape));
        inputs.push(layers[l].clone().ok_or_else(missing)?);
    }
    let known = covered.iter().zip(shape).all(|(c, &n)| *c || n == 1);
    let extent = if known {
        Extent::Inputs(shape.len() as u32)
    } else {
        Extent::Chunks(chunks.to_vec())
    };
    Ok((args, inputs, extent))
}

fn elementwise(regions: &Regions, n: usize, layers: &[Option<Arc<Layer>>]) -> Result<Arc<Layer>> {
    let e = &regions.nodes[n];
    let body = body(regions, n)?;
    let (args, inputs, extent) = region_args(regions, &body, (&e.chunks, &e.shape), layers)?;
    let op = Region {
        program: body.program,
        extent,
    }
    .op()?;
    Ok(make(
        Blockwise::new(op, e.grid(), args, e.block_bytes())?,
        inputs,
    ))
}

fn reduction(
    regions: &Regions,
    n: usize,
    layers: &[Option<Arc<Layer>>],
    reduce: Reduce,
    axes: &[usize],
    keepdims: bool,
) -> Result<Arc<Layer>> {
    let e = &regions.nodes[n];
    let arg = &e.args[0];
    let body = body(regions, n)?;
    let (args, inputs, extent) = region_args(regions, &body, (&arg.chunks, &arg.shape), layers)?;
    let told = matches!(reduce, Reduce::ArgMin | Reduce::ArgMax);
    let within = axes.iter().all(|&a| arg.chunks[a].len() == 1);
    // Block numbers of the result count only the axes that stay, which are all that have more than one block: the same.
    let mut op = Reduction {
        reduce,
        region: Region {
            program: body.program,
            extent,
        },
        axes: axes.iter().map(|&a| a as u32).collect(),
        positions: told.then(|| arg.chunks.clone()),
        keepdims,
        whole: within,
    };
    if within {
        let out = |axis: usize| -> Option<u32> {
            match (axes.contains(&axis), keepdims) {
                (true, _) => None,
                (false, true) => Some(axis as u32),
                (false, false) => Some((axis - axes.iter().filter(|&&a| a < axis).count()) as u32),
            }
        };
        let args = args
            .into_iter()
            .map(|mut a| {
                for m in &mut a.axes {
                    if let AxisMap::Out(d) = *m {
                        *m = out(d as usize).map_or(AxisMap::Fixed(0), AxisMap::Out);
                    }
                }
                a
            })
            .collect();
        return Ok(make(
            Blockwise::new(op.op()?, e.grid(), args, e.block_bytes())?,
            inputs,
        ));
    }
    op.whole = false;
    let outputs = e
        .chunks
        .iter()
        .map(Splits::longest)
        .fold(1, u64::saturating_mul);
    let bytes = TreeBytes {
        partial: outputs.saturating_mul(reduce.partial_itemsize(arg.dtype) as u64),
        output: outputs.saturating_mul(e.dtype.itemsize() as u64),
    };
    let fan_in = if bytes.partial > LARGE_PARTIAL {
        FAN_IN_LARGE
    } else {
        FAN_IN
    };
    let ops: [OpRef; 3] = [op.op()?, combine_op()?, finish_op(keepdims)?];
    let reduced = (0..arg.ndim()).map(|a| axes.contains(&a)).collect();
    let tree = TreeReduction::new(ops, grid_of(&arg.chunks), args, reduced, fan_in, bytes)?;
    Ok(make(tree, inputs))
}

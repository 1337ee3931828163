//! Blockwise layers: each output block is made from the matching blocks of the inputs. Elementwise operations, broadcasting,
//! sources (no input at all), contractions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::blocks::{AxisMap, BlockBytes, Grid, check_axes, token_axes};
use crate::base::error::{Error, Result};
use crate::base::key::KeyBuilder;
use crate::operator::OpRef;

/// One task per block of `grid`, each running `op` on the blocks that `args` pick.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blockwise {
    op: [OpRef; 1],
    grid: Grid,
    args: Vec<BlockArg>,
    bytes: BlockBytes,
}

/// An argument: blocks of input layer `slot`, whose outputs form `grid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockArg {
    /// Which input layer (two arguments may read the same).
    pub slot: u32,
    /// That layer's blocks.
    pub grid: Grid,
    /// For each axis of that grid, which of its blocks; `All` hands the operator several blocks, row-major.
    pub axes: Vec<AxisMap>,
}

impl BlockArg {
    /// Block by block: the input's grid is the output's.
    pub fn same(slot: u32, grid: &Grid) -> Self {
        Self {
            slot,
            grid: grid.clone(),
            axes: (0..grid.counts().len() as u32).map(AxisMap::Out).collect(),
        }
    }

    /// Whether output block `i` reads exactly input block `i`.
    pub fn is_same(&self, out: &Grid) -> bool {
        self.grid == *out
            && self
                .axes
                .iter()
                .enumerate()
                .all(|(i, a)| *a == AxisMap::Out(i as u32))
    }

    /// Whether every input block is read by exactly one output block, and each output block reads one.
    pub fn is_one_to_one(&self, out: &Grid) -> bool {
        if self.axes.contains(&AxisMap::All) || self.grid.len() != out.len() {
            return false;
        }
        // One to one if each output axis with more than one block is used exactly once with all of its blocks.
        let mut used = vec![0u32; out.counts().len()];
        for (a, &n) in self.axes.iter().zip(self.grid.counts()) {
            match a {
                AxisMap::Out(d) if out.counts().get(*d as usize) == Some(&n) => {
                    used[*d as usize] += 1;
                }
                AxisMap::Fixed(0) if n == 1 => {}
                _ => return false,
            }
        }
        used.iter()
            .zip(out.counts())
            .all(|(&u, &n)| u == 1 || (n == 1 && u <= 1))
    }

    pub(super) fn check(&self, out: &Grid) -> Result<(), String> {
        check_axes(&self.axes, &self.grid, out)?;
        if u32::try_from(self.grid.len()).is_err() {
            return Err(format!("{} blocks are more than 2^32", self.grid.len()));
        }
        if self.reads() > MAX_READS {
            return Err(format!(
                "each block would read more than {MAX_READS} blocks"
            ));
        }
        Ok(())
    }

    /// How many blocks each output block reads through it, saturating.
    pub(crate) fn reads(&self) -> usize {
        self.axes
            .iter()
            .zip(self.grid.counts())
            .filter(|(a, _)| **a == AxisMap::All)
            .fold(1usize, |n, (_, &c)| n.saturating_mul(c as usize))
    }
}

/// The most blocks that one task may read through one argument.
const MAX_READS: usize = 1 << 20;

impl Blockwise {
    /// A blockwise layer.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) if an argument's axes do not fit the grids.
    pub fn new(op: OpRef, grid: Grid, args: Vec<BlockArg>, bytes: BlockBytes) -> Result<Self> {
        let layer = Self {
            op: [op],
            grid,
            args,
            bytes,
        };
        layer
            .check()
            .map_err(|why| Error::bad_input(format!("{}: {why}", layer.op[0].label())))?;
        Ok(layer)
    }

    /// Blocks made from nothing: readers, creation routines.
    pub fn source(op: OpRef, grid: Grid, bytes: BlockBytes) -> Self {
        Self {
            op: [op],
            grid,
            args: Vec::new(),
            bytes,
        }
    }

    fn check(&self) -> Result<(), String> {
        u32::try_from(self.grid.len())
            .map_err(|_| format!("{} blocks are more than 2^32", self.grid.len()))?;
        self.args.iter().enumerate().try_for_each(|(i, a)| {
            a.check(&self.grid)
                .map_err(|e| format!("argument {i}: {e}"))
        })
    }

    /// The operator.
    pub fn operator(&self) -> &OpRef {
        &self.op[0]
    }

    /// The output blocks.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The arguments.
    pub fn args(&self) -> &[BlockArg] {
        &self.args
    }

    /// Projected bytes of the output blocks.
    pub fn block_bytes(&self) -> &BlockBytes {
        &self.bytes
    }
}

impl LayerKind for Blockwise {
    fn kind(&self) -> &'static str {
        "blockwise"
    }

    fn tasks(&self) -> usize {
        self.grid.len()
    }

    fn inputs(&self) -> usize {
        self.args
            .iter()
            .map(|a| a.slot as usize + 1)
            .max()
            .unwrap_or(0)
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        arg_edges(&self.args, &self.grid, task as u64, out);
    }

    fn ops(&self) -> &[OpRef] {
        &self.op
    }

    fn bytes(&self, task: usize) -> u64 {
        self.bytes.of(&self.grid, task as u64)
    }

    fn total_bytes(&self) -> u64 {
        self.bytes.total(&self.grid)
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        arg_token(&self.args, self.grid.token(k.key(self.op[0].key())))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.op, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let op: [OpRef; 1] = ops.try_into().ok()?;
        Some(Arc::new(Self { op, ..self.clone() }))
    }
}

/// Appends what block `block` of `grid` reads through `args`.
pub(super) fn arg_edges(args: &[BlockArg], grid: &Grid, block: u64, out: &mut Vec<Edge>) {
    // Coordinates are only worked out when some argument needs them.
    let mut coords: Option<Vec<u32>> = None;
    for arg in args {
        if arg.is_same(grid) {
            out.push(Edge::Input {
                slot: arg.slot,
                output: block as u32,
            });
            continue;
        }
        let coords = coords.get_or_insert_with(|| {
            let mut c = Vec::new();
            grid.coords(block, &mut c);
            c
        });
        push_blocks(arg, coords, 0, 0, out);
    }
}

/// Adds arguments to a key.
pub(super) fn arg_token(args: &[BlockArg], k: KeyBuilder) -> KeyBuilder {
    args.iter().fold(k.u64(args.len() as u64), |k, a| {
        token_axes(&a.axes, a.grid.token(k.u64(u64::from(a.slot))))
    })
}

/// Appends the blocks that an argument picks, axes from `axis` on; `index` is the row-major number so far.
fn push_blocks(arg: &BlockArg, coords: &[u32], axis: usize, index: u64, out: &mut Vec<Edge>) {
    let Some(map) = arg.axes.get(axis) else {
        out.push(Edge::Input {
            slot: arg.slot,
            output: index as u32,
        });
        return;
    };
    let n = arg.grid.counts()[axis];
    let mut go = |c: u32| {
        push_blocks(
            arg,
            coords,
            axis + 1,
            index * u64::from(n) + u64::from(c),
            out,
        );
    };
    match map {
        AxisMap::Out(d) => go(coords[*d as usize]),
        AxisMap::Fixed(c) => go(*c),
        AxisMap::All => (0..n).for_each(go),
    }
}

crate::register_layer!("blockwise", |bytes| {
    let layer: Blockwise = decode("blockwise", bytes)?;
    layer.check().map_err(|why| malformed("blockwise", why))?;
    Ok(Arc::new(layer))
});

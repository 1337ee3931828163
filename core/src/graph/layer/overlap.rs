//! Overlap layers: each output block reads its own block and its neighbours'. Stencils, rolling windows, halos.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::blocks::{BlockBytes, Grid};
use crate::base::error::{Error, Result};
use crate::base::key::KeyBuilder;
use crate::operator::OpRef;

/// How far a block looks along one axis, in blocks (0 or more; 1 for any halo that is not longer than a block).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Reach {
    /// Towards lower block numbers.
    pub before: u32,
    /// Towards higher block numbers.
    pub after: u32,
    /// Whether the axis is a ring: the last block is the first one's neighbour. Otherwise blocks beyond the edge are left out.
    pub periodic: bool,
}

/// One task per block; its inputs are the neighbouring blocks that exist, row-major by offset, its own among them. The operator
/// knows from its parameters and [`TaskContext::block`](crate::TaskContext::block) which ones it got ([`Overlap::neighbours`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overlap {
    op: [OpRef; 1],
    grid: Grid,
    reach: Vec<Reach>,
    bytes: BlockBytes,
}

impl Overlap {
    /// An overlap layer over an input with that grid.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) if there is not one reach an axis.
    pub fn new(op: OpRef, grid: Grid, reach: Vec<Reach>, bytes: BlockBytes) -> Result<Self> {
        let layer = Self {
            op: [op],
            grid,
            reach,
            bytes,
        };
        layer.check().map_err(Error::bad_input)?;
        Ok(layer)
    }

    fn check(&self) -> Result<(), String> {
        if self.reach.len() != self.grid.counts().len() {
            return Err(format!(
                "{} reaches for a grid of {} axes",
                self.reach.len(),
                self.grid.counts().len()
            ));
        }
        let width = |r: &Reach| u64::from(r.before) + u64::from(r.after) + 1;
        match self
            .reach
            .iter()
            .try_fold(1u64, |n, r| n.checked_mul(width(r)))
        {
            Some(n) if n <= 1 << 20 => {}
            _ => return Err("a block would read more than 2^20 neighbours".into()),
        }
        u32::try_from(self.grid.len())
            .map(|_| ())
            .map_err(|_| format!("{} blocks are more than 2^32", self.grid.len()))
    }

    /// The block numbers that a block reads, row-major by offset, each with its offset along each axis.
    pub fn neighbours(grid: &Grid, reach: &[Reach], block: u64) -> Vec<(u64, Vec<i64>)> {
        let mut coords = Vec::new();
        grid.coords(block, &mut coords);
        let mut found = vec![(0u64, Vec::new())];
        for ((r, &n), &c) in reach.iter().zip(grid.counts()).zip(&coords) {
            let n = i64::from(n);
            let mut next = Vec::with_capacity(found.len() * 3);
            for (index, offsets) in &found {
                for d in -i64::from(r.before)..=i64::from(r.after) {
                    let mut at = i64::from(c) + d;
                    if r.periodic {
                        at = at.rem_euclid(n);
                    } else if !(0..n).contains(&at) {
                        continue;
                    }
                    let mut o: Vec<i64> = offsets.clone();
                    o.push(d);
                    next.push((index * n as u64 + at as u64, o));
                }
            }
            found = next;
        }
        found
    }
}

impl LayerKind for Overlap {
    fn kind(&self) -> &'static str {
        "overlap"
    }

    fn tasks(&self) -> usize {
        self.grid.len()
    }

    fn inputs(&self) -> usize {
        1
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        let near = Self::neighbours(&self.grid, &self.reach, task as u64);
        out.extend(near.into_iter().map(|(b, _)| Edge::Input {
            slot: 0,
            output: b as u32,
        }));
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
        let k = self.grid.token(k.key(self.op[0].key()));
        self.reach.iter().fold(k, |k, r| {
            k.u64(u64::from(r.before))
                .u64(u64::from(r.after))
                .u64(u64::from(r.periodic))
        })
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.op, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let op: [OpRef; 1] = ops.try_into().ok()?;
        Some(Arc::new(Self { op, ..self.clone() }))
    }
}

crate::register_layer!("overlap", |bytes| {
    let layer: Overlap = decode("overlap", bytes)?;
    layer.check().map_err(|why| malformed("overlap", why))?;
    Ok(Arc::new(layer))
});

//! `array.gather`: each output block is made of pieces of input blocks, which follow from how both are cut.

use std::sync::Arc;

use kvern_core::key::KeyBuilder;
use kvern_core::layer::{Edge, decode, encode};
use kvern_core::{BlockBytes, Grid, LayerKind, OpRef, Result, TypedOperator};
use serde::{Deserialize, Serialize};

use crate::geometry::grid_of;
use crate::ops::gather::Geometry;

const KIND: &str = "array.gather";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gather {
    op: [OpRef; 1],
    geometry: Geometry,
    grid: Grid,
    bytes: BlockBytes,
}

impl Gather {
    pub(crate) fn new(geometry: Geometry) -> Result<Self> {
        geometry.check()?;
        let bytes = BlockBytes::Dense {
            item: geometry.dtype.itemsize() as u64,
            axes: geometry.to.clone(),
        };
        Ok(Self {
            op: [geometry.op()?],
            grid: grid_of(&geometry.to),
            bytes,
            geometry,
        })
    }
}

impl LayerKind for Gather {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn tasks(&self) -> usize {
        self.grid.len()
    }

    fn inputs(&self) -> usize {
        1
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        self.geometry.reads(task as u64, |output| {
            out.push(Edge::Input { slot: 0, output });
        });
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
        // The operator's parameters are the geometry.
        k.key(self.op[0].key())
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.op, &(&self.op, &self.geometry))
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let op: [OpRef; 1] = ops.try_into().ok()?;
        Some(Arc::new(Self { op, ..self.clone() }))
    }
}

kvern_core::register_layer!(KIND, |bytes| {
    let (op, geometry): ([OpRef; 1], Geometry) = decode(KIND, bytes)?;
    Ok(Arc::new(Gather {
        op,
        ..Gather::new(geometry)?
    }))
});

//! Building reductions.

use std::sync::Arc;

use kvern_core::{Result, Splits};

use super::{Expr, Node};
use crate::geometry::pick::Pick;
use kvern_kernels::Reduce;

impl Expr {
    /// `axes` are sorted and exist.
    pub(crate) fn reduce(
        self: &Arc<Self>,
        reduce: Reduce,
        axes: Vec<usize>,
        keepdims: bool,
    ) -> Result<Arc<Self>> {
        let arg = self.without_rechunk(&axes);
        let (mut shape, mut chunks) = (Vec::new(), Vec::new());
        for (axis, &n) in arg.shape.iter().enumerate() {
            if !axes.contains(&axis) {
                shape.push(n);
                chunks.push(arg.chunks[axis].clone());
            } else if keepdims {
                shape.push(1);
                chunks.push(Splits::regular(1, 1));
            }
        }
        let dtype = reduce.result_dtype(arg.dtype);
        let node = Node::Reduce {
            reduce,
            axes,
            keepdims,
        };
        Ok(Self::new(dtype, shape, chunks, node, vec![arg]))
    }

    /// What a reduction over `axes` may read instead: the array before it was cut anew, if the axes that stay are cut alike.
    /// How the reduced ones are cut makes no difference to the result.
    fn without_rechunk(self: &Arc<Self>, axes: &[usize]) -> Arc<Self> {
        match &self.node {
            Node::Gather(picks) if picks.iter().all(Pick::is_whole) => {
                let arg = &self.args[0];
                let same =
                    |axis: usize| axes.contains(&axis) || arg.chunks[axis] == self.chunks[axis];
                if arg.shape == self.shape && (0..self.ndim()).all(same) {
                    return arg.clone();
                }
                self.clone()
            }
            _ => self.clone(),
        }
    }
}

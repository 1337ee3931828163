//! Building views: axes permuted, added and dropped, and chunks in other shapes.

use std::sync::Arc;

use kvern_core::{Result, Splits};

use super::{Expr, Node};
use crate::lower::{CHEAP, cost};

impl Expr {
    /// Axes in another order, new ones (`None`) of length 1; axes not named must have length 1.
    pub(crate) fn view(self: &Arc<Self>, axes: Vec<Option<usize>>) -> Result<Arc<Self>> {
        let same = axes.len() == self.ndim() && axes.iter().enumerate().all(|(i, a)| *a == Some(i));
        if same {
            return Ok(self.clone());
        }
        // A view of a view is one view.
        if let Node::View(inner) = &self.node {
            let both = axes.iter().map(|a| a.and_then(|a| inner[a])).collect();
            return self.args[0].view(both);
        }
        let one = Splits::regular(1, 1);
        let shape = axes
            .iter()
            .map(|a| a.map_or(1, |a| self.shape[a]))
            .collect();
        let chunks = axes
            .iter()
            .map(|a| a.map_or_else(|| one.clone(), |a| self.chunks[a].clone()))
            .collect();
        if let Node::Full(v) = self.node {
            return Ok(Self::full(shape, chunks, v));
        }
        Ok(Self::new(
            self.dtype,
            shape,
            chunks,
            Node::View(axes),
            vec![self.clone()],
        ))
    }

    /// Chunks in other shapes: as many of them, in the same order, each with as many elements.
    pub(crate) fn reblock(self: &Arc<Self>, shape: Vec<usize>, chunks: Vec<Splits>) -> Arc<Self> {
        if shape == self.shape && chunks == self.chunks {
            return self.clone();
        }
        // What is cheap to compute is computed from the smaller blocks below it, and then within whatever reads this.
        if let Node::Map(p) = &self.node
            && cost(p) <= CHEAP
            && self
                .args
                .iter()
                .all(|a| a.ndim() == 0 || a.shape == self.shape)
        {
            let below = |a: &Arc<Self>| match a.ndim() {
                0 if self.ndim() > 0 => a.clone(),
                _ => a.reblock(shape.clone(), chunks.clone()),
            };
            let args = self.args.iter().map(below).collect();
            return Self::new(
                self.dtype,
                shape.clone(),
                chunks.clone(),
                Node::Map(p.clone()),
                args,
            );
        }
        match self.node {
            Node::Full(v) => Self::full(shape, chunks, v),
            Node::Reblock => Self::new(self.dtype, shape, chunks, Node::Reblock, self.args.clone()),
            _ => Self::new(self.dtype, shape, chunks, Node::Reblock, vec![self.clone()]),
        }
    }
}

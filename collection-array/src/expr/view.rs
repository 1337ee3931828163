//! Building views: axes permuted, added and dropped, and chunks in other shapes.

use std::sync::Arc;

use kvern_core::key::KeyMap;
use kvern_core::{Result, Splits};

use super::cost::{CHEAP, cost};
use super::{Expr, Node};

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
        let mut blocks = Reblocked {
            shape,
            chunks,
            made: KeyMap::default(),
        };
        blocks.of(self)
    }
}

/// So many elementwise nodes are taken through a reshape at most: a reshape within a long chain must not cost the whole chain.
const MOST_THROUGH: usize = 32;

/// Nodes seen in other blocks.
struct Reblocked {
    shape: Vec<usize>,
    chunks: Vec<Splits>,
    /// A node that is read twice is made once.
    made: KeyMap<Arc<Expr>>,
}

impl Reblocked {
    fn of(&mut self, e: &Arc<Expr>) -> Arc<Expr> {
        let (shape, chunks) = (&self.shape, &self.chunks);
        if *shape == e.shape && *chunks == e.chunks {
            return e.clone();
        }
        if let Some(made) = self.made.get(&e.key) {
            return made.clone();
        }
        // What is cheap to compute is computed from the smaller blocks below it, and then within whatever reads this.
        if let Node::Map(p) = &e.node
            && self.made.len() < MOST_THROUGH
            && cost(p) <= CHEAP
            && e.args.iter().all(|a| a.ndim() == 0 || a.shape == e.shape)
        {
            // Counted before those below it, so that a chain of them ends.
            self.made.insert(e.key, e.clone());
            let args = e
                .args
                .iter()
                .map(|a| match a.ndim() {
                    0 if e.ndim() > 0 => a.clone(),
                    _ => self.of(a),
                })
                .collect();
            return self.keep(e, Node::Map(p.clone()), args);
        }
        match &e.node {
            Node::Full(v) => Expr::full(shape.clone(), chunks.clone(), *v),
            Node::Reblock => self.keep(e, Node::Reblock, e.args.clone()),
            _ => self.keep(e, Node::Reblock, vec![e.clone()]),
        }
    }

    fn keep(&mut self, e: &Arc<Expr>, node: Node, args: Vec<Arc<Expr>>) -> Arc<Expr> {
        let (shape, chunks) = (self.shape.clone(), self.chunks.clone());
        let made = Expr::new(e.dtype, shape, chunks, node, args);
        self.made.insert(e.key, made.clone());
        made
    }
}

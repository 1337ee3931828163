//! Building rechunks, slices and concatenations.

use std::sync::Arc;

use kvern_core::{Error, Result, Splits};

use super::{Expr, Node};
use crate::chunks::check_blocks;
use crate::geometry::pick::Pick;

impl Expr {
    /// The same array in other chunks.
    pub(crate) fn rechunk(self: &Arc<Self>, chunks: Vec<Splits>) -> Result<Arc<Self>> {
        if chunks == self.chunks {
            return Ok(self.clone());
        }
        if let Node::Full(v) = self.node {
            return Ok(Self::full(self.shape.clone(), chunks, v));
        }
        let picks = self.shape.iter().map(|_| Pick::WHOLE).collect();
        Ok(self.gather(picks, self.shape.clone(), chunks))
    }

    /// A part of the array: one pick an axis, `shape` being what they leave. Cut where the array is cut.
    pub(crate) fn part(self: &Arc<Self>, picks: Vec<Pick>, shape: Vec<usize>) -> Result<Arc<Self>> {
        if picks.iter().all(Pick::is_whole) && shape == self.shape {
            return Ok(self.clone());
        }
        let mut kept = shape.iter();
        let mut chunks = Vec::with_capacity(shape.len());
        for (pick, splits) in picks.iter().zip(&self.chunks) {
            if let Pick::Step { .. } = pick
                && let Some(&n) = kept.next()
            {
                chunks.push(pick.cut(splits, n as u64));
            }
        }
        if let Node::Full(v) = self.node {
            return Ok(Self::full(shape, chunks, v));
        }
        Ok(self.gather(picks, shape, chunks))
    }

    /// A gather of a gather is one gather: pieces are copied once.
    fn gather(
        self: &Arc<Self>,
        picks: Vec<Pick>,
        shape: Vec<usize>,
        chunks: Vec<Splits>,
    ) -> Arc<Self> {
        if let Node::Gather(inner) = &self.node {
            let arg = &self.args[0];
            let mut outer = picks.iter();
            let both: Option<Vec<Pick>> = inner
                .iter()
                .map(|i| match i {
                    Pick::At(_) => Some(*i),
                    Pick::Step { .. } => outer.next().map(|o| o.after(i)),
                })
                .collect();
            if let Some(both) = both {
                if both.iter().all(Pick::is_whole) && arg.shape == shape && arg.chunks == chunks {
                    return arg.clone();
                }
                return Self::new(
                    self.dtype,
                    shape,
                    chunks,
                    Node::Gather(both),
                    vec![arg.clone()],
                );
            }
        }
        Self::new(
            self.dtype,
            shape,
            chunks,
            Node::Gather(picks),
            vec![self.clone()],
        )
    }

    /// Arrays of one dtype one behind the other. `axis` exists.
    pub(crate) fn concat(op: &str, args: Vec<Arc<Self>>, axis: usize) -> Result<Arc<Self>> {
        let Some(first) = args.first().cloned() else {
            return Err(Error::bad_input(format!(
                "{op} of no arrays: at least one is needed"
            )));
        };
        let mut shape = first.shape.clone();
        let mut total = 0usize;
        for (i, a) in args.iter().enumerate() {
            let fits = a.ndim() == shape.len()
                && (0..shape.len()).all(|d| d == axis || a.shape[d] == shape[d]);
            if !fits {
                return Err(Error::bad_input(format!(
                    "{op}: array {i} has shape {:?}, the first {:?}; all axes but {axis} must have one length",
                    a.shape, first.shape
                )));
            }
            // More than can be counted is refused below.
            total = total.saturating_add(a.shape[axis]);
        }
        shape[axis] = total;
        crate::geometry::shape::size(&shape)?;
        // Other axes are cut alike, as the array with most chunks there.
        let mut chunks = first.chunks.clone();
        for (d, s) in chunks.iter_mut().enumerate() {
            for a in &args {
                if a.chunks[d].len() > s.len() {
                    *s = a.chunks[d].clone();
                }
            }
        }
        let mut along = Splits::default();
        let mut fitted = Vec::with_capacity(args.len());
        for a in args {
            // Arrays of no length add nothing, unless there is nothing else.
            if a.shape[axis] == 0 && total > 0 {
                continue;
            }
            let mut wanted = chunks.clone();
            wanted[axis] = a.chunks[axis].clone();
            along.append(&wanted[axis]);
            fitted.push(a.rechunk(wanted)?);
        }
        chunks[axis] = along;
        check_blocks(op, &shape, &chunks)?;
        match fitted.as_slice() {
            [one] => Ok(one.clone()),
            _ => Ok(Self::new(
                first.dtype,
                shape,
                chunks,
                Node::Concat(axis),
                fitted,
            )),
        }
    }
}

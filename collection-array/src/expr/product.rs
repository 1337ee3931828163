//! Building matrix products.

use std::sync::Arc;

use kvern_core::{Error, Result, Splits};

use super::{Expr, Node};
use crate::geometry::shape::broadcast;

impl Expr {
    /// The matrix product of the last two axes; both have two axes at least.
    pub(crate) fn product(a: &Arc<Self>, b: &Arc<Self>) -> Result<Arc<Self>> {
        let (n, m) = (a.ndim(), b.ndim());
        if a.shape[n - 1] != b.shape[m - 2] {
            return Err(Error::bad_input(format!(
                "matmul: shapes {:?} and {:?} do not fit: {} columns, {} rows",
                a.shape,
                b.shape,
                a.shape[n - 1],
                b.shape[m - 2]
            )));
        }
        let mut shape = broadcast("matmul", &a.shape[..n - 2], &b.shape[..m - 2])?;
        let lead = shape.len();
        let mut batch: Vec<Splits> = shape
            .iter()
            .map(|&len| Splits::regular(len as u64, len as u64))
            .collect();
        for e in [a, b] {
            let own = e.ndim() - 2;
            for d in 0..own {
                let axis = lead - own + d;
                if e.shape[d] == shape[axis] && e.chunks[d].len() > batch[axis].len() {
                    batch[axis] = e.chunks[d].clone();
                }
            }
        }
        // Along the summed axis both are cut as the one with more chunks.
        let (left, right) = (&a.chunks[n - 1], &b.chunks[m - 2]);
        let inner = if right.len() > left.len() {
            right
        } else {
            left
        }
        .clone();
        let cut = |e: &Arc<Self>, axis: usize| {
            let own = e.ndim() - 2;
            let mut chunks = e.chunks.clone();
            for d in 0..own {
                if e.shape[d] == shape[lead - own + d] {
                    chunks[d] = batch[lead - own + d].clone();
                }
            }
            chunks[axis] = inner.clone();
            e.rechunk(chunks)
        };
        let (a, b) = (cut(a, n - 1)?, cut(b, m - 2)?);
        shape.extend([a.shape[n - 2], b.shape[m - 1]]);
        crate::geometry::shape::size(&shape)?;
        let chunks = product_chunks(&batch, &a, &b);
        Ok(Self::new(a.dtype, shape, chunks, Node::Product, vec![a, b]))
    }
}

/// The chunks of a product: batch axes broadcast, then rows of the one and columns of the other.
fn product_chunks(batch: &[Splits], a: &Expr, b: &Expr) -> Vec<Splits> {
    let mut chunks = batch.to_vec();
    chunks.push(a.chunks[a.ndim() - 2].clone());
    chunks.push(b.chunks[b.ndim() - 1].clone());
    chunks
}

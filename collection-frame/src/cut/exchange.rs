//! The layer of a repartitioning: splits, the pieces of them, and partitions put together from pieces.
//!
//! The core's all-to-all layer hands every merging task the whole of every split, which for a table means all of it at once. Here each piece
//! is a value of its own: a partition needs its own pieces only, and pieces that wait can be spilled.

use std::sync::Arc;

use kvern_core::key::KeyBuilder;
use kvern_core::layer::{Edge, decode, encode, malformed};
use kvern_core::{Error, LayerKind, OpRef, Result};
use serde::{Deserialize, Serialize};

const KIND: &str = "frame.exchange";

/// Rows of `from` partitions dealt out to `to` partitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Exchange {
    /// split, pick, merge.
    ops: [OpRef; 3],
    from: u32,
    to: u32,
    /// Projected bytes of all partitions.
    bytes: u64,
}

impl Exchange {
    pub(super) fn new(ops: [OpRef; 3], from: u32, to: u32, bytes: u64) -> Result<Self> {
        let layer = Self {
            ops,
            from,
            to,
            bytes,
        };
        layer.check().map_err(Error::bad_input)?;
        Ok(layer)
    }

    fn check(&self) -> Result<(), String> {
        let (n, p) = (u64::from(self.from), u64::from(self.to));
        let tasks = n
            .checked_mul(p)
            .and_then(|pieces| pieces.checked_add(n + p));
        if n == 0 || p == 0 || tasks.is_none_or(|t| t >= u64::from(u32::MAX)) {
            return Err(format!("{n} partitions cannot be dealt out to {p}"));
        }
        Ok(())
    }

    fn place(&self, task: usize) -> Place {
        let (task, n, p) = (task as u32, self.from, self.to);
        if task < n {
            Place::Split(task)
        } else if task < n + n * p {
            Place::Piece((task - n) / p, (task - n) % p)
        } else {
            Place::Merge(task - n - n * p)
        }
    }
}

enum Place {
    /// Of that input partition.
    Split(u32),
    /// Of that split, for that partition.
    Piece(u32, u32),
    /// Of that partition.
    Merge(u32),
}

impl LayerKind for Exchange {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn tasks(&self) -> usize {
        (self.from + self.from * self.to + self.to) as usize
    }

    fn outputs(&self) -> usize {
        self.to as usize
    }

    fn output_task(&self, output: usize) -> usize {
        (self.from + self.from * self.to) as usize + output
    }

    fn inputs(&self) -> usize {
        1
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        match self.place(task) {
            Place::Split(output) => out.push(Edge::Input { slot: 0, output }),
            Place::Piece(split, _) => out.push(Edge::Own(split)),
            Place::Merge(p) => {
                out.extend((0..self.from).map(|s| Edge::Own(self.from + s * self.to + p)));
            }
        }
    }

    fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    fn op(&self, task: usize) -> usize {
        match self.place(task) {
            Place::Split(_) => 0,
            Place::Piece(..) => 1,
            Place::Merge(_) => 2,
        }
    }

    fn block(&self, task: usize) -> u32 {
        match self.place(task) {
            Place::Split(s) => s,
            Place::Piece(_, p) | Place::Merge(p) => p,
        }
    }

    fn bytes(&self, task: usize) -> u64 {
        let (n, p) = (u64::from(self.from), u64::from(self.to));
        match self.place(task) {
            Place::Split(_) => self.bytes / n,
            Place::Piece(..) => self.bytes / (n * p),
            Place::Merge(_) => self.bytes / p,
        }
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        self.ops
            .iter()
            .fold(k, |k, op| k.key(op.key()))
            .u64(u64::from(self.from))
            .u64(u64::from(self.to))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.ops, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let ops: [OpRef; 3] = ops.try_into().ok()?;
        Some(Arc::new(Self {
            ops,
            ..self.clone()
        }))
    }
}

kvern_core::register_layer!(KIND, |bytes| {
    let layer: Exchange = decode(KIND, bytes)?;
    layer.check().map_err(|why| malformed(KIND, why))?;
    Ok(Arc::new(layer))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{concat_op, pick_op};

    #[test]
    fn the_formula_agrees_with_itself() {
        let op = concat_op().unwrap();
        for (n, p) in [(1, 1), (3, 5), (4, 2)] {
            let ops = [op.clone(), pick_op().unwrap(), op.clone()];
            let layer = Exchange::new(ops, n, p, 600).unwrap();
            let mut read = vec![0; layer.tasks()];
            for task in 0..layer.tasks() {
                let mut edges = Vec::new();
                layer.edges(task, &mut edges);
                for e in edges {
                    if let Edge::Own(t) = e {
                        assert!((t as usize) < task);
                        read[t as usize] += 1;
                    }
                }
            }
            for (task, &times) in read.iter().enumerate() {
                let want = match layer.place(task) {
                    Place::Split(_) => p,
                    Place::Piece(..) => 1,
                    Place::Merge(_) => 0,
                };
                assert_eq!(times, want, "task {task} of {n} to {p}");
            }
            let back = kvern_core::Registry::linked().unwrap();
            let back = back.decode_layer(KIND, &layer.encode().unwrap()).unwrap();
            assert_eq!(back.tasks(), layer.tasks());
        }
        let ops = || [op.clone(), op.clone(), op.clone()];
        assert!(Exchange::new(ops(), 0, 4, 1).is_err());
        assert!(Exchange::new(ops(), 70_000, 70_000, 1).is_err());
    }
}

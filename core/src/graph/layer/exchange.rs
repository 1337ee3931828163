//! Exchange layers: every output may need a piece of every input. Shuffles, group by, rechunks between strangers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::error::{Error, Result};
use crate::base::key::KeyBuilder;
use crate::operator::OpRef;
use crate::value::Piece;

const KIND: &str = "exchange";

/// `from` tasks that split their input into [`Pieces`](crate::Pieces), one for each output, and `to` tasks that merge: each is given its piece
/// of every split, in order.
///
/// Those are all tasks that there are: a piece needs none of its own, it is addressed as a part of its split ([`LayerKind::piece`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exchange {
    /// split, merge.
    ops: [OpRef; 2],
    from: u32,
    to: u32,
    split_bytes: u64,
    merge_bytes: u64,
}

impl Exchange {
    /// Every one of `from` input blocks to every one of `to` outputs. The bytes are those of one split, all its pieces together, and of one
    /// merged result.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`](crate::ErrorKind::BadInput) for no input or no output, or for more of them than there are numbers.
    pub fn new(
        [split, merge]: [OpRef; 2],
        from: u32,
        to: u32,
        split_bytes: u64,
        merge_bytes: u64,
    ) -> Result<Self> {
        let layer = Self {
            ops: [split, merge],
            from,
            to,
            split_bytes,
            merge_bytes,
        };
        layer.check().map_err(Error::bad_input)?;
        Ok(layer)
    }

    fn check(&self) -> Result<(), String> {
        let (from, to) = (self.from, self.to);
        if from == 0 || to == 0 {
            return Err(format!(
                "an exchange needs inputs and outputs, got {from} and {to}"
            ));
        }
        // A merge reads every split, and a graph has at most 2^32 - 1 edges.
        let edges = u64::from(from) * u64::from(to) + u64::from(from);
        if edges >= u64::from(u32::MAX) || from.checked_add(to).is_none() {
            return Err(format!(
                "an exchange of {from} inputs to {to} outputs has {} pieces, at most 2^32 - 1 are possible: use fewer of one of them",
                u64::from(from) * u64::from(to)
            ));
        }
        Ok(())
    }

    fn is_split(&self, task: usize) -> bool {
        (task as u32) < self.from
    }
}

impl LayerKind for Exchange {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn tasks(&self) -> usize {
        (self.from + self.to) as usize
    }

    fn outputs(&self) -> usize {
        self.to as usize
    }

    fn output_task(&self, output: usize) -> usize {
        self.from as usize + output
    }

    fn inputs(&self) -> usize {
        1
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        if self.is_split(task) {
            out.push(Edge::Input {
                slot: 0,
                output: task as u32,
            });
        } else {
            out.extend((0..self.from).map(Edge::Own));
        }
    }

    fn piece(&self, task: usize) -> Option<Piece> {
        (!self.is_split(task)).then(|| Piece {
            index: self.block(task),
            of: self.to,
        })
    }

    fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    fn op(&self, task: usize) -> usize {
        usize::from(!self.is_split(task))
    }

    fn block(&self, task: usize) -> u32 {
        let t = task as u32;
        if self.is_split(task) {
            t
        } else {
            t - self.from
        }
    }

    fn bytes(&self, task: usize) -> u64 {
        if self.is_split(task) {
            self.split_bytes
        } else {
            self.merge_bytes
        }
    }

    fn total_bytes(&self) -> u64 {
        u64::from(self.from)
            .saturating_mul(self.split_bytes)
            .saturating_add(u64::from(self.to).saturating_mul(self.merge_bytes))
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        k.key(self.ops[0].key())
            .key(self.ops[1].key())
            .u64(u64::from(self.from))
            .u64(u64::from(self.to))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.ops, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        let ops: [OpRef; 2] = ops.try_into().ok()?;
        Some(Arc::new(Self {
            ops,
            ..self.clone()
        }))
    }
}

crate::register_layer!(KIND, |bytes| {
    let layer: Exchange = decode(KIND, bytes)?;
    layer.check().map_err(|why| malformed(KIND, why))?;
    Ok(Arc::new(layer))
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::OpTraits;

    fn op(name: &str) -> OpRef {
        OpRef::named(name, 1, OpTraits::default(), Vec::new())
    }

    #[test]
    fn each_piece_is_read_once() {
        for (from, to) in [(1, 1), (3, 5), (4, 2)] {
            let layer = Exchange::new([op("split"), op("merge")], from, to, 60, 40).unwrap();
            assert_eq!(layer.tasks(), (from + to) as usize);
            let mut read = vec![vec![0; to as usize]; from as usize];
            for task in 0..layer.tasks() {
                let mut edges = Vec::new();
                layer.edges(task, &mut edges);
                for edge in edges {
                    match (edge, layer.piece(task)) {
                        (Edge::Own(split), Some(Piece { index, of })) => {
                            assert_eq!(of, to);
                            read[split as usize][index as usize] += 1;
                        }
                        (Edge::Input { slot: 0, output }, None) => assert_eq!(output, task as u32),
                        other => panic!("task {task} reads {other:?}"),
                    }
                }
            }
            assert_eq!(read, vec![vec![1; to as usize]; from as usize]);
        }
    }

    #[test]
    fn what_cannot_be_numbered_is_refused_with_its_sizes() {
        let refused = |from, to| {
            Exchange::new([op("split"), op("merge")], from, to, 1, 1)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(0, 4).contains("got 0 and 4"));
        assert!(refused(70_000, 70_000).contains("70000 inputs to 70000 outputs"));
        assert!(refused(u32::MAX, 1).contains("at most 2^32 - 1"));
    }
}

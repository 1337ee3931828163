//! Random symbolic graphs of every kind of layer, whose values depend on everything: inputs, their order, operator and block.

use std::collections::HashMap;
use std::sync::Arc;

use kvern_core::layer::{
    BlockArg, Blockwise, Data, Edge, Exchange, Overlap, Reach, TreeBytes, TreeReduction,
};
use kvern_core::operator::{OpBody, decode_params};
use kvern_core::{
    Annotations, AxisMap, BlockBytes, Error, Grid, Kernel, Key, Layer, OpRef, OpTraits, Operator,
    Outputs, Pieces, Result, Root, TaskContext, TaskList, Value, register_operator,
};

/// `(id, uses block, pieces)`: combines its id, its inputs in order and perhaps the block; into so many pieces if that is not 0.
struct Mix;

impl Operator for Mix {
    fn name(&self) -> &str {
        "test.mix"
    }

    fn instantiate(&self, params: &[u8]) -> Result<Arc<dyn Kernel>> {
        let (id, block, pieces): (u64, bool, u64) = decode_params("test.mix", params)?;
        Ok(Arc::new(move |x: &mut [Value], ctx: &TaskContext<'_>| {
            let mut h = step(17, id);
            for v in x.iter() {
                let v = v.downcast_ref::<u64>();
                let v = v.ok_or_else(|| Error::bad_input("a task was given more than its piece"));
                h = step(h, *v?);
            }
            if block {
                h = step(h, ctx.block() + 1);
            }
            if pieces == 0 {
                return Ok(Value::new(h));
            }
            let all = (0..pieces).map(|p| Value::new(step(h, p))).collect();
            Ok(Pieces(all).into_value())
        }))
    }
}

register_operator!(Mix);

fn step(h: u64, v: u64) -> u64 {
    (h.rotate_left(7) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn mix_pieces(id: u64, block: bool, inline: bool, pieces: u64) -> OpRef {
    let traits = OpTraits {
        pure: true,
        uses_block: block,
        inline,
    };
    let params = postcard(&(id, block, pieces));
    OpRef::named("test.mix", 1, traits, params)
}

fn postcard(v: &impl serde::Serialize) -> Vec<u8> {
    // `OpRef::of` serialises parameters; going through it keeps the test free of the format.
    let op = OpRef::of(&Mix, v).unwrap();
    match op.body() {
        OpBody::Named(params) => params.clone(),
        _ => unreachable!("a named operator"),
    }
}

/// The mixing operator of a layer.
pub(crate) fn mix(id: u64, block: bool, inline: bool) -> OpRef {
    mix_pieces(id, block, inline, 0)
}

/// Results as numbers.
pub(crate) fn values(values: &[Value]) -> Vec<u64> {
    values
        .iter()
        .map(|v| {
            v.downcast_ref::<u64>()
                .copied()
                .unwrap_or_else(|| panic!("not a number: {}", v.describe()))
        })
        .collect()
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A random graph and what its layers were annotated with.
pub(crate) struct World {
    pub(crate) roots: Vec<Root>,
    rng: Rng,
    layers: Vec<(Arc<Layer>, Grid)>,
    by_op: HashMap<u64, Option<Annotations>>,
    by_key: HashMap<Key, Vec<Option<Annotations>>>,
    next_op: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut w = Self {
            roots: Vec::new(),
            rng: Rng(seed),
            layers: Vec::new(),
            by_op: HashMap::new(),
            by_key: HashMap::new(),
            next_op: 0,
        };
        let n = 2 + w.rng.below(9);
        for _ in 0..n {
            w.add();
        }
        for i in (0..w.layers.len()).rev() {
            if i + 1 == w.layers.len() || w.rng.chance(12) {
                let (layer, grid) = w.layers[i].clone();
                let outputs = if w.rng.chance(70) {
                    Outputs::All
                } else {
                    let n = grid.len() as u64;
                    Outputs::Only((0..2).map(|_| w.rng.below(n) as u32).collect())
                };
                w.roots.push(Root { layer, outputs });
            }
        }
        w
    }

    pub(crate) fn allows(&self, layer: Key, have: &Option<Annotations>) -> bool {
        self.by_key
            .get(&layer)
            .is_some_and(|all| all.contains(have))
    }

    pub(crate) fn annotations_of(&self, op: &OpRef) -> Option<Annotations> {
        let OpBody::Named(params) = op.body() else {
            panic!("{op:?} is not a named operator");
        };
        let (id, _, _): (u64, bool, u64) = decode_params("test.mix", params).unwrap();
        self.by_op[&id].clone()
    }

    fn add(&mut self) {
        let annotations = match self.rng.below(10) {
            0 => Some(Annotations::new().priority(2)),
            1 => Some(Annotations::new().retries(1).label("x")),
            _ => None,
        };
        let first_op = self.next_op;
        let kind = if self.layers.is_empty() {
            0
        } else {
            self.rng.below(14)
        };
        let (layer, grid) = match kind {
            0 | 1 => self.source(),
            2..=7 => self.blockwise(),
            8 | 9 => self.tree(),
            10 => self.overlap(),
            11 => self.exchange(),
            12 => self.explicit(),
            _ => self.data(),
        };
        let layer = match &annotations {
            Some(a) => layer.annotated(a.clone()),
            None => layer,
        };
        for id in first_op..self.next_op {
            self.by_op.insert(id, annotations.clone());
        }
        self.by_key
            .entry(layer.key())
            .or_default()
            .push(annotations);
        self.layers.push((layer, grid));
    }

    fn op(&mut self) -> OpRef {
        self.next_op += 1;
        mix(self.next_op - 1, self.rng.chance(50), false)
    }

    fn grid(&mut self) -> Grid {
        let axes = self.rng.below(4);
        Grid::new(
            (0..axes)
                .map(|_| 1 + self.rng.below(3) as u32)
                .collect::<Vec<_>>(),
        )
    }

    /// A layer, most often the newest: chains are what the passes look for.
    fn pick(&mut self) -> (Arc<Layer>, Grid) {
        let n = self.layers.len() as u64;
        let i = if self.rng.chance(60) {
            n - 1
        } else {
            self.rng.below(n)
        };
        self.layers[i as usize].clone()
    }

    fn source(&mut self) -> (Arc<Layer>, Grid) {
        let grid = self.grid();
        self.next_op += 1;
        let op = mix(self.next_op - 1, self.rng.chance(70), self.rng.chance(50));
        let kind = Blockwise::source(op, grid.clone(), BlockBytes::Each(8));
        (Layer::new(kind, vec![]), grid)
    }

    fn args(&mut self, out: &Grid, first: &(Arc<Layer>, Grid)) -> (Vec<BlockArg>, Vec<Arc<Layer>>) {
        let n = 1 + self.rng.below(3);
        let mut inputs: Vec<Arc<Layer>> = Vec::new();
        let mut args = Vec::new();
        for i in 0..n {
            let (layer, grid) = if i == 0 { first.clone() } else { self.pick() };
            let there = inputs.iter().position(|l| Arc::ptr_eq(l, &layer));
            let slot = there.unwrap_or_else(|| {
                inputs.push(layer);
                inputs.len() - 1
            }) as u32;
            let mut arg = BlockArg::same(slot, &grid);
            if grid != *out || self.rng.chance(15) {
                for (axis, &n) in grid.counts().iter().enumerate() {
                    arg.axes[axis] = self.axis(out, n);
                }
            }
            args.push(arg);
        }
        (args, inputs)
    }

    fn axis(&mut self, out: &Grid, n: u32) -> AxisMap {
        if self.rng.chance(10) {
            return AxisMap::All;
        }
        let axes = out.counts().len() as u64;
        if axes > 0 {
            let d = self.rng.below(axes) as u32;
            if out.counts()[d as usize] <= n {
                return AxisMap::Out(d);
            }
        }
        AxisMap::Fixed(self.rng.below(u64::from(n)) as u32)
    }

    /// The grid of the first argument, transposed, the same, or any.
    fn out_grid(&mut self, first: &Grid) -> Grid {
        match self.rng.below(4) {
            0 => {
                let mut counts = first.counts().to_vec();
                counts.reverse();
                Grid::new(counts)
            }
            1 => self.grid(),
            _ => first.clone(),
        }
    }

    fn blockwise(&mut self) -> (Arc<Layer>, Grid) {
        let first = self.pick();
        let grid = self.out_grid(&first.1);
        let (mut args, mut inputs) = self.args(&grid, &first);
        let counts = grid.counts();
        let turned = first.1.counts().iter().rev().eq(counts);
        if turned && self.rng.chance(70) {
            // Alone, so that it is read block by block and can be fused.
            args.truncate(1);
            inputs.truncate(1);
            args[0].axes = (0..counts.len() as u32).rev().map(AxisMap::Out).collect();
        }
        let op = self.op();
        let kind = Blockwise::new(op, grid.clone(), args, BlockBytes::Each(8)).unwrap();
        (Layer::new(kind, inputs), grid)
    }

    fn tree(&mut self) -> (Arc<Layer>, Grid) {
        let first = self.pick();
        let grid = self.out_grid(&first.1);
        let (args, inputs) = self.args(&grid, &first);
        let reduced: Vec<bool> = grid.counts().iter().map(|_| self.rng.chance(60)).collect();
        let ops = [self.op(), self.op(), self.op()];
        let bytes = TreeBytes {
            partial: 8,
            output: 8,
        };
        let left: Vec<u32> = grid
            .counts()
            .iter()
            .zip(&reduced)
            .filter(|p| !p.1)
            .map(|p| *p.0)
            .collect();
        let kind = TreeReduction::new(ops, grid, args, reduced, 2, bytes).unwrap();
        (Layer::new(kind, inputs), Grid::new(left))
    }

    fn overlap(&mut self) -> (Arc<Layer>, Grid) {
        let (layer, grid) = self.pick();
        let reach = grid
            .counts()
            .iter()
            .map(|_| Reach {
                before: self.rng.below(2) as u32,
                after: self.rng.below(2) as u32,
                periodic: self.rng.chance(30),
            })
            .collect();
        let op = self.op();
        let kind = Overlap::new(op, grid.clone(), reach, BlockBytes::Each(8)).unwrap();
        (Layer::new(kind, vec![layer]), grid)
    }

    fn exchange(&mut self) -> (Arc<Layer>, Grid) {
        let (layer, grid) = self.pick();
        let to = 1 + self.rng.below(4);
        self.next_op += 2;
        let split = mix_pieces(self.next_op - 2, true, false, to);
        // Without its block, only the piece tells two merges apart.
        let merge = mix(self.next_op - 1, self.rng.chance(50), false);
        let kind = Exchange::new([split, merge], grid.len() as u32, to as u32, 8, 8).unwrap();
        (Layer::new(kind, vec![layer]), Grid::new([to as u32]))
    }

    fn explicit(&mut self) -> (Arc<Layer>, Grid) {
        let inputs: Vec<(Arc<Layer>, Grid)> = (0..self.rng.below(3)).map(|_| self.pick()).collect();
        let mut list = TaskList::new();
        let ops: Vec<_> = (0..2)
            .map(|_| {
                let op = self.op();
                list.op(op)
            })
            .collect();
        let mut ids = Vec::new();
        // So that every input is read.
        for (slot, _) in inputs.iter().enumerate() {
            let slot = slot as u32;
            ids.push(list.task_with(ops[0], [Edge::Input { slot, output: 0 }]));
        }
        for _ in 0..3 + self.rng.below(8) {
            let mut deps = Vec::new();
            if let Some(last) = ids.last()
                && self.rng.chance(80)
            {
                deps.push(Edge::Own(last.index() as u32));
            }
            if !ids.is_empty() && self.rng.chance(20) {
                deps.push(Edge::Own(self.rng.below(ids.len() as u64) as u32));
            }
            if !inputs.is_empty() && self.rng.chance(25) {
                let slot = self.rng.below(inputs.len() as u64);
                let output = self.rng.below(inputs[slot as usize].1.len() as u64) as u32;
                deps.push(Edge::Input {
                    slot: slot as u32,
                    output,
                });
            }
            let op = ops[self.rng.below(2) as usize];
            ids.push(list.task_with(op, deps.iter().copied()));
            if self.rng.chance(20) {
                // Once more: a common subexpression, if the operator does not ask for its block.
                ids.push(list.task_with(op, deps));
            }
        }
        let last = ids.len() - 1;
        let mut outputs = vec![ids[last]];
        if self.rng.chance(40) {
            outputs.push(ids[self.rng.below(last as u64 + 1) as usize]);
        }
        let grid = Grid::new([outputs.len() as u32]);
        let layers = inputs.into_iter().map(|i| i.0).collect();
        (Layer::new(list.into_kind(outputs), layers), grid)
    }

    fn data(&mut self) -> (Arc<Layer>, Grid) {
        let n = 1 + self.rng.below(3);
        let values = (0..n).map(|_| Value::new(self.rng.next())).collect();
        let layer = Layer::new(Data::values(values), vec![]);
        (layer, Grid::new([n as u32]))
    }
}

//! Groups of blockwise layers that run as one task a block, and the program that does it.

use std::collections::HashMap;
use std::sync::Arc;

use super::rewrite::Change;
use crate::base::blocks::{AxisMap, Grid, GridMap, compose};
use crate::graph::Graph;
use crate::graph::layer::{BlockArg, Blockwise, Layer, LayerKind, TreeReduction};
use crate::operator::OpRef;
use crate::operator::program::{Arg, Program, Step};

/// What one task a block runs: a blockwise layer, or the chunk stage of a tree.
pub(super) struct Stage<'a> {
    pub(super) op: &'a OpRef,
    pub(super) grid: &'a Grid,
    pub(super) args: &'a [BlockArg],
    /// Whether other layers can take it in; a tree has more to do after its chunk stage.
    pub(super) absorbable: bool,
}

/// The stage of a layer, if it has one.
pub(super) fn stage(layer: &Layer) -> Option<Stage<'_>> {
    if let Some(b) = layer.as_kind::<Blockwise>() {
        return Some(Stage {
            op: b.operator(),
            grid: b.grid(),
            args: b.args(),
            absorbable: true,
        });
    }
    let tree = layer.as_kind::<TreeReduction>()?;
    Some(Stage {
        op: tree.ops().first()?,
        grid: tree.grid(),
        args: tree.args(),
        absorbable: false,
    })
}

/// Which blocks of a layer are read at a block of the group's root.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) grid: Grid,
    pub(super) axes: Vec<AxisMap>,
}

impl Pattern {
    fn of(arg: &BlockArg, map: &[AxisMap]) -> Self {
        Self {
            grid: arg.grid.clone(),
            axes: compose(&arg.axes, map),
        }
    }

    pub(super) fn arg(&self, slot: u32) -> BlockArg {
        BlockArg {
            slot,
            grid: self.grid.clone(),
            axes: self.axes.clone(),
        }
    }

    fn width(&self) -> usize {
        self.arg(0).reads()
    }
}

/// A layer of a group and how its blocks follow from those of the root.
struct Member {
    layer: u32,
    map: Vec<AxisMap>,
}

/// Layers that run as one task for each block of the last one, the root.
pub(super) struct Group {
    pub(super) root: u32,
    members: Vec<Member>,
    /// Distinct patterns by layer that is read from outside.
    reads: HashMap<u32, Vec<Pattern>>,
    /// Blocks that a task of the group reads.
    width: usize,
}

impl Group {
    pub(super) fn new(graph: &Graph, root: u32, stage: &Stage<'_>) -> Self {
        let mut group = Self {
            root,
            members: Vec::new(),
            reads: HashMap::new(),
            width: 0,
        };
        let map = (0..stage.grid.counts().len() as u32)
            .map(AxisMap::Out)
            .collect();
        group.push(graph, root, stage, map);
        group
    }

    /// The patterns in which it reads a layer.
    pub(super) fn patterns(&self, layer: u32) -> &[Pattern] {
        self.reads.get(&layer).map_or(&[], Vec::as_slice)
    }

    /// Blocks that a task reads.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Whether the group is more than its root.
    pub(super) fn is_fused(&self) -> bool {
        self.members.len() > 1
    }

    /// Blocks that a task would read with that layer taken in.
    pub(super) fn width_with(
        &self,
        graph: &Graph,
        layer: u32,
        stage: &Stage<'_>,
        at: &Pattern,
    ) -> usize {
        let mut new: Vec<(u32, Pattern)> = Vec::new();
        for a in stage.args {
            let from = graph.inputs[layer as usize][a.slot as usize];
            let p = Pattern::of(a, &at.axes);
            let known =
                self.patterns(from).contains(&p) || new.iter().any(|(l, q)| *l == from && *q == p);
            if !known {
                new.push((from, p));
            }
        }
        new.iter().fold(self.width - at.width(), |n, (_, p)| {
            n.saturating_add(p.width())
        })
    }

    /// Takes in a layer that is read in that pattern.
    pub(super) fn absorb(&mut self, graph: &Graph, layer: u32, stage: &Stage<'_>, at: &Pattern) {
        if let Some(patterns) = self.reads.get_mut(&layer) {
            patterns.retain(|p| p != at);
            self.width = self.width.saturating_sub(at.width());
        }
        self.push(graph, layer, stage, at.axes.clone());
    }

    fn push(&mut self, graph: &Graph, layer: u32, stage: &Stage<'_>, map: Vec<AxisMap>) {
        for a in stage.args {
            let from = graph.inputs[layer as usize][a.slot as usize];
            let pattern = Pattern::of(a, &map);
            let known = self.reads.entry(from).or_default();
            if !known.contains(&pattern) {
                self.width = self.width.saturating_add(pattern.width());
                known.push(pattern);
            }
        }
        self.members.push(Member { layer, map });
    }

    /// The layer that runs the group. `None` if it cannot be written down, which the callers' limits rule out.
    pub(super) fn change(mut self, graph: &Graph) -> Option<Change> {
        // Producers have lower numbers than their readers, so the root comes last.
        self.members.sort_by_key(|m| m.layer);
        let root = &graph.layers[self.root as usize];
        let grid = stage(root)?.grid;
        let mut out = Inputs::default();
        let mut steps: Vec<Step> = Vec::with_capacity(self.members.len());
        let mut made: HashMap<u32, Vec<(&[AxisMap], u32)>> = HashMap::new();
        for m in &self.members {
            let stage = stage(&graph.layers[m.layer as usize])?;
            let mut args = Vec::new();
            for a in stage.args {
                let from = graph.inputs[m.layer as usize][a.slot as usize];
                let pattern = Pattern::of(a, &m.map);
                let step = made
                    .get(&from)
                    .and_then(|v| v.iter().find(|s| *s.0 == *pattern.axes));
                match step {
                    Some((_, s)) => args.push(Arg::Step(*s)),
                    None => {
                        let (first, width) = out.place(from, pattern)?;
                        args.extend((first..first.checked_add(width)?).map(Arg::Input));
                    }
                }
            }
            let entry = made.entry(m.layer).or_default();
            entry.push((&m.map, steps.len() as u32));
            steps.push(Step {
                op: stage.op.clone(),
                args,
                block: renumbering(stage.op, grid, stage.grid, &m.map),
                fixed_block: None,
            });
        }
        let op = OpRef::program(Program::new(steps).ok()?);
        let kind: Arc<dyn LayerKind> = match root.as_kind::<TreeReduction>() {
            Some(tree) => Arc::new(tree.with_chunk(op, out.args)?),
            None => {
                let bytes = root.as_kind::<Blockwise>()?.block_bytes().clone();
                Arc::new(Blockwise::new(op, grid.clone(), out.args, bytes).ok()?)
            }
        };
        Some(Change {
            kind,
            inputs: out.layers,
        })
    }
}

/// The map of block numbers that an operator needs, if any.
fn renumbering(op: &OpRef, from: &Grid, to: &Grid, map: &[AxisMap]) -> Option<GridMap> {
    let same = from == to
        && map
            .iter()
            .enumerate()
            .all(|(i, a)| *a == AxisMap::Out(i as u32));
    (op.traits().uses_block && !same).then(|| GridMap {
        from: from.clone(),
        to: to.clone(),
        axes: map.to_vec(),
    })
}

/// The inputs of a fused layer, each once.
#[derive(Default)]
struct Inputs {
    layers: Vec<u32>,
    args: Vec<BlockArg>,
    slots: HashMap<u32, u32>,
    /// By layer: patterns with the first input and the number of inputs that they stand for.
    known: HashMap<u32, Vec<(Pattern, u32, u32)>>,
    next: u32,
}

impl Inputs {
    fn place(&mut self, from: u32, pattern: Pattern) -> Option<(u32, u32)> {
        let known = self.known.entry(from).or_default();
        if let Some((_, first, width)) = known.iter().find(|k| k.0 == pattern) {
            return Some((*first, *width));
        }
        let slot = *self.slots.entry(from).or_insert_with(|| {
            self.layers.push(from);
            self.layers.len() as u32 - 1
        });
        let (first, width) = (self.next, u32::try_from(pattern.width()).ok()?);
        self.next = first.checked_add(width)?;
        self.args.push(pattern.arg(slot));
        known.push((pattern, first, width));
        Some((first, width))
    }
}

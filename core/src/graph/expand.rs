//! Expansion: from symbolic layers to the tasks that the wanted results really need, in dense arrays.
//!
//! Culling is part of it: a task that nothing wanted reads is never made. Cost is a few tens of nanoseconds a task and edge; about
//! 40 bytes a task are kept.

use std::sync::Arc;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::{Key, KeyMap};
use crate::graph::annotations::Annotations;
use crate::graph::layer::{Datum, Edge, Layer};
use crate::graph::{Graph, Outputs};
use crate::operator::{OpRef, OpTraits, TaskTable};
use crate::value::{Piece, Pieces, Value};

/// Tasks numbered densely, with what each reads. Plain data: schedulers, passes and orderings work on it.
#[derive(Debug, Clone, Default)]
pub struct TaskGraph {
    pub(crate) ops: Vec<OpRef>,
    pub(crate) op: Vec<u32>,
    pub(crate) layer: Vec<u32>,
    pub(crate) local: Vec<u32>,
    pub(crate) block: Vec<u32>,
    pub(crate) dep_off: Vec<u32>,
    pub(crate) deps: Vec<u32>,
    /// Which piece each task reads, as far as the list goes.
    pub(crate) piece: Vec<Option<Piece>>,
    pub(crate) bytes: Vec<u64>,
    pub(crate) layers: Vec<Arc<Layer>>,
    pub(crate) outputs: Vec<u32>,
    /// Tasks that are values already, by rising task number.
    pub(crate) data: Vec<(u32, Datum)>,
}

impl TaskTable for TaskGraph {
    fn key(&self, task: u32) -> Key {
        Self::key(self, task)
    }

    fn op(&self, task: u32) -> &OpRef {
        Self::op(self, task)
    }

    fn block(&self, task: u32) -> u32 {
        Self::block(self, task)
    }
}

impl TaskGraph {
    /// Expands what the graph wants.
    ///
    /// # Errors
    /// [`ErrorKind::Dangling`] if a layer names a task or output that does not exist, [`ErrorKind::Cycle`] if a layer's own
    /// tasks read each other in a circle (with the path), [`ErrorKind::BadInput`] beyond 2^32 - 1 tasks or edges.
    pub fn expand(graph: &Graph) -> Result<Self> {
        Expander::new(graph).run()
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.op.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.op.is_empty()
    }

    /// What a task reads, in argument order.
    pub fn deps(&self, task: u32) -> &[u32] {
        &self.deps[self.dep_off[task as usize] as usize..self.dep_off[task as usize + 1] as usize]
    }

    /// Which piece of each result that it reads a task is given; `None`: the whole of each.
    #[inline]
    pub fn piece(&self, task: u32) -> Option<Piece> {
        self.piece.get(task as usize).copied().flatten()
    }

    /// Whether some task reads pieces.
    #[inline]
    pub fn has_pieces(&self) -> bool {
        !self.piece.is_empty()
    }

    /// What a task is given of a result that it reads: all of it, or its piece. For backends that keep results whole.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] if it reads a piece and the result is not [`Pieces`], or has no such piece.
    pub fn input(&self, task: u32, result: Value) -> Result<Value> {
        match self.piece(task) {
            None => Ok(result),
            Some(piece) => Pieces::pick(&result, piece.index),
        }
    }

    /// Projected bytes of what a task is given of a result that it reads.
    pub fn input_bytes(&self, task: u32, result: u32) -> u64 {
        let bytes = self.bytes(result);
        self.piece(task).map_or(bytes, |piece| piece.share(bytes))
    }

    /// Says which piece the newest task reads.
    pub(crate) fn push_piece(&mut self, piece: Option<Piece>) {
        if piece.is_some() {
            self.piece.resize(self.op.len() - 1, None);
            self.piece.push(piece);
        }
    }

    /// The edges as compressed rows: task `t` reads `deps[dep_off[t]..dep_off[t + 1]]`.
    pub fn edges(&self) -> (&[u32], &[u32]) {
        (&self.dep_off, &self.deps)
    }

    /// The operators, each once.
    pub fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    /// What a task runs, as a number into [`TaskGraph::ops`].
    pub fn op_index(&self, task: u32) -> usize {
        self.op[task as usize] as usize
    }

    /// What a task runs.
    pub fn op(&self, task: u32) -> &OpRef {
        &self.ops[self.op_index(task)]
    }

    /// The block number that the task's kernel sees.
    pub fn block(&self, task: u32) -> u32 {
        self.block[task as usize]
    }

    /// The task's content key.
    pub fn key(&self, task: u32) -> Key {
        self.layers[self.layer[task as usize] as usize].task_key(self.local[task as usize] as usize)
    }

    /// Projected bytes of the task's result.
    pub fn bytes(&self, task: u32) -> u64 {
        self.bytes[task as usize]
    }

    /// Projected bytes of all tasks.
    pub fn all_bytes(&self) -> &[u64] {
        &self.bytes
    }

    /// How the task should be run.
    pub fn annotations(&self, task: u32) -> Option<&Arc<Annotations>> {
        self.layer_of(task).annotations()
    }

    /// The layer that the task belongs to.
    pub fn layer_of(&self, task: u32) -> &Arc<Layer> {
        &self.layers[self.layer[task as usize] as usize]
    }

    /// The wanted tasks, in the order of the roots.
    pub fn outputs(&self) -> &[u32] {
        &self.outputs
    }

    /// Tasks that are values already, by rising task number.
    pub fn data(&self) -> &[(u32, Datum)] {
        &self.data
    }

    /// Whether any layer is annotated.
    pub fn is_annotated(&self) -> bool {
        self.layers.iter().any(|l| l.annotations().is_some())
    }

    /// The reverse edges as compressed rows: `(offsets, tasks)`; a task that reads another twice stands there twice.
    pub fn dependents(&self) -> (Vec<u32>, Vec<u32>) {
        let n = self.len();
        let mut off = vec![0u32; n + 1];
        for &d in &self.deps {
            off[d as usize + 1] += 1;
        }
        for i in 0..n {
            off[i + 1] += off[i];
        }
        let mut at = off.clone();
        let mut rows = vec![0u32; self.deps.len()];
        for t in 0..n {
            for &d in self.deps(t as u32) {
                rows[at[d as usize] as usize] = t as u32;
                at[d as usize] += 1;
            }
        }
        (off, rows)
    }
}

/// Which tasks of a layer are needed.
enum Need {
    None,
    Some { bits: Vec<u64>, count: usize },
    All,
}

impl Need {
    /// Marks a task; true if it was not marked.
    fn mark(&mut self, task: usize, tasks: usize) -> bool {
        if let Self::None = self {
            *self = Self::Some {
                bits: vec![0; tasks.div_ceil(64)],
                count: 0,
            };
        }
        let Self::Some { bits, count } = self else {
            return false;
        };
        let (word, bit) = (&mut bits[task / 64], 1u64 << (task % 64));
        let new = *word & bit == 0;
        *word |= bit;
        *count += usize::from(new);
        new
    }
}

struct Expander<'a> {
    graph: &'a Graph,
    need: Vec<Need>,
    /// Whether some task reads one of its own layer that does not come before it: only then can there be a cycle.
    forward: bool,
}

impl<'a> Expander<'a> {
    fn new(graph: &'a Graph) -> Self {
        let need = graph.layers.iter().map(|_| Need::None).collect();
        Self {
            graph,
            need,
            forward: false,
        }
    }

    fn run(mut self) -> Result<TaskGraph> {
        self.mark_wanted()?;
        for n in (0..self.graph.layers.len()).rev() {
            self.mark_inputs(n)?;
        }
        let tasks = self.build()?;
        if self.forward {
            check_cycles(&tasks)?;
        }
        Ok(tasks)
    }

    fn mark_wanted(&mut self) -> Result<()> {
        for (n, outputs) in &self.graph.wanted {
            let layer = &self.graph.layers[*n as usize];
            let kind = layer.kind();
            let (tasks, have) = (kind.tasks(), kind.outputs());
            let need = &mut self.need[*n as usize];
            match outputs {
                // As many outputs as tasks: still not all tasks, if one is an output twice.
                Outputs::All if tasks == have && (0..have).all(|o| kind.output_task(o) == o) => {
                    *need = Need::All;
                }
                Outputs::All => {
                    for o in 0..have {
                        need.mark(made_by(layer, o)?, tasks);
                    }
                }
                Outputs::Only(list) => {
                    for &o in list {
                        if o as usize >= have {
                            return Err(dangling(
                                &self.graph.layers[*n as usize],
                                format!("output {o} of {have} is wanted"),
                            ));
                        }
                        need.mark(made_by(layer, o as usize)?, tasks);
                    }
                }
            }
        }
        Ok(())
    }

    /// Marks what the needed tasks of layer `n` read, in it and in its inputs.
    fn mark_inputs(&mut self, n: usize) -> Result<()> {
        let layer = &self.graph.layers[n];
        let kind = layer.kind();
        let tasks = kind.tasks();
        let inputs = &self.graph.inputs[n];
        let mut need = std::mem::replace(&mut self.need[n], Need::None);
        let mut edges = Vec::new();
        let mut forward = false;
        // The needed inputs of a layer are often the same few; slot facts are looked up once.
        let slots: Vec<_> = inputs
            .iter()
            .map(|&i| (i as usize, &self.graph.layers[i as usize]))
            .collect();
        let others = &mut self.need;
        let ops = kind.ops().len();
        let mut visit = |task: usize, need: &mut Need, stack: &mut Vec<usize>| -> Result<()> {
            if kind.datum(task).is_none() && kind.op(task) >= ops {
                let why = format!("task {task} runs operator {} of {ops}", kind.op(task));
                return Err(dangling(layer, why));
            }
            edges.clear();
            kind.edges(task, &mut edges);
            for e in &edges {
                match *e {
                    Edge::Own(t) => {
                        let t = t as usize;
                        if t >= tasks {
                            return Err(dangling(
                                layer,
                                format!("task {task} reads task {t} of {tasks}"),
                            ));
                        }
                        forward |= t >= task;
                        if need.mark(t, tasks) {
                            stack.push(t);
                        }
                    }
                    Edge::Input { slot, output } => {
                        let Some((i, input)) = slots.get(slot as usize) else {
                            return Err(dangling(
                                layer,
                                format!("task {task} reads input {slot} of {}", slots.len()),
                            ));
                        };
                        let output = output as usize;
                        if output >= input.kind().outputs() {
                            let why = format!(
                                "task {task} reads output {output} of {}",
                                input.kind().outputs()
                            );
                            return Err(dangling(layer, why));
                        }
                        let made_by = made_by(input, output)?;
                        others[*i].mark(made_by, input.kind().tasks());
                    }
                }
            }
            Ok(())
        };
        let mut stack = Vec::new();
        match &need {
            Need::None => return Ok(()),
            Need::All => {
                for t in 0..tasks {
                    visit(t, &mut need, &mut stack)?;
                }
            }
            Need::Some { bits, .. } => {
                for (w, &word) in bits.iter().enumerate() {
                    let mut word = word;
                    while word != 0 {
                        stack.push(w * 64 + word.trailing_zeros() as usize);
                        word &= word - 1;
                    }
                }
                while let Some(t) = stack.pop() {
                    visit(t, &mut need, &mut stack)?;
                }
            }
        }
        if matches!(&need, Need::Some { count, .. } if *count == tasks) {
            need = Need::All;
        }
        self.forward |= forward;
        self.need[n] = need;
        Ok(())
    }

    fn build(&self) -> Result<TaskGraph> {
        let count = |n: usize| match &self.need[n] {
            Need::None => 0,
            Need::Some { count, .. } => *count,
            Need::All => self.graph.layers[n].kind().tasks(),
        };
        let total: usize = (0..self.need.len()).map(count).sum();
        if u32::try_from(total).is_err() || total == u32::MAX as usize {
            return Err(Error::bad_input(format!(
                "the graph needs {total} tasks; at most {} are possible",
                u32::MAX - 1
            )));
        }
        let mut g = TaskGraph {
            op: Vec::with_capacity(total),
            layer: Vec::with_capacity(total),
            local: Vec::with_capacity(total),
            block: Vec::with_capacity(total),
            dep_off: Vec::with_capacity(total + 1),
            bytes: Vec::with_capacity(total),
            ..TaskGraph::default()
        };
        g.dep_off.push(0);
        let mut numbering: Vec<Numbering> = Vec::with_capacity(self.need.len());
        let mut op_numbers: KeyMap<u32> = KeyMap::default();
        let mut edges = Vec::new();
        let mut op_of: Vec<u32> = Vec::new();
        for n in 0..self.need.len() {
            let layer = &self.graph.layers[n];
            let kind = layer.kind();
            numbering.push(Numbering::new(
                &self.need[n],
                kind.tasks(),
                g.op.len() as u32,
            ));
            if matches!(self.need[n], Need::None) {
                continue;
            }
            op_of.clear();
            op_of.extend(kind.ops().iter().map(|op| {
                *op_numbers.entry(op.key()).or_insert_with(|| {
                    g.ops.push(op.clone());
                    g.ops.len() as u32 - 1
                })
            }));
            let layer_number = g.layers.len() as u32;
            g.layers.push(layer.clone());
            let inputs = &self.graph.inputs[n];
            let mut each = |t: usize| {
                if let Some(datum) = kind.datum(t) {
                    g.data.push((g.op.len() as u32, datum.clone()));
                    let op = *op_numbers.entry(data_op().key()).or_insert_with(|| {
                        g.ops.push(data_op());
                        g.ops.len() as u32 - 1
                    });
                    g.op.push(op);
                } else {
                    g.op.push(op_of[kind.op(t)]);
                }
                g.layer.push(layer_number);
                g.local.push(t as u32);
                g.block.push(kind.block(t));
                g.bytes.push(kind.bytes(t));
                g.push_piece(kind.piece(t));
                edges.clear();
                kind.edges(t, &mut edges);
                for e in &edges {
                    g.deps.push(match *e {
                        Edge::Own(t) => numbering[n].of(t as usize),
                        Edge::Input { slot, output } => {
                            let i = inputs[slot as usize] as usize;
                            numbering[i]
                                .of(self.graph.layers[i].kind().output_task(output as usize))
                        }
                    });
                }
                g.dep_off.push(g.deps.len() as u32);
            };
            match &self.need[n] {
                Need::None => {}
                Need::All => (0..kind.tasks()).for_each(&mut each),
                Need::Some { bits, .. } => {
                    for (w, &word) in bits.iter().enumerate() {
                        let mut word = word;
                        while word != 0 {
                            each(w * 64 + word.trailing_zeros() as usize);
                            word &= word - 1;
                        }
                    }
                }
            }
            if u32::try_from(g.deps.len()).is_err() {
                return Err(Error::bad_input("the graph has more than 2^32 - 1 edges"));
            }
        }
        for (n, outputs) in &self.graph.wanted {
            let kind = self.graph.layers[*n as usize].kind();
            let to = |o: usize| numbering[*n as usize].of(kind.output_task(o));
            match outputs {
                Outputs::All => g.outputs.extend((0..kind.outputs()).map(to)),
                Outputs::Only(list) => g.outputs.extend(list.iter().map(|&o| to(o as usize))),
            }
        }
        Ok(g)
    }
}

/// The operator that stands for a value at hand; never run.
fn data_op() -> OpRef {
    OpRef::named("core.data", 1, OpTraits::default(), Vec::new())
}

/// From task numbers of a layer to task numbers of the expanded graph.
enum Numbering {
    Offset(u32),
    /// First number of each word of 64 tasks, and the word's bits.
    Ranked(Vec<(u32, u64)>),
}

impl Numbering {
    fn new(need: &Need, _tasks: usize, first: u32) -> Self {
        match need {
            Need::None | Need::All => Self::Offset(first),
            Need::Some { bits, .. } => {
                let mut at = first;
                Self::Ranked(
                    bits.iter()
                        .map(|&w| {
                            let here = (at, w);
                            at += w.count_ones();
                            here
                        })
                        .collect(),
                )
            }
        }
    }

    fn of(&self, task: usize) -> u32 {
        match self {
            Self::Offset(first) => first + task as u32,
            Self::Ranked(words) => {
                let (first, bits) = words[task / 64];
                first + (bits & ((1u64 << (task % 64)) - 1)).count_ones()
            }
        }
    }
}

/// The task that makes an output, if the layer has it.
fn made_by(layer: &Layer, output: usize) -> Result<usize> {
    let task = layer.kind().output_task(output);
    let tasks = layer.kind().tasks();
    if task < tasks {
        return Ok(task);
    }
    let why = format!("output {output} is made by task {task} of {tasks}");
    Err(dangling(layer, why))
}

fn dangling(layer: &Layer, why: String) -> Error {
    let ops: Vec<String> = layer.kind().ops().iter().map(OpRef::label).collect();
    Error::new(
        ErrorKind::Dangling,
        format!(
            "a {} layer ({}): {why}",
            layer.kind().kind(),
            ops.join(", ")
        ),
    )
}

fn check_cycles(g: &TaskGraph) -> Result<()> {
    let rows: Vec<Vec<usize>> = (0..g.len())
        .map(|t| g.deps(t as u32).iter().map(|&d| d as usize).collect())
        .collect();
    crate::graph::topological(g.len(), |t| &rows[t])
        .map(|_| ())
        .map_err(|path| {
            // The path runs from reader to read; at most a dozen names are of use to a person.
            let name =
                |&t: &usize| format!("{} ({})", g.key(t as u32).short(), g.op(t as u32).label());
            let mut names: Vec<String> = path.iter().take(12).map(name).collect();
            if path.len() > 12 {
                names.push(format!("… {} more", path.len() - 12));
            }
            Error::new(
                ErrorKind::Cycle,
                format!("the graph has a cycle: {}", names.join(" -> ")),
            )
        })
}

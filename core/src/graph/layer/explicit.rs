//! Explicit layers: tasks written down one by one, for graphs that have no formula.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{Edge, LayerKind, decode, encode, malformed};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::{Key, KeyBuilder};
use crate::operator::OpRef;

/// A task of a [`TaskList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u32);

impl TaskId {
    /// Its number in the list.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

const INPUT: u32 = 1 << 31;

/// Tasks in an order in which each only reads earlier ones; no cycle can be written down.
///
/// ```
/// use kvern_core::{OpRef, TaskList, Value};
/// let mut list = TaskList::new();
/// let one = list.op(OpRef::local("one", |_, _| Ok(Value::new(1i64))));
/// let add = list.op(OpRef::local("add", |x, _| {
///     Ok(Value::new(x.iter().filter_map(|v| v.downcast_ref::<i64>()).sum::<i64>()))
/// }));
/// let a = list.task(one, []);
/// let b = list.task(add, [a, a]);
/// let layer = list.finish([b]);
/// assert_eq!(kvern_core::reference::compute(&layer).unwrap()[0].downcast_ref::<i64>(), Some(&2));
/// ```
#[derive(Debug, Default)]
pub struct TaskList {
    ops: Vec<OpRef>,
    op: Vec<u32>,
    block: Vec<u32>,
    offsets: Vec<u32>,
    deps: Vec<u32>,
    /// `(slot, output)` of the input edges, referred to from `deps` by number with the `INPUT` bit set.
    external: Vec<(u32, u32)>,
    slots: u32,
    bytes: Vec<u64>,
}

/// An operator added to a [`TaskList`].
#[derive(Debug, Clone, Copy)]
pub struct OpIndex(u32);

impl TaskList {
    /// No tasks yet.
    pub fn new() -> Self {
        Self {
            offsets: vec![0],
            ..Self::default()
        }
    }

    /// Room for `tasks` tasks with `edges` dependencies in all.
    pub fn with_capacity(tasks: usize, edges: usize) -> Self {
        let mut offsets = Vec::with_capacity(tasks + 1);
        offsets.push(0);
        Self {
            op: Vec::with_capacity(tasks),
            block: Vec::with_capacity(tasks),
            offsets,
            deps: Vec::with_capacity(edges),
            ..Self::default()
        }
    }

    /// Adds an operator for tasks to run.
    pub fn op(&mut self, op: OpRef) -> OpIndex {
        self.ops.push(op);
        OpIndex(self.ops.len() as u32 - 1)
    }

    /// Adds a task that reads earlier ones. Its kernel sees its number in the list as block.
    ///
    /// # Panics
    /// If a dependency is not an earlier task of this list.
    pub fn task(&mut self, op: OpIndex, deps: impl IntoIterator<Item = TaskId>) -> TaskId {
        let id = self.op.len() as u32;
        self.deps.extend(
            deps.into_iter()
                .inspect(|d| assert!(d.0 < id, "task {id} cannot read task {}", d.0))
                .map(|d| d.0),
        );
        self.close(op, id)
    }

    /// Adds a task that reads earlier ones and outputs of input layers.
    ///
    /// # Panics
    /// If an own dependency is not an earlier task of this list.
    pub fn task_with(&mut self, op: OpIndex, deps: impl IntoIterator<Item = Edge>) -> TaskId {
        let id = self.op.len() as u32;
        for d in deps {
            match d {
                Edge::Own(t) => {
                    assert!(t < id, "task {id} cannot read task {t}");
                    self.deps.push(t);
                }
                Edge::Input { slot, output } => {
                    self.slots = self.slots.max(slot + 1);
                    self.deps.push(INPUT | self.external.len() as u32);
                    self.external.push((slot, output));
                }
            }
        }
        self.close(op, id)
    }

    fn close(&mut self, op: OpIndex, id: u32) -> TaskId {
        assert!(id < INPUT - 1, "a list holds at most 2^31 tasks");
        self.op.push(op.0);
        self.block.push(id);
        self.offsets.push(self.deps.len() as u32);
        TaskId(id)
    }

    /// Says how many bytes a task's result will take.
    pub fn project(&mut self, task: TaskId, bytes: u64) {
        self.bytes.resize(self.op.len(), 0);
        self.bytes[task.index()] = bytes;
    }

    /// Sets the block number that a task's kernel sees.
    pub fn set_block(&mut self, task: TaskId, block: u32) {
        self.block[task.index()] = block;
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.op.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.op.is_empty()
    }

    /// The list as the kind of a layer, whose outputs are those tasks.
    pub fn into_kind(mut self, outputs: impl IntoIterator<Item = TaskId>) -> Explicit {
        if !self.bytes.is_empty() {
            self.bytes.resize(self.op.len(), 0);
        }
        let outputs = outputs.into_iter().map(|t| t.0).collect();
        Explicit {
            ops: self.ops,
            op: self.op,
            block: self.block,
            offsets: self.offsets,
            deps: self.deps,
            external: self.external,
            slots: self.slots,
            bytes: self.bytes,
            outputs,
            keys: OnceLock::new(),
        }
    }

    /// A layer without inputs.
    ///
    /// # Panics
    /// If tasks read input layers (use [`TaskList::into_kind`] and [`Layer::new`](super::Layer::new)).
    pub fn finish(self, outputs: impl IntoIterator<Item = TaskId>) -> Arc<super::Layer> {
        super::Layer::new(self.into_kind(outputs), Vec::new())
    }
}

/// The finished form of a [`TaskList`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explicit {
    ops: Vec<OpRef>,
    op: Vec<u32>,
    block: Vec<u32>,
    offsets: Vec<u32>,
    deps: Vec<u32>,
    external: Vec<(u32, u32)>,
    slots: u32,
    bytes: Vec<u64>,
    outputs: Vec<u32>,
    #[serde(skip)]
    keys: OnceLock<Vec<Key>>,
}

impl Explicit {
    fn deps_of(&self, task: usize) -> &[u32] {
        &self.deps[self.offsets[task] as usize..self.offsets[task + 1] as usize]
    }

    /// Content keys of all tasks, made in one pass since each only reads earlier ones. Input edges are named by slot and output:
    /// what stands there is in the layer's key, which is mixed in by [`LayerKind::task_key`]'s caller through `token`.
    fn keys(&self) -> &[Key] {
        self.keys.get_or_init(|| {
            let mut keys: Vec<Key> = Vec::with_capacity(self.op.len());
            for t in 0..self.op.len() {
                let op = &self.ops[self.op[t] as usize];
                let mut k = Key::builder("task").key(op.key());
                if op.traits().uses_block {
                    k = k.u64(u64::from(self.block[t]));
                }
                for &d in self.deps_of(t) {
                    k = if d & INPUT != 0 {
                        let (slot, output) = self.external[(d & !INPUT) as usize];
                        k.u64(1).u64(u64::from(slot)).u64(u64::from(output))
                    } else {
                        k.u64(0).key(keys[d as usize])
                    };
                }
                keys.push(k.finish());
            }
            keys
        })
    }

    fn check(&self) -> Result<(), String> {
        let n = self.op.len();
        let lengths_ok = self.offsets.len() == n + 1
            && self.block.len() == n
            && (self.bytes.is_empty() || self.bytes.len() == n);
        if !lengths_ok
            || self.offsets.first() != Some(&0)
            || self.offsets.last().copied() != Some(self.deps.len() as u32)
        {
            return Err("its tables do not fit together".into());
        }
        if let Some(o) = self.op.iter().find(|o| **o as usize >= self.ops.len()) {
            return Err(format!("operator {o} of {}", self.ops.len()));
        }
        // All offsets before any row is looked at: a rising row may still end beyond the last offset.
        if let Some(t) = self.offsets.windows(2).position(|w| w[0] > w[1]) {
            return Err(format!("task {t} ends before it begins"));
        }
        for t in 0..n {
            for &d in self.deps_of(t) {
                let ok = if d & INPUT != 0 {
                    self.external
                        .get((d & !INPUT) as usize)
                        .is_some_and(|e| e.0 < self.slots)
                } else {
                    (d as usize) < t
                };
                if !ok {
                    return Err(format!(
                        "task {t} reads {}, which is not before it",
                        d & !INPUT
                    ));
                }
            }
        }
        match self.outputs.iter().find(|o| **o as usize >= n) {
            Some(o) => Err(format!("output {o} of {n} tasks")),
            None => Ok(()),
        }
    }
}

impl LayerKind for Explicit {
    fn kind(&self) -> &'static str {
        "explicit"
    }

    fn tasks(&self) -> usize {
        self.op.len()
    }

    fn outputs(&self) -> usize {
        self.outputs.len()
    }

    fn output_task(&self, output: usize) -> usize {
        self.outputs[output] as usize
    }

    fn inputs(&self) -> usize {
        self.slots as usize
    }

    fn edges(&self, task: usize, out: &mut Vec<Edge>) {
        out.extend(self.deps_of(task).iter().map(|&d| {
            if d & INPUT != 0 {
                let (slot, output) = self.external[(d & !INPUT) as usize];
                Edge::Input { slot, output }
            } else {
                Edge::Own(d)
            }
        }));
    }

    fn ops(&self) -> &[OpRef] {
        &self.ops
    }

    fn op(&self, task: usize) -> usize {
        self.op[task] as usize
    }

    fn block(&self, task: usize) -> u32 {
        self.block[task]
    }

    fn bytes(&self, task: usize) -> u64 {
        self.bytes.get(task).copied().unwrap_or(0)
    }

    fn total_bytes(&self) -> u64 {
        self.bytes.iter().copied().fold(0, u64::saturating_add)
    }

    fn task_key(&self, task: usize) -> Option<Key> {
        // A layer that reads others mixes their keys in: the task numbers under its own key. So does one that must not be taken
        // for an equal one, because running it again gives something else.
        let op = &self.ops[*self.op.get(task)? as usize];
        if self.slots > 0 || !op.traits().pure {
            None
        } else {
            self.keys().get(task).copied()
        }
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        let keys = self.keys();
        // Every task counts, wanted or not: two lists are one layer only if all their tasks agree.
        let k = keys.iter().fold(k.u64(keys.len() as u64), |k, &t| k.key(t));
        self.outputs.iter().fold(k, |k, &o| k.u64(u64::from(o)))
    }

    fn encode(&self) -> Result<Vec<u8>> {
        encode(&self.ops, self)
    }

    fn with_ops(&self, ops: Vec<OpRef>) -> Option<Arc<dyn LayerKind>> {
        (ops.len() == self.ops.len()).then(|| {
            Arc::new(Self {
                ops,
                keys: OnceLock::new(),
                ..self.clone()
            }) as Arc<dyn LayerKind>
        })
    }
}

crate::register_layer!("explicit", |bytes| {
    let layer: Explicit = decode("explicit", bytes)?;
    layer.check().map_err(|why| malformed("explicit", why))?;
    Ok(Arc::new(layer))
});

/// Tasks by name, in any order, as a person or a file writes them; checked when finished.
#[derive(Debug, Default)]
pub struct NamedTasks {
    tasks: Vec<(String, OpRef, Vec<String>)>,
}

impl NamedTasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a task that reads others by name.
    pub fn task<'a>(
        &mut self,
        name: impl Into<String>,
        op: OpRef,
        reads: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        self.tasks.push((
            name.into(),
            op,
            reads.into_iter().map(str::to_owned).collect(),
        ));
        self
    }

    /// A layer whose outputs are the named tasks.
    ///
    /// # Errors
    /// - [`ErrorKind::Duplicate`]: two tasks of one name.
    /// - [`ErrorKind::Dangling`]: a task or the list of outputs names what does not exist; the nearest name is given.
    /// - [`ErrorKind::Cycle`]: with the path, such as `a -> b -> a`.
    pub fn finish<'a>(
        self,
        outputs: impl IntoIterator<Item = &'a str>,
    ) -> Result<Arc<super::Layer>> {
        let mut by_name = std::collections::HashMap::with_capacity(self.tasks.len());
        for (i, (name, ..)) in self.tasks.iter().enumerate() {
            if by_name.insert(name.as_str(), i).is_some() {
                return Err(Error::new(
                    ErrorKind::Duplicate,
                    format!("two tasks are named {name:?}"),
                ));
            }
        }
        let find = |name: &str, by: &str| {
            by_name.get(name).copied().ok_or_else(|| {
                let near = crate::base::text::nearest(name, by_name.keys().copied());
                let hint = near
                    .map(|n| format!("; did you mean {n:?}?"))
                    .unwrap_or_default();
                Error::new(
                    ErrorKind::Dangling,
                    format!("{by} reads {name:?}, which does not exist{hint}"),
                )
            })
        };
        let mut reads = Vec::with_capacity(self.tasks.len());
        for (name, _, deps) in &self.tasks {
            reads.push(
                deps.iter()
                    .map(|d| find(d, &format!("task {name:?}")))
                    .collect::<Result<Vec<_>>>()?,
            );
        }
        let outputs = outputs
            .into_iter()
            .map(|o| find(o, "the list of outputs"))
            .collect::<Result<Vec<_>>>()?;
        let order = crate::graph::topological(self.tasks.len(), |i| &reads[i]).map_err(|path| {
            let names: Vec<&str> = path.iter().map(|&i| self.tasks[i].0.as_str()).collect();
            Error::new(
                ErrorKind::Cycle,
                format!("the graph has a cycle: {}", names.join(" -> ")),
            )
        })?;
        let mut list = TaskList::with_capacity(self.tasks.len(), 0);
        let mut ids = vec![None; self.tasks.len()];
        for i in order {
            let op = list.op(self.tasks[i].1.clone());
            let deps: Vec<TaskId> = reads[i].iter().filter_map(|&d| ids[d]).collect();
            ids[i] = Some(list.task(op, deps));
        }
        Ok(list.finish(outputs.into_iter().filter_map(|o| ids[o])))
    }
}

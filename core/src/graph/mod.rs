//! A symbolic graph: the layers that some results need, each once, in an order in which each only reads earlier ones.

pub mod annotations;
pub mod expand;
pub mod explain;
pub mod layer;
pub mod optimize;
pub mod order;
pub mod picture;
pub mod plan;
pub mod registry;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::key::{Key, KeyMap};
use crate::base::meta::Meta;
use crate::graph::annotations::{Annotations, Demand};
use crate::graph::layer::Layer;
use crate::graph::registry::{Kernels, Registry};

/// Which outputs of a layer are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outputs {
    /// All of them, in order.
    All,
    /// These, in this order.
    Only(Vec<u32>),
}

/// Outputs of a layer that somebody wants.
#[derive(Debug, Clone)]
pub struct Root {
    /// The layer.
    pub layer: Arc<Layer>,
    /// Which of its outputs.
    pub outputs: Outputs,
}

impl Root {
    /// All outputs of a layer.
    pub fn all(layer: &Arc<Layer>) -> Self {
        Self {
            layer: layer.clone(),
            outputs: Outputs::All,
        }
    }

    /// How many results it stands for.
    pub fn len(&self) -> usize {
        match &self.outputs {
            Outputs::All => self.layer.kind().outputs(),
            Outputs::Only(v) => v.len(),
        }
    }

    /// Whether it stands for none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Layers in topological order and what is wanted of them. Equal layers (same key, same annotations) are one: this is where
/// common subexpressions meet.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(crate) layers: Vec<Arc<Layer>>,
    /// For each layer, its inputs as numbers into `layers`.
    pub(crate) inputs: Vec<Vec<u32>>,
    pub(crate) wanted: Vec<(u32, Outputs)>,
    /// Two layers that claim to be one and are not; told by [`Graph::check`].
    pub(crate) conflict: Option<Error>,
}

impl Graph {
    /// Everything that the roots need.
    pub fn new(roots: &[Root]) -> Self {
        let mut g = Self {
            layers: Vec::new(),
            inputs: Vec::new(),
            wanted: Vec::new(),
            conflict: None,
        };
        let mut seen: KeyMap<u32> = KeyMap::default();
        for root in roots {
            let n = g.add(&root.layer, &mut seen);
            g.wanted.push((n, root.outputs.clone()));
        }
        g
    }

    /// Adds a layer and what it reads, without recursion: chains may be hundreds of thousands long.
    fn add(&mut self, root: &Arc<Layer>, seen: &mut KeyMap<u32>) -> u32 {
        if let Some(&n) = seen.get(&identity(root)) {
            self.meet(n, root);
            return n;
        }
        let mut stack: Vec<(&Arc<Layer>, usize)> = vec![(root, 0)];
        let mut last = 0;
        while let Some((layer, next)) = stack.pop() {
            if let Some(input) = layer.inputs().get(next) {
                stack.push((layer, next + 1));
                match seen.get(&identity(input)) {
                    None => stack.push((input, 0)),
                    Some(&n) => self.meet(n, input),
                }
                continue;
            }
            let id = identity(layer);
            last = match seen.get(&id) {
                Some(&n) => n,
                None => {
                    let n = self.layers.len() as u32;
                    self.inputs.push(
                        layer
                            .inputs()
                            .iter()
                            .filter_map(|i| seen.get(&identity(i)).copied())
                            .collect(),
                    );
                    self.layers.push(layer.clone());
                    seen.insert(id, n);
                    n
                }
            };
        }
        last
    }

    /// A layer that has the key of one that is there already must be that layer: a key that two things share would give one of
    /// them the other's result.
    fn meet(&mut self, there: u32, layer: &Arc<Layer>) {
        let first = &self.layers[there as usize];
        if self.conflict.is_some() || Arc::ptr_eq(first, layer) || !differ(first, layer) {
            return;
        }
        let tell = |l: &Layer| format!("a {} layer of {} tasks", l.kind().kind(), l.kind().tasks());
        let words = format!(
            "two layers have the key {}, but differ: {} and {}; a key must say what the content is",
            layer.key(),
            tell(first),
            tell(layer)
        );
        self.conflict = Some(Error::new(ErrorKind::Duplicate, words));
    }

    /// The layers, each after what it reads.
    pub fn layers(&self) -> &[Arc<Layer>] {
        &self.layers
    }

    /// For backends: refuses annotations that they would pass over, as [`Annotations::check_honoured`].
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] naming the first.
    pub fn check_honoured(&self, backend: &str, honoured: &[Demand]) -> Result<()> {
        let annotated = self.layers.iter().filter_map(|l| l.annotations());
        annotated
            .into_iter()
            .try_for_each(|a| a.check_honoured(backend, honoured))
    }

    /// The inputs of a layer, as numbers into [`Graph::layers`].
    pub fn inputs(&self, layer: usize) -> &[u32] {
        &self.inputs[layer]
    }

    /// What is wanted, in the order of the roots.
    pub fn wanted(&self) -> &[(u32, Outputs)] {
        &self.wanted
    }

    /// The roots, for building a graph of rewritten layers.
    pub fn roots(&self) -> Vec<Root> {
        self.wanted
            .iter()
            .map(|(n, o)| Root {
                layer: self.layers[*n as usize].clone(),
                outputs: o.clone(),
            })
            .collect()
    }

    /// Number of results wanted.
    pub fn outputs(&self) -> usize {
        self.roots().iter().map(Root::len).sum()
    }

    /// Number of tasks if all layers were expanded; culling may leave fewer.
    pub fn tasks(&self) -> u64 {
        self.layers.iter().map(|l| l.kind().tasks() as u64).sum()
    }

    /// Projected bytes of all results together, saturating.
    pub fn total_bytes(&self) -> u64 {
        self.layers
            .iter()
            .map(|l| l.kind().total_bytes())
            .fold(0, u64::saturating_add)
    }

    /// Checks what can be checked without expanding: wanted outputs exist, input counts fit, every operator can be resolved.
    ///
    /// # Errors
    /// [`ErrorKind::Dangling`] or [`ErrorKind::NotRegistered`], naming layer and operator; [`ErrorKind::Duplicate`] if two layers
    /// that differ have one key (as far as that shows without running them).
    pub fn check(&self, registry: &Registry) -> Result<()> {
        self.checked(registry).map(drop)
    }

    /// [`Graph::check`], with the code of the operators that it found.
    pub(crate) fn checked(&self, registry: &Registry) -> Result<Kernels> {
        if let Some(conflict) = &self.conflict {
            return Err(conflict.clone());
        }
        for (n, outputs) in &self.wanted {
            let layer = &self.layers[*n as usize];
            let have = layer.kind().outputs();
            if let Outputs::Only(list) = outputs
                && let Some(bad) = list.iter().find(|o| **o as usize >= have)
            {
                return Err(Error::new(
                    ErrorKind::Dangling,
                    format!(
                        "output {bad} of a {} layer was asked for, which has {have} outputs",
                        layer.kind().kind()
                    ),
                ));
            }
        }
        let mut kernels = Kernels::default();
        for layer in &self.layers {
            for op in layer.kind().ops() {
                kernels.of(op, registry).map_err(|e| {
                    let words = format!("in a {} layer: {}", layer.kind().kind(), e.message());
                    Error::with_source(e.kind(), words, e)
                })?;
            }
        }
        Ok(kernels)
    }

    /// The graph as bytes, to be sent or stored: the layers themselves, not their tasks.
    ///
    /// # Errors
    /// [`ErrorKind::NotPortable`] if a layer holds a closure or a value of this process.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let layers = self
            .layers
            .iter()
            .zip(&self.inputs)
            .map(|(l, inputs)| {
                Ok(LayerWire {
                    key: l.key(),
                    kind: l.kind().kind().to_owned(),
                    body: l.kind().encode()?,
                    inputs: inputs.clone(),
                    annotations: l.annotations().map(|a| (**a).clone()),
                    meta: l.meta().map(|m| (**m).clone()),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let wire = GraphWire {
            version: WIRE_VERSION,
            layers,
            wanted: self.wanted.clone(),
        };
        postcard::to_allocvec(&wire).map_err(|e| {
            Error::with_source(ErrorKind::NotPortable, "the graph cannot be serialised", e)
        })
    }

    /// Reads what [`Graph::encode`] wrote. Safe on any bytes: nothing is run, and what does not fit together is refused.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`], or [`ErrorKind::NotRegistered`] for a layer kind that this process does not know.
    pub fn decode(bytes: &[u8], registry: &Registry) -> Result<Self> {
        let wire: GraphWire = postcard::from_bytes(bytes).map_err(|e| {
            Error::with_source(
                ErrorKind::Decode,
                format!("{} bytes are not a graph", bytes.len()),
                e,
            )
        })?;
        if wire.version != WIRE_VERSION {
            return Err(Error::new(
                ErrorKind::Decode,
                format!(
                    "the graph has wire version {}, this build reads {WIRE_VERSION}",
                    wire.version
                ),
            ));
        }
        let bad =
            |why: String| Error::new(ErrorKind::Decode, format!("the graph is malformed: {why}"));
        let mut g = Self {
            layers: Vec::new(),
            inputs: Vec::new(),
            wanted: Vec::new(),
            conflict: None,
        };
        for (i, l) in wire.layers.into_iter().enumerate() {
            if let Some(j) = l.inputs.iter().find(|j| **j as usize >= i) {
                return Err(bad(format!(
                    "layer {i} reads layer {j}, which is not before it"
                )));
            }
            let kind = registry.decode_layer(&l.kind, &l.body)?;
            if kind.inputs() != l.inputs.len() {
                return Err(bad(format!(
                    "layer {i} has {} inputs, its kind {} takes {}",
                    l.inputs.len(),
                    l.kind,
                    kind.inputs()
                )));
            }
            let inputs = l
                .inputs
                .iter()
                .map(|&j| g.layers[j as usize].clone())
                .collect();
            let layer = Layer::build(
                kind,
                inputs,
                Some(l.key),
                l.annotations.map(Arc::new),
                l.meta.map(Arc::new),
            );
            g.layers.push(Arc::new(layer));
            g.inputs.push(l.inputs);
        }
        if let Some((n, _)) = wire.wanted.iter().find(|w| w.0 as usize >= g.layers.len()) {
            return Err(bad(format!("layer {n} of {} is wanted", g.layers.len())));
        }
        g.wanted = wire.wanted;
        Ok(g)
    }
}

/// Whether two layers of one key are plainly not the same.
fn differ(a: &Layer, b: &Layer) -> bool {
    /// Values are compared up to this size: beyond it that would cost more than it finds.
    const COMPARED: u64 = 256;
    let (a, b) = (a.kind(), b.kind());
    if a.kind() != b.kind() || a.tasks() != b.tasks() || a.outputs() != b.outputs() {
        return true;
    }
    let small = a.kind() == "data" && a.tasks() == 1 && a.bytes(0).max(b.bytes(0)) <= COMPARED;
    small && matches!((a.encode(), b.encode()), (Ok(a), Ok(b)) if a != b)
}

/// What makes two layers one in a graph: the key, and the annotations if there are any.
fn identity(layer: &Layer) -> Key {
    match layer.annotations() {
        None => layer.key(),
        Some(a) => Key::builder("annotated")
            .key(layer.key())
            .key(a.key())
            .finish(),
    }
}

const WIRE_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct GraphWire {
    version: u32,
    layers: Vec<LayerWire>,
    wanted: Vec<(u32, Outputs)>,
}

#[derive(Serialize, Deserialize)]
struct LayerWire {
    key: Key,
    kind: String,
    body: Vec<u8>,
    inputs: Vec<u32>,
    annotations: Option<Annotations>,
    meta: Option<Meta>,
}

/// A topological order of `n` nodes (each after what it reads), or a cycle as a path that ends where it begins.
pub(crate) fn topological<'a, I>(
    n: usize,
    reads: impl Fn(usize) -> I,
) -> Result<Vec<usize>, Vec<usize>>
where
    I: IntoIterator<Item = &'a usize>,
{
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut mark = vec![Mark::New; n];
    let mut order = Vec::with_capacity(n);
    for start in 0..n {
        if mark[start] != Mark::New {
            continue;
        }
        mark[start] = Mark::Open;
        let mut stack = vec![(start, reads(start).into_iter())];
        while let Some((node, it)) = stack.last_mut() {
            let node = *node;
            match it.next() {
                None => {
                    mark[node] = Mark::Done;
                    order.push(node);
                    stack.pop();
                }
                Some(&next) => match mark[next] {
                    Mark::Done => {}
                    Mark::New => {
                        mark[next] = Mark::Open;
                        stack.push((next, reads(next).into_iter()));
                    }
                    Mark::Open => {
                        let mut path: Vec<usize> = stack
                            .iter()
                            .map(|s| s.0)
                            .skip_while(|&s| s != next)
                            .collect();
                        path.push(next);
                        return Err(path);
                    }
                },
            }
        }
    }
    Ok(order)
}

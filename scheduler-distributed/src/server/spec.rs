//! From a client's symbolic graph to what the machine runs: expanded, ordered. No operator need be known here, only kinds of
//! layers.

use kvern_core::operator::OpBody;
use kvern_core::plan::{positions, priority};
use kvern_core::{Annotations, Error, ErrorKind, Graph, OpRef, Result, TaskGraph};
use kvern_machine::{Datum, GraphSpec};

use crate::data_layer::{Item, of_datum};
use crate::graph_code::GraphCode;

/// Expands it. `build`: that of its client.
///
/// # Errors
/// What [`TaskGraph::expand`] refuses, and data that is not here.
pub(super) fn spec(graph: &Graph, build: String) -> Result<GraphSpec> {
    let tasks = TaskGraph::expand(graph)?;
    let count = tasks.len() as u32;
    let (dep_off, deps) = tasks.edges();
    let mut table = Table::default();
    let annotated = tasks.is_annotated();
    let (mut annotation, mut retries) = (Vec::new(), Vec::new());
    if annotated {
        for t in 0..count {
            let a = tasks.annotations(t);
            annotation.push(table.number(a.map(AsRef::as_ref)));
            retries.push(a.map_or(0, |a| u16::try_from(a.retries).unwrap_or(u16::MAX)));
        }
    }
    let data = tasks
        .data()
        .iter()
        .map(|(t, datum)| Ok((*t, datum_of(datum)?)))
        .collect::<Result<Vec<_>>>()?;
    let ops: Vec<OpRef> = tasks.ops().to_vec();
    let impure = ops.iter().map(|o| !o.traits().pure).collect();
    let bound = ops.iter().map(is_bound).collect();
    let mut only: Vec<Vec<String>> = table.all.iter().map(|a| a.workers.clone()).collect();
    if only.iter().all(Vec::is_empty) {
        only = Vec::new();
    }
    let nanos = |a: &Annotations| {
        a.backoff
            .map_or(0, |b| u64::try_from(b.as_nanos()).unwrap_or(u64::MAX))
    };
    let mut backoff: Vec<u64> = table.all.iter().map(nanos).collect();
    if backoff.iter().all(|n| *n == 0) {
        backoff = Vec::new();
    }
    let shared = GraphCode {
        ops,
        annotations: table.all,
    };
    Ok(GraphSpec {
        dep_off: if dep_off.is_empty() {
            vec![0]
        } else {
            dep_off.to_vec()
        },
        deps: deps.to_vec(),
        bytes: tasks.all_bytes().to_vec(),
        position: positions(&tasks),
        priority: priority(&tasks),
        op: (0..count).map(|t| tasks.op_index(t) as u32).collect(),
        block: (0..count).map(|t| tasks.block(t)).collect(),
        piece: match tasks.has_pieces() {
            true => (0..count).map(|t| tasks.piece(t)).collect(),
            false => Vec::new(),
        },
        annotation,
        retries,
        backoff,
        impure,
        bound,
        build,
        only,
        keys: (0..count).map(|t| tasks.key(t)).collect(),
        data,
        outputs: tasks.outputs().to_vec(),
        shared: shared.encode()?,
    })
}

/// Whether the code of an operator exists in processes of its client's own build alone: a closure, by itself or in a program.
fn is_bound(op: &OpRef) -> bool {
    match op.body() {
        OpBody::Named(_) => false,
        OpBody::Local { .. } | OpBody::Travelling { .. } => true,
        OpBody::Program(program) => program.steps().iter().any(|step| is_bound(&step.op)),
    }
}

fn datum_of(datum: &kvern_core::layer::Datum) -> Result<Datum> {
    match of_datum(datum) {
        Some(Item::Literal { value, .. }) => Ok(Datum::Literal(value.clone())),
        Some(Item::Output(output)) => Ok(Datum::External(*output)),
        Some(Item::Scattered { worker, .. }) => Ok(Datum::Scattered(*worker)),
        Some(Item::Backed { worker, .. }) => Ok(Datum::Backed(*worker)),
        None => Err(Error::new(
            ErrorKind::Decode,
            "a graph for a cluster names its values by items, and holds none itself",
        )),
    }
}

/// Annotations, each once. Number 0 is none.
struct Table {
    all: Vec<Annotations>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            all: vec![Annotations::new()],
        }
    }
}

impl Table {
    fn number(&mut self, a: Option<&Annotations>) -> u32 {
        let Some(a) = a else { return 0 };
        // Neighbours mostly share theirs, so the last one is looked at first.
        match self.all.iter().rposition(|b| a == b) {
            Some(n) => n as u32,
            None => {
                self.all.push(a.clone());
                self.all.len() as u32 - 1
            }
        }
    }
}

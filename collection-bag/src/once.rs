//! One run passes once over what its results share.
//!
//! Each result of a bag is a chain of its own: source, steps and end in one operator. Where several chains of one graph begin with the same
//! source and the same steps, this rewrites them: the beginning becomes one chain that ends in a fork, behind which each goes on as it was.
//! So a function is called once for each item, and results of one run agree with each other though it gives something else each time.

use std::collections::HashMap;
use std::sync::Arc;

use kvern_core::layer::{BlockArg, Blockwise, Edge, Explicit, TreeReduction};
use kvern_core::{Error, ErrorKind, Graph, Layer, LayerKind, Result, Root, TaskList};

use crate::expr::{Branch, Reads, tree};
use crate::pipe::EndPart;
use crate::pipe::begin::{Begin, names};
use crate::pipe::fork::{Link, Tail, fork};
use crate::pipe::kernel::{Spec, of_fork};
use crate::pipe::split::ItemType;

kvern_core::register_graph_pass!("bag.once", once);

/// So many forks behind each other are allowed: each is a call inside the other.
const DEEPEST: usize = 100;

/// The graph in which what chains share is run once; `None`: they share nothing.
///
/// # Errors
/// If functions would be called more than once for an item because it cannot be cloned.
pub(crate) fn once(graph: &Graph) -> Result<Option<Graph>> {
    let mut uses: Vec<Use<'_>> = Vec::new();
    let mut groups: HashMap<*const Begin, Vec<usize>> = HashMap::new();
    let mut order = Vec::new();
    for (layer, l) in graph.layers().iter().enumerate() {
        for (op, o) in l.kind().ops().iter().enumerate() {
            let Some(spec) = o.origin::<Spec>() else {
                continue;
            };
            let group = groups.entry(Arc::as_ptr(&spec.begin)).or_default();
            if group.is_empty() {
                order.push(Arc::as_ptr(&spec.begin));
            }
            group.push(uses.len());
            uses.push(Use { layer, op, spec });
        }
    }
    if groups.len() == uses.len() {
        return Ok(None);
    }
    let mut shares = Vec::new();
    for start in order {
        share(&uses, &groups[&start], &mut shares)?;
    }
    match shares.is_empty() {
        true => Ok(None),
        false => rewritten(graph, &uses, shares).map(Some),
    }
}

/// A chain of the graph: operator `op` of a layer.
struct Use<'a> {
    layer: usize,
    op: usize,
    spec: &'a Spec,
}

impl Use<'_> {
    fn steps(&self) -> &[Link] {
        &self.spec.steps
    }
}

/// A beginning that is run once: so many steps of the first of some chains, and the fork behind them.
struct Share {
    first: usize,
    steps: usize,
    end: EndPart,
    /// The chains in the order in which the fork gives their results.
    leaves: Vec<usize>,
}

/// The chains of `group`, which have one source, from the first place on at which they part: those that go on together from there.
fn parting(uses: &[Use<'_>], group: &[usize], from: usize) -> (usize, Vec<Vec<usize>>) {
    let mut at = from;
    loop {
        let mut ways: Vec<Vec<usize>> = Vec::new();
        let mut known: HashMap<*const (), usize> = HashMap::new();
        for &u in group {
            match uses[u].steps().get(at) {
                // Each end is another.
                None => ways.push(vec![u]),
                Some(link) => {
                    let step = Arc::as_ptr(&link.step.made).cast::<()>();
                    let way = *known.entry(step).or_insert(ways.len());
                    match ways.get_mut(way) {
                        Some(way) => way.push(u),
                        None => ways.push(vec![u]),
                    }
                }
            }
        }
        if ways.len() > 1 {
            return (at, ways);
        }
        at += 1;
    }
}

/// Finds what the chains of a group share, from their source on.
fn share(uses: &[Use<'_>], group: &[usize], shares: &mut Vec<Share>) -> Result<()> {
    let mut groups = vec![(group.to_vec(), 0)];
    while let Some((group, from)) = groups.pop() {
        if group.len() < 2 {
            continue;
        }
        let (at, ways) = parting(uses, &group, from);
        let first = &uses[group[0]];
        let start = &first.spec.begin;
        let is_users = start.source.is_users || first.steps()[..at].iter().any(|l| l.step.is_users);
        let item = item(start, first.steps(), at);
        // What a source reads is the same each time, and its texts are found again faster than they are kept.
        if !is_users && (at == 0 || item.is_text()) {
            groups.extend(ways.into_iter().map(|w| (w, at)));
            continue;
        }
        match item.split() {
            Some(split) => {
                let mut leaves = Vec::new();
                let tails = tails(uses, ways, at, 1, &mut leaves)?;
                shares.push(Share {
                    first: group[0],
                    steps: at,
                    end: fork(&split, tails),
                    leaves,
                });
            }
            None if is_users => return Err(twice(&item, group.len(), first, at)),
            // Nobody can tell whether what makes them was run once or twice.
            None => groups.extend(ways.into_iter().map(|w| (w, at))),
        }
    }
    Ok(())
}

/// What the items are after so many steps.
fn item(start: &Begin, steps: &[Link], n: usize) -> ItemType {
    n.checked_sub(1).map_or(start.item, |last| steps[last].item)
}

/// The chains behind a fork at step `at`.
fn tails(
    uses: &[Use<'_>],
    ways: Vec<Vec<usize>>,
    at: usize,
    depth: usize,
    leaves: &mut Vec<usize>,
) -> Result<Vec<Tail>> {
    let tail = |way: Vec<usize>| {
        if let [u] = way[..] {
            leaves.push(u);
            let spec = uses[u].spec;
            return Ok(Tail {
                first: spec.first,
                steps: uses[u].steps()[at..].to_vec(),
                end: spec.end.clone(),
            });
        }
        let first = &uses[way[0]];
        let (next, ways) = parting(uses, &way, at);
        let item = item(&first.spec.begin, first.steps(), next);
        if depth >= DEEPEST {
            let words = format!(
                "bags: results part from one chain at more than {DEEPEST} places, one behind the other; compute them in several runs, or \
                 go on from a bag that was made by persist"
            );
            return Err(Error::new(ErrorKind::Unsupported, words));
        }
        let split = item
            .split()
            .ok_or_else(|| twice(&item, way.len(), first, next))?;
        Ok(Tail {
            first: first.spec.first,
            steps: first.steps()[at..next].to_vec(),
            end: fork(&split, tails(uses, ways, next, depth + 1, leaves)?),
        })
    };
    ways.into_iter().map(tail).collect()
}

#[cold]
fn twice(item: &ItemType, results: usize, first: &Use<'_>, at: usize) -> Error {
    let names = names(&first.spec.begin, &first.steps()[..at], "").join(" | ");
    Error::new(
        ErrorKind::Internal,
        format!(
            "bags: {results} results of one run go on from `{names}`, and nothing says how its items ({}) are cloned; compute the results in runs of \
             their own",
            item.name
        ),
    )
}

/// The graph with those shares.
fn rewritten(graph: &Graph, uses: &[Use<'_>], shares: Vec<Share>) -> Result<Graph> {
    // For each layer, its operators that are of a fork: which share, and which of its results.
    let mut parts: HashMap<usize, Vec<(usize, usize, u32)>> = HashMap::new();
    for (s, share) in shares.iter().enumerate() {
        for (&u, i) in share.leaves.iter().zip(0..) {
            let u = &uses[u];
            parts.entry(u.layer).or_default().push((u.op, s, i));
        }
    }
    let mut new: Vec<Arc<Layer>> = Vec::with_capacity(graph.layers().len());
    let mut forks: Vec<Option<Arc<Layer>>> = shares.iter().map(|_| None).collect();
    for (i, old) in graph.layers().iter().enumerate() {
        let inputs: Vec<Arc<Layer>> = graph
            .inputs(i)
            .iter()
            .map(|&j| new[j as usize].clone())
            .collect();
        let layer = match parts.get(&i) {
            None => Arc::new(Layer::build(
                old.kind().clone(),
                inputs,
                Some(old.key()),
                old.annotations().cloned(),
                old.meta().cloned(),
            )),
            Some(parts) => {
                let tasks = by_operator(old);
                for &(op, s, _) in parts {
                    if forks[s].is_none() {
                        let tasks = tasks.get(op).map(Vec::as_slice).unwrap_or_default();
                        forks[s] = Some(fork_layer(&shares[s], uses, tasks, old, &inputs)?);
                    }
                }
                let taken = parts.iter().map(|&(op, s, i)| {
                    let fork = forks[s].clone().ok_or_else(misfit)?;
                    Ok((op, fork, i))
                });
                let taken = taken.collect::<Result<Vec<_>>>()?;
                let (kind, inputs) = takes(old, inputs, &taken)?;
                Arc::new(Layer::build(
                    kind,
                    inputs,
                    Some(old.key()),
                    old.annotations().cloned(),
                    old.meta().cloned(),
                ))
            }
        };
        new.push(layer);
    }
    let wanted = graph.wanted().iter().map(|(n, outputs)| Root {
        layer: new[*n as usize].clone(),
        outputs: outputs.clone(),
    });
    Ok(Graph::new(&wanted.collect::<Vec<_>>()))
}

fn misfit() -> Error {
    Error::new(ErrorKind::Internal, "a chain of a kind that is not known")
}

/// The tasks of each operator of a layer whose tasks stand one by one.
fn by_operator(layer: &Layer) -> Vec<Vec<usize>> {
    let Some(tasks) = layer.as_kind::<Explicit>() else {
        return Vec::new();
    };
    let mut of = vec![Vec::new(); tasks.ops().len()];
    for task in 0..tasks.tasks() {
        if let Some(of) = of.get_mut(tasks.op(task)) {
            of.push(task);
        }
    }
    of
}

/// The layer that runs a beginning and its fork. It reads what these tasks of the layer that first takes from it do, and runs as they
/// would.
fn fork_layer(
    share: &Share,
    uses: &[Use<'_>],
    of_operator: &[usize],
    taker: &Layer,
    inputs: &[Arc<Layer>],
) -> Result<Arc<Layer>> {
    let spec = uses[share.first].spec;
    let reads = match (taker.as_kind::<Explicit>(), inputs) {
        (Some(tasks), _) => {
            let mut reads = vec![Vec::new(); spec.begin.partitions as usize];
            let mut edges = Vec::new();
            for &task in of_operator {
                edges.clear();
                tasks.edges(task, &mut edges);
                let outputs = edges.iter().filter_map(|e| match *e {
                    Edge::Input { slot, output } => Some((slot, output)),
                    Edge::Own(_) => None,
                });
                let block = tasks.block(task) as usize;
                *reads.get_mut(block).ok_or_else(misfit)? = outputs.collect();
            }
            Reads::Any(inputs.to_vec(), reads)
        }
        (None, []) => Reads::Nothing,
        (None, [one]) => Reads::Same(one.clone()),
        _ => return Err(misfit()),
    };
    let branch = Branch {
        begin: spec.begin.clone(),
        reads,
        steps: spec.steps[..share.steps].to_vec(),
    };
    let layer = branch.ended(&share.end, u64::MAX)?;
    Ok(match taker.annotations() {
        Some(a) => layer.annotated((**a).clone()),
        None => layer,
    })
}

/// What a layer is, and what it reads.
type Shape = (Arc<dyn LayerKind>, Vec<Arc<Layer>>);

/// A layer whose operators take from forks instead of running chains: what it is then, and what it reads.
fn takes(
    old: &Layer,
    inputs: Vec<Arc<Layer>>,
    taken: &[(usize, Arc<Layer>, u32)],
) -> Result<Shape> {
    let end = |op: usize| {
        let op = old.kind().ops().get(op).ok_or_else(misfit)?;
        Ok::<_, Error>(&op.origin::<Spec>().ok_or_else(misfit)?.end)
    };
    if let (Some(b), [(op, fork, i)]) = (old.as_kind::<Blockwise>(), taken) {
        let args = vec![BlockArg::same(0, b.grid())];
        let bytes = b.block_bytes().clone();
        let kind = Blockwise::new(of_fork(end(*op)?, *i)?, b.grid().clone(), args, bytes)?;
        return Ok((Arc::new(kind), vec![fork.clone()]));
    }
    if let (Some(t), [(op, fork, i)]) = (old.as_kind::<TreeReduction>(), taken) {
        let [_, combine, finish] = t.ops() else {
            return Err(misfit());
        };
        let ops = [of_fork(end(*op)?, *i)?, combine.clone(), finish.clone()];
        let kind = tree(ops, t.grid().clone(), vec![BlockArg::same(0, t.grid())])?;
        return Ok((Arc::new(kind), vec![fork.clone()]));
    }
    let Some(tasks) = old.as_kind::<Explicit>() else {
        return Err(misfit());
    };
    let n = tasks.tasks();
    let mut list = TaskList::with_capacity(n, n);
    let mut inputs = inputs;
    let mut ops = Vec::new();
    let taken: HashMap<usize, (&Arc<Layer>, u32)> = taken
        .iter()
        .map(|(op, fork, i)| (*op, (fork, *i)))
        .collect();
    for (op, o) in tasks.ops().iter().enumerate() {
        match taken.get(&op) {
            None => ops.push((list.op(o.clone()), None)),
            Some((fork, i)) => {
                ops.push((list.op(of_fork(end(op)?, *i)?), Some(inputs.len() as u32)));
                inputs.push((*fork).clone());
            }
        }
    }
    let (mut made, mut edges) = (Vec::with_capacity(n), Vec::new());
    for task in 0..n {
        edges.clear();
        let (op, fork) = ops.get(tasks.op(task)).ok_or_else(misfit)?;
        match fork {
            None => tasks.edges(task, &mut edges),
            Some(slot) => edges.push(Edge::Input {
                slot: *slot,
                output: tasks.block(task),
            }),
        }
        let id = list.task_with(*op, edges.iter().copied());
        list.set_block(id, tasks.block(task));
        list.project(id, tasks.bytes(task));
        made.push(id);
    }
    let outputs = (0..tasks.outputs()).map(|o| made[tasks.output_task(o)]);
    let kind = list.into_kind(outputs);
    inputs.truncate(kind.inputs());
    Ok((Arc::new(kind), inputs))
}

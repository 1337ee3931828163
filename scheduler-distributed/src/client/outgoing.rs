//! A graph on its way out: values become literals or go to workers first, handles become names of results.

use std::collections::HashMap;
use std::sync::Arc;

use kvern_core::annotations::Demand;
use kvern_core::layer::{Data, Datum, Pending};
use kvern_core::plan::check_budget;
use kvern_core::{
    Error, ErrorKind, Graph, Handle, Key, Layer, Outputs, Result, Root, TaskGraph, Value,
};
use kvern_machine::{OutputRef, Payload, TaskRef, WorkerId};

use super::keys::Keys;
use super::link::Link;
use super::running::ClusterRun;
use crate::data_layer::{Item, Items};
use crate::parcel::Parcel;

/// Encoded values up to this many bytes travel with the graph and with each task that reads them.
const LITERAL_MAX: usize = 32 << 10;

/// So many bytes of such values travel with one graph; others go as large ones do.
const LITERALS_MAX: usize = 64 << 20;

/// Sends a graph, after what it reads.
pub(crate) fn submit(link: &Arc<Link>, graph: &Graph) -> Result<Arc<ClusterRun>> {
    graph.check_honoured("a cluster", &[Demand::Workers, Demand::Memory])?;
    check_memory(link, graph)?;
    let mut sent = Vec::new();
    let roots = rewritten(link, graph, &mut sent)?;
    let wire = Graph::new(&roots);
    let body = Payload::from(wire.encode()?);
    // Runs in `sent` are held until the graph that reads them is known to the scheduler.
    link.submit(link.next_graph(), body, Keys::of(graph), || {
        TaskGraph::expand(&wire)
    })
}

/// Refuses a graph that has a task which fits no worker even alone. Few graphs must be looked at for that: the others are smaller than a worker's
/// memory all together.
fn check_memory(link: &Link, graph: &Graph) -> Result<()> {
    let layers = graph.layers().iter();
    let total = layers.map(|l| l.kind().total_bytes());
    let total = total.fold(0, u64::saturating_add);
    let annotated = |l: &Arc<Layer>| l.annotations().is_some_and(|a| a.memory.is_some());
    let annotated = graph.layers().iter().any(annotated);
    match link.largest_memory(annotated) {
        Some(memory) if annotated || total > memory => {
            check_budget(&TaskGraph::expand(graph)?, memory)
        }
        _ => Ok(()),
    }
}

/// Hands values to workers by turns.
pub(crate) fn scatter(link: &Arc<Link>, values: &[Value]) -> Result<Arc<ClusterRun>> {
    let parcels = values
        .iter()
        .map(|v| Parcel::new(link.registry(), v))
        .collect::<Result<Vec<_>>>()?;
    let sizes: Vec<u64> = values.iter().map(Value::nbytes).collect();
    let (run, places) = announce(link, &sizes, None)?;
    for ((worker, object), value) in places.into_iter().zip(parcels) {
        link.put(worker, object, value);
    }
    Ok(run)
}

type Place = (WorkerId, TaskRef);

/// Says which values will come to which workers. `backed`: they are kept here, as far as they are here yet, and put there again when they
/// are lost.
fn announce(
    link: &Arc<Link>,
    sizes: &[u64],
    backed: Option<Vec<Option<Value>>>,
) -> Result<(Arc<ClusterRun>, Vec<Place>)> {
    let workers = link.workers()?;
    if workers.is_empty() && backed.is_none() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the scheduler at {} has no workers to hold values",
                link.address()
            ),
        ));
    }
    let graph = link.next_graph();
    let mut turn = graph.count() as usize;
    let mut chosen = Vec::with_capacity(sizes.len());
    let items = sizes
        .iter()
        .map(|&nbytes| {
            turn += 1;
            // None: the scheduler says who, when somebody has come.
            let worker = match workers.len() {
                0 => WorkerId::default(),
                n => workers[turn % n].worker,
            };
            chosen.push(worker);
            match backed {
                None => Item::Scattered { worker, nbytes },
                Some(_) => Item::Backed { worker, nbytes },
            }
        })
        .collect();
    let keys = sizes
        .iter()
        .map(|_| kvern_core::key::unique("scattered"))
        .collect();
    let layer = Layer::new(Items::new(keys, items), Vec::new());
    let symbolic = Graph::new(&[Root::all(&layer)]);
    let body = Payload::from(symbolic.encode()?);
    if let Some(values) = backed {
        link.backed()
            .keep(graph, chosen.iter().copied().zip(values));
    }
    let run = link.submit(graph, body, Keys::of(&symbolic), || {
        TaskGraph::expand(&symbolic)
    });
    let run = run.inspect_err(|_| link.backed().forget(graph))?;
    let places = chosen
        .into_iter()
        .enumerate()
        .map(|(i, worker)| (worker, run.object(i as u32)))
        .collect();
    Ok((run, places))
}

/// The roots of the same graph with items in the place of data. `sent`: runs to be held until the graph is accepted.
fn rewritten(
    link: &Arc<Link>,
    graph: &Graph,
    sent: &mut Vec<Arc<ClusterRun>>,
) -> Result<Vec<Root>> {
    let mut new: Vec<Arc<Layer>> = Vec::with_capacity(graph.layers().len());
    for (n, layer) in graph.layers().iter().enumerate() {
        let inputs = graph.inputs(n);
        let changed = inputs
            .iter()
            .any(|&i| !Arc::ptr_eq(&new[i as usize], &graph.layers()[i as usize]));
        let is_data = layer.as_kind::<Data>().is_some();
        if !changed && !is_data {
            new.push(layer.clone());
            continue;
        }
        let kind = if is_data {
            Arc::new(items(link, layer, sent)?)
        } else {
            layer.kind().clone()
        };
        new.push(Arc::new(Layer::build(
            kind,
            inputs.iter().map(|&i| new[i as usize].clone()).collect(),
            Some(layer.key()),
            layer.annotations().cloned(),
            layer.meta().cloned(),
        )));
    }
    let root = |(n, outputs): &(u32, Outputs)| Root {
        layer: new[*n as usize].clone(),
        outputs: outputs.clone(),
    };
    Ok(graph.wanted().iter().map(root).collect())
}

/// What a data layer holds, by name.
fn items(link: &Arc<Link>, layer: &Layer, sent: &mut Vec<Arc<ClusterRun>>) -> Result<Items> {
    let count = layer.kind().tasks();
    let keys: Vec<Key> = (0..count).map(|t| layer.task_key(t)).collect();
    let mut items: Vec<Option<Item>> = vec![None; count];
    // Values that are too large to be sent along: scattered in one go.
    let mut large: Vec<(usize, Parcel, Value)> = Vec::new();
    let mut along = 0;
    let mut known: HashMap<*const (), Arc<ClusterRun>> = HashMap::new();
    for (t, item) in items.iter_mut().enumerate() {
        let here = match layer.kind().datum(t) {
            Some(Datum::Value(v)) => v.clone(),
            Some(Datum::Pending(pending)) => {
                if let Some(handle) = Handle::of(pending.as_ref())
                    && let Some(run) = own(link, handle, &mut known)
                {
                    *item = Some(Item::Output(run.output(handle.output())));
                    continue;
                }
                match pending.try_get() {
                    Some(result) => result?,
                    None => {
                        let output = follow(link, pending.as_ref(), sent)?;
                        *item = Some(Item::Output(output));
                        continue;
                    }
                }
            }
            None => return Err(Error::new(ErrorKind::Internal, "a data layer without data")),
        };
        let parcel = Parcel::new(link.registry(), &here)?;
        let lent = parcel.open(link.registry())?;
        if lent.len() <= LITERAL_MAX && along + lent.len() <= LITERALS_MAX {
            along += lent.len();
            *item = Some(Item::Literal {
                value: Payload::from(lent.in_one_piece()),
                nbytes: here.nbytes(),
            });
        } else {
            drop(lent);
            large.push((t, parcel, here));
        }
    }
    if !large.is_empty() {
        let sizes: Vec<u64> = large.iter().map(|l| l.2.nbytes()).collect();
        let kept = large.iter().map(|l| Some(l.2.clone())).collect();
        let (run, places) = announce(link, &sizes, Some(kept))?;
        for (i, ((t, value, _), (worker, object))) in large.into_iter().zip(places).enumerate() {
            link.put(worker, object, value);
            items[t] = Some(Item::Output(run.output(i as u32)));
        }
        sent.push(run);
    }
    let missing = || Error::new(ErrorKind::Internal, "an item of a data layer has no name");
    let items = items
        .into_iter()
        .map(|i| i.ok_or_else(missing))
        .collect::<Result<_>>()?;
    Ok(Items::new(keys, items))
}

/// The run of a handle, if it is one of this scheduler's.
fn own(
    link: &Arc<Link>,
    handle: &Handle,
    known: &mut HashMap<*const (), Arc<ClusterRun>>,
) -> Option<Arc<ClusterRun>> {
    let address = Arc::as_ptr(handle.run()).cast::<()>();
    if let Some(run) = known.get(&address) {
        return Some(run.clone());
    }
    let run = link.run_at(address)?;
    known.insert(address, run.clone());
    Some(run)
}

/// The result of another backend's task, which is not there yet: its place is announced now, and it is put there when it comes.
fn follow(
    link: &Arc<Link>,
    pending: &dyn Pending,
    sent: &mut Vec<Arc<ClusterRun>>,
) -> Result<OutputRef> {
    let (run, places) = announce(link, &[0], Some(vec![None]))?;
    let Some(&(_, object)) = places.first() else {
        return Err(Error::new(
            ErrorKind::Internal,
            "a value was given no place",
        ));
    };
    let output = run.output(0);
    let link = link.clone();
    sent.push(run);
    let then = move |result: Result<Value>| match result
        .and_then(|v| Ok((Parcel::new(link.registry(), &v)?, v)))
    {
        Ok((parcel, value)) => {
            if let Some(worker) = link.backed().came(object, value) {
                link.put(worker, object, parcel);
            }
        }
        Err(e) => link.not_put(object, &e),
    };
    pending.when_done(Box::new(then));
    Ok(output)
}

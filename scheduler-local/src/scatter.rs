//! Scatter: values handed to a backend become results of a run without tasks.

use std::sync::Arc;

use kvern_core::events::Observers;
use kvern_core::layer::Data;
use kvern_core::optimize::Passes;
use kvern_core::{Graph, Handle, Layer, Plan, Registry, Result, Root, Value, key};
use kvern_store::Store;

use crate::run::{Driver, RunCore, as_run};

pub(crate) fn scatter(
    id: u64,
    values: Vec<Value>,
    store: &Arc<Store>,
    observers: &Arc<Observers>,
    driver: Arc<dyn Driver>,
) -> Result<Vec<Handle>> {
    // The layer only carries keys: the values themselves belong to the run, so that they can go to disk.
    let keys = values.iter().map(|_| key::unique("scatter")).collect();
    let layer = Layer::new(
        Data::keyed_values(keys, vec![Value::UNIT; values.len()])?,
        Vec::new(),
    );
    let plan = Plan::new(
        Graph::new(&[Root::all(&layer)]),
        Arc::new(Registry::empty()),
        Passes::none(),
    )?;
    let (run, _) = RunCore::new(id, plan.prepare()?, store, observers, driver);
    for (task, value) in values.into_iter().enumerate() {
        run.adopt(task as u32, value);
    }
    store.make_room(0)?;
    let run = as_run(run);
    let handles = (0..run.outputs() as u32)
        .map(|o| Handle::new(run.clone(), o))
        .collect();
    // The submit's own wants: from here on only the handles hold the values.
    (0..run.outputs() as u32).for_each(|o| run.release(o));
    Ok(handles)
}

//! The two ways to the same loop: through a plugin, and directly.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use kvern::array::kernels::AnyChunk;
use kvern::plugins::{Loader, Trust, op_ref};
use kvern_core::operator::TaskHost;
use kvern_core::{
    Graph, Kernel, Key, Layer, OpRef, Registry, Root, TaskContext, TaskGraph, TaskList, Value,
};
use kvern_plugin_bridge::arrow::array_value;

/// What all of them multiply with.
const FACTOR: f64 = 1.000_001;

/// The file that `cargo xtask bench plugin` builds before.
pub(super) fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/plugins/release/sample.so")
}

/// A registry with the sample.
pub(super) fn registry(cache: &Path) -> Result<Registry, Box<dyn Error>> {
    let file = file();
    let folder = file.parent().unwrap_or(Path::new(".")).to_path_buf();
    let loader = Loader::new(Trust::AllowDir(vec![folder])).cache(cache);
    Ok(kvern::plugins::load_with(&loader, [file])?)
}

/// An operator of the sample as a kernel.
pub(super) fn of_plugin(name: &str) -> Result<Arc<dyn Kernel>, Box<dyn Error>> {
    let cache = tempfile::tempdir()?;
    let registry = registry(cache.path())?;
    let op = op_ref(&registry, name, &serde_json::json!({ "factor": FACTOR }))?;
    Ok(registry.resolve(&op)?)
}

/// The loop of `sample.scale`, here.
pub(super) fn direct_tensor() -> Arc<dyn Kernel> {
    Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
        let chunk = inputs[0]
            .downcast_ref::<AnyChunk>()
            .and_then(|c| c.peek::<f64>())
            .ok_or_else(|| kvern_core::Error::bad_input("not a chunk of float64"))?;
        let out = AnyChunk::from(chunk.mapv(|v| v * FACTOR));
        let bytes = out.nbytes() as u64;
        Ok(Value::with_bytes(out, bytes))
    })
}

/// The loop of `sample.times`, here.
pub(super) fn direct_arrow() -> Arc<dyn Kernel> {
    Arc::new(|inputs: &mut [Value], _: &TaskContext<'_>| {
        let array = inputs[0]
            .downcast_ref::<ArrayRef>()
            .and_then(|a| a.as_primitive_opt::<Float64Type>())
            .ok_or_else(|| kvern_core::Error::bad_input("not an array of Float64"))?;
        let out: Float64Array = array.unary(|v| v * FACTOR);
        Ok(array_value(Arc::new(out)))
    })
}

/// A chunk of so many elements.
pub(super) fn tensor(len: usize) -> Value {
    let values = (0..len).map(|i| i as f64).collect::<ndarray::Array1<f64>>();
    Value::new(AnyChunk::from(values.into_dyn()))
}

/// An array of so many values, without nulls.
pub(super) fn array(len: usize) -> Value {
    array_value(Arc::new(Float64Array::from_iter_values(
        (0..len).map(|i| i as f64),
    )))
}

/// The first number of a result, which tells that it is right.
pub(super) fn second(value: &Value) -> f64 {
    let array = value.downcast_ref::<ArrayRef>();
    let number = match array {
        Some(a) => a
            .as_primitive_opt::<Float64Type>()
            .filter(|a| a.len() > 1)
            .map(|a| a.value(1)),
        None => value
            .downcast_ref::<AnyChunk>()
            .and_then(|c| c.peek::<f64>())
            .and_then(|c| c.get(1).copied()),
    };
    number.unwrap_or(FACTOR)
}

/// What element 1 of every result must be.
pub(super) const SECOND: f64 = FACTOR;

struct Quiet;

impl TaskHost for Quiet {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn reserve(&self, _: u64) -> kvern_core::Result<()> {
        Ok(())
    }

    fn unreserve(&self, _: u64) {}

    fn log(&self, _: Key, _: &str, _: &str) {}
}

/// Gives `f` the context of a task.
pub(super) fn in_task<T>(
    f: impl FnOnce(&TaskContext<'_>) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    let mut list = TaskList::new();
    let op = list.op(OpRef::local(
        "bench",
        |_: &mut [Value], _: &TaskContext<'_>| Ok(Value::UNIT),
    ));
    let task = list.task(op, []);
    let layer = Layer::new(list.into_kind([task]), vec![]);
    let graph = TaskGraph::expand(&Graph::new(&[Root::all(&layer)]))?;
    f(&TaskContext::new(&Quiet, &graph, 0))
}

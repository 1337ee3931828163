//! What the tests of loading share: the files that `cargo xtask fixtures` built, private folders, running an operator, child processes.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use kvern_array::kernels::AnyChunk;
use kvern_core::layer::{Data, Edge};
use kvern_core::{Graph, Layer, OpRef, Registry, Root, TaskGraph, TaskList, Value};
use kvern_plugin_host::{Loader, Plugin, PluginError, Trust};

/// The file of a plugin that `cargo xtask fixtures` built.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let file = folder.join(format!("{name}.so"));
    assert!(
        file.exists(),
        "{} is not there: `cargo xtask fixtures` builds it (`cargo xtask test plugins` does so first)",
        file.display()
    );
    file.canonicalize().unwrap()
}

/// A loader that takes what lies in a folder, and keeps its copies in another.
pub(crate) fn loader(folder: &Path, cache: &Path) -> Loader {
    Loader::new(Trust::AllowDir(vec![folder.to_path_buf()])).cache(cache)
}

/// Loads a fixture into a registry that has nothing else.
pub(crate) fn load(name: &str) -> Result<(Plugin, Registry), PluginError> {
    let file = fixture(name);
    let folder = file.parent().unwrap();
    let mut registry = Registry::empty();
    let plugin = loader(folder, &folder.join("cache")).load(&file, &mut registry)?;
    Ok((plugin, registry))
}

/// A chunk of 64-bit floats.
pub(crate) fn chunk(values: &[f64]) -> Value {
    Value::new(AnyChunk::from(
        ndarray::aview1(values).into_dyn().to_owned(),
    ))
}

/// The elements of such a chunk.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    let chunk = value.downcast_ref::<AnyChunk>().unwrap();
    chunk.peek::<f64>().unwrap().iter().copied().collect()
}

/// One task of an operator, run by the reference executor.
pub(crate) fn run(
    registry: &Registry,
    op: &OpRef,
    inputs: Vec<Value>,
) -> kvern_core::Result<Value> {
    let mut list = TaskList::new();
    let index = list.op(op.clone());
    let edges: Vec<Edge> = (0..inputs.len() as u32)
        .map(|output| Edge::Input { slot: 0, output })
        .collect();
    let task = list.task_with(index, edges);
    let data = Layer::new(Data::values(inputs), Vec::new());
    let layer = Layer::new(list.into_kind([task]), vec![data]);
    let graph = TaskGraph::expand(&Graph::new(&[Root::all(&layer)]))?;
    let mut values = kvern_core::reference::run(&graph, registry)?;
    Ok(values.remove(0))
}

/// Runs the test `name` of this test program again, in a child that finds `argument` in `KVERN_CHILD`; ended after 60 seconds.
pub(crate) fn child(name: &str, argument: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env("KVERN_CHILD", argument)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    let begun = Instant::now();
    while running.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(60) {
            let _ = running.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    running.wait_with_output().unwrap()
}

/// What this process was asked to do, if it is such a child.
pub(crate) fn asked() -> Option<String> {
    std::env::var("KVERN_CHILD").ok()
}

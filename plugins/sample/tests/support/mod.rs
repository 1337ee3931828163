//! The sample's operators in a registry: loaded from the file that `cargo xtask fixtures` built, or, with the feature `linked`, linked.
//! The tests that use it are the same.

#![allow(dead_code, reason = "each test file uses a part")]

use std::path::PathBuf;
use std::sync::Arc;

use kvern::core::layer::Data;
use kvern::core::{Error, Layer, OpRef, Registry, Session, TaskGraph, Value};
use kvern::plugins::op_ref;
use serde_json::Value as Json;

/// The file of a plugin that `cargo xtask fixtures` built.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let file = folder.join(format!("{name}.so"));
    assert!(
        file.exists(),
        "{} is not there: `cargo xtask fixtures` builds it (`cargo xtask test plugins` does so first)",
        file.display()
    );
    file
}

/// All linked operators, and the sample's.
pub(crate) fn registry() -> Arc<Registry> {
    static ONE: std::sync::OnceLock<Arc<Registry>> = std::sync::OnceLock::new();
    ONE.get_or_init(|| Arc::new(fresh())).clone()
}

#[cfg(feature = "linked")]
fn fresh() -> Registry {
    // Named, so that it is linked.
    use kvern_plugin_sample as _;
    Registry::linked().unwrap()
}

#[cfg(not(feature = "linked"))]
fn fresh() -> Registry {
    use kvern::plugins::{Loader, Trust, load_with};
    let file = fixture("sample");
    let folder = file.parent().unwrap().to_path_buf();
    let loader = Loader::new(Trust::AllowDir(vec![folder.clone()])).cache(folder.join("cache"));
    load_with(&loader, [file]).unwrap()
}

/// An operator of the sample.
pub(crate) fn op(name: &str, params: Json) -> OpRef {
    op_ref(&registry(), name, &params).unwrap()
}

/// A session whose registry has the sample.
pub(crate) fn session(url: &str) -> Session {
    Session::builder()
        .url(url)
        .registry(registry())
        .build()
        .unwrap()
}

/// One task over some values, in a session.
pub(crate) fn run(session: &Session, op: &OpRef, inputs: Vec<Value>) -> Result<Value, Error> {
    let mut values = session.compute(&Tasks(vec![(op.clone(), inputs)]))?;
    Ok(values.remove(0))
}

/// Tasks over values at hand.
pub(crate) struct Tasks(pub(crate) Vec<(OpRef, Vec<Value>)>);

impl kvern::core::Collection for Tasks {
    type Output = Vec<Value>;

    fn roots(&self) -> kvern::Result<Vec<kvern::core::Root>> {
        use kvern::core::layer::Edge;
        let mut list = kvern::core::TaskList::new();
        let mut held = Vec::new();
        let mut outputs = Vec::new();
        for (op, inputs) in &self.0 {
            let at = held.len() as u32;
            held.extend(inputs.iter().cloned());
            let op = list.op(op.clone());
            let edges = (0..inputs.len() as u32).map(|n| Edge::Input {
                slot: 0,
                output: at + n,
            });
            outputs.push(list.task_with(op, edges.collect::<Vec<_>>()));
        }
        let inputs = match held.is_empty() {
            true => Vec::new(),
            false => vec![Layer::new(Data::values(held), Vec::new())],
        };
        let layer = Layer::new(list.into_kind(outputs), inputs);
        Ok(vec![kvern::core::Root::all(&layer)])
    }

    fn finish(&self, values: Vec<Value>) -> kvern::Result<Vec<Value>> {
        Ok(values)
    }

    fn rebuild(&self, _: Vec<kvern::Handle>) -> kvern::Result<Self> {
        Err(Error::bad_input("the tasks of a test are not persisted"))
    }
}

/// The graph of one task, for its context.
pub(crate) fn graph_of(op: &OpRef) -> TaskGraph {
    let tasks = Tasks(vec![(op.clone(), Vec::new())]);
    let roots = kvern::core::Collection::roots(&tasks).unwrap();
    TaskGraph::expand(&kvern::core::Graph::new(&roots)).unwrap()
}

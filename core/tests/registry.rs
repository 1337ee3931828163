//! What has a name in a registry, linked or added later: it is used, two of one name are refused and named, an unknown name suggests the nearest.

use std::any::TypeId;
use std::sync::Arc;

use kvern_core::config::{Config, Declared, Key, Kind};
use kvern_core::key::KeyBuilder;
use kvern_core::layer::{self, Edge};
use kvern_core::optimize::{GraphPass, Passes};
use kvern_core::plan::Plan;
use kvern_core::registry::Extension;
use kvern_core::{
    ErrorKind, Graph, Layer, LayerEntry, LayerKind, OpRef, Registry, Result, Root, TypeEntry, Value,
};
use serde::{Deserialize, Serialize};

/// The error's kind and words.
#[track_caller]
fn refused<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) {
    let e = result.err().expect("an error");
    assert_eq!(e.kind(), kind, "{e}");
    for w in words {
        assert!(e.message().contains(w), "{w:?} in {e}");
    }
}

/// So many tasks that read nothing.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    op: [OpRef; 1],
    tasks: u32,
}

impl LayerKind for Row {
    fn kind(&self) -> &'static str {
        "registry.row"
    }

    fn tasks(&self) -> usize {
        self.tasks as usize
    }

    fn inputs(&self) -> usize {
        0
    }

    fn edges(&self, _: usize, _: &mut Vec<Edge>) {}

    fn ops(&self) -> &[OpRef] {
        &self.op
    }

    fn bytes(&self, _: usize) -> u64 {
        8
    }

    fn token(&self, k: KeyBuilder) -> KeyBuilder {
        k.key(self.op[0].key()).u64(self.tasks.into())
    }

    fn encode(&self) -> Result<Vec<u8>> {
        layer::encode(&self.op, self)
    }
}

const ROW: LayerEntry = LayerEntry {
    kind: "registry.row",
    source: "the first",
    decode: |bytes| {
        let row: Row = layer::decode("registry.row", bytes)?;
        Ok(Arc::new(row))
    },
};

#[kvern_core::op(name = "registry.seven")]
fn seven() -> i64 {
    7
}

#[test]
fn layer_kinds() {
    let row = Row {
        op: [seven::op()],
        tasks: 3,
    };
    let graph = Graph::new(&[Root::all(&Layer::new(row, Vec::new()))]);
    let bytes = graph.encode().unwrap();
    let mut registry = Registry::linked().unwrap();
    refused(
        Graph::decode(&bytes, &registry),
        ErrorKind::NotRegistered,
        &[
            "layer kind \"registry.row\" is not registered",
            "tree-reduction",
        ],
    );
    registry.add_layer(ROW).unwrap();
    assert_eq!(Graph::decode(&bytes, &registry).unwrap().tasks(), 3);
    let second = LayerEntry {
        source: "the second",
        ..ROW
    };
    refused(
        registry.add_layer(second),
        ErrorKind::Duplicate,
        &["layer kind registry.row is registered by both the first and the second"],
    );
    refused(
        registry.decode_layer("registry.rows", &[]),
        ErrorKind::NotRegistered,
        &["did you mean registry.row?"],
    );
    // The one that was there still is.
    assert_eq!(Graph::decode(&bytes, &registry).unwrap().tasks(), 3);
}

#[derive(Debug, PartialEq)]
struct Point(u8);

const POINT: TypeEntry = TypeEntry {
    tag: "registry.point@1",
    source: "the first",
    type_id: TypeId::of::<Point>,
    nbytes: |_| 1,
    describe: None,
    encode: |v, out| {
        out.extend(v.downcast_ref::<Point>().map(|p| p.0));
        Ok(())
    },
    decode: |bytes| Ok(Value::new(Point(bytes[0]))),
    bulk: None,
};

#[test]
fn value_types() {
    let mut registry = Registry::linked().unwrap();
    let (value, mut bytes) = (Value::new(Point(5)), Vec::new());
    refused(
        registry.encode(&value, &mut bytes),
        ErrorKind::NotPortable,
        &["Point"],
    );
    registry.add_type(POINT).unwrap();
    registry.encode(&value, &mut bytes).unwrap();
    let back = registry.decode(&bytes).unwrap();
    assert_eq!(back.downcast_ref(), Some(&Point(5)));
    let second = TypeEntry {
        source: "the second",
        ..POINT
    };
    refused(
        registry.add_type(second),
        ErrorKind::Duplicate,
        &["value type registry.point@1", "the first and the second"],
    );
    let misspelt = b"\x10registry.poimt@1";
    refused(
        registry.decode(&misspelt[..]),
        ErrorKind::NotRegistered,
        &["did you mean registry.point@1?"],
    );
}

#[test]
fn configuration_keys() {
    const STONES: &[Key] = &[Key::new(
        "mill.stones",
        Kind::Count,
        "2",
        "How many stones grind at once.",
    )];
    const SAME_VARIABLE: &[Key] = &[Key::new("mill-stones", Kind::Count, "1", "Another.")];
    let declared = |crate_name, keys| Declared {
        crate_name,
        keys,
        variables: &[],
    };
    let mut registry = Registry::linked().unwrap();
    let before = registry.schema().keys().count();
    registry.add_keys(declared("mill", STONES)).unwrap();
    let mut config = Config::new(&registry);
    config
        .add_environment([("KVERN_MILL_STONES", "3")])
        .unwrap();
    assert_eq!(config.get::<u64>("mill.stones"), Ok(3));
    let e = config.get::<u64>("mill.stone").unwrap_err();
    assert!(
        e.to_string().contains("did you mean \"mill.stones\"?"),
        "{e}"
    );
    for (keys, other) in [(STONES, "mill.stones"), (SAME_VARIABLE, "mill-stones")] {
        let words = ["mill", "bakery", "mill.stones", other];
        refused(
            registry.add_keys(declared("bakery", keys)),
            ErrorKind::Duplicate,
            &words,
        );
    }
    assert_eq!(registry.schema().keys().count(), before + 1);
    // Another registry does not have it.
    assert!(
        Registry::linked()
            .unwrap()
            .schema()
            .get("mill.stones")
            .is_none()
    );
}

/// A kind that the core does not know.
#[derive(Debug, PartialEq)]
struct Codec {
    name: &'static str,
    source: &'static str,
}

impl Extension for Codec {
    const WHAT: &'static str = "file codec";

    fn name(&self) -> &str {
        self.name
    }

    fn source(&self) -> &str {
        self.source
    }

    fn hint() -> &'static str {
        "codecs are features of the storage crate"
    }
}

#[test]
fn a_kind_that_the_core_does_not_know() {
    let codec = |name, source| Codec { name, source };
    let mut registry = Registry::linked().unwrap();
    refused(
        registry.get::<Codec>("zstd"),
        ErrorKind::NotRegistered,
        &[
            "file codec \"zstd\" is not registered (there is none)",
            "features of the storage crate",
        ],
    );
    registry.add(codec("zstd", "the first")).unwrap();
    registry.add(codec("gzip", "the first")).unwrap();
    let before = registry.clone();
    registry.add(codec("bzip2", "the first")).unwrap();
    assert_eq!(registry.get::<Codec>("zstd").unwrap().source, "the first");
    let names = |r: &Registry| r.all::<Codec>().map(|c| c.name).collect::<Vec<_>>();
    assert_eq!(names(&registry), ["bzip2", "gzip", "zstd"]);
    assert_eq!(names(&before), ["gzip", "zstd"]);
    refused(
        registry.add(codec("zstd", "the second")),
        ErrorKind::Duplicate,
        &["file codec zstd is registered by both the first and the second"],
    );
    refused(
        registry.get::<Codec>("gzp"),
        ErrorKind::NotRegistered,
        &["did you mean gzip?"],
    );
}

/// Leaves the first task of each layer of rows.
fn first_of_each(graph: &Graph) -> Result<Option<Graph>> {
    assert_eq!(graph.tasks(), 5);
    Ok(Some(Graph::new(&[rows(1)])))
}

fn rows(tasks: u32) -> Root {
    let op = [seven::op()];
    Root::all(&Layer::new(Row { op, tasks }, Vec::new()))
}

#[test]
fn graph_passes_are_those_of_the_registry() {
    let pass = |source| GraphPass {
        pass: "test.first",
        source,
        run: first_of_each,
    };
    let before = Registry::linked().unwrap();
    let mut registry = before.clone();
    registry.add(pass("the first")).unwrap();
    refused(
        registry.add(pass("the second")),
        ErrorKind::Duplicate,
        &["graph pass test.first is registered by both the first and the second"],
    );
    let left = |registry| {
        let plan = Plan::new(Graph::new(&[rows(5)]), Arc::new(registry), Passes::none()).unwrap();
        let passes = plan.reports().iter().map(|r| r.pass).collect::<Vec<_>>();
        (plan.graph().tasks(), passes)
    };
    assert_eq!(left(registry), (1, vec!["test.first"]));
    assert_eq!(left(before), (5, vec![]));
}

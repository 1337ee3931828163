//! Content keys are the same in every process and build: compared with a file, and with a second process.
//!
//! After a deliberate change of the scheme, rewrite the file with `KVERN_WRITE_KEYS=1 cargo test -p kvern-core --test keys`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kvern_core::blocks::GridMap;
use kvern_core::layer::{
    BlockArg, Blockwise, Data, Edge, Exchange, Overlap, Reach, TreeBytes, TreeReduction,
};
use kvern_core::program::{Arg, Program, Step};
use kvern_core::{
    Annotations, AxisMap, BlockBytes, Grid, Key, Layer, OpRef, OpTraits, TaskList, Value,
};

fn op(name: &str) -> OpRef {
    OpRef::named(name, 1, OpTraits::default(), vec![1, 2, 3])
}

fn block_op(name: &str) -> OpRef {
    let traits = OpTraits {
        uses_block: true,
        ..OpTraits::default()
    };
    OpRef::named(name, 2, traits, vec![])
}

fn program() -> OpRef {
    let grid = Grid::new([4, 3]);
    let map = GridMap {
        from: grid.clone(),
        to: Grid::new([3]),
        axes: vec![AxisMap::Out(1)],
    };
    let step = |op, args, block, fixed_block| Step {
        op,
        args,
        block,
        fixed_block,
    };
    let steps = vec![
        step(op("load"), vec![Arg::Input(0)], None, None),
        step(block_op("shift"), vec![Arg::Step(0)], Some(map), None),
        step(block_op("seed"), vec![], None, Some(7)),
        step(op("add"), vec![Arg::Step(1), Arg::Step(2)], None, None),
    ];
    OpRef::program(Program::new(steps).unwrap())
}

/// A layer of every kind, by name.
fn layers() -> Vec<(&'static str, Arc<Layer>)> {
    let grid = Grid::new([4, 3]);
    let bytes = || BlockBytes::Each(8);
    let source = Layer::new(
        Blockwise::source(block_op("arange"), grid.clone(), bytes()),
        vec![],
    );
    let same = BlockArg::same(0, &grid);
    let picked = BlockArg {
        slot: 1,
        grid: grid.clone(),
        axes: vec![AxisMap::Fixed(2), AxisMap::All],
    };
    let args = vec![same.clone(), picked];
    let blockwise = Blockwise::new(op("add"), grid.clone(), args, bytes()).unwrap();
    let blockwise = Layer::new(blockwise, vec![source.clone(), source.clone()]);
    let fused = Blockwise::new(program(), grid.clone(), vec![same.clone()], bytes()).unwrap();
    let tree_bytes = TreeBytes {
        partial: 8,
        output: 8,
    };
    let tree = TreeReduction::new(
        [op("chunk"), op("combine"), op("finish")],
        grid.clone(),
        vec![same],
        vec![true, false],
        3,
        tree_bytes,
    );
    let reach = Reach {
        before: 1,
        after: 0,
        periodic: true,
    };
    let overlap = Overlap::new(op("stencil"), grid, vec![reach; 2], bytes()).unwrap();
    let shuffle = Exchange::new([op("split"), op("merge")], 12, 5, 80, 16).unwrap();
    let explicit = |external: bool| {
        let mut list = TaskList::new();
        let (a, b) = (list.op(op("a")), list.op(block_op("b")));
        let one = list.task(a, []);
        let two = list.task(b, [one]);
        let mut deps = vec![Edge::Own(1), Edge::Own(0)];
        if external {
            deps.push(Edge::Input { slot: 0, output: 3 });
        }
        let three = list.task_with(a, deps);
        list.into_kind([three, two])
    };
    let on = |kind| Layer::new(kind, vec![blockwise.clone()]);
    let data = Data::keyed(Key::builder("test").str("five").finish(), Value::new(5u64));
    vec![
        ("source", source.clone()),
        ("blockwise", blockwise.clone()),
        ("program", Layer::new(fused, vec![source.clone()])),
        ("tree", Layer::new(tree.unwrap(), vec![blockwise.clone()])),
        ("overlap", Layer::new(overlap, vec![blockwise.clone()])),
        ("exchange", Layer::new(shuffle, vec![blockwise.clone()])),
        ("explicit", Layer::new(explicit(false), vec![])),
        ("explicit with input", on(explicit(true))),
        ("data", Layer::new(data, vec![])),
    ]
}

/// One line a layer: its key, and those of its first two tasks and its last.
fn text() -> String {
    let mut out = format!("scheme {}\n", kvern_core::key::SCHEME);
    for (name, layer) in layers() {
        let last = layer.kind().tasks() - 1;
        let tasks = [0, 1.min(last), last].map(|t| layer.task_key(t).to_string());
        let _ = writeln!(out, "{name}: {} {}", layer.key(), tasks.join(" "));
    }
    out
}

#[test]
fn keys_are_those_of_the_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/keys.txt");
    if std::env::var_os("KVERN_WRITE_KEYS").is_some() {
        std::fs::write(&path, text()).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        golden.replace("\r\n", "\n"),
        text(),
        "keys changed: caches of the last version would miss. Is the change of {} meant?",
        path.display()
    );
}

const CHILD: &str = "KVERN_TEST_PRINT_KEYS";

#[test]
fn another_process_makes_the_same_keys() {
    if std::env::var_os(CHILD).is_some() {
        println!("\n<keys>\n{}</keys>", text());
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "another_process_makes_the_same_keys",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    let keys = said
        .split("<keys>\n")
        .nth(1)
        .and_then(|s| s.split("</keys>").next());
    assert_eq!(keys, Some(text().as_str()), "it said: {said}");
}

#[test]
fn all_keys_of_the_file_differ() {
    let mut seen = std::collections::HashSet::new();
    for (name, layer) in layers() {
        assert!(seen.insert(layer.key()), "{name}");
        for t in 0..layer.kind().tasks() {
            assert!(seen.insert(layer.task_key(t)), "{name}, task {t}");
        }
    }
}

#[test]
fn annotations_and_bytes_are_not_part_of_a_key() {
    for (name, layer) in layers() {
        let other = layer.annotated(Annotations::new().priority(9).label("words"));
        assert_eq!(layer.key(), other.key(), "{name}");
        assert_eq!(layer.task_key(0), other.task_key(0), "{name}");
    }
    let of = |bytes| {
        let kind = Blockwise::source(op("x"), Grid::new([3]), BlockBytes::Each(bytes));
        Layer::new(kind, vec![]).key()
    };
    assert_eq!(of(1), of(2));
}

#[test]
fn version_and_parameters_are_part_of_a_key() {
    let keys = [(1, vec![]), (2, vec![]), (1, vec![0])]
        .map(|(v, p)| OpRef::named("x", v, OpTraits::default(), p).key());
    assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
}

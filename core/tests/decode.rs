//! Hostile bytes: every layer kind, programs, grids and splits refuse them without a panic or a huge allocation.

use std::sync::Arc;

use kvern_core::blocks::GridMap;
use kvern_core::layer::{
    BlockArg, Blockwise, Edge, Exchange, Overlap, Reach, TreeBytes, TreeReduction,
};
use kvern_core::program::{Arg, Program, Step};
use kvern_core::{
    AxisMap, BlockBytes, ErrorKind, Grid, LayerKind, OpRef, OpTraits, Registry, Splits, TaskList,
};
use proptest::prelude::*;

fn op() -> OpRef {
    OpRef::named("test.none", 1, OpTraits::default(), vec![])
}

fn step(args: Vec<Arg>, block: Option<GridMap>) -> Step {
    Step {
        op: op(),
        args,
        block,
        fixed_block: None,
    }
}

fn map() -> GridMap {
    GridMap {
        from: Grid::new([2, 3]),
        to: Grid::new([3]),
        axes: vec![AxisMap::Out(1)],
    }
}

fn program() -> OpRef {
    let steps = vec![
        step(vec![Arg::Input(0)], Some(map())),
        step(vec![Arg::Step(0), Arg::Input(1)], None),
    ];
    OpRef::program(Program::new(steps).unwrap())
}

fn kinds() -> Vec<(&'static str, Arc<dyn LayerKind>)> {
    let grid = Grid::new([2, 3]);
    let dense = BlockBytes::Dense {
        item: 8,
        axes: vec![Splits::regular(7, 4), Splits::from_lengths([1, 2, 3])],
    };
    let args = vec![BlockArg::same(0, &grid), BlockArg::same(1, &grid)];
    let bytes = TreeBytes {
        partial: 8,
        output: 8,
    };
    let ops = [program(), op(), op()];
    let tree = TreeReduction::new(ops, grid.clone(), args.clone(), vec![true, false], 2, bytes);
    let reach = vec![Reach::default(); 2];
    let mut list = TaskList::new();
    let number = list.op(program());
    let one = list.task_with(number, [Edge::Input { slot: 0, output: 1 }]);
    let two = list.task(number, [one, one]);
    vec![
        (
            "blockwise",
            Arc::new(Blockwise::new(program(), grid.clone(), args, dense.clone()).unwrap()),
        ),
        ("tree-reduction", Arc::new(tree.unwrap())),
        (
            "overlap",
            Arc::new(Overlap::new(program(), grid, reach, dense).unwrap()),
        ),
        (
            "exchange",
            Arc::new(Exchange::new([op(), program()], 3, 4, 8, 8).unwrap()),
        ),
        ("explicit", Arc::new(list.into_kind([two]))),
    ]
}

/// Decodes and, where that works, asks for all there is to know of some tasks: nothing may panic.
fn poke(kind: &str, bytes: &[u8]) {
    let registry = Registry::linked().unwrap();
    let Ok(layer) = registry.decode_layer(kind, bytes) else {
        return;
    };
    let tasks = layer.tasks();
    assert!(tasks <= u32::MAX as usize, "{tasks} tasks");
    let _ = (layer.outputs(), layer.inputs(), layer.total_bytes());
    let mut edges = Vec::new();
    for t in [0, 1, tasks / 2, tasks.saturating_sub(1)] {
        if t < tasks {
            edges.clear();
            layer.edges(t, &mut edges);
            let _ = (
                layer.op(t),
                layer.block(t),
                layer.bytes(t),
                layer.piece(t),
                layer.task_key(t),
            );
        }
    }
}

#[test]
fn what_is_written_is_read() {
    let registry = Registry::linked().unwrap();
    for (name, kind) in kinds() {
        let bytes = kind.encode().unwrap();
        let back = registry.decode_layer(name, &bytes).unwrap();
        assert_eq!(back.encode().unwrap(), bytes, "{name}");
    }
}

#[test]
fn every_cut_is_refused_and_no_change_of_a_byte_panics() {
    let registry = Registry::linked().unwrap();
    for (name, kind) in kinds() {
        let bytes = kind.encode().unwrap();
        for cut in 0..bytes.len() {
            assert!(
                registry.decode_layer(name, &bytes[..cut]).is_err(),
                "{name} cut at {cut}"
            );
        }
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut bad = bytes.clone();
                bad[at] = value;
                poke(name, &bad);
            }
            // Any number becomes 2^32 - 1, or 2^64 - 1.
            for n in [4, 9] {
                let mut bad = bytes[..at].to_vec();
                bad.extend(std::iter::repeat_n(0xff, n));
                bad.push(if n == 4 { 0x0f } else { 0x01 });
                bad.extend_from_slice(&bytes[at + 1..]);
                poke(name, &bad);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(which in 0usize..5, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        poke(kinds()[which].0, &bytes);
    }

    #[test]
    fn no_splice_panics(which in 0usize..5, at: prop::sample::Index, new in prop::collection::vec(any::<u8>(), 1..12)) {
        let (name, kind) = kinds().swap_remove(which);
        let mut bytes = kind.encode().unwrap();
        let at = at.index(bytes.len());
        let end = (at + new.len()).min(bytes.len());
        bytes.splice(at..end, new);
        poke(name, &bytes);
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

#[test]
fn splits_that_are_not_in_order_are_refused() {
    assert!(json::<Splits>(r#"{"runs":[[4,2],[2,1]]}"#).is_ok());
    for (bad, why) in [
        (r#"{"runs":[[4,0]]}"#, "has no chunk"),
        (r#"{"runs":[[4,1],[4,1]]}"#, "have one length"),
        (r#"{"runs":[[18446744073709551615,2]]}"#, "more than 2^64"),
    ] {
        let e = json::<Splits>(bad).unwrap_err();
        assert!(e.contains(why), "{e}");
    }
}

#[test]
fn programs_are_checked_when_read() {
    let good = serde_json::to_string(&program()).unwrap();
    assert!(json::<OpRef>(&good).is_ok());
    for (from, to, why) in [
        (r#"{"Step":0}"#, r#"{"Step":1}"#, "which is not before it"),
        (r#"{"Input":1}"#, r#"{"Input":4294967295}"#, "at most"),
        (r#"{"Out":1}"#, r#"{"Out":2}"#, "does not exist"),
        (r#"{"Out":1}"#, r#"{"Out":0},{"Out":1}"#, "axis maps"),
        (r#"{"Out":1}"#, r#"{"Fixed":3}"#, "block 3 of an axis of 3"),
        (r#"{"Out":1}"#, r#""All""#, "picks one block"),
        ("[2,3]", "[65536,65536,65536,65536]", "more than 2^32"),
    ] {
        assert!(good.contains(from), "{from} in {good}");
        let e = json::<OpRef>(&good.replacen(from, to, 1)).unwrap_err();
        assert!(e.contains(why), "{why}: {e}");
    }
}

#[test]
fn a_program_in_a_program_is_flat_and_refused_when_read() {
    let outer = Program::new(vec![
        step(vec![Arg::Input(1)], None),
        Step {
            op: program(),
            args: vec![Arg::Step(0), Arg::Input(0)],
            block: None,
            fixed_block: Some(5),
        },
    ])
    .unwrap();
    assert_eq!(outer.steps().len(), 3);
    // Block 5 of a grid of 2 x 3 is (1, 2), which picks block 2.
    assert_eq!(outer.steps()[1].fixed_block, Some(2));
    assert_eq!(outer.steps()[2].args, [Arg::Step(1), Arg::Input(0)]);
    let flat = serde_json::to_string(&program()).unwrap();
    let named = serde_json::to_string(&op()).unwrap();
    assert!(json::<OpRef>(&flat.replacen(&named, &flat, 1)).is_err());
}

#[test]
fn a_grid_of_too_many_blocks_is_an_error() {
    let grid = Grid::new(vec![u32::MAX; 5]);
    assert_eq!(grid.len(), usize::MAX);
    let e = Blockwise::new(op(), grid.clone(), vec![], BlockBytes::Each(1)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::BadInput);
    let arg = BlockArg {
        slot: 0,
        grid: Grid::new([1 << 30]),
        axes: vec![AxisMap::All],
    };
    let e = Blockwise::new(op(), Grid::new([1]), vec![arg], BlockBytes::Each(1)).unwrap_err();
    assert!(e.to_string().contains("would read more than"), "{e}");
}

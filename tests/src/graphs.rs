//! Graphs of every shape: random ones by seed, over all kinds of layers, and the well-known ones by size.

use std::sync::Arc;

use kvern_core::layer::{
    BlockArg, Blockwise, Data, Edge, Exchange, Overlap, Reach, TreeBytes, TreeReduction,
};
use kvern_core::{AxisMap, BlockBytes, Grid, Layer, Outputs, Result, Root, TaskList, Value};

use crate::ops;
use crate::rng::Rng;

/// A layer whose outputs form a grid.
type Blocks = (Arc<Layer>, Grid);

/// A random graph of about `size` tasks at most, the same for the same seed: sources, values at hand, elementwise and broadcast
/// operations, contractions, tree reductions, stencils, exchanges and explicit tasks, with inputs read again and again. Wanted
/// are one to four layers, whole or in part, some outputs twice.
///
/// # Panics
/// Never, unless a layer kind of kvern refuses what it should take.
pub fn random(seed: u64, size: u64) -> Vec<Root> {
    let mut rng = Rng::new(seed);
    let mut pool: Vec<Blocks> = vec![source(&mut rng, size)];
    let mut tasks = pool[0].1.len() as u64;
    for _ in 0..40 {
        let next = match step(&mut rng, &pool, size) {
            Ok(next) => next,
            Err(e) => panic!("a layer of the random graph {seed} is refused: {e}"),
        };
        tasks += next.0.kind().tasks() as u64;
        if tasks > size {
            break;
        }
        pool.push(next);
    }
    let roots = 1 + rng.below(4).min(pool.len() as u64 - 1);
    let mut wanted = vec![root(&mut rng, &pool[pool.len() - 1].0)];
    for _ in 1..roots {
        let pick = rng.below(pool.len() as u64) as usize;
        wanted.push(root(&mut rng, &pool[pick].0));
    }
    wanted
}

fn root(rng: &mut Rng, layer: &Arc<Layer>) -> Root {
    let outputs = layer.kind().outputs() as u64;
    if outputs == 0 || rng.one_in(2) {
        return Root::all(layer);
    }
    let some = (0..rng.between(1, outputs.min(9))).map(|_| rng.below(outputs) as u32);
    Root {
        layer: layer.clone(),
        outputs: Outputs::Only(some.collect()),
    }
}

fn grid(rng: &mut Rng, size: u64) -> Grid {
    let most = (size / 8).clamp(1, 60);
    let a = rng.between(1, most) as u32;
    match rng.below(3) {
        0 => Grid::new([a]),
        1 => Grid::new([rng.between(1, 6) as u32, 1 + a / 6]),
        _ => Grid::new([rng.between(1, 3) as u32, 1, 1 + a / 9]),
    }
}

fn source(rng: &mut Rng, size: u64) -> Blocks {
    let grid = grid(rng, size);
    let op = match rng.below(3) {
        0 => ops::block(),
        1 => ops::mix_block(rng.bits()),
        _ => ops::make_bytes(rng.below(200), rng.bits()),
    };
    let layer = Blockwise::source(op, grid.clone(), BlockBytes::Each(224));
    (Layer::new(layer, Vec::new()), grid)
}

fn op(rng: &mut Rng) -> kvern_core::OpRef {
    let seed = rng.below(5);
    if rng.one_in(2) {
        ops::mix(seed)
    } else {
        ops::mix_block(seed)
    }
}

fn step(rng: &mut Rng, pool: &[Blocks], size: u64) -> Result<Blocks> {
    let pick = |rng: &mut Rng| pool[rng.below(pool.len() as u64) as usize].clone();
    let each = BlockBytes::Each(0);
    let (input, grid) = pick(rng);
    Ok(match rng.below(9) {
        0 => source(rng, size),
        1 => {
            let n = rng.between(1, 9);
            let values = (0..n).map(|i| Value::new(i * 7)).collect();
            (
                Layer::new(Data::values(values), Vec::new()),
                Grid::new([n as u32]),
            )
        }
        // Elementwise over one input, read once or twice.
        2 => {
            let args = vec![BlockArg::same(0, &grid); rng.between(1, 2) as usize];
            (
                Layer::new(
                    Blockwise::new(op(rng), grid.clone(), args, each)?,
                    vec![input],
                ),
                grid,
            )
        }
        // Elementwise with a second input, whose first block is used for all.
        3 => {
            let (other, theirs) = pick(rng);
            let axes = vec![AxisMap::Fixed(0); theirs.counts().len()];
            let second = BlockArg {
                slot: 1,
                grid: theirs,
                axes,
            };
            let args = vec![BlockArg::same(0, &grid), second];
            let kind = Blockwise::new(op(rng), grid.clone(), args, each)?;
            (Layer::new(kind, vec![input, other]), grid)
        }
        // One output block for each block of the first axis, reading all others.
        4 => {
            let out = Grid::new(grid.counts().first().map_or_else(Vec::new, |&n| vec![n]));
            let axes = (0..grid.counts().len()).map(|i| {
                if i == 0 {
                    AxisMap::Out(0)
                } else {
                    AxisMap::All
                }
            });
            let arg = BlockArg {
                slot: 0,
                grid: grid.clone(),
                axes: axes.collect(),
            };
            (
                Layer::new(
                    Blockwise::new(op(rng), out.clone(), vec![arg], each)?,
                    vec![input],
                ),
                out,
            )
        }
        5 => {
            let reduced: Vec<bool> = grid.counts().iter().map(|_| !rng.one_in(3)).collect();
            let kept = grid
                .counts()
                .iter()
                .zip(&reduced)
                .filter(|p| !p.1)
                .map(|p| *p.0);
            let out = Grid::new(kept.collect::<Vec<u32>>());
            let bytes = TreeBytes {
                partial: 0,
                output: 0,
            };
            let args = vec![BlockArg::same(0, &grid)];
            let tree_ops = [op(rng), ops::mix(rng.below(9)), op(rng)];
            let split = rng.between(2, 5) as u32;
            let kind = TreeReduction::new(tree_ops, grid, args, reduced, split, bytes)?;
            (Layer::new(kind, vec![input]), out)
        }
        6 => {
            let reach = grid.counts().iter().map(|_| Reach {
                before: rng.below(3) as u32,
                after: rng.below(2) as u32,
                periodic: rng.one_in(2),
            });
            let reach = reach.collect();
            (
                Layer::new(
                    Overlap::new(op(rng), grid.clone(), reach, each)?,
                    vec![input],
                ),
                grid,
            )
        }
        7 => {
            let (from, to) = (grid.len() as u32, rng.between(1, 12) as u32);
            let kind = Exchange::new([ops::split(to), op(rng)], from, to, 0, 0)?;
            (Layer::new(kind, vec![input]), Grid::new([to]))
        }
        _ => {
            let (other, theirs) = pick(rng);
            explicit(rng, [(input, grid), (other, theirs)], size)
        }
    })
}

/// Tasks that read earlier tasks of the list and blocks of two layers, some of them several times.
fn explicit(rng: &mut Rng, inputs: [Blocks; 2], size: u64) -> Blocks {
    let n = rng.between(1, (size / 6).clamp(2, 120));
    let mut list = TaskList::new();
    let some_ops = [
        list.op(op(rng)),
        list.op(ops::mix(rng.below(4))),
        list.op(ops::mix_block(1)),
    ];
    let mut ids = Vec::new();
    for t in 0..n {
        // The first task reads both layers, so that the list has two inputs for certain.
        let reads = if t == 0 { 2 } else { rng.below(6) };
        let edges = (0..reads).map(|r| {
            if t == 0 || rng.one_in(4) {
                let slot = if t == 0 {
                    r as u32
                } else {
                    rng.below(2) as u32
                };
                let output = rng.below(inputs[slot as usize].1.len() as u64) as u32;
                Edge::Input { slot, output }
            } else {
                Edge::Own(rng.below(t) as u32)
            }
        });
        let edges: Vec<Edge> = edges.collect();
        let op = some_ops[rng.below(3) as usize];
        ids.push(list.task_with(op, edges));
    }
    let outputs: Vec<_> = (0..rng.between(1, 12))
        .map(|_| ids[rng.below(n) as usize])
        .collect();
    let grid = Grid::new([outputs.len() as u32]);
    let [(a, _), (b, _)] = inputs;
    (Layer::new(list.into_kind(outputs), vec![a, b]), grid)
}

/// A chain of `n` tasks.
pub fn chain(n: usize) -> Root {
    let mut list = TaskList::with_capacity(n, n);
    let op = list.op(ops::mix(2));
    let mut last = list.task(op, []);
    for _ in 1..n {
        last = list.task(op, [last]);
    }
    Root::all(&list.finish([last]))
}

/// `n` independent tasks, all wanted.
pub fn wide(n: usize) -> Root {
    Root::all(&crate::check::wide(&ops::mix_block(9), n))
}

/// One task read by `n`, all of which are read by one.
pub fn fan(n: usize) -> Root {
    let mut list = TaskList::with_capacity(n + 2, 2 * n);
    let op = list.op(ops::mix_block(4));
    let first = list.task(op, []);
    let middle: Vec<_> = (0..n).map(|_| list.task(op, [first])).collect();
    let last = list.task(op, middle);
    Root::all(&list.finish([last]))
}

/// A binary tree over `n` leaves.
pub fn tree(n: usize) -> Root {
    let mut list = TaskList::with_capacity(2 * n, 2 * n);
    let op = list.op(ops::mix_block(6));
    let mut level: Vec<_> = (0..n).map(|_| list.task(op, [])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| list.task(op, pair.iter().copied()))
            .collect();
    }
    Root::all(&list.finish(level))
}

/// `steps` sweeps of a three-point stencil over `width` blocks.
///
/// # Errors
/// None, unless a layer kind of kvern refuses what it should take.
pub fn stencil(width: u32, steps: usize) -> Result<Root> {
    let grid = Grid::new([width]);
    let reach = Reach {
        before: 1,
        after: 1,
        periodic: true,
    };
    let mut layer = Layer::new(
        Blockwise::source(ops::block(), grid.clone(), BlockBytes::Each(0)),
        Vec::new(),
    );
    for _ in 0..steps {
        let kind = Overlap::new(ops::mix(8), grid.clone(), vec![reach], BlockBytes::Each(0))?;
        layer = Layer::new(kind, vec![layer]);
    }
    Ok(Root::all(&layer))
}

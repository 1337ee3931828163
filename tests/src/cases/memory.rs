//! Memory: counted exactly, kept under the budget, spilled and read back unchanged, given back at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kvern_core::layer::{Blockwise, Exchange};
use kvern_core::scheduler::MemoryUse;
use kvern_core::{Annotations, BlockBytes, ErrorKind, Grid, Layer, OpRef, Root, TaskList, Value};

use crate::check::{assert_same, expect_error, plan, reference, submit, wide};
use crate::fixture::Fixture;
use crate::probe::Probe;
use crate::tracked::{Meter, Tracked};
use crate::{graphs, ops};

const BLOCK: u64 = 64 * 1024;
const BUDGET: u64 = 8 * BLOCK;

/// `n` blocks of [`BLOCK`] bytes with their sizes projected.
fn blocks(list: &mut TaskList, n: usize) -> Vec<kvern_core::layer::TaskId> {
    let op = list.op(ops::make_bytes(BLOCK, 11));
    (0..n)
        .map(|_| {
            let t = list.task(op, []);
            list.project(t, BLOCK + 24);
            t
        })
        .collect()
}

/// No more was ever in memory than the budget and what the largest task needs at once.
fn assert_under(m: MemoryUse, largest: u64) {
    assert!(
        m.peak <= BUDGET + largest,
        "the peak of {} bytes is above the budget of {BUDGET} and the largest task's {largest}",
        m.peak
    );
}

/// What is held is counted: as many results, and as many bytes as their values say.
pub fn bytes_are_counted(fx: &Fixture) {
    let scheduler = fx.open();
    assert_eq!(scheduler.memory().live, 0);
    let mut list = TaskList::new();
    let ids: Vec<_> = (0..20u64)
        .map(|i| {
            let op = list.op(ops::make_bytes(100 * i, i));
            list.task(op, [])
        })
        .collect();
    let run = submit(&scheduler, &[Root::all(&list.finish(ids))]);
    let bytes: u64 = fx.values("bytes", &run).iter().map(Value::nbytes).sum();
    fx.until("20 results are held", || scheduler.memory().held == 20);
    let m = scheduler.memory();
    assert_eq!(m.live + m.spilled, bytes, "{m:?}");
    assert!(m.peak >= m.live, "{m:?}");
    drop(run);
    fx.freed("counted results", &scheduler);
    assert!(scheduler.memory().peak >= m.live, "the peak is forgotten");
}

/// A result that only one task reads is held by that task alone, which may change it in place; one that is wanted is not.
pub fn lone_inputs_can_be_taken(fx: &Fixture) {
    let scheduler = fx.open();
    let mut list = TaskList::new();
    let (bytes, lone) = (list.op(ops::make_bytes(50, 1)), list.op(ops::lone_input()));
    let (a, b) = (list.task(bytes, []), list.task(bytes, []));
    let (of_a, of_b) = (list.task(lone, [a]), list.task(lone, [b]));
    let run = submit(&scheduler, &[Root::all(&list.finish([of_a, of_b, b]))]);
    let got = fx.values("lone", &run);
    assert_eq!(
        got[0].downcast_ref::<bool>(),
        Some(&true),
        "nobody else reads or wants it"
    );
    assert_eq!(
        got[1].downcast_ref::<bool>(),
        Some(&false),
        "it is wanted as well"
    );
}

/// Values are dropped as soon as their last reader has run, not at the end of the run.
pub fn the_last_reader_frees(fx: &Fixture) {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let scheduler = fx.open();
    let (alive, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, seen) = (alive.clone(), most.clone());
    let op = OpRef::local("link", move |_, _| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok(Value::new(Counted(now.clone())))
    });
    let mut list = TaskList::new();
    let op = list.op(op);
    let mut last = list.task(op, []);
    for _ in 0..200 {
        last = list.task(op, [last]);
    }
    let run = submit(&scheduler, &[Root::all(&list.finish([last]))]);
    fx.value("the end of the chain", &run.handle(0));
    // Input, result and one that is just being dropped.
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 3, "{most} values of a chain were alive at once");
    drop(run);
    fx.until("all values are dropped", || {
        alive.load(Ordering::SeqCst) == 0
    });
}

/// Random graphs, results taken and not, leave nothing behind.
pub fn nothing_is_left(fx: &Fixture) {
    let scheduler = fx.open();
    for seed in 200..220 {
        let run = submit(&scheduler, &graphs::random(seed, 200));
        if seed % 2 == 0 {
            fx.values("results", &run);
        }
    }
    fx.freed("twenty graphs", &scheduler);
}

/// Results of five times the budget are all held, on disk where memory does not hold them, and read back unchanged.
pub fn results_beyond_the_budget(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let scheduler = &limited.scheduler;
    let mut list = TaskList::new();
    let ids = blocks(&mut list, 40);
    let roots = [Root::all(&list.finish(ids))];
    let run = submit(scheduler, &roots);
    if let Err(e) = fx.finish("forty blocks", &run) {
        panic!("{e:?}");
    }
    let m = scheduler.memory();
    assert!(m.held == 40 && m.live <= BUDGET + BLOCK + 24, "{m:?}");
    assert!(m.spilled > 0 && m.spilled_total >= m.spilled, "{m:?}");
    let want = reference(&roots).unwrap_or_default();
    for (i, w) in want.iter().enumerate().rev() {
        assert_same(
            "read back",
            &[fx.value("read back", &run.handle(i))],
            std::slice::from_ref(w),
        );
    }
    assert_under(scheduler.memory(), BLOCK + 24);
    drop(run);
    fx.freed("forty blocks", scheduler);
    fx.until("spill files of freed results are gone", || {
        limited.files().is_empty()
    });
}

/// A graph of more than ten times the budget, whose blocks are all needed until the end: each block minus a number made of all.
pub fn a_graph_of_ten_budgets(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let scheduler = &limited.scheduler;
    let mut list = TaskList::new();
    let made = blocks(&mut list, 60);
    let (sum, add) = (list.op(ops::sum_bytes()), list.op(ops::add_bytes()));
    let sums: Vec<_> = made.iter().map(|&b| list.task(sum, [b])).collect();
    let all = list.task(sum, sums);
    let ends: Vec<_> = made
        .iter()
        .map(|&b| {
            let changed = list.task(add, [b, all]);
            list.project(changed, BLOCK + 24);
            list.task(sum, [changed])
        })
        .collect();
    let roots = [Root::all(&list.finish(ends))];
    let run = submit(scheduler, &roots);
    let got = fx.values("sums", &run);
    assert_same("sums", &got, &reference(&roots).unwrap_or_default());
    let m = scheduler.memory();
    assert!(m.spilled_total > 0, "nothing was spilled: {m:?}");
    assert_under(m, 2 * (BLOCK + 24));
    drop(run);
    fx.freed("ten budgets", scheduler);
}

/// A graph far larger than the budget whose parts are done one after another needs no spilling at all.
pub fn order_before_spill(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let scheduler = &limited.scheduler;
    let mut list = TaskList::new();
    let made = blocks(&mut list, 80);
    let sum = list.op(ops::sum_bytes());
    let sums: Vec<_> = made.iter().map(|&b| list.task(sum, [b])).collect();
    let all = list.task(sum, sums);
    let roots = [Root::all(&list.finish([all]))];
    let run = submit(scheduler, &roots);
    assert_same(
        "sum",
        &fx.values("sum", &run),
        &reference(&roots).unwrap_or_default(),
    );
    let m = scheduler.memory();
    assert_eq!(m.spilled_total, 0, "spilled without need: {m:?}");
    assert_under(m, BLOCK + 24);
}

fn too_large(probe: &Probe, memory: Option<u64>) -> Arc<Layer> {
    let mut list = TaskList::new();
    let (touch, big) = (
        list.op(ops::touch(&probe.path(), "ran")),
        list.op(ops::make_bytes(8, 1)),
    );
    let first = list.task(touch, []);
    let big = list.task(big, [first]);
    let layer = match memory {
        None => {
            list.project(big, 4 * BUDGET);
            list.finish([big])
        }
        Some(m) => list.finish([big]).annotated(Annotations::new().memory(m)),
    };
    assert_eq!(layer.kind().tasks(), 2);
    layer
}

/// A plan with a task that cannot fit the budget even alone is refused by `submit`, naming the operator, before anything ran.
pub fn a_task_over_the_budget_is_refused(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    for memory in [None, Some(4 * BUDGET)] {
        let probe = Probe::new();
        let refused = limited
            .scheduler
            .submit(plan(&[Root::all(&too_large(&probe, memory))]));
        let e = expect_error("submit", refused.map(|_| ()), ErrorKind::OutOfMemory);
        assert!(
            e.to_string().contains("conformance."),
            "names no operator: {e}"
        );
        assert_eq!(probe.count(), 0, "a task of a refused plan ran");
    }
    fx.still_works(&limited.scheduler);
}

/// A task can set memory aside; more than the whole budget is refused to it, and is its error.
pub fn reservations_are_limited(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let run = submit(
        &limited.scheduler,
        &[Root::all(&wide(&ops::hold_bytes(BUDGET / 4), 20))],
    );
    for v in fx.values("reservations that fit", &run) {
        assert_eq!(v.downcast_ref::<u64>(), Some(&(BUDGET / 4)));
    }
    let run = submit(
        &limited.scheduler,
        &[Root::all(&wide(&ops::hold_bytes(100 * BUDGET), 1))],
    );
    let e = fx.result("too much", &run.handle(0));
    let e = expect_error("100 budgets", e, ErrorKind::OutOfMemory);
    assert!(
        e.task()
            .is_some_and(|t| t.operator == "conformance.hold-bytes@1"),
        "{e:?}"
    );
    drop(run);
    fx.still_works(&limited.scheduler);
}

/// No spill file is left once a backend is closed and the last handles are gone.
pub fn no_files_after_close(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let mut list = TaskList::new();
    let ids = blocks(&mut list, 30);
    let run = submit(&limited.scheduler, &[Root::all(&list.finish(ids))]);
    drop(fx.finish("thirty blocks", &run));
    assert!(limited.scheduler.memory().spilled > 0);
    limited.scheduler.close();
    drop(run);
    fx.freed("after close", &limited.scheduler);
    fx.until("spill files are gone", || limited.files().is_empty());
}

/// Spilled results that several runs read in turn, while more are made, stay right.
pub fn spilled_results_are_shared(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let scheduler = &limited.scheduler;
    let mut list = TaskList::new();
    let ids = blocks(&mut list, 24);
    let layer = list.finish(ids);
    let run = submit(scheduler, &[Root::all(&layer)]);
    let want = reference(&[Root::all(&layer)]).unwrap_or_default();
    let mut sums: HashMap<usize, u64> = HashMap::new();
    for round in 0..3 {
        let data = kvern_core::layer::Data::handles(run.handles());
        let data = Layer::new(data, Vec::new());
        let mut list = TaskList::new();
        let sum = list.op(ops::sum_bytes());
        let read = |output| [kvern_core::layer::Edge::Input { slot: 0, output }];
        let sums_of: Vec<_> = (0..24).map(|i| list.task_with(sum, read(i))).collect();
        let reader = submit(
            scheduler,
            &[Root::all(&Layer::new(list.into_kind(sums_of), vec![data]))],
        );
        for (i, v) in fx.values("sums", &reader).iter().enumerate() {
            let n = crate::check::number(v);
            assert_eq!(*sums.entry(i).or_insert(n), n, "round {round}, block {i}");
        }
    }
    assert_same("blocks", &[fx.value("block", &run.handle(5))], &want[5..6]);
    assert_under(scheduler.memory(), 2 * (BLOCK + 24));
    drop(run);
    fx.freed("shared results", scheduler);
}

/// Tracked blocks, all wanted, and the meter that counts them.
fn tracked(n: u64) -> (Meter, Root) {
    let meter = Meter::new();
    let op = OpRef::local("tracked", move |_, ctx| {
        Ok(meter.block(BLOCK, ctx.block() as u8))
    });
    let mut list = TaskList::new();
    let op = list.op(op);
    let ids: Vec<_> = (0..n).map(|_| list.task(op, [])).collect();
    ids.iter().for_each(|&t| list.project(t, BLOCK));
    (meter, Root::all(&list.finish(ids)))
}

/// The blocks that are really alive, whoever holds them, stay under the budget and what each thread has in hand.
pub fn what_is_alive_is_under_the_budget(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let in_hand = 2 * BLOCK * limited.scheduler.describe().threads as u64;
    let (meter, root) = tracked(40);
    let run = submit(&limited.scheduler, &[root]);
    if let Err(e) = fx.finish("tracked blocks", &run) {
        panic!("{e:?}");
    }
    let most = meter.most();
    assert!(
        most <= BUDGET + in_hand,
        "{most} bytes were alive, the budget is {BUDGET}"
    );
    drop(run);
    fx.until("all blocks are dropped", || meter.now() == 0);
}

/// A run that reads the results of another by handle, more of them than fit the budget, takes them up a few at a time.
pub fn reading_a_spilled_run_stays_under_the_budget(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let in_hand = 2 * BLOCK * limited.scheduler.describe().threads as u64;
    let (meter, root) = tracked(40);
    let run = submit(&limited.scheduler, &[root]);
    drop(fx.finish("tracked blocks", &run));
    meter.most();
    let data = Layer::new(kvern_core::layer::Data::handles(run.handles()), Vec::new());
    let mut list = TaskList::new();
    let sum = list.op(OpRef::local("sum", |x, _| {
        Ok(Value::new(
            x[0].downcast_ref::<Tracked>().map_or(0, Tracked::sum),
        ))
    }));
    let read = |output| [kvern_core::layer::Edge::Input { slot: 0, output }];
    let sums: Vec<_> = (0..40).map(|i| list.task_with(sum, read(i))).collect();
    let layer = Layer::new(list.into_kind(sums), vec![data]);
    let got = fx.values("sums", &submit(&limited.scheduler, &[Root::all(&layer)]));
    for (i, v) in got.iter().enumerate() {
        assert_eq!(crate::check::number(v), i as u64 * BLOCK, "block {i}");
    }
    let most = meter.most();
    assert!(
        most <= BUDGET + in_hand,
        "{most} bytes were alive, the budget is {BUDGET}"
    );
}

/// Blocks of so many bytes, each in as many pieces as there are outputs, and a hash of what each output reads.
fn exchange(from: u32, to: u32, bytes: u64) -> Vec<Root> {
    let grid = Grid::new([from]);
    let made = Blockwise::source(
        ops::make_bytes(bytes, 5),
        grid,
        BlockBytes::Each(bytes + 24),
    );
    let split = bytes + 48 * u64::from(to);
    let kind = Exchange::new([ops::split_bytes(to), ops::sum_bytes()], from, to, split, 8);
    let kind = kind.unwrap_or_else(|e| panic!("the case's own layer is refused: {e:?}"));
    vec![Root::all(&Layer::new(
        kind,
        vec![Layer::new(made, Vec::new())],
    ))]
}

/// An exchange that does not fit the budget, in pieces that are spilled one by one: a merge has a piece of every split in memory, and never all.
pub fn pieces_are_spilled_alone(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let scheduler = &limited.scheduler;
    let (from, to, piece) = (7, 3, BLOCK / 2);
    let roots = exchange(from, to, u64::from(to) * piece);
    let run = submit(scheduler, &roots);
    let got = fx.values("merges", &run);
    assert_same("merges", &got, &reference(&roots).unwrap_or_default());
    let m = scheduler.memory();
    assert!(m.spilled_total > 0, "nothing was spilled: {m:?}");
    // All splits together would be more.
    assert_under(m, 2 * (BLOCK + 24));
    drop(run);
    fx.freed("an exchange in pieces", scheduler);
    fx.until("spilled pieces are gone", || limited.files().is_empty());
}

/// An exchange of seven budgets, in pieces each of which is too small to be worth a place on disk of its own.
pub fn small_pieces_are_spilled_too(fx: &Fixture) {
    let limited = fx.open_limited(BUDGET);
    let scheduler = &limited.scheduler;
    let roots = exchange(40, 32, 3 * BLOCK / 2);
    let run = submit(scheduler, &roots);
    let got = fx.values("merges", &run);
    assert_same("merges", &got, &reference(&roots).unwrap_or_default());
    let m = scheduler.memory();
    assert!(m.spilled_total > 0, "nothing was spilled: {m:?}");
    assert_under(m, BUDGET);
    drop(run);
    fx.freed("an exchange in small pieces", scheduler);
    fx.until("spilled pieces are gone", || limited.files().is_empty());
}

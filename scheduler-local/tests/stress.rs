//! Thousands of small random graphs at once on four workers, against the reference executor: waited for, cancelled, let go, grown.
//!
//! A failure names its seed. `STRESS_FROM=SEED STRESS_ROUNDS=1` runs one again (threads may meet otherwise, so give it
//! several rounds), and a large number of rounds is a soak test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kvern_core::layer::{Data, Edge};
use kvern_core::{
    Error, ErrorKind, Graph, Handle, Layer, OpRef, Outputs, Registry, Result, Root, RunHandle,
    Session, TaskContext, TaskGraph, TaskList, Value, reference,
};
use kvern_scheduler_local as _;

/// Who submits at the same time.
const CLIENTS: u64 = 3;
/// Longer means that something was lost.
const HANG: Duration = Duration::from_secs(30);
/// Elements of a value that is large enough to be spilled (40 kB).
const LARGE: usize = 5000;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// All of a value in one number, so that a change behind a reader's back is seen.
fn digest(v: &Value) -> u64 {
    match v.downcast_ref::<Vec<u64>>() {
        Some(all) => all
            .iter()
            .fold(all.len() as u64, |h, x| h.rotate_left(5) ^ x),
        None => v.downcast_ref::<u64>().copied().unwrap_or(u64::MAX),
    }
}

/// Mixes `id` and the inputs into a value of `len` elements (0: a scalar). Changes its first input in place where it may.
fn mix(id: u64, len: usize, fails: bool) -> OpRef {
    OpRef::local("mix", move |x: &mut [Value], _: &TaskContext<'_>| {
        if fails {
            return Err(Error::new(ErrorKind::Task, format!("{id} fails")));
        }
        let mut h = Random(id);
        for v in x.iter() {
            h.0 ^= digest(v);
            h.next();
        }
        let h = h.next();
        if len == 0 {
            return Ok(Value::new(h));
        }
        if let Some(first) = x.first_mut()
            && let Some(own) = first.get_mut::<Vec<u64>>()
            && own.len() == len
        {
            own.fill(h);
            return Ok(std::mem::replace(first, Value::UNIT));
        }
        Ok(Value::new(vec![h; len]))
    })
}

/// A random layer over some inputs, and how many outputs it has.
fn layer(r: &mut Random, inputs: Vec<Arc<Layer>>) -> Arc<Layer> {
    let mut list = TaskList::new();
    let n = 1 + r.below(30);
    let chance_of_failure = if r.below(4) == 0 { 40 } else { usize::MAX };
    let mut ids = Vec::new();
    for _ in 0..n {
        let len = [0, 0, 3, LARGE][r.below(4)];
        let fails = r.below(chance_of_failure) == 7;
        let op = list.op(mix(r.next(), len, fails));
        let mut reads = Vec::new();
        for _ in 0..r.below(4).min(ids.len()) {
            // Mostly recent ones: long chains, in which values are handed over.
            let back = r.below(4.min(ids.len())) + 1;
            reads.push(Edge::Own((ids.len() - back) as u32));
        }
        for (slot, input) in inputs.iter().enumerate() {
            if r.below(3) == 0 || ids.len() + 1 == n {
                reads.push(Edge::Input {
                    slot: slot as u32,
                    output: r.below(input.kind().outputs()) as u32,
                });
            }
        }
        let task = list.task_with(op, reads);
        list.project(task, 8 * len as u64);
        ids.push(task);
    }
    let outputs: Vec<_> = (0..1 + r.below(4)).map(|_| ids[r.below(n)]).collect();
    Layer::new(list.into_kind(outputs), inputs)
}

/// What each output of the layer must be.
fn expected(layer: &Arc<Layer>) -> Vec<Result<u64, ErrorKind>> {
    (0..layer.kind().outputs() as u32)
        .map(|o| {
            let root = Root {
                layer: layer.clone(),
                outputs: Outputs::Only(vec![o]),
            };
            let tasks = TaskGraph::expand(&Graph::new(&[root])).unwrap();
            reference::run(&tasks, &Registry::empty())
                .map(|v| digest(&v[0]))
                .map_err(|e| e.kind())
        })
        .collect()
}

fn wait(h: &Handle) -> Result<u64, ErrorKind> {
    match h.wait_timeout(HANG) {
        Some(result) => result.map(|v| digest(&v)).map_err(|e| e.kind()),
        None => panic!("a result does not come: {:?}", h.run().progress()),
    }
}

fn right(got: Result<u64, ErrorKind>, want: Result<u64, ErrorKind>, may_be_cancelled: bool) {
    if !(may_be_cancelled && got == Err(ErrorKind::Cancelled)) {
        assert_eq!(got, want);
    }
}

/// One graph, treated in one of the ways in which a user may.
fn round(session: &Session, seed: u64) {
    let r = &mut Random(seed);
    let made = layer(r, vec![]);
    let want = expected(&made);
    let roots = [Root::all(&made)];
    let run = session.start(&roots).unwrap();
    match r.below(6) {
        0 => {
            let all: Result<Vec<u64>, ErrorKind> = want.into_iter().collect();
            let got = run
                .gather()
                .map(|v| v.iter().map(digest).collect::<Vec<_>>());
            match (got, all) {
                (Ok(got), Ok(all)) => assert_eq!(got, all),
                (Err(e), Err(_)) => assert_eq!(e.kind(), ErrorKind::Task, "{e}"),
                (got, all) => panic!("{got:?} in place of {all:?}"),
            }
        }
        1 => callbacks(&run, &want),
        2 => {
            for _ in 0..r.below(2000) {
                std::hint::spin_loop();
            }
            run.cancel();
            for (h, want) in run.handles().iter().zip(want) {
                right(wait(h), want, true);
            }
        }
        3 => {
            // Handles of their own, some of which are dropped; the run handle goes first.
            let mut kept: Vec<_> = run.handles().into_iter().zip(want).collect();
            drop(run);
            kept.retain(|_| r.below(2) == 0);
            kept.iter()
                .for_each(|(h, want)| right(wait(h), *want, false));
        }
        4 => grow(session, r, run),
        _ => {
            let mut handles: Vec<_> = run.handles().into_iter().zip(want).collect();
            while !handles.is_empty() {
                let (h, want) = handles.swap_remove(r.below(handles.len()));
                right(wait(&h), want, false);
            }
        }
    }
}

/// Everybody who asked to be told is told, once, also of what is there already.
fn callbacks(run: &RunHandle, want: &[Result<u64, ErrorKind>]) {
    let told: Vec<_> = want.iter().map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let handles = run.handles();
    for ((h, told), want) in handles.iter().zip(&told).zip(want) {
        let (told, want) = (told.clone(), *want);
        h.when_done(move |got| {
            let got = got.map(|v| digest(&v)).map_err(|e| e.kind());
            // A panic would be swallowed by the pool: a wrong value is counted as 100 calls.
            told.fetch_add(if got == want { 1 } else { 100 }, Ordering::SeqCst);
        });
    }
    let start = Instant::now();
    for t in &told {
        while t.load(Ordering::SeqCst) == 0 {
            assert!(
                start.elapsed() < HANG,
                "a callback does not come: {:?}",
                run.progress()
            );
            std::thread::yield_now();
        }
    }
    for h in &handles {
        let _ = wait(h);
    }
    assert!(
        told.iter().all(|t| t.load(Ordering::SeqCst) == 1),
        "{told:?}"
    );
}

/// A second graph over the results of the first, while that runs.
fn grow(session: &Session, r: &mut Random, first: RunHandle) {
    let data = Layer::new(Data::handles(first.handles()), vec![]);
    drop(first);
    let second = layer(r, vec![data]);
    let run = session.start(&[Root::all(&second)]).unwrap();
    let want = expected(&second);
    for (h, want) in run.handles().iter().zip(want) {
        right(wait(h), want, false);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// `held`: so many large values are there all the time, in the way of the graphs.
fn stress(url: &str, rounds: u64, held: usize) -> u64 {
    let session = Session::open(url).unwrap();
    let held = session.scatter((0..held).map(|i| vec![i as u64; LARGE]));
    let held = held.unwrap();
    let from = number("STRESS_FROM", 0);
    let rounds = number("STRESS_ROUNDS", rounds);
    std::thread::scope(|s| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|c| {
                let session = &session;
                s.spawn(move || {
                    for seed in (from..from + rounds).filter(|s| s % CLIENTS == c) {
                        let run = std::panic::AssertUnwindSafe(|| round(session, seed));
                        if let Err(e) = std::panic::catch_unwind(run) {
                            eprintln!("{url}: seed {seed}");
                            std::panic::resume_unwind(e);
                        }
                    }
                })
            })
            .collect();
        for c in clients {
            c.join().unwrap();
        }
    });
    for (i, h) in held.iter().enumerate() {
        assert_eq!(h.wait().unwrap(), vec![i as u64; LARGE]);
    }
    drop(held);
    // Cancelled runs end in their own time.
    let start = Instant::now();
    loop {
        let left = session.memory();
        if (left.live, left.held, left.spilled) == (0, 0, 0) {
            return left.spilled_total;
        }
        assert!(
            start.elapsed() < HANG,
            "{url}: something is still held: {left:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn many_graphs_at_once() {
    stress("threads://?workers=4&memory=1GiB", 3000, 0);
}

#[test]
fn many_graphs_at_once_in_little_memory() {
    // 160 of 256 KiB are taken: what two graphs have at once does not fit beside that, nor what many a single one has.
    let spilled = stress("threads://?workers=4&memory=256KiB", 2400, 4);
    // Of a few graphs, as somebody repeats them, none may be in another's way.
    let few = number("STRESS_ROUNDS", 2400) < 100;
    assert!(few || spilled > 0, "the budget was not in the way");
}

//! Exchanges: pieces of splits are kept, given and let go one by one.

use std::sync::{Arc, Mutex};

use kvern_core::layer::{Blockwise, Exchange};
use kvern_core::optimize::Passes;
use kvern_core::{
    BlockBytes, Error, ErrorKind, Graph, Grid, Layer, OpRef, Pieces, Plan, Registry, Root,
    RunHandle, Scheduler, TaskContext, Value,
};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};

/// Bytes of a piece: large enough to be kept alone.
const PIECE: usize = 40_000;

fn scheduler() -> Arc<ThreadScheduler> {
    let options = ThreadOptions {
        workers: Some(1),
        ..ThreadOptions::default()
    };
    Arc::new(ThreadScheduler::new(&options, Arc::new(Registry::linked().unwrap())).unwrap())
}

/// The plan of an exchange whose merges are `merge`.
fn plan(from: u32, to: u32, merge: OpRef) -> Plan {
    let source = OpRef::local("make", |_: &mut [Value], ctx: &TaskContext<'_>| {
        Ok(Value::new(ctx.block()))
    });
    let source = Blockwise::source(source, Grid::new([from]), BlockBytes::Each(8));
    let split = OpRef::local("split", move |x: &mut [Value], _: &TaskContext<'_>| {
        let number = *x[0].downcast_ref::<u64>().unwrap() as u8;
        let piece = |p: u32| Value::new(vec![number ^ (p as u8) << 4; PIECE]);
        Ok(Pieces((0..to).map(piece).collect()).into_value())
    });
    let kind = Exchange::new([split, merge], from, to, 1, 8).unwrap();
    let layer = Layer::new(kind, vec![Layer::new(source, vec![])]);
    let registry = Arc::new(Registry::linked().unwrap());
    Plan::new(
        Graph::new(&[Root::all(&layer)]),
        registry,
        Passes::default(),
    )
    .unwrap()
}

#[test]
fn a_merge_is_alone_with_its_pieces_and_those_before_it_are_gone() {
    let (from, to) = (4u32, 8u32);
    let scheduler = scheduler();
    let live = Arc::new(Mutex::new(Vec::new()));
    let (seen, by) = (live.clone(), Arc::downgrade(&scheduler));
    let merge = OpRef::local("merge", move |x: &mut [Value], ctx: &TaskContext<'_>| {
        for (i, v) in x.iter_mut().enumerate() {
            let piece = v.get_mut::<Vec<u8>>();
            let piece = piece.ok_or_else(|| Error::bad_input("a piece is held by others"))?;
            assert_eq!(
                (piece.len(), piece[0]),
                (PIECE, i as u8 ^ (ctx.block() as u8) << 4)
            );
        }
        let memory = by.upgrade().map(|s| s.memory().live);
        seen.lock().unwrap().push(memory.unwrap_or(0));
        Ok(Value::new(ctx.block()))
    });
    let run = RunHandle::new(scheduler.submit(plan(from, to, merge)).unwrap());
    let got = run.gather().unwrap();
    assert!(
        (got.iter().map(|v| v.downcast_ref::<u64>().copied())).eq((0..u64::from(to)).map(Some))
    );
    let each = u64::from(from) * PIECE as u64;
    let live = live.lock().unwrap();
    assert_eq!(live.len(), to as usize);
    for (done, &live) in (0u64..).zip(live.iter()) {
        let left = (u64::from(to) - done) * each;
        assert!(
            live < left + each / 2,
            "{live} bytes were alive before merge {done}, whose like need {left}"
        );
    }
    drop(got);
    assert_eq!(scheduler.memory().live, 0);
}

#[test]
fn a_merge_that_is_tried_again_finds_its_pieces() {
    let failed = Arc::new(Mutex::new(false));
    let merge = OpRef::local("merge", move |x: &mut [Value], ctx: &TaskContext<'_>| {
        assert!(x.iter().all(|v| v.is::<Vec<u8>>()));
        let mut failed = failed.lock().unwrap();
        if ctx.block() == 1 && !std::mem::replace(&mut *failed, true) {
            return Err(Error::new(ErrorKind::Task, "the first time"));
        }
        Ok(Value::new(ctx.block()))
    });
    let scheduler = scheduler();
    let plan = plan(3, 3, merge);
    let layer = plan.graph().layers().last().unwrap().clone();
    let layer = layer.annotated(kvern_core::Annotations::new().retries(1));
    let registry = plan.registry().clone();
    let again = Plan::new(Graph::new(&[Root::all(&layer)]), registry, Passes::none()).unwrap();
    let run = RunHandle::new(scheduler.submit(again).unwrap());
    assert_eq!(run.gather().unwrap().len(), 3);
    assert_eq!(scheduler.memory().live, 0);
}

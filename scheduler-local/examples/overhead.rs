//! Microseconds a task of trivial graphs, for profiling: `overhead CASE SIZE`. `overhead exchange 1000` has 1,000 to 1,000 partitions, and a
//! million pieces.

use std::sync::Arc;
use std::time::Instant;

use kvern_core::layer::{Blockwise, Exchange};
use kvern_core::optimize::Passes;
use kvern_core::{
    BlockBytes, Graph, Grid, Layer, OpRef, Pieces, Plan, Registry, Root, Scheduler, TaskId,
    TaskList, Value,
};
use kvern_scheduler_local::{ThreadOptions, ThreadScheduler};

fn op(name: &str) -> OpRef {
    OpRef::local(name, |x: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        Ok(Value::new(
            x.iter()
                .filter_map(|v| v.downcast_ref::<i64>())
                .sum::<i64>()
                + 1,
        ))
    })
}

fn exchange(n: u32) -> Arc<Layer> {
    let split = OpRef::local("split", move |_: &mut [Value], _| {
        Ok(Pieces(vec![Value::new(1i64); n as usize]).into_value())
    });
    let source = Blockwise::source(op("inc"), Grid::new([n]), BlockBytes::Each(8));
    let kind = Exchange::new([split, op("sum")], n, n, 8, 8).unwrap();
    Layer::new(kind, vec![Layer::new(source, Vec::new())])
}

fn graph(case: &str, n: usize) -> Arc<Layer> {
    if case == "exchange" {
        return exchange(n as u32);
    }
    let mut list = TaskList::with_capacity(n, n);
    let f = list.op(op("inc"));
    let mut out: Vec<TaskId> = Vec::new();
    match case {
        "independent" => out.extend((0..n).map(|_| list.task(f, []))),
        "chain" => {
            let mut t = list.task(f, []);
            for _ in 1..n {
                t = list.task(f, [t]);
            }
            out.push(t);
        }
        "tree" => {
            let mut level: Vec<TaskId> = (0..n / 2).map(|_| list.task(f, [])).collect();
            while level.len() > 1 {
                level = level
                    .chunks(2)
                    .map(|p| list.task(f, p.iter().copied()))
                    .collect();
            }
            out = level;
        }
        _ => {
            let tiles = 5000.min(n);
            let mut row: Vec<TaskId> = (0..tiles).map(|_| list.task(f, [])).collect();
            for _ in 1..n / tiles {
                row = (0..tiles)
                    .map(|j| {
                        list.task(
                            f,
                            [row[(j + tiles - 1) % tiles], row[j], row[(j + 1) % tiles]],
                        )
                    })
                    .collect();
            }
            out = row;
        }
    }
    list.finish(out)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (case, n): (&str, usize) = (&args[1], args[2].parse().unwrap());
    let workers = args.get(3).map(|w| w.parse().unwrap());
    let registry = Arc::new(Registry::linked().unwrap());
    let options = ThreadOptions {
        workers,
        ..ThreadOptions::default()
    };
    let s = ThreadScheduler::new(&options, registry.clone()).unwrap();
    for _ in 0..5 {
        let t = Instant::now();
        let layer = graph(case, n);
        let tasks = layer.kind().tasks() as f64;
        let built = t.elapsed();
        let plan = Plan::new(
            Graph::new(&[Root::all(&layer)]),
            registry.clone(),
            Passes::none(),
        )
        .unwrap();
        let prepared = plan.prepare().unwrap();
        let ready = t.elapsed();
        drop(prepared);
        let t = Instant::now();
        let run = kvern_core::RunHandle::new(s.submit(plan).unwrap());
        let submitted = t.elapsed();
        let values = run.gather().unwrap();
        let done = t.elapsed();
        let us = |d: std::time::Duration| d.as_secs_f64() * 1e6 / tasks;
        println!(
            "{case} {tasks}: planned in {:.1} ms | build {:.3} plan {:.3} | submit {:.3} run+gather {:.3} us/task, last {:?}",
            ready.as_secs_f64() * 1e3,
            us(built),
            us(ready - built),
            us(submitted),
            us(done - submitted),
            values.last()
        );
    }
}

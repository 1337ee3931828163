//! Microseconds a task of tasks that wait for tasks, for profiling: `nested deep|fib|wide SIZE [URL]`.

use std::time::Instant;

use kvern_core::{Result, Session, delayed};
use kvern_scheduler_local as _;

/// A straight line of tasks, each of which waits for the next.
fn deep(n: &u64) -> u64 {
    match n.checked_sub(1) {
        None => 1,
        Some(below) => 1 + delayed(deep).call(below).compute().unwrap_or(0),
    }
}

/// A tree of tasks, each of which waits for two; counts them.
fn fib(n: &u64) -> u64 {
    if *n < 2 {
        return 1;
    }
    let f = delayed(fib);
    let both = Session::current().and_then(|s| s.compute((&f.call(n - 1), &f.call(n - 2))));
    both.map_or(0, |(a, b)| 1 + a + b)
}

/// Waits for three small tasks; counts four.
fn wide(i: &u64) -> u64 {
    let part = |i: &u64, j: &u64| (i + j).min(1) | 1;
    let counted = Session::current().and_then(|s| {
        let parts = s.map(part, (0..3u64).map(|j| (*i, j)))?;
        s.gather(parts)
    });
    counted.map_or(0, |c| 1 + c.len() as u64)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let case = args.get(1).map_or("fib", String::as_str);
    let n = args.get(2).and_then(|n| n.parse().ok()).unwrap_or(15u64);
    let session = Session::open(args.get(3).map_or("threads://?workers=2", String::as_str))?;
    for _ in 0..3 {
        let begun = Instant::now();
        let tasks = match case {
            "deep" => session.submit(deep, (n,))?.wait()?,
            "wide" => session
                .gather(session.map(wide, (0..n).map(|i| (i,)))?)?
                .into_iter()
                .sum(),
            _ => session.submit(fib, (n,))?.wait()?,
        };
        let took = begun.elapsed();
        println!(
            "{case} {n}: {tasks} tasks in {took:.1?}, {:.2} us a task",
            took.as_secs_f64() * 1e6 / tasks as f64
        );
    }
    Ok(())
}

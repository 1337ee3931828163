//! Limits of the task cases: the same work without a scheduler.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use kvern_core::Value;

use crate::shapes::{Shape, check_last, one_more};

/// The kernel of the tasks behind a pointer, so that no limit is measured with it inlined.
type Body = dyn Fn(&[Value]) -> Value + Sync;

fn body() -> Box<Body> {
    Box::new(one_more)
}

/// Seconds that rayon takes to spawn `n` tasks in one scope and to have all their results in a vector.
pub(crate) fn rayon_spawn(pool: &rayon::ThreadPool, n: usize) -> Result<f64, String> {
    let body = body();
    let body: &Body = std::hint::black_box(&*body);
    let begun = Instant::now();
    let mut results = vec![Value::UNIT; n];
    pool.scope(|scope| {
        for slot in &mut results {
            scope.spawn(move |_| *slot = body(&[]));
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    check_last(Shape::Independent(n), results.last())?;
    Ok(seconds)
}

/// A graph in the form in which a hand-written loop would have it.
pub(crate) struct Counters {
    shape: Shape,
    read_from: Vec<u32>,
    reads: Vec<u32>,
    told_from: Vec<u32>,
    tells: Vec<u32>,
}

impl Counters {
    pub(crate) fn new(shape: Shape) -> Self {
        let n = shape.tasks();
        let (mut read_from, mut reads) = (vec![0u32], Vec::with_capacity(shape.edges()));
        let mut told_from = vec![0u32; n + 1];
        let mut row = Vec::new();
        for task in 0..n {
            shape.reads(task, &mut row);
            reads.extend(row.iter().map(|&r| r as u32));
            read_from.push(reads.len() as u32);
            for &r in &row {
                told_from[r + 1] += 1;
            }
        }
        for t in 0..n {
            told_from[t + 1] += told_from[t];
        }
        let mut at = told_from.clone();
        let mut tells = vec![0u32; reads.len()];
        for task in 0..n {
            for &r in &reads[read_from[task] as usize..read_from[task + 1] as usize] {
                tells[at[r as usize] as usize] = task as u32;
                at[r as usize] += 1;
            }
        }
        Self {
            shape,
            read_from,
            reads,
            told_from,
            tells,
        }
    }

    /// Seconds that one thread takes to run the graph with dependency counters and a stack: no order, no locks, no events,
    /// no errors, every result kept.
    pub(crate) fn run(&self) -> Result<f64, String> {
        let body = body();
        let body: &Body = std::hint::black_box(&*body);
        let n = self.shape.tasks();
        let begun = Instant::now();
        let mut left: Vec<u32> = self.read_from.windows(2).map(|w| w[1] - w[0]).collect();
        let mut ready: Vec<u32> = (0..n as u32).filter(|&t| left[t as usize] == 0).collect();
        let mut results = vec![Value::UNIT; n];
        let mut args: Vec<Value> = Vec::new();
        while let Some(task) = ready.pop() {
            let t = task as usize;
            let reads = &self.reads[self.read_from[t] as usize..self.read_from[t + 1] as usize];
            args.clear();
            args.extend(reads.iter().map(|&r| results[r as usize].clone()));
            results[t] = body(&args);
            for &told in &self.tells[self.told_from[t] as usize..self.told_from[t + 1] as usize] {
                left[told as usize] -= 1;
                if left[told as usize] == 0 {
                    ready.push(told);
                }
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        check_last(self.shape, results.last())?;
        Ok(seconds)
    }
}

/// Seconds of each of `n` round trips between two threads that wake each other.
pub(crate) fn wake_round_trips(n: usize) -> Vec<f64> {
    let turn = Mutex::new(0u8);
    let changed = Condvar::new();
    let pass = |mine: u8, next: u8| {
        let guard = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut guard = changed
            .wait_while(guard, |turn| *turn != mine)
            .unwrap_or_else(PoisonError::into_inner);
        *guard = next;
        drop(guard);
        changed.notify_all();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (0..=n).for_each(|_| pass(1, 0)));
        pass(0, 1);
        (0..n)
            .map(|_| {
                let begun = Instant::now();
                pass(0, 1);
                begun.elapsed().as_secs_f64()
            })
            .collect()
    })
}

//! Operators that take time, wait, tell when they ran, or submit work of their own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvern_core::optimize::Passes;
use kvern_core::{Error, ErrorKind, Graph, OpRef, Plan, Result, Root, RunHandle, TaskList, Value};

use super::numbers::fold;
use super::{BLOCK, EFFECT, PURE, named, operator};
use crate::probe;

/// No task waits longer than this for anything: a backend that forgets to cancel fails a case, and does not hang it.
const LONGEST: Duration = Duration::from_secs(30);

fn tell(path: &str, line: &str) -> Result<()> {
    probe::append(path, line).map_err(|e| {
        Error::with_source(
            ErrorKind::Io,
            format!("the probe {path} cannot be written"),
            e,
        )
    })
}

operator!(Nap, "nap", PURE, |(micros, seed): (u64, u64)| {
    move |inputs: &mut [Value], _: &kvern_core::TaskContext<'_>| {
        std::thread::sleep(Duration::from_micros(micros));
        Ok(Value::new(fold(seed, inputs)?))
    }
});

operator!(Touch, "touch", EFFECT, |(path, word): (String, String)| {
    move |inputs: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        tell(&path, &format!("{word} {}", ctx.block()))?;
        Ok(Value::new(fold(ctx.block(), inputs)?))
    }
});

operator!(
    /// Ends only when the gate opens; does not look at the cancel flag, as a long foreign call would not.
    Gate, "gate", BLOCK,
    |(path, probe): (String, String)| move |inputs: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        if !probe.is_empty() {
            tell(&probe, &format!("gate {}", ctx.block()))?;
        }
        let end = Instant::now() + LONGEST;
        while !probe::is_open(&path) {
            if Instant::now() > end {
                return Err(Error::new(ErrorKind::Timeout, "nobody opened the gate"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Value::new(fold(ctx.block(), inputs)?))
    }
);

operator!(GateAtFirst, "gate-at-first", EFFECT, |(path, probe): (
    String,
    String
)| {
    move |inputs: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        let first = !std::path::Path::new(&probe).exists();
        tell(&probe, "tried")?;
        let end = Instant::now() + LONGEST;
        while first && !probe::is_open(&path) {
            if Instant::now() > end {
                tell(&probe, "left alone")?;
                return Err(Error::new(ErrorKind::Timeout, "nobody opened the gate"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Value::new(fold(ctx.block(), inputs)?))
    }
});

operator!(WaitForCancel, "wait-for-cancel", EFFECT, |path: String| {
    move |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        tell(&path, "begun")?;
        let end = Instant::now() + LONGEST;
        while !ctx.is_cancelled() {
            if Instant::now() > end {
                tell(&path, "never")?;
                return Err(Error::new(ErrorKind::Timeout, "nobody cancelled this task"));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        tell(&path, &format!("seen {}", probe::nanos()))?;
        ctx.check_cancelled()?;
        Ok(Value::UNIT)
    }
});

operator!(Spawn, "spawn", BLOCK, |(depth, width): (u64, u64)| {
    move |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        if depth == 0 {
            return Ok(Value::new(1u64));
        }
        let scheduler = ctx.scheduler()?;
        let mut list = TaskList::new();
        let op = list.op(spawn(depth - 1, width));
        let tasks: Vec<_> = (0..width).map(|_| list.task(op, [])).collect();
        let graph = Graph::new(&[Root::all(&list.finish(tasks))]);
        let plan = Plan::new(graph, super::registry(), Passes::none())?;
        let values = RunHandle::new(scheduler.submit(plan)?).gather()?;
        let below: u64 = values.iter().filter_map(|v| v.downcast_ref::<u64>()).sum();
        Ok(Value::new(below + 1))
    }
});

operator!(
    /// Holds a lock that all tasks of this process share while it waits for tasks of its own.
    Careful, "careful", BLOCK, |micros: u64| {
    move |_: &mut [Value], ctx: &kvern_core::TaskContext<'_>| {
        static LOCK: Mutex<()> = Mutex::new(());
        let held = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let scheduler = ctx.scheduler()?;
        let mut list = TaskList::new();
        let op = list.op(nap(micros, ctx.block()));
        let tasks: Vec<_> = (0..2).map(|_| list.task(op, [])).collect();
        let graph = Graph::new(&[Root::all(&list.finish(tasks))]);
        let plan = Plan::new(graph, super::registry(), Passes::none())?;
        let values = RunHandle::new(scheduler.submit(plan)?).gather()?;
        drop(held);
        Ok(Value::new(values.len() as u64))
    }
});

/// Waits for two tasks that sleep so many microseconds, holding a lock that all tasks like it share, and counts them.
pub fn careful(micros: u64) -> OpRef {
    named(&Careful, &micros)
}

/// Sleeps so many microseconds, then hashes its inputs as [`mix`](super::mix) does.
pub fn nap(micros: u64, seed: u64) -> OpRef {
    named(&Nap, &(micros, seed))
}

/// Adds the line `WORD BLOCK` to a probe, then hashes its inputs.
pub fn touch(probe: &str, word: &str) -> OpRef {
    named(&Touch, &(probe, word))
}

/// Adds the line `gate BLOCK` to a probe (unless its path is empty), then waits until the gate is open, whatever is cancelled.
pub fn gate(gate: &str, probe: &str) -> OpRef {
    named(&Gate, &(gate, probe))
}

/// Adds the line `tried` to a probe; if it is the first, it waits until the gate is open, whatever is cancelled,
/// and adds `left alone` if nobody opens it for long.
pub fn gate_at_first(gate: &str, probe: &str) -> OpRef {
    named(&GateAtFirst, &(gate, probe))
}

/// Writes `begun` to a probe, waits until it is asked to stop, writes `seen NANOSECONDS` and returns the cancellation.
pub fn wait_for_cancel(probe: &str) -> OpRef {
    named(&WaitForCancel, &probe)
}

/// Submits `width` tasks like itself, `depth` levels deep, waits for them and counts all of them, itself included.
pub fn spawn(depth: u64, width: u64) -> OpRef {
    named(&Spawn, &(depth, width))
}

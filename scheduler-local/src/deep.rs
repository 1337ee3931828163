//! Tasks within tasks on one stack, as `sync://` runs them: when there are many, another thread has the next ones while this one waits.

use std::cell::Cell;

use kvern_core::{Error, ErrorKind, Result};

use crate::run::{as_of, of_thread};

/// Levels on one stack.
const ON_A_STACK: usize = 16;
/// Levels in all: so many stacks at most.
const DEEPEST: usize = 65_536;
/// Bytes of a stack, which the system gives when they are touched.
const STACK: usize = 16 << 20;

thread_local! {
    /// Levels that are below this one, on this stack and those of the threads that wait for it.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f` one level deeper, on a stack that has room for it.
///
/// # Errors
/// [`ErrorKind::Io`] if there are too many levels, or no thread can be had; `f` was not called then.
pub(crate) fn deeper(f: impl FnOnce() + Send) -> Result<()> {
    /// Back to this level also when `f` panics.
    struct Back(usize);
    impl Drop for Back {
        fn drop(&mut self) {
            DEPTH.set(self.0);
        }
    }
    let depth = DEPTH.get();
    if depth >= DEEPEST {
        return Err(too_deep(depth, "that is the most"));
    }
    let _back = Back(depth);
    DEPTH.set(depth + 1);
    if depth == 0 || !depth.is_multiple_of(ON_A_STACK) {
        f();
        return Ok(());
    }
    let mine = of_thread();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("kvern-deep".into())
            .stack_size(STACK);
        let run = move || {
            DEPTH.set(depth + 1);
            as_of(mine, f);
        };
        let started = thread.spawn_scoped(scope, run);
        let joined = started.map_err(|e| too_deep(depth, &e.to_string()))?.join();
        joined.map_err(Error::panicked)
    })
}

#[cold]
fn too_deep(depth: usize, why: &str) -> Error {
    Error::new(
        ErrorKind::Io,
        format!(
            "tasks that wait for tasks are {depth} deep, and there is no stack for the next ({why}): submit fewer levels, \
             or pass results as arguments instead of waiting for them"
        ),
    )
}

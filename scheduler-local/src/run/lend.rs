//! Waiting on a thread that runs a task: its place among the workers is lent to another thread meanwhile.
//!
//! A thread that waits runs nothing else. Another task on top of the one that waits would find its locks held and its thread-local values
//! borrowed, by the very thread that it runs on, and could only wait for itself; and the stack would grow with every task that waits.

use std::cell::RefCell;
use std::sync::Arc;

use kvern_core::{Error, Result};
use kvern_store::{Store, as_waiting};

use super::RunCore;

/// What the thread of a task is to its backend.
pub(crate) trait Lender: Send + Sync {
    /// The task waits for that run from now on.
    ///
    /// # Errors
    /// If nobody can take the place, so that what it waits for might never run: then it must not wait.
    fn lend(&self, waits_for: &RunCore) -> Result<()>;

    /// The task goes on.
    fn take_back(&self, waited_for: &RunCore);

    /// Why a task that waits must give up: nobody is left who runs what it waits for. Told to one task at a time.
    fn give_up(&self) -> Option<Error>;

    /// The task is answered for by somebody else from now on, and its thread goes on: it gives its place up for good. False: it has none to give,
    /// since it waits.
    fn lose(&self) -> bool;

    /// Sees to it that somebody takes the place that was lost.
    fn replace_me(&self);

    /// The store of the backend that runs the task.
    fn store(&self) -> Option<Arc<Store>>;
}

thread_local! {
    /// Of the task that this thread runs. Nothing while it waits.
    static MINE: RefCell<Option<Arc<dyn Lender>>> = const { RefCell::new(None) };
}

/// Of the task that this thread runs, if it does not wait.
pub(super) fn mine() -> Option<Arc<dyn Lender>> {
    MINE.with_borrow(Clone::clone)
}

/// Says whose place this thread has from now on; gives what was said before.
pub(crate) fn replace(lender: Option<Arc<dyn Lender>>) -> Option<Arc<dyn Lender>> {
    MINE.replace(lender)
}

/// Runs `wait`, in which this thread waits for `run`, and lends its place if it has one.
///
/// # Errors
/// As [`Lender::lend`]; `wait` was not called.
pub(crate) fn while_waiting<R>(
    run: &RunCore,
    wait: impl FnOnce(Option<&dyn Lender>) -> R,
) -> Result<R> {
    /// Takes the place back also when `wait` panics.
    struct Back<'a>(&'a RunCore, Arc<dyn Lender>, bool);
    impl Drop for Back<'_> {
        fn drop(&mut self) {
            self.1.take_back(self.0);
            if self.2 {
                MINE.replace(Some(self.1.clone()));
            }
        }
    }
    let mine = MINE.take();
    let is_mine = mine.is_some();
    let Some(lender) = mine.or_else(|| run.driver.lender()) else {
        return Ok(wait(None));
    };
    let waiting = || {
        if let Err(e) = lender.lend(run) {
            if is_mine {
                MINE.replace(Some(lender.clone()));
            }
            return Err(e);
        }
        let _back = Back(run, lender.clone(), is_mine);
        Ok(wait(Some(&*lender)))
    };
    match lender.store() {
        Some(store) => as_waiting(&store, waiting),
        None => waiting(),
    }
}

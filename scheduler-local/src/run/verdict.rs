//! How a run ended: its first failure, and whether anything more will happen.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use kvern_core::{Error, Result};

/// Written by whoever fails or ends the run, read by whoever waits for it, without a lock between them.
///
/// A failure is written before the end that follows it, so it is read after it: who reads "no failure" first and "ended" second may
/// have read the one before and the other after both were written, and would call a failed run a good one.
#[derive(Default)]
pub(crate) struct Verdict {
    first_error: OnceLock<Error>,
    stopped: OnceLock<Error>,
    ended: AtomicBool,
}

impl Verdict {
    /// A task failed, or the run was stopped. Only the first is kept.
    pub(crate) fn fail(&self, error: impl FnOnce() -> Error) {
        self.first_error.get_or_init(error);
    }

    /// What has not been made will not be, for this reason: somebody cancelled the run, or the backend cannot go on. It is the run's error, too,
    /// unless a task has failed before; but it is no other task's failure that keeps a result from being made.
    pub(crate) fn stop(&self, why: impl FnOnce() -> Error) {
        let why = self.stopped.get_or_init(why).clone();
        self.fail(|| why);
    }

    /// Why what is missing will not be made.
    pub(crate) fn stopped(&self) -> Option<&Error> {
        self.stopped.get()
    }

    /// Nothing more will happen. False: it had ended before.
    pub(crate) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// The error of a run that was cancelled, or its first failure.
    pub(crate) fn first_error(&self) -> Option<&Error> {
        self.first_error.get()
    }

    /// How the run ended, or that a task has failed. `None`: all is well so far.
    pub(crate) fn over(&self) -> Option<Result<()>> {
        // In this order: see the type.
        let ended = self.is_ended();
        match self.first_error() {
            Some(e) => Some(Err(e.clone())),
            None => ended.then_some(Ok(())),
        }
    }
}

#[cfg(all(test, not(kvern_loom)))]
mod tests {
    use super::*;
    use kvern_core::ErrorKind;

    /// One thread fails and ends run after run, as fast as it can, while another asks how each is.
    #[test]
    fn a_failed_run_is_never_called_a_good_one() {
        let runs: Vec<Verdict> = (0..20_000).map(|_| Verdict::default()).collect();
        let errors = vec![Error::new(ErrorKind::Task, "no"); runs.len()];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (run, error) in runs.iter().zip(errors) {
                    run.fail(|| error);
                    assert!(run.end());
                }
            });
            for (i, run) in runs.iter().enumerate() {
                let said = loop {
                    if let Some(said) = run.over() {
                        break said;
                    }
                    std::hint::spin_loop();
                };
                assert!(said.is_err(), "run {i} failed, and was called a good one");
            }
        });
    }

    #[test]
    fn the_first_failure_stays_and_a_run_ends_once() {
        let run = Verdict::default();
        assert!(run.over().is_none());
        run.fail(|| Error::new(ErrorKind::Task, "first"));
        run.fail(|| Error::new(ErrorKind::Task, "second"));
        assert!(run.end());
        assert!(!run.end());
        let e = run.over().unwrap().unwrap_err();
        assert_eq!(e.message(), "first");
    }
}

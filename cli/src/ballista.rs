//! The processes of a Ballista cluster: commands that go on until they are ended.

use std::io::Write;

use kvern::ballista::{ExecutorOptions, SchedulerOptions, run_executor, run_scheduler};

use crate::output::{FAILED, Output};

/// Runs a scheduler on this thread.
pub(crate) fn scheduler(listen: String) -> Output {
    ended(run_scheduler(&SchedulerOptions::new(listen), |address| {
        let mut out = std::io::stdout().lock();
        // If there is nobody to read it, it runs all the same.
        let _ = writeln!(
            out,
            "kvern ballista scheduler listens on {address} (this machine only)\n\n  \
             kvern ballista executor {address}         for each executor\n  \
             Session::open(\"ballista://{address}\")   in programs"
        );
        let _ = out.flush();
        Ok(())
    }))
}

/// Runs an executor on this thread.
pub(crate) fn executor(scheduler: String, listen: String, slots: Option<usize>) -> Output {
    let mut options = ExecutorOptions::new(scheduler);
    options.listen = listen;
    options.slots = slots.unwrap_or(options.slots);
    ended(run_executor(&options))
}

fn ended(result: kvern::Result<()>) -> Output {
    match result {
        Ok(()) => Output::success(""),
        Err(e) => Output::failure(FAILED, e.to_string()),
    }
}

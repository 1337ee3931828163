//! How a program becomes one of the processes that its own sessions start.

/// If this process was started by `cluster://` as a worker, or by `ballista://local` as a scheduler or an executor, is that until the session
/// is closed and then ends the process; else does nothing. Programs that open such sessions call it first in `main`, so that nothing of the
/// program runs twice:
///
/// ```no_run
/// kvern::init();
/// // … the program …
/// ```
pub fn init() {
    #[cfg(feature = "cluster")]
    kvern_scheduler_distributed::init();
    #[cfg(feature = "ballista")]
    kvern_ballista::init();
}

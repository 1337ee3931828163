//! A program that is told to end, by Ctrl-C for one: which sessions want to hear of it.
//!
//! The core hears nothing itself. Whoever does submits a [`Listener`] (the crate `kvern` with its feature `ctrl-c`) and calls
//! [`told_to_end`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::error::{Error, ErrorKind, Result};
use crate::protocol::scheduler::Scheduler;

/// Who hears that the program is told to end; linked crates submit theirs through `inventory`.
pub struct Listener {
    /// The crate that has it.
    pub source: &'static str,
    /// From now on [`told_to_end`] is called instead of what usually happens: once, then it happens as usual, until this is called again.
    pub listen: fn() -> Result<()>,
    /// From now on it happens as usual.
    pub ignore: fn(),
}

inventory::collect!(Listener);

/// The backends of the sessions that asked, oldest first, each under the address of its session. A session takes itself out before it goes,
/// so that its backend is closed by whoever drops the session and never by the thread that hears signals.
static LISTENING: Mutex<Vec<(usize, Arc<dyn Scheduler>)>> = Mutex::new(Vec::new());

fn listening() -> MutexGuard<'static, Vec<(usize, Arc<dyn Scheduler>)>> {
    LISTENING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listener() -> Option<&'static Listener> {
    inventory::iter::<Listener>.into_iter().next()
}

/// Has the session's backend told.
pub(crate) fn listen(session: usize, scheduler: &Arc<dyn Scheduler>) -> Result<()> {
    let Some(listener) = listener() else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "nothing that is linked hears Ctrl-C: enable the feature `ctrl-c` of the crate kvern",
        ));
    };
    // Under the lock, so that a session which closes meanwhile does not undo it.
    let mut all = listening();
    (listener.listen)()?;
    if all.iter().all(|(s, _)| *s != session) {
        all.push((session, scheduler.clone()));
    }
    Ok(())
}

/// The session is about to go.
pub(crate) fn forget(session: usize) {
    let mut all = listening();
    let Some(at) = all.iter().position(|(s, _)| *s == session) else {
        return;
    };
    let gone = all.remove(at);
    if all.is_empty()
        && let Some(listener) = listener()
    {
        (listener.ignore)();
    }
    drop(all);
    // Without the lock: it may be the last that holds the backend.
    drop(gone);
}

/// For listeners: the program is told to end, by what the error is to name (`Ctrl-C`). All sessions that asked are stopped; waits for nothing.
pub fn told_to_end(by: &str) {
    let all: Vec<_> = listening().iter().map(|(_, s)| s.clone()).collect();
    let words = format!("cancelled by {by}: the session computes nothing any more");
    let why = Error::new(ErrorKind::Cancelled, words);
    all.iter().for_each(|s| s.stop(&why));
}

//! Who has come and gone, for whoever looks after the processes of workers: a cluster on this machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// See the module. Nothing is kept where nobody looks.
#[derive(Clone, Default)]
pub(crate) struct Roll(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    watched: bool,
    /// Workers that were given up for their silence, and may hang: their names, and when they had come.
    silent: Vec<(String, Instant)>,
    /// When the last worker of a name came.
    came: HashMap<String, Instant>,
    /// Why no connections could be taken in, at last.
    trouble: Option<String>,
}

impl Roll {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on somebody looks.
    pub(crate) fn watch(&self) {
        self.lock().watched = true;
    }

    pub(super) fn comes(&self, name: &str) {
        let mut state = self.lock();
        if state.watched {
            state.came.insert(name.to_owned(), Instant::now());
        }
    }

    pub(super) fn is_silent(&self, name: String, came: Instant) {
        let mut state = self.lock();
        if state.watched {
            state.silent.push((name, came));
        }
    }

    pub(super) fn has_trouble(&self, why: String) {
        self.lock().trouble = Some(why);
    }

    /// Those that were given up for their silence since the last question.
    pub(crate) fn silent(&self) -> Vec<(String, Instant)> {
        std::mem::take(&mut self.lock().silent)
    }

    /// Whether a worker of a name has come since then.
    pub(crate) fn has_come(&self, name: &str, since: Instant) -> bool {
        self.lock().came.get(name).is_some_and(|&at| at >= since)
    }

    /// Why connections could not be taken in, if that was so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }
}

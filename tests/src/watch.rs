//! An observer that keeps what it is told.

use std::sync::{Arc, Mutex, PoisonError};

use kvern_core::events::{Event, Interest, Observer};
use kvern_core::key::Key;

/// Keeps all events of its interest, in order.
pub(crate) struct Watcher {
    interest: Interest,
    seen: Mutex<Vec<Event>>,
}

impl Watcher {
    pub(crate) fn new(interest: Interest) -> Arc<Self> {
        Arc::new(Self {
            interest,
            seen: Mutex::default(),
        })
    }

    /// The events so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many events so far are like that.
    pub(crate) fn count(&self, like: impl Fn(&Event) -> bool) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|e| like(e)).count()
    }

    /// The keys of started tasks in the order in which they started.
    pub(crate) fn starts(&self) -> Vec<Key> {
        let started = |e: &Event| match e {
            Event::TaskStarted { key, .. } => Some(*key),
            _ => None,
        };
        self.events().iter().filter_map(started).collect()
    }
}

impl Observer for Watcher {
    fn interest(&self) -> Interest {
        self.interest
    }

    fn event(&self, event: &Event) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event.clone());
    }
}

/// Whether a run is over.
pub(crate) fn is_end(e: &Event) -> bool {
    matches!(e, Event::RunFinished { .. })
}
